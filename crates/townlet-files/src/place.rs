//! Where something is to be, and what its temporary is called.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// How the name of a temporary ends.
pub(crate) const SUFFIX: &str = ".townlet.partial";

/// The most that a temporary's name takes over from the name of its place, in bytes. File systems allow 255, and
/// the random characters and the suffix need room.
const MOST_OF_A_NAME: usize = 200;

/// What a path leads to, as far as it exists.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// The folder in which it is.
    pub(crate) folder: PathBuf,
}

impl Place {
    /// Follows symbolic links, so that a link is kept and what it leads to is replaced.
    pub(crate) fn of(path: &Path) -> Self {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_path_buf();
        Self { path, folder }
    }

    /// How the names of its temporaries begin.
    pub(crate) fn prefix(&self) -> OsString {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        if name.len() > MOST_OF_A_NAME {
            let text = name.to_string_lossy();
            name = text[..text.floor_char_boundary(MOST_OF_A_NAME)].into();
        }
        name.push(".");
        name
    }
}

/// Begins the name of a temporary; it ends with the builder's random characters and suffix.
pub(crate) fn temporary(prefix: &OsString) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(SUFFIX);
    builder
}
