//! Folders that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::FileError;
use crate::leftovers::remove_leftovers_of;
use crate::lock;
use crate::place::{Place, temporary};

/// A folder that is being filled, and takes its place when it is [finished](Self::finish). Dropped before that, it is
/// removed with everything in it.
#[derive(Debug)]
pub struct PartialFolder {
    place: Place,
    temporary: TempDir,
    /// Held until the folder is in its place; none where folders cannot be locked.
    lock: Option<File>,
}

impl PartialFolder {
    /// Begins a folder that will be at `path`. The folders above it are made if they are not there.
    ///
    /// Leftovers of processes that were killed while they filled the same folder are removed.
    ///
    /// # Errors
    ///
    /// If something is at `path` already, other than an empty folder, or the temporary beside it cannot be made.
    pub fn begin(path: &Path) -> Result<Self, FileError> {
        let place = Place::of(path);
        let failed = || FileError::write(path);
        if fs::exists(&place.path).is_ok_and(|exists| exists) && !is_empty_folder(&place.path) {
            return Err(FileError::Exists { path: path.into() });
        }
        fs::create_dir_all(&place.folder).map_err(failed())?;
        // Leftovers that cannot be removed are no reason to write nothing.
        let _ = remove_leftovers_of(&place);
        let (temporary, lock) = make(&place).map_err(failed())?;
        Ok(Self { place, temporary, lock })
    }

    /// Where the folder is until it is finished.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Puts everything in the folder on the disk, and the folder in its place.
    ///
    /// # Errors
    ///
    /// If that fails, or something has come to be at its place meanwhile ([`FileError::Exists`]). Nothing of the
    /// folder is left then.
    pub fn finish(self) -> Result<(), FileError> {
        let Self { place, temporary, lock } = self;
        let failed = || FileError::write(&place.path);
        sync_all(temporary.path()).map_err(failed())?;
        rename(temporary.path(), &place.path).map_err(|error| match error.kind() {
            // In the place of an empty folder it goes; a folder that holds something is in the way, and stays.
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                FileError::Exists { path: place.path.clone() }
            }
            _ => failed()(error),
        })?;
        // It has another name by now, and is not to be removed.
        let _ = temporary.keep();
        drop(lock);
        sync_folder(&place.folder).map_err(failed())
    }
}

/// Waits until what a folder lists is on the disk. Systems on which folders cannot be waited for do so by themselves.
///
/// # Errors
///
/// If the system says so.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// A temporary folder that is locked, where that can be done.
fn make(place: &Place) -> io::Result<(TempDir, Option<File>)> {
    let prefix = place.prefix();
    loop {
        let folder = temporary(&prefix).tempdir_in(&place.folder)?;
        match lock::open_folder(folder.path()) {
            Ok(file) => {
                if lock::hold(&file, folder.path())? {
                    return Ok((folder, Some(file)));
                }
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok((folder, None)),
            // Removed before it could be opened.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(unix)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// An empty folder does not give way by itself.
#[cfg(not(unix))]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_dir(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => fs::rename(from, to),
    }
}

/// Waits until a folder and everything below it is on the disk.
fn sync_all(folder: &Path) -> io::Result<()> {
    let mut below = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        below.push((entry.path(), entry.file_type()?));
    }
    for (path, kind) in below {
        if kind.is_dir() {
            sync_all(&path)?;
        } else if kind.is_file() {
            sync_file(&path)?;
        }
    }
    sync_folder(folder)
}

fn sync_file(path: &PathBuf) -> io::Result<()> {
    // Some systems wait only for files that could be written to.
    File::options().read(true).write(!cfg!(unix)).open(path)?.sync_all()
}
