//! A training run from its first step or from a checkpoint to its end, and what it leaves behind.

mod evaluator;
mod observer;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use townlet_drqn::{Checkpoint, CheckpointError, Progress, StateFault, Trainer};
use townlet_metrics::{EvaluationRow, Histogram, Loss, Options, Position, Recorder, SystemState};
use townlet_nets::device::in_pool;
use townlet_nets::state_dict;
use tracing::info;

use self::evaluator::{Evaluations, Evaluator, describe};
use self::observer::{Counted, Observer};
use crate::checkpoints::{Checkpoints, Newest};
use crate::messages;
use crate::progress::{ProgressDisplay, Status};
use crate::run_config::{Budget, RunConfig};
use crate::run_directory::{RunDirectory, RunLock, Weights};
use crate::run_setup::Place;
use crate::run_status::{RunState, RunStatus};
use crate::shell::quoted;
use crate::stop::{Stop, Stopped};
use crate::survival::SurvivalWindows;
use crate::world::World;
use crate::{best_weights, error_message, run_setup};

/// What a checkpoint holds beside the trainer.
#[derive(Serialize, Deserialize)]
struct Saved {
    /// Which run it is of.
    run: String,
    clock: Duration,
    counted: Counted,
    evaluations: Evaluations,
}

/// Longer than any run trains. More could not be added to.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

impl Saved {
    /// Checks that all of it can be of a run that stands where `trainer` does.
    fn check(&self, config: &RunConfig, trainer: &Trainer<World>) -> Result<(), StateFault> {
        let progress = trainer.progress();
        StateFault::ensure(
            self.clock <= LONGEST,
            "clock",
            format_args!("{} s", self.clock.as_secs()),
            format_args!("at most {} s", LONGEST.as_secs()),
        )?;
        self.counted.check(trainer.env(), progress).map_err(|fault| fault.of("counted"))?;
        self.evaluations.check(config, progress).map_err(|fault| fault.of("evaluations"))
    }
}

/// How a run is told about.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,

    /// Print what came of it as one JSON object
    #[arg(long)]
    json: bool,
}

/// What is to be otherwise in a run that goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// How many steps it takes in all.
    pub(crate) budget: Option<u64>,
    /// Whether nothing is recorded any more.
    pub(crate) no_metrics: bool,
}

/// How a run ended.
enum End {
    /// Its budget is spent, or it is good enough.
    Finished,
    /// Somebody asked it to stop. It has been saved.
    Interrupted,
}

/// A run that is going on.
struct Run<'a> {
    directory: &'a RunDirectory,
    config: &'a RunConfig,
    checkpoints: Checkpoints,
    trainer: Trainer<World>,
    observer: Observer<'a>,
    evaluator: Evaluator<'a>,
    /// How long training took, without evaluations and checkpoints.
    clock: Duration,
    /// The steps at which a checkpoint was written last.
    saved: u64,
    stop: Stop<'a>,
    /// Held as long as the run goes on.
    _lock: RunLock,
}

/// Makes a new run and trains.
///
/// # Errors
///
/// Returns an error if anything goes wrong, and [`Stopped`] if `stop` says so before the end. The run is saved then.
pub(crate) fn start(
    place: &Place,
    config: &RunConfig,
    manner: Manner,
    stop: Stop<'_>,
    out: &mut impl Write,
) -> Result<()> {
    // Everything that can be refused is, before anything is written.
    let world = config.view().world(config.agents)?;
    let device = config.backend.device()?;
    let trainer = Trainer::new(world, &config.network, config.learner.clone(), config.seed, &device)?;
    let (directory, lock) = place.make(config)?;
    info!(run = %directory.path().display(), level = config.level.name, seed = config.seed, "training");
    begin(&directory, config, trainer, lock, stop, manner, out)
}

