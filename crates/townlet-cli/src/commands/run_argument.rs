//! The run that a command is about: the one that is named, or else the newest one, which is said.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::messages;
use crate::newest_run::{RUNS, newest};

/// The run that is named, or the newest one in the folder `runs`.
///
/// # Errors
///
/// Returns an error if no run is named and there is none.
pub(super) fn or_newest(named: Option<&Path>) -> Result<PathBuf> {
    named.map_or_else(|| newest_in(Path::new(RUNS)), |named| Ok(named.to_path_buf()))
}

/// The runs that are named, or the newest one in the folder `runs`.
///
/// # Errors
///
/// As [`or_newest`].
pub(super) fn all_or_newest(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    if named.is_empty() { Ok(vec![or_newest(None)?]) } else { Ok(named.to_vec()) }
}

/// The newest run in a folder.
///
/// # Errors
///
/// Returns an error if there is none.
pub(super) fn newest_in(folder: &Path) -> Result<PathBuf> {
    let run = newest(folder)?;
    messages::note(format_args!("taking {}, the newest run", run.display()));
    Ok(run)
}
