//! Why something could not be written.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why something could not be written or removed. What was there before still is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder that was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder was to take a place where something is already.
    #[error("{} exists already; remove it or name another place", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// A leftover could not be found or removed.
    #[error("cannot remove {}: {source}", path.display())]
    Remove {
        /// The leftover, or the folder in which leftovers were sought.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { path: path.into(), source }
    }

    pub(crate) fn remove(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Remove { path: path.into(), source }
    }
}

/// For those whose own errors name the path.
impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Write { source, .. } | FileError::Remove { source, .. } => source,
            FileError::Exists { .. } => Self::from(io::ErrorKind::AlreadyExists),
        }
    }
}
