//! The checkpoints of a run: which there are, which is good, and which are kept.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use townlet_drqn::Checkpoint;

use crate::run_config::CheckpointSchedule;

/// How the name of a checkpoint begins; the number of steps follows.
const PREFIX: &str = "step-";

/// The folder of a run's checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
}

/// The newest checkpoint that can be gone on from, and what was wrong with newer ones.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    pub(crate) good: Option<Checkpoint>,
    pub(crate) refused: Vec<String>,
}

impl Checkpoints {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The place of the checkpoint after so many steps. Names sort as the numbers do.
    pub(crate) fn place(&self, steps: u64) -> PathBuf {
        self.folder.join(format!("{PREFIX}{steps:012}"))
    }

    /// All that there are, by the number of steps, the oldest first. Whether they are whole is not known.
    pub(crate) fn list(&self) -> Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for path in self.entries()? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(steps) = name.strip_prefix(PREFIX).and_then(|steps| steps.parse().ok()) {
                found.push((steps, path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The newest one that is whole.
    pub(crate) fn newest(&self) -> Result<Newest> {
        let mut newest = Newest::default();
        for (_, path) in self.list()?.into_iter().rev() {
            match Checkpoint::open(&path) {
                Ok(checkpoint) => {
                    newest.good = Some(checkpoint);
                    break;
                }
                Err(error) => newest.refused.push(error.to_string()),
            }
        }
        Ok(newest)
    }

    /// Makes room for the checkpoint after so many steps: one that is there already is of a run that went on
    /// from an older one since.
    pub(crate) fn make_room(&self, steps: u64) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make the directory {}", self.folder.display()))?;
        let place = self.place(steps);
        remove(&place)?;
        Ok(place)
    }

    /// Removes everything after so many steps, which the run will come to again.
    pub(crate) fn forget_after(&self, steps: u64) -> Result<()> {
        self.list()?.iter().filter(|(found, _)| *found > steps).try_for_each(|(_, path)| remove(path))
    }

    /// Removes all but the newest that `schedule` keeps and the one after `best` steps, and whatever was never
    /// finished. Of those that stay, the newest keep their replay, as many as `schedule` says.
    pub(crate) fn tidy(&self, schedule: CheckpointSchedule, best: Option<u64>) -> Result<()> {
        let (keep, replays) = (schedule.keep as usize, schedule.replays as usize);
        townlet_files::remove_partials(&self.folder)?;
        let all = self.list()?;
        let old = all.len().saturating_sub(keep);
        all[..old].iter().filter(|(steps, _)| Some(*steps) != best).try_for_each(|(_, path)| remove(path))?;
        let older = all.len().saturating_sub(replays);
        for (_, path) in all[..older].iter().filter(|(_, path)| path.exists()) {
            // One that is damaged stays as it is, and is told of by whoever goes on from it.
            let _ = Checkpoint::drop_replay(path);
        }
        Ok(())
    }

    /// Takes all that only resuming needs out of every checkpoint, and returns how many bytes that freed.
    pub(crate) fn slim(&self) -> Result<u64> {
        let mut freed = 0;
        for (_, path) in self.list()? {
            freed += Checkpoint::keep_weights_only(&path)?;
        }
        Ok(freed)
    }

    fn entries(&self) -> Result<Vec<PathBuf>> {
        let unreadable = || format!("cannot read the directory {}", self.folder.display());
        match fs::read_dir(&self.folder) {
            Ok(entries) => {
                entries.map(|entry| Ok(entry.with_context(unreadable)?.path())).collect::<Result<_>>()
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(unreadable),
        }
    }
}

/// Removes a folder, if it is there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(checkpoints: &Checkpoints) -> Vec<u64> {
        checkpoints.list().unwrap().into_iter().map(|(steps, _)| steps).collect()
    }

    #[test]
    fn the_newest_and_the_best_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().join("checkpoints"));
        assert!(names(&checkpoints).is_empty());
        for steps in [900, 1_000, 20, 100_000] {
            fs::create_dir(checkpoints.make_room(steps).unwrap()).unwrap();
        }
        let partial = folder.path().join("checkpoints").join(format!("step-7{}", townlet_files::PARTIAL));
        fs::create_dir(&partial).unwrap();
        assert_eq!(names(&checkpoints), [20, 900, 1_000, 100_000]);
        let schedule = CheckpointSchedule { keep: 2, replays: 1, ..CheckpointSchedule::default() };
        checkpoints.tidy(schedule, Some(20)).unwrap();
        assert_eq!(names(&checkpoints), [20, 1_000, 100_000]);
        assert!(!partial.exists());
        checkpoints.forget_after(1_000).unwrap();
        assert_eq!(names(&checkpoints), [20, 1_000]);
    }

    #[test]
    fn what_is_not_whole_is_passed_over_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_path_buf());
        fs::create_dir(checkpoints.make_room(5).unwrap()).unwrap();
        let newest = checkpoints.newest().unwrap();
        assert!(newest.good.is_none());
        assert!(newest.refused[0].contains("manifest.json"), "{:?}", newest.refused);
    }
}
