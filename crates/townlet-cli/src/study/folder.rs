//! The folder of a study: what is done, and who does what.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::file::{Arm, Job, Study};
use crate::commands::eval;
use crate::run_directory::{RunDirectory, Weights};
use crate::run_status::{RunState, RunStatus};

/// The folder of a study.
///
/// Of a job `NAME` it holds, as far as it has come: `NAME.unfinished`, a run that is trained; `NAME`, the same run
/// when it is done; `NAME.epsilon-E.json`, its evaluations; and `locks/NAME`, held by the process that works on it.
/// Whatever moves a job on does so in one step, so that a kill leaves one of these states.
pub(crate) struct StudyFolder {
    path: PathBuf,
}

/// What a run that is not done can be used for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// There is none.
    Nothing,
    /// It was trained to its end, and only has to be moved.
    Trained,
    /// It has a checkpoint to go on from.
    GoesOn,
    /// It was stopped before there was anything to go on from.
    Useless,
}

/// Held by the process that works on a job, and let go of however that ends.
pub(super) struct JobLock {
    _file: File,
}

impl StudyFolder {
    /// The folder at `path`, made if it is not there.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be made.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let made = fs::create_dir_all(path.join("locks"));
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path: path.to_path_buf() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn run(&self, job: &Job<'_>) -> PathBuf {
        self.path.join(job.name())
    }

    pub(super) fn unfinished(&self, job: &Job<'_>) -> PathBuf {
        self.path.join(format!("{}.unfinished", job.name()))
    }

    pub(super) fn settings_file(&self, arm: &Arm) -> PathBuf {
        self.path.join(format!("{}.toml", arm.name))
    }

    pub(super) fn evaluation_file(&self, job: &Job<'_>, epsilon: f64) -> PathBuf {
        self.path.join(format!("{}.epsilon-{epsilon}.json", job.name()))
    }

    /// Writes one `--config` file for each arm.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder holds anything of a study with other settings, or cannot be written to.
    pub(crate) fn prepare(&self, study: &Study) -> Result<()> {
        for (index, arm) in study.arms.iter().enumerate() {
            let text = toml::to_string(&study.arm_settings(arm)).context("cannot write settings as TOML")?;
            let path = self.settings_file(arm);
            if let Ok(there) = fs::read_to_string(&path)
                && there != text
            {
                return Err(of_another_study(&path));
            }
            for &seed in &study.seeds {
                let job = Job { arm, seed };
                for path in [self.run(&job), self.unfinished(&job)] {
                    // What cannot be read is judged when the job's turn comes.
                    let Ok((_, config)) = RunDirectory::open(&path) else { continue };
                    if config.identity()? != study.run_config(index, seed)?.identity()? {
                        return Err(of_another_study(&path));
                    }
                }
            }
            townlet_files::write(&path, text.as_bytes())?;
        }
        Ok(())
    }

    /// Takes a job, if no other process has it.
    ///
    /// # Errors
    ///
    /// Returns an error if the lock cannot be written.
    pub(super) fn take(&self, job: &Job<'_>) -> Result<Option<JobLock>> {
        let path = self.path.join("locks").join(job.name());
        let failed = || format!("cannot lock {}", path.display());
        let file = lock_file(&path).with_context(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(JobLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(failed),
        }
    }

    /// Lets one process after the other collect the results, so that the last one to write them has seen all.
    ///
    /// # Errors
    ///
    /// Returns an error if the lock cannot be written.
    pub(super) fn take_results(&self) -> Result<JobLock> {
        let path = self.path.join("locks").join("results.lock");
        let locked = lock_file(&path).and_then(|file| file.lock().map(|()| file));
        Ok(JobLock { _file: locked.with_context(|| format!("cannot lock {}", path.display()))? })
    }

    /// What can be done with what an earlier attempt left. Nobody trains it now.
    ///
    /// # Errors
    ///
    /// Returns an error if its checkpoints cannot be listed.
    pub(super) fn left_over(&self, job: &Job<'_>) -> Result<Unfinished> {
        let path = self.unfinished(job);
        if !path.exists() {
            return Ok(Unfinished::Nothing);
        }
        // Without its settings there is no way to use it, and with settings and no checkpoint it saves nothing.
        let Ok((run, _)) = RunDirectory::open(&path) else {
            let made = path.join("run.toml");
            return match fs::read_to_string(&made) {
                Ok(text) if !text.trim().is_empty() && has_checkpoints(&path) => bail!(
                    "{} cannot be gone on with, though it has checkpoints; mend its run.toml, or remove it and train \
                     anew",
                    path.display()
                ),
                _ => Ok(Unfinished::Useless),
            };
        };
        let finished = RunStatus::read(&run.status_file()).is_ok_and(|it| it.state == RunState::Finished);
        if finished && run.has_weights(Weights::Last) {
            return Ok(Unfinished::Trained);
        }
        Ok(if run.checkpoints().newest()?.good.is_some() { Unfinished::GoesOn } else { Unfinished::Useless })
    }

    /// The evaluation of a job, if it is done, whole, and the one that is asked for.
    pub(super) fn evaluation(&self, study: &Study, job: &Job<'_>, epsilon: f64) -> Option<eval::Report> {
        let report = eval::read(&self.evaluation_file(job, epsilon)).ok()?;
        let asked_for = report.episodes == study.evaluation.episodes && report.epsilon == epsilon;
        asked_for.then_some(report).filter(|report| report.trained.survival_mean.is_some())
    }

    /// Whether all evaluations of a job are done.
    pub(super) fn is_done(&self, study: &Study, job: &Job<'_>) -> bool {
        study.evaluation.epsilons.iter().all(|&epsilon| self.evaluation(study, job, epsilon).is_some())
    }
}

fn has_checkpoints(run: &Path) -> bool {
    fs::read_dir(run.join("checkpoints")).is_ok_and(|mut entries| entries.next().is_some())
}

fn of_another_study(path: &Path) -> anyhow::Error {
    anyhow::anyhow!("{} is of a study with other settings; name another directory with --out", path.display())
}

fn lock_file(path: &Path) -> std::io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// Removes a folder, if it is there.
///
/// # Errors
///
/// Returns an error if it cannot be removed.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
