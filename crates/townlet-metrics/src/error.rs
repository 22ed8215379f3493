//! What can go wrong with a run's metrics.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use thiserror::Error;

/// Why metrics could not be recorded, read or exported. Can be cloned, because the thread that writes hands its
/// first error to everyone who asks.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}; {}", path.display(), io_advice(source))]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The database refused.
    #[error("{}: {source}; {}", path.display(), sqlite_advice(source))]
    Sqlite {
        /// Its file.
        path: PathBuf,
        /// What SQLite says.
        source: Arc<rusqlite::Error>,
    },
    /// A file that a new run would overwrite.
    #[error("{}: already there; resume that run, or choose a folder without one", path.display())]
    AlreadyExists {
        /// Which.
        path: PathBuf,
    },
    /// A file that is needed and is not there.
    #[error("{}: not there; name the folder of a run whose metrics were recorded", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// A file that something else wrote.
    #[error("{}: expected {expected}, found {found}; move it away, or name the folder of a run", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A file in another version of the format.
    #[error(
        "{}: format {found}, expected format {expected}; use the version of Townlet that wrote it, or begin a new run",
        path.display()
    )]
    Version {
        /// Which.
        path: PathBuf,
        /// The version in the file.
        found: i64,
        /// The version that this build reads and writes.
        expected: i64,
    },
    /// A file that is broken before the position at which the run is resumed.
    #[error(
        "{}: damaged at byte {at}, before step {steps} at which the run is resumed; move the file away, and a new one \
         is begun there",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where the first record that cannot be read begins.
        at: u64,
        /// Where the run is resumed, in environment steps.
        steps: u64,
    },
    /// A database that SQLite finds damaged.
    #[error("{}: damaged: {reason}; restore it from a copy, or move it away", path.display())]
    Corrupt {
        /// Which.
        path: PathBuf,
        /// What SQLite finds first.
        reason: String,
    },
    /// Metrics that end before the position at which the run is resumed.
    #[error(
        "{}: holds {found} {what}, expected {expected} before the position at which the run is resumed; restore the \
         file, or resume from an older checkpoint",
        path.display()
    )]
    Behind {
        /// Which.
        path: PathBuf,
        /// What is counted: episodes or updates.
        what: &'static str,
        /// How many it holds.
        found: u64,
        /// How many it must hold at least.
        expected: u64,
    },
    /// A number that a column cannot hold.
    #[error(
        "episode {episode}: {key} = NaN, expected a number; the run has diverged, lower its learning rate"
    )]
    NotANumber {
        /// The number of the episode.
        episode: u64,
        /// The field.
        key: &'static str,
    },
    /// The thread that writes is gone.
    #[error("{}: the thread that writes metrics has stopped; resume the run from its last checkpoint", path.display())]
    Stopped {
        /// The folder that it wrote to.
        path: PathBuf,
    },
}

impl MetricsError {
    /// An error of the system at `path`; to be given to `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), source: Arc::new(source) }
    }

    /// An error of the database at `path`; to be given to `map_err`.
    pub(crate) fn sqlite(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign {
                path: path.to_path_buf(),
                expected: "a database of metrics",
                found: "a file that is no database".to_owned(),
            },
            _ => Self::Sqlite { path: path.to_path_buf(), source: Arc::new(source) },
        }
    }

    /// Whether there was no room left on the disk: what is on it is intact, and the run can be resumed.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_full(source.kind()),
            Self::Sqlite { source, .. } => is_sqlite_full(source),
            _ => false,
        }
    }
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn is_sqlite_full(error: &rusqlite::Error) -> bool {
    // The index of the write-ahead log, in shared memory, has an error code of its own.
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_extended_error_code() == Some(SQLITE_IOERR_SHMSIZE)
}

const FREE_SPACE: &str = "free some space, then resume the run from its last checkpoint";
const ALLOW_WRITING: &str = "make it readable and writable, then try again";
const OTHERWISE: &str = "check the disk, then resume the run from its last checkpoint";

fn io_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        kind if is_full(kind) => FREE_SPACE,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ALLOW_WRITING,
        io::ErrorKind::NotFound => "check its path",
        _ => OTHERWISE,
    }
}

fn sqlite_advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        _ if is_sqlite_full(error) => FREE_SPACE,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => ALLOW_WRITING,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program is writing it: end that one, then resume the run"
        }
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged: restore it from a copy, or begin a new run",
        _ => OTHERWISE,
    }
}
