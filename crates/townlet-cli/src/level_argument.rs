//! A level as it is named on the command line: built in, or a file.

use std::path::Path;

use anyhow::Result;
use townlet_env::Level;

/// The built-in level of that name, or else the level file at that path.
///
/// # Errors
///
/// Where there is neither, or the file is no level.
pub(crate) fn load(name_or_file: impl AsRef<Path>) -> Result<Level> {
    let path = name_or_file.as_ref();
    let names_file = path.extension().is_some() || path.components().count() > 1 || path.is_file();
    if names_file && !Level::builtin_names().any(|name| path == Path::new(name)) {
        return Ok(Level::load(path)?);
    }
    Ok(Level::builtin(&path.to_string_lossy())?)
}
