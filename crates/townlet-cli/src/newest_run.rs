//! The run that is meant where none is named: the one begun last.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};

use crate::run_directory::RunDirectory;

/// The folder in which `townlet train` makes runs.
pub(crate) const RUNS: &str = "runs";

/// The run in `folder` that was begun last, still training or not. When that was stands in the run itself, so it stays
/// the newest where folders are copied; of two begun in the same second, the one whose name comes last.
///
/// # Errors
///
/// Returns an error if there is no run, or the folder cannot be read.
pub(crate) fn newest(folder: &Path) -> Result<PathBuf> {
    let shown = folder.display();
    let none = || {
        format!("no run is named, and there is none in {shown}; name one, or make one with `townlet train`")
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(none()),
        Err(error) => return Err(error).with_context(|| format!("cannot read the directory {shown}")),
    };
    let mut newest = None;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read the directory {shown}"))?.path();
        let is_partial = path.to_string_lossy().ends_with(townlet_files::PARTIAL);
        if !is_partial && path.join("run.toml").is_file() {
            newest = newest.max(Some((begun(&path), path)));
        }
    }
    newest.map(|(_, path)| path).with_context(none)
}

/// When a run was begun, in seconds since 1970.
fn begun(path: &Path) -> u64 {
    let run = RunDirectory::at(path);
    if let Ok(provenance) = run.provenance() {
        return provenance.started;
    }
    let made = fs::metadata(run.config_file()).and_then(|file| file.modified());
    made.ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_runs_the_message_says_how_to_make_one() {
        let folder = tempfile::tempdir().unwrap();
        for nothing in [folder.path().to_path_buf(), folder.path().join("none")] {
            let message = newest(&nothing).unwrap_err().to_string();
            assert!(message.contains("name one, or make one with `townlet train`"), "{message}");
        }
    }

    #[test]
    fn the_run_begun_last_is_the_newest_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, started: u64| {
            let run = folder.path().join(name);
            fs::create_dir(&run).unwrap();
            fs::write(run.join("run.toml"), "").unwrap();
            let provenance = format!(
                "{{\"townlet\": \"\", \"git_commit\": null, \"burn\": \"\", \"backend\": \"flex\", \"adapters\": [], \
                 \"os\": \"\", \"arch\": \"\", \"cpu\": null, \"cpu_cores\": null, \"threads\": 1, \"seed\": 0, \
                 \"command\": [], \"started\": {started}}}"
            );
            fs::write(run.join("provenance.json"), provenance).unwrap();
            run
        };
        make("z", 5);
        make("unfinished.AbC123.townlet.partial", 99);
        fs::create_dir(folder.path().join("no-run")).unwrap();
        let b = make("b", 7);
        make("a", 7);
        assert_eq!(newest(folder.path()).unwrap(), b);
        // One that does not say when it was begun is as old as its settings: just made.
        let unknown = make("unknown", 0);
        fs::write(unknown.join("provenance.json"), "{").unwrap();
        assert_eq!(newest(folder.path()).unwrap(), unknown);
    }
}