/// Goes on with the run at `path` from its newest checkpoint, or from the one given.
///
/// Records that are lost or damaged are set aside, and new ones begun; that is said.
///
/// # Errors
///
/// As [`start`].
pub(crate) fn resume(
    path: &Path,
    from: Option<&Path>,
    change: Change,
    manner: Manner,
    stop: Stop<'_>,
    out: &mut impl Write,
) -> Result<()> {
    let (directory, mut config) = RunDirectory::open(path)?;
    let lock = directory.lock()?;
    if let Some(steps) = change.budget {
        config.budget = Budget::Steps(steps);
    }
    config.metrics &= !change.no_metrics;
    // Not before all that can be refused has been: a run that is not gone on with keeps the settings it has.
    let keep_change = || if change == Change::default() { Ok(()) } else { directory.change(&config) };
    let world = config.view().world(config.agents)?;
    let device = config.backend.device()?;
    let checkpoints = directory.checkpoints();
    let newest = match from {
        Some(from) => Newest { good: Some(Checkpoint::open(from)?), refused: Vec::new() },
        None => checkpoints.newest()?,
    };
    for refused in &newest.refused {
        messages::warning(refused);
    }
    let Some(checkpoint) = newest.good else {
        if !newest.refused.is_empty() {
            bail!(
                "no checkpoint of {} is whole; train again in another directory ({} has its settings)",
                path.display(),
                directory.config_file().display()
            );
        }
        if directory.has_finished() {
            bail!(
                "{} has come to its end, and its checkpoints are gone: there is nothing to go on from; train again in \
                 another directory ({} has its settings)",
                path.display(),
                directory.config_file().display()
            );
        }
        messages::line(format_args!(
            "{} was stopped before its first checkpoint; it begins anew",
            path.display()
        ));
        let trainer = Trainer::new(world, &config.network, config.learner.clone(), config.seed, &device)?;
        keep_change()?;
        tidy(&directory, &config)?;
        return begin(&directory, &config, trainer, lock, stop, manner, out);
    };
    if !checkpoint.can_be_resumed() {
        bail!(
            "{} cannot be resumed: `townlet runs slim` removed all but the weights from {}; train again in another \
             directory ({} has its settings)",
            path.display(),
            checkpoint.path().display(),
            directory.config_file().display()
        );
    }
    let saved: Saved = checkpoint.application()?;
    let (learner, seed) = (config.learner.clone(), config.seed);
    if saved.run != config.identity()? {
        bail!(
            "{} is a checkpoint of another run (one with other settings, level or seed); \
             go on with it where it was made",
            checkpoint.path().display()
        );
    }
    let trainer = Trainer::resume(world, &config.network, learner, seed, &device, &checkpoint)?;
    saved
        .check(&config, &trainer)
        .map_err(|fault| CheckpointError::State { path: checkpoint.application_file(), fault })?;
    let Progress { steps, episodes, updates, .. } = *trainer.progress();
    keep_change()?;
    tidy(&directory, &config)?;
    restore_best(&directory, &config, saved.evaluations.best.as_ref())?;
    if !checkpoint.has_replay() {
        messages::warning(format_args!(
            "{} has no replay; nothing is learned until a new one is filled, and the run is not the \
             one that it would have been",
            checkpoint.path().display()
        ));
    }
    let recorder = recorder(&directory, &config, Position { steps, episodes, updates })?;
    checkpoints.forget_after(steps)?;
    // A process that was killed may not have come to this.
    checkpoints.tidy(config.checkpoints, saved.evaluations.best.map(|row| row.steps))?;
    match directory.goes_on(steps, &config) {
        Ok(None) => {}
        Ok(Some(change)) => messages::warning(format_args!("{}: {change}", path.display())),
        // It tells where the run comes from, and decides nothing.
        Err(error) => messages::warning(format_args!("{}; the run goes on", error_message::of(&error))),
    }
    if !manner.quiet {
        messages::line(format_args!(
            "going on from {} after {steps} steps and {updates} updates",
            checkpoint.path().display()
        ));
    }
    info!(run = %path.display(), steps, "resumed");
    Run {
        directory: &directory,
        config: &config,
        checkpoints,
        trainer,
        observer: Observer::new(&config, recorder, saved.counted),
        evaluator: Evaluator::new(&directory, &config, saved.evaluations.resumed(&config)),
        clock: saved.clock,
        saved: steps,
        stop,
        _lock: lock,
    }
    .complete(manner, out)
}

