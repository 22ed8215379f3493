//! Files that are there whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::error::FileError;
use crate::folder::sync_folder;
use crate::leftovers::remove_leftovers_of;
use crate::lock;
use crate::place::{Place, temporary};

/// Writes the file at `path`, in place of one that is there, whole or not at all.
///
/// # Errors
///
/// If it cannot be written. An older file is then still there, unchanged.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<(), FileError> {
    let mut file = PartialFile::create(path)?;
    file.write_all(contents.as_ref()).map_err(FileError::write(path))?;
    file.finish()
}

/// A file that is being written, and takes its place when it is [finished](Self::finish). Dropped before that, it is
/// removed.
///
/// Writing is buffered.
#[derive(Debug)]
pub struct PartialFile {
    /// As the caller calls it, for messages.
    path: PathBuf,
    file: BufWriter<File>,
    /// Where it is and where it goes; none if it is something that cannot be replaced, and is written to directly.
    temporary: Option<(TempPath, Place)>,
}

impl PartialFile {
    /// Begins a file that will be at `path`.
    ///
    /// Leftovers of processes that were killed while they wrote the same file are removed.
    ///
    /// # Errors
    ///
    /// If the temporary beside it cannot be made.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let failed = || FileError::write(path);
        let shown = path.to_path_buf();
        let permissions = match fs::metadata(path) {
            Ok(found) if found.is_file() => Some(found.permissions()),
            Ok(found) if found.is_dir() => {
                return Err(failed()(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            // A pipe or a device.
            Ok(_) => {
                let file = File::options().write(true).open(path).map_err(failed())?;
                return Ok(Self { path: shown, file: BufWriter::new(file), temporary: None });
            }
            Err(_) => None,
        };
        let place = Place::of(path);
        // Leftovers that cannot be removed are no reason to write nothing.
        let _ = remove_leftovers_of(&place);
        let temporary = make(&place).map_err(failed())?;
        if let Some(permissions) = permissions {
            // Not everybody may set them, and an owner's file system may not know them.
            let _ = temporary.as_file().set_permissions(permissions);
        }
        let (file, temporary) = temporary.into_parts();
        Ok(Self { path: shown, file: BufWriter::new(file), temporary: Some((temporary, place)) })
    }

    /// Puts the file on the disk and in its place.
    ///
    /// # Errors
    ///
    /// If that fails. An older file is then still there.
    pub fn finish(self) -> Result<(), FileError> {
        let failed = || FileError::write(&self.path);
        let file = self.file.into_inner().map_err(|error| failed()(error.into_error()))?;
        let Some((temporary, place)) = self.temporary else { return Ok(()) };
        file.sync_all().map_err(failed())?;
        temporary.persist(&place.path).map_err(|error| failed()(error.error))?;
        // Held until it has its name.
        drop(file);
        sync_folder(&place.folder).map_err(failed())
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A temporary file that is locked.
fn make(place: &Place) -> io::Result<NamedTempFile> {
    let prefix = place.prefix();
    loop {
        let mut builder = temporary(&prefix);
        if let Some(permissions) = of_any_new_file() {
            builder.permissions(permissions);
        }
        let file = builder.tempfile_in(&place.folder)?;
        if lock::hold(file.as_file(), file.path())? {
            return Ok(file);
        }
    }
}

/// Temporary files are for their owner alone unless told otherwise; what a user asks for is not.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere there are none")]
fn of_any_new_file() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;

    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn of_any_new_file() -> Option<Permissions> {
    None
}
