//! Going on with a run whose records were lost or damaged.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::MetricsError;

/// What follows the name of a file that was set aside, before a number.
const DAMAGED: &str = ".damaged-";

/// Records that a resumed run cannot go on with, so that it begins new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The file that was lost or damaged.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// Where it is now, if there is anything of it.
    pub set_aside: Option<PathBuf>,
}

impl Loss {
    /// Gives a file another name because the run cannot go on with it, for `reason`; and its companions too, files
    /// whose names end with more: a database's write-ahead log may hold what the database lacks.
    ///
    /// # Errors
    /// If a file cannot be renamed.
    pub(crate) fn set_aside(path: &Path, reason: String, companions: &[&str]) -> Result<Self, MetricsError> {
        let with = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        let names = || companions.iter().copied().chain([""]);
        let is_free = |number: &u32| names().all(|end| !with(&format!("{DAMAGED}{number}{end}")).exists());
        let number = (1..u32::MAX).find(is_free).unwrap_or(u32::MAX);
        let mut set_aside = None;
        for end in names() {
            let (from, to) = (with(end), with(&format!("{DAMAGED}{number}{end}")));
            if from.exists() {
                fs::rename(&from, &to).map_err(MetricsError::io(&from))?;
                set_aside = Some(to);
            }
        }
        Ok(Self { path: path.to_path_buf(), reason, set_aside })
    }

    /// Whether a file of this name was set aside.
    pub(crate) fn is_set_aside(name: &str) -> bool {
        name.contains(DAMAGED)
    }
}

impl MetricsError {
    /// Whether the records themselves are lost or damaged, so that trying again leads nowhere.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::Foreign { .. }
            | Self::Version { .. }
            | Self::Damaged { .. }
            | Self::Corrupt { .. }
            | Self::Behind { .. } => true,
            // Tables or columns that are not there are an unknown error to SQLite.
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    rusqlite::ErrorCode::DatabaseCorrupt
                        | rusqlite::ErrorCode::NotADatabase
                        | rusqlite::ErrorCode::Unknown
                        | rusqlite::ErrorCode::TypeMismatch
                        | rusqlite::ErrorCode::ConstraintViolation
                )
            ),
            _ => false,
        }
    }

    /// What is wrong, without the file and without advice.
    pub(crate) fn loss(&self) -> String {
        match self {
            Self::Missing { .. } => "it is not there".to_owned(),
            Self::Foreign { found, .. } => format!("it is {found}"),
            Self::Version { found, expected, .. } => format!("it is in format {found}, not {expected}"),
            Self::Damaged { at, .. } => format!("it is damaged at byte {at}"),
            Self::Corrupt { reason, .. } => format!("it is damaged: {reason}"),
            Self::Behind { found, expected, what, .. } => {
                format!("it ends after {found} of {expected} {what}")
            }
            Self::Sqlite { source, .. } => format!("it is damaged: {source}"),
            other => other.to_string(),
        }
    }
}