/// Trains from the first step on. Whatever an attempt before recorded is begun anew.
fn begin(
    directory: &RunDirectory,
    config: &RunConfig,
    trainer: Trainer<World>,
    lock: RunLock,
    stop: Stop<'_>,
    manner: Manner,
    out: &mut impl Write,
) -> Result<()> {
    let recorder = recorder(directory, config, Position::default())?;
    let counted = Counted::new(trainer.env());
    Run {
        directory,
        config,
        checkpoints: directory.checkpoints(),
        trainer,
        observer: Observer::new(config, recorder, counted),
        evaluator: Evaluator::new(directory, config, Evaluations::new(config)),
        clock: Duration::ZERO,
        saved: 0,
        stop,
        _lock: lock,
    }
    .complete(manner, out)
}

/// Removes what killed processes left in a run directory, and restores what its settings tell.
fn tidy(directory: &RunDirectory, config: &RunConfig) -> Result<()> {
    for folder in [directory.path(), &directory.evaluations()] {
        townlet_files::remove_partials(folder)?;
    }
    for mended in run_setup::mend(directory, config)? {
        messages::warning(mended);
    }
    Ok(())
}

/// Makes sure that the file of the best weights has those of the best evaluation so far.
fn restore_best(directory: &RunDirectory, config: &RunConfig, best: Option<&EvaluationRow>) -> Result<()> {
    let Some(best) = best else { return Ok(()) };
    let file = directory.weights_file(Weights::Best);
    let whole = directory.weights_are_whole(Weights::Best);
    let Some(checkpoint) = best_weights::in_checkpoint(directory, best) else {
        if !whole {
            messages::warning(format_args!(
                "{} is lost, and no checkpoint has the weights of the best evaluation (after {} steps) any more; \
                 the file is made again once an evaluation is better",
                file.display(),
                best.steps
            ));
        }
        return Ok(());
    };
    if whole {
        return Ok(());
    }
    let network = RunDirectory::checkpoint_network(&checkpoint, config, config.backend)?;
    directory.save_weights(Weights::Best, &network, config, best.steps)?;
    messages::warning(format_args!(
        "{} was lost, and is restored from {}",
        file.display(),
        checkpoint.path().display()
    ));
    Ok(())
}

/// Records from `at` on, if anything is to be recorded, and says what was lost of what was recorded before.
fn recorder(directory: &RunDirectory, config: &RunConfig, at: Position) -> Result<Option<Recorder>> {
    if !config.metrics {
        return Ok(None);
    }
    let (recorder, losses) = Recorder::recover(directory.path(), at, Options::default())?;
    for Loss { path, reason, set_aside } in losses {
        let aside =
            set_aside.map_or_else(String::new, |aside| format!("it is set aside as {}; ", aside.display()));
        messages::warning(format_args!(
            "{}: {reason}; {aside}a new one begins after {} steps, without what was recorded before",
            path.display(),
            at.steps
        ));
    }
    Ok(Some(recorder))
}

