//! The lock by which a temporary that is being written is told from one that was left.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Locks a temporary that was just made. Returns whether it is still there: whoever removes leftovers may have
/// taken it for one in the moment before it was locked.
///
/// # Errors
///
/// If its path cannot be looked at.
pub(crate) fn hold(file: &File, path: &Path) -> io::Result<bool> {
    // Waits for whoever is removing it. A file system without locks is no reason to write nothing: the leftovers
    // of a killed process stay there, that is all.
    let _ = file.lock();
    fs::exists(path)
}

/// Opens a leftover in such a way that it can be locked, if this system can do so.
pub(crate) fn open(path: &Path, is_folder: bool) -> io::Result<File> {
    if is_folder { open_folder(path) } else { File::options().read(true).append(true).open(path) }
}

#[cfg(unix)]
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(not(unix))]
pub(crate) fn open_folder(_: &Path) -> io::Result<File> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
