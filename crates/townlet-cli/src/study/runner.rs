//! Doing what of a study is not done yet, several runs at once.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use townlet_metrics::plot::{Group, Over, Series, learning_curves};
use townlet_metrics::{Metrics, Recorder};

use super::children::Children;
use super::file::{Job, Study};
use super::folder::{StudyFolder, Unfinished, remove};
use super::results::{ArmResults, Comparison, Played, Results};
use crate::run_directory::RunDirectory;
use crate::run_status::{RunState, RunStatus};
use crate::stop::{Stop, Stopped};
use crate::{error_message, messages};

/// How often it is looked whether somebody asked to stop, or another process has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What is said of a run whose own process was asked to stop.
const STOPPED: &str = "was stopped; start the study again, and it goes on";

/// Does the jobs of a study in a folder.
pub(crate) struct Runner<'a> {
    study: &'a Study,
    folder: &'a StudyFolder,
    children: Children,
    stop: Stop<'a>,
}

/// What became of the jobs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) failed: Vec<String>,
    /// What another process is doing.
    pub(crate) elsewhere: Vec<String>,
}

/// A job, and whether another process had it when its turn came first.
type Turn<'a> = (Job<'a>, bool);

impl<'a> Runner<'a> {
    /// # Errors
    ///
    /// Returns an error if the system allows no pipe.
    pub(crate) fn new(study: &'a Study, folder: &'a StudyFolder, stop: Stop<'a>) -> Result<Self> {
        Ok(Self { study, folder, children: Children::new()?, stop })
    }