impl Run<'_> {
    fn complete(mut self, manner: Manner, out: &mut impl Write) -> Result<()> {
        self.tell("training_status", "running");
        if self.saved > 0 {
            // A process that was killed right after it wrote the checkpoint could not say so.
            self.tell_checkpoint(&self.checkpoints.place(self.saved));
        }
        self.say(RunState::Running, None)?;
        let mut display = ProgressDisplay::new(self.config.budget, self.trainer.progress(), manner.quiet);
        let device = self.config.backend.device()?;
        let outcome = in_pool(&device, || self.train(&mut display));
        display.finish();
        let steps = self.trainer.progress().steps;
        let path = self.directory.path();
        match outcome {
            Ok(end) => {
                let (state, word) = match end {
                    End::Finished => (RunState::Finished, "completed"),
                    End::Interrupted => (RunState::Interrupted, "interrupted"),
                };
                self.tell("training_status", word);
                self.finish_metrics()?;
                self.directory.save_weights(
                    Weights::Last,
                    &self.trainer.learner().acting_network(),
                    self.config,
                    steps,
                )?;
                self.say(state, None)?;
                match end {
                    _ if manner.json => {
                        let status = self.status(state, None);
                        let json = json!({ "run": path.display().to_string(), "status": status });
                        Ok(writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?)
                    }
                    End::Finished => self.summarise(out),
                    End::Interrupted => {
                        writeln!(out, "Stopped after {steps} steps, and saved.")?;
                        Ok(writeln!(out, "Go on: townlet resume {}", quoted(path))?)
                    }
                }?;
                match end {
                    End::Finished => Ok(()),
                    End::Interrupted => bail!(Stopped),
                }
            }
            Err(error) => {
                // Whatever went wrong, what there is goes to disk, as far as it can.
                self.tell("training_status", "failed");
                let weights = self.trainer.learner().acting_network();
                let saved = self.finish_metrics().and(self.directory.save_weights(
                    Weights::Last,
                    &weights,
                    self.config,
                    steps,
                ));
                let kept = match saved {
                    Ok(()) => "the episodes and the weights so far".to_owned(),
                    Err(error) => format!("not everything so far ({})", error_message::of(&error)),
                };
                let message = error_message::of(&error);
                // The first error is the one to tell; that the status cannot be written either adds nothing.
                let _ = self.say(RunState::Failed, Some(&message));
                let again = match self.checkpoints.list() {
                    Ok(list) if !list.is_empty() => format!(
                        "; once that is mended, townlet resume {} goes on from its last checkpoint",
                        quoted(path)
                    ),
                    _ => String::new(),
                };
                let path = path.display();
                Err(error
                    .context(format!("training stopped after {steps} steps; {path} holds {kept}{again}")))
            }
        }
    }

    /// Trains until the budget is spent, an evaluation is as good as asked for, somebody asks it to stop, or
    /// something fails.
    fn train(&mut self, display: &mut ProgressDisplay) -> Result<End> {
        let every = self.config.checkpoints.every;
        // An evaluation that was cut off is due now, and made before anything else.
        while self.goes_on() || self.evaluator.is_due(self.trainer.progress().steps) {
            if (self.stop)() {
                return self.interrupt();
            }
            if !self.evaluator.is_due(self.trainer.progress().steps) {
                let started = Instant::now();
                let outcome = self.trainer.round(&mut self.observer);
                self.clock += started.elapsed();
                self.recorded()?;
                outcome?;
            }
            let steps = self.trainer.progress().steps;
            let mut due = every > 0 && steps / every > self.saved / every;
            if self.evaluator.is_due(steps) {
                if !self.evaluate(display)? {
                    return self.interrupt();
                }
                // The best so far is kept whole, too. So is what follows an evaluation that was cut off.
                due |= every > 0 && (self.evaluator.best_steps() == Some(steps) || self.saved == steps);
            }
            if due {
                self.save()?;
            }
            display.update(self.trainer.progress(), || Status {
                survival: self.observer.counted.survival.last_mean(),
                epsilon: self.trainer.mean_epsilon(),
                loss: self.observer.counted.loss,
                evaluated: self.evaluator.so_far.last.map(|row| row.survival_mean),
            });
        }
        // Before the updates that are outstanding, so that a longer run can go on from here as if there had
        // been no end.
        if every > 0 && self.saved != self.trainer.progress().steps {
            self.save()?;
        }
        let started = Instant::now();
        let outcome = self.trainer.finish(&mut self.observer);
        self.clock += started.elapsed();
        self.recorded()?;
        outcome?;
        // What is kept in the end has been evaluated, too.
        if self.evaluator.is_behind(self.trainer.progress().updates)
            && !self.evaluator.reached()
            && !self.evaluate(display)?
        {
            return self.interrupt();
        }
        Ok(End::Finished)
    }

    /// Saves what is not in a checkpoint yet.
    fn interrupt(&mut self) -> Result<End> {
        if self.saved != self.trainer.progress().steps {
            self.save()?;
        }
        Ok(End::Interrupted)
    }

    fn goes_on(&self) -> bool {
        let progress = self.trainer.progress();
        let budget = match self.config.budget {
            Budget::Steps(steps) => progress.steps < steps,
            Budget::Episodes(episodes) => progress.episodes < episodes,
        };
        budget && !self.evaluator.reached()
    }

    /// Evaluates, and returns whether nobody asked to stop meanwhile. Otherwise nothing has changed.
    fn evaluate(&mut self, display: &ProgressDisplay) -> Result<bool> {
        let row = match self.evaluator.evaluate(&self.trainer, self.clock, self.stop) {
            Err(error) if error.is::<Stopped>() => return Ok(false),
            row => row?,
        };
        display.say(&describe(&row));
        self.observer.record(row);
        if self.observer.recorder.is_some() {
            for (name, array) in state_dict(&self.trainer.learner().acting_network()) {
                let (tag, steps) = (format!("weights/{name}"), row.steps);
                self.observer.record(Histogram { tag, steps, values: array.values });
            }
        }
        self.recorded().map(|()| true)
    }

    /// Fails where something could not be recorded.
    fn recorded(&mut self) -> Result<()> {
        self.observer.failure.take().map_or(Ok(()), Err)
    }

    /// Writes a checkpoint, once everything before it has been recorded.
    fn save(&mut self) -> Result<()> {
        self.observer.sync()?;
        let steps = self.trainer.progress().steps;
        let place = self.checkpoints.make_room(steps)?;
        let saved = Saved {
            run: self.config.identity()?,
            clock: self.clock,
            counted: self.observer.counted.clone(),
            evaluations: self.evaluator.so_far.clone(),
        };
        let schedule = self.config.checkpoints;
        self.trainer.save(&place, schedule.replay, &saved)?;
        self.saved = steps;
        self.checkpoints.tidy(schedule, self.evaluator.best_steps())?;
        self.tell_checkpoint(&place);
        self.say(RunState::Running, None)
    }

    fn tell(&mut self, key: &str, value: &str) {
        self.observer.record(SystemState { key: key.to_owned(), value: value.to_owned() });
    }

    fn tell_checkpoint(&mut self, place: &Path) {
        self.tell("last_checkpoint", &place.file_name().unwrap_or_default().to_string_lossy());
    }

    fn finish_metrics(&mut self) -> Result<()> {
        self.observer.recorder.take().map_or(Ok(()), |recorder| Ok(recorder.finish()?))
    }

    fn say(&self, state: RunState, error: Option<&str>) -> Result<()> {
        self.status(state, error).write(&self.directory.status_file())
    }

    fn status(&self, state: RunState, error: Option<&str>) -> RunStatus {
        let Progress { steps, episodes, updates, .. } = *self.trainer.progress();
        let evaluations = &self.evaluator.so_far;
        RunStatus {
            state,
            steps,
            episodes,
            updates,
            training_seconds: self.clock.as_secs_f64(),
            survival: self.observer.counted.survival.last_mean(),
            best_evaluation: evaluations.best.map(|row| row.survival_mean),
            error: error.map(str::to_owned),
        }
    }

    fn summarise(&self, out: &mut impl Write) -> Result<()> {
        let progress = self.trainer.progress();
        let survival = &self.observer.counted.survival;
        writeln!(
            out,
            "Trained for {} steps, {} episodes and {} updates in {:.1} s.",
            progress.steps,
            progress.episodes,
            progress.updates,
            self.clock.as_secs_f64()
        )?;
        let count = survival.len();
        match (survival.first_mean(), survival.last_mean()) {
            (Some(first), Some(last)) if count == SurvivalWindows::LENGTH => {
                writeln!(
                    out,
                    "Mean survival: {first:.1} steps in the first {count} episodes, {last:.1} in the last."
                )?;
            }
            // Too few for a first and a last window.
            (Some(mean), _) => writeln!(out, "Mean survival: {mean:.1} steps in {count} episodes.")?,
            _ => writeln!(out, "No episode has finished.")?,
        }
        let Evaluations { last, best, .. } = &self.evaluator.so_far;
        if let (Some(last), Some(best)) = (last, best) {
            writeln!(out, "Evaluated: {}.", describe(last))?;
            if best.steps != last.steps {
                writeln!(out, "Best, and kept: {}.", describe(best))?;
            }
        }
        let path = self.directory.path();
        writeln!(out, "{} holds its settings, level, metrics, checkpoints and weights.", path.display())?;
        let run = quoted(path);
        writeln!(out, "Next: townlet watch {run}")?;
        writeln!(out, "      townlet eval {run}").context("cannot write to stdout")
    }
}
