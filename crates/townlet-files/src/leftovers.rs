//! What killed processes left.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::PARTIAL;
use crate::error::FileError;
use crate::lock;
use crate::place::{Place, SUFFIX};

/// Removes temporary files and folders of this crate from a folder, but for those that a process is writing at the
/// moment. Only names that this crate gives are looked at, so that any folder may be named. Returns how many were
/// removed; none if there is no such folder.
///
/// # Errors
///
/// If the folder cannot be read, or a leftover cannot be removed. The others are removed nevertheless.
pub fn remove_leftovers(folder: &Path) -> Result<usize, FileError> {
    remove_where(folder, |name| name.ends_with(SUFFIX.as_bytes()))
}

/// Removes everything in a folder whose name ends with [`PARTIAL`], but for what a process is writing at the moment:
/// also what versions of Townlet left that were before this crate. For folders in which nobody else keeps anything.
/// Returns how many were removed; none if there is no such folder.
///
/// # Errors
///
/// If the folder cannot be read, or a leftover cannot be removed. The others are removed nevertheless.
pub fn remove_partials(folder: &Path) -> Result<usize, FileError> {
    remove_where(folder, |name| name.ends_with(PARTIAL.as_bytes()))
}

/// Removes what was left of writing to one place.
pub(crate) fn remove_leftovers_of(place: &Place) -> Result<usize, FileError> {
    let prefix = place.prefix();
    remove_where(&place.folder, |name| {
        let middle = name.strip_prefix(prefix.as_encoded_bytes());
        let random = middle.and_then(|middle| middle.strip_suffix(SUFFIX.as_bytes()));
        // Without a further dot: otherwise `a` would be asked about the temporaries of `a.b`, too.
        random.is_some_and(|random| !random.contains(&b'.'))
    })
}

/// The bytes that `is_leftover` gets are those of a name; names that are not UTF-8 are like any other.
fn remove_where(folder: &Path, is_leftover: impl Fn(&[u8]) -> bool) -> Result<usize, FileError> {
    // The parent of a bare name.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(FileError::remove(folder)(error)),
    };
    let (mut removed, mut failure) = (0, None);
    for entry in entries {
        let entry = entry.map_err(FileError::remove(folder))?;
        if !is_leftover(OsStr::as_encoded_bytes(&entry.file_name())) {
            continue;
        }
        match remove(&entry) {
            Ok(true) => removed += 1,
            Ok(false) => {}
            Err(error) => failure = Some(FileError::remove(&entry.path())(error)),
        }
    }
    failure.map_or(Ok(removed), Err)
}

/// Removes a leftover unless somebody holds it. Returns whether it did.
fn remove(entry: &DirEntry) -> io::Result<bool> {
    let (path, kind) = (entry.path(), entry.file_type()?);
    if !kind.is_dir() && !kind.is_file() {
        return Ok(false);
    }
    // Held while it is removed, so that who made it this very moment, and has not locked it yet, finds it gone.
    let file = match lock::open(&path, kind.is_dir()) {
        Ok(file) => file,
        // Finished, or removed by another process, meanwhile; or it cannot be said whether somebody holds it.
        Err(error) if [ErrorKind::NotFound, ErrorKind::Unsupported].contains(&error.kind()) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    if file.try_lock().is_err() {
        return Ok(false);
    }
    match if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) } {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