    /// Does what is not done yet of the `which`-th of `of` parts of the study, `at_once` runs at a time.
    pub(crate) fn run_part(&self, (which, of): (usize, usize), at_once: usize) -> Tally {
        let jobs = self.study.jobs().skip(which - 1).step_by(of);
        let queue: Mutex<VecDeque<Turn<'_>>> = Mutex::new(jobs.map(|job| (job, false)).collect());
        let tally = Mutex::new(Tally::default());
        thread::scope(|scope| {
            let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(|| self.work(&queue, &tally))).collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                if (self.stop)() {
                    self.children.stop();
                }
                thread::sleep(LOOK);
            }
        });
        tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, queue: &Mutex<VecDeque<Turn<'_>>>, tally: &Mutex<Tally>) {
        while !(self.stop)() {
            let Some((job, again)) = lock(queue).pop_front() else { return };
            let name = job.name();
            let outcome = match self.folder.take(&job) {
                Ok(Some(_mine)) => self.run(&job),
                // Its process may be killed while the others are done here, so it gets a second turn.
                Ok(None) if !again => {
                    lock(queue).push_back((job, true));
                    continue;
                }
                Ok(None) => {
                    lock(tally).elsewhere.push(name);
                    continue;
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(survival) => {
                    messages::line(format_args!("{name}: survives {survival:.1} steps"));
                    lock(tally).done += 1;
                }
                // Whoever stopped it knows.
                Err(_) if (self.stop)() => {}
                Err(error) => {
                    messages::line(format_args!("{name}: {}", error_message::of(&error)));
                    lock(tally).failed.push(name);
                }
            }
        }
    }

    /// Trains and evaluates where that is not done yet; the mean survival at the first epsilon.
    fn run(&self, job: &Job<'_>) -> Result<f64> {
        let Self { study, folder, .. } = self;
        let run = folder.run(job);
        if !run.exists() {
            self.train(job)?;
            // From here on it is done, whatever else happens.
            let unfinished = folder.unfinished(job);
            let moved =
                fs::rename(&unfinished, &run).and_then(|()| townlet_files::sync_folder(folder.path()));
            moved.with_context(|| format!("cannot make {}", run.display()))?;
        }
        // What is compared is there; many runs' replays would fill a disk.
        remove(&run.join("checkpoints"))?;
        for &epsilon in &study.evaluation.epsilons {
            if folder.evaluation(study, job, epsilon).is_some() {
                continue;
            }
            let file = folder.evaluation_file(job, epsilon);
            if file.exists() {
                messages::line(format_args!(
                    "{}: {} is damaged or of an evaluation with other episodes; it is made again",
                    job.name(),
                    file.display()
                ));
            }
            let (epsilon, episodes) = (epsilon.to_string(), study.evaluation.episodes.to_string());
            let flags = ["--json", "--epsilon", &epsilon, "--episodes", &episodes];
            let mut arguments = vec![OsString::from("eval"), run.clone().into()];
            arguments.extend(flags.map(OsString::from));
            townlet_files::write(&file, self.child(&arguments)?)?;
        }
        let report = folder.evaluation(study, job, study.evaluation.epsilons[0]);
        report.and_then(|report| report.trained.survival_mean).context("the evaluation says nothing")
    }

    /// Trains to the end, beside the run's place.
    fn train(&self, job: &Job<'_>) -> Result<()> {
        let Self { study, folder, .. } = self;
        let (name, unfinished) = (job.name(), folder.unfinished(job));
        self.wait_for(&unfinished, &name)?;
        let mut arguments: Vec<OsString> = Vec::new();
        match folder.left_over(job)? {
            Unfinished::Trained => return Ok(()),
            Unfinished::GoesOn => {
                arguments.extend(["resume", "--quiet"].map(OsString::from));
                arguments.push(unfinished.clone().into());
            }
            nothing => {
                if nothing == Unfinished::Useless {
                    messages::line(format_args!(
                        "{name}: was stopped before its first checkpoint; it begins anew"
                    ));
                    remove(&unfinished)?;
                }
                let seed = job.seed.to_string();
                let train = ["train", "--quiet", "--recipe", study.recipe.name(), "--seed", &seed];
                arguments.extend(train.map(OsString::from));
                arguments.extend(["--level".into(), study.level.clone().into()]);
                arguments.extend(["--config".into(), folder.settings_file(job.arm).into()]);
                arguments.extend(["--out".into(), unfinished.clone().into()]);
            }
        }
        let began_anew = !unfinished.exists();
        let state =
            || RunDirectory::open(&unfinished).and_then(|(run, _)| RunStatus::read(&run.status_file()));
        if let Err(error) = self.child(&arguments) {
            // A process of a killed study that was still setting up the run holds no lock yet. If it took the place
            // before ours could, the run goes on from what it saves.
            let in_the_way = || state().is_ok_and(|status| status.state != RunState::Failed);
            if began_anew && error.to_string() != STOPPED && in_the_way() {
                return self.train(job);
            }
            return Err(error);
        }
        ensure!(state()?.state == RunState::Finished, STOPPED);
        Ok(())
    }

    /// Waits until nobody trains the run at `path`: a process of a study that was killed may still save it.
    fn wait_for(&self, path: &Path, name: &str) -> Result<()> {
        let mut said = false;
        while RunDirectory::is_trained_at(path) {
            if !said {
                messages::line(format_args!("{name}: waits for the process that trains {}", path.display()));
                said = true;
            }
            if (self.stop)() {
                bail!(Stopped);
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// What a process with these arguments prints. Where it fails, what it said is the error.
    fn child(&self, arguments: &[OsString]) -> Result<Vec<u8>> {
        if (self.stop)() {
            bail!(Stopped);
        }
        let output = self.children.run(self.study.threads, arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            ensure!(said != Stopped.to_string(), STOPPED);
            ensure!(!said.is_empty(), "its process ended with {}", output.status);
            bail!("{said}");
        }
        Ok(output.stdout)
    }

    /// Writes the results of everything that is done, also by other processes, and the learning curves.
    ///
    /// # Errors
    ///
    /// Returns an error if they cannot be written.
    pub(crate) fn collect(&self) -> Result<Results> {
        let _mine = self.folder.take_results()?;
        let results = self.results();
        results.write(self.folder.path())?;
        // Whatever is wrong with a picture, the numbers are there.
        if let Err(error) = self.draw(&results) {
            messages::warning(format_args!("no learning curves: {}", error_message::of(&error)));
        }
        Ok(results)
    }

    fn results(&self) -> Results {
        let Self { study, folder, .. } = self;
        let arm = |arm, epsilon| {
            let played = study.seeds.iter().filter_map(|&seed| {
                let report = folder.evaluation(study, &Job { arm, seed }, epsilon)?;
                let survival = report.trained.survival_mean?;
                let (random, scripted) = (report.random.survival_mean, report.scripted.survival_mean);
                Some(Played { seed, survival, random, scripted })
            });
            played.collect()
        };
        let comparisons = study.evaluation.epsilons.iter().map(|&epsilon| Comparison {
            epsilon,
            arms: study
                .arms
                .iter()
                .map(|it| ArmResults { arm: it.name.clone(), played: arm(it, epsilon) })
                .collect(),
        });
        Results { study: study.name.clone(), seeds: study.seeds.clone(), comparisons: comparisons.collect() }
    }

    /// The learning curves of all arms, over the seeds that are done in each of them. Runs of which nothing was
    /// recorded have none.
    fn draw(&self, results: &Results) -> Result<()> {
        let seeds = results.comparisons.first().map(Comparison::common_seeds).unwrap_or_default();
        let mut groups = Vec::new();
        for arm in &self.study.arms {
            let mut runs = Vec::new();
            for &seed in &seeds {
                let run = self.folder.run(&Job { arm, seed });
                if Recorder::is_at(&run) {
                    let rows = Metrics::open(&run)?.evaluations()?;
                    let points = rows.iter().map(|row| (row.steps as f64, row.survival_mean)).collect();
                    runs.push(Series { name: format!("{}-{seed}", arm.name), points });
                }
            }
            groups.push(Group { name: arm.name.clone(), runs });
        }
        groups.retain(|group| !group.runs.is_empty());
        if let Some(curves) = learning_curves(&groups, Over::Steps)? {
            let path = self.folder.path();
            townlet_files::write(&path.join("learning-curves.svg"), curves.svg().as_bytes())?;
            townlet_files::write(&path.join("learning-curves.png"), curves.png(1280)?)?;
        }
        Ok(())
    }

    /// How many runs there are, and how many of them are done, also by other processes.
    pub(crate) fn progress(&self) -> (usize, usize) {
        let done = self.study.jobs().filter(|job| self.folder.is_done(self.study, job)).count();
        (self.study.num_arms() * self.study.num_seeds(), done)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
