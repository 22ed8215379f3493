//! `townlet train`: train one network in many agents' lives, and keep what came of it.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use rand::RngExt;
use townlet_drqn::{
    CurriculumConfig, EpisodeReport, NetworkPolicy, StageChange, TrainObserver, Trainer, UpdateReport,
};
use townlet_env::stream;
use townlet_nets::device::in_pool;
use tracing::{debug, info};

use crate::csv_log::{CsvLog, EpisodeRow, EvaluationRow, StageRow};
use crate::error_message;
use crate::evaluation::{cause_of_death, play};
use crate::progress::{ProgressDisplay, Status};
use crate::run_config::{Budget, EvaluationSchedule, RunConfig};
use crate::run_directory::{RunDirectory, Weights};
use crate::settings::{Resolved, SettingsArguments};
use crate::survival::SurvivalWindows;
use crate::world::World;

/// Train an agent
///
/// Writes a run directory with the resolved configuration (run.toml), the level (level.toml), one row for
/// each episode (episodes.csv) and each evaluation (evaluations.csv), the trained network
/// (weights.safetensors) and the one that was evaluated best (best.safetensors). On a CPU backend, the same
/// arguments train the same networks.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet train
  townlet train --level temporal --seed 3 --steps 2000000 --out runs/long
  townlet train --until 490
  townlet train --recipe drqn --level mine.toml --config small.toml --episodes 500
  townlet train --set learner.learning_rate=5e-4 --set network.core='{ kind = \"gru\" }'

A configuration file changes what it names of the recipe. `townlet config show` prints all
settings and where each is from:
  agents = 32
  [learner]
  learning_rate = 5e-4
  schedule = { update_every = 128 }
  [network]
  hidden = 128
  core = { kind = \"gru\" }")]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: SettingsArguments,

    /// Stop once an evaluation's mean survival reaches so many steps
    #[arg(long, value_name = "STEPS", value_parser = positive)]
    until: Option<f64>,

    /// The run directory to make [default: runs/LEVEL-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let config = self.resolve()?;
        let path = self.out.clone().unwrap_or_else(|| default_path(&config));
        // Everything that can be refused is, before anything is written.
        let world = config.view().world(config.agents)?;
        let device = config.backend.device()?;
        let mut trainer = Trainer::new(world, &config.network, config.learner.clone(), config.seed, &device)?;
        let run = RunDirectory::create(&path, &config)?;
        info!(run = %path.display(), level = config.level.name, seed = config.seed, "training");

        let mut record = Record::new(&run, &config)?;
        let mut evaluator = Evaluator::new(&run, &config, self.until)?;
        let display = ProgressDisplay::new(config.budget, self.quiet);
        let mut clock = Duration::ZERO;
        let trained = in_pool(&device, || {
            train(&mut trainer, &mut record, &mut evaluator, display, config.budget, &mut clock)
        });
        // Whatever went wrong, what there is goes to disk.
        let logged = record.flush();
        let steps = trainer.progress().steps;
        let saved = run.save_weights(Weights::Last, &trainer.learner().acting_network(), &config, steps);
        if let Err(error) = trained {
            let kept = match logged.and(saved) {
                Ok(()) => "the episodes and the weights so far".to_owned(),
                Err(error) => format!("not everything so far ({})", error_message::of(&error)),
            };
            let path = run.path().display();
            return Err(error.context(format!("training stopped after {steps} steps; {path} holds {kept}")));
        }
        logged?;
        saved?;
        summarise(out, &run, &trainer, &record.survival, clock, &evaluator)
    }

    /// Puts all settings together, and says what of them means nothing here.
    fn resolve(&self) -> Result<RunConfig> {
        let Resolved { config, notes, .. } = self.settings.resolve()?;
        if self.until.is_some() && config.evaluation.every == 0 {
            bail!("--until needs evaluations; give --evaluate-every, or evaluation.every in a --config file");
        }
        for note in notes {
            eprintln!("note: {note}");
        }
        Ok(config)
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("expected a positive number".to_owned()),
    }
}

/// `runs/LEVEL-SEED`, the name of the level without anything that means something in a path.
fn default_path(config: &RunConfig) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let name: String = config.level.name.chars().map(plain).collect();
    PathBuf::from("runs").join(format!("{name}-{}", config.seed))
}

/// What a run leaves behind while it goes on.
struct Record {
    log: CsvLog<EpisodeRow>,
    /// Where there is a curriculum.
    stages: Option<CsvLog<StageRow>>,
    survival: SurvivalWindows,
    loss: Option<f32>,
    /// Of the last episode that ended.
    steps: u64,
    /// The first row that could not be written, if one could not.
    failure: Option<anyhow::Error>,
}

impl Record {
    fn new(run: &RunDirectory, config: &RunConfig) -> Result<Self> {
        let staged = config.learner.curriculum != CurriculumConfig::None;
        Ok(Self {
            log: CsvLog::create(&run.episodes_file())?,
            stages: staged.then(|| CsvLog::create(&run.stages_file())).transpose()?,
            survival: SurvivalWindows::default(),
            loss: None,
            steps: 0,
            failure: None,
        })
    }

    fn flush(&mut self) -> Result<()> {
        self.log.flush()?;
        self.stages.as_mut().map_or(Ok(()), CsvLog::flush)
    }
}

impl TrainObserver<World> for Record {
    fn on_episode(&mut self, world: &World, episode: &EpisodeReport) {
        self.survival.push(episode.length);
        self.steps = episode.steps;
        let cause = cause_of_death(world.inner().level(), world.inner().deaths()[episode.env]);
        if let Err(error) = self.log.write(&EpisodeRow::new(episode, cause)) {
            self.failure.get_or_insert(error);
        }
    }

    fn on_stage_change(&mut self, _: &World, change: &StageChange) {
        if let Some(stages) = &mut self.stages
            && let Err(error) = stages.write(&StageRow::new(self.steps, change))
        {
            self.failure.get_or_insert(error);
        }
    }

    fn on_update(&mut self, update: &UpdateReport) {
        debug!(?update);
        self.loss = Some(update.loss);
    }
}

/// Evaluates on the way, keeps the rows and the weights that were best.
struct Evaluator<'a> {
    run: &'a RunDirectory,
    config: &'a RunConfig,
    until: Option<f64>,
    log: CsvLog<EvaluationRow>,
    /// The steps after which the next evaluation is due.
    due: Option<u64>,
    last: Option<EvaluationRow>,
    best: Option<EvaluationRow>,
}

impl<'a> Evaluator<'a> {
    fn new(run: &'a RunDirectory, config: &'a RunConfig, until: Option<f64>) -> Result<Self> {
        let log = CsvLog::create(&run.evaluations_file())?;
        let due = Some(config.evaluation.every).filter(|&every| every > 0);
        Ok(Self { run, config, until, log, due, last: None, best: None })
    }

    fn is_due(&self, steps: u64) -> bool {
        self.due.is_some_and(|due| steps >= due)
    }

    /// Whether the last evaluation was as good as it had to be.
    fn reached(&self) -> bool {
        self.last.zip(self.until).is_some_and(|(last, until)| last.survival_mean >= until)
    }

    /// Plays, greedily, with the network as it is now.
    fn evaluate(&mut self, trainer: &Trainer<World>, clock: Duration) -> Result<EvaluationRow> {
        let EvaluationSchedule { every, episodes } = self.config.evaluation;
        let progress = trainer.progress();
        self.due = Some((progress.steps / every + 1) * every);
        let network = trainer.learner().acting_network();
        // The same episodes every time, and none of those that were trained in or that `townlet eval` plays.
        let seed = stream(self.config.seed, "evaluation-during-training", 0, 0).random();
        let played = play(&self.config.view(), episodes as usize, seed, |agents, seed| {
            NetworkPolicy::new(&network, agents, 0.0, seed)
        })?;
        let row = EvaluationRow {
            steps: progress.steps,
            updates: progress.updates,
            training_seconds: clock.as_secs_f64(),
            episodes,
            survival_mean: played.survival_mean.unwrap_or_default(),
            survival_standard_error: played.survival_standard_error.unwrap_or_default(),
            reached_limit: played.reached_limit,
            mean_return: played.mean_return,
        };
        self.log.write(&row)?;
        self.log.flush()?;
        self.last = Some(row);
        if self.best.is_none_or(|best| row.survival_mean > best.survival_mean) {
            self.best = Some(row);
            self.run.save_weights(Weights::Best, &network, self.config, progress.steps)?;
        }
        Ok(row)
    }
}

/// Trains until the budget is spent, an evaluation is as good as asked for, or something fails. `clock` is how
/// long training took, without evaluations.
fn train(
    trainer: &mut Trainer<World>,
    record: &mut Record,
    evaluator: &mut Evaluator<'_>,
    mut display: ProgressDisplay,
    budget: Budget,
    clock: &mut Duration,
) -> Result<()> {
    let going_on = |trainer: &Trainer<World>| match budget {
        Budget::Steps(steps) => trainer.progress().steps < steps,
        Budget::Episodes(episodes) => trainer.progress().episodes < episodes,
    };
    let mut outcome = Ok(());
    while outcome.is_ok() && going_on(trainer) && !evaluator.reached() {
        let started = Instant::now();
        outcome = trainer.round(record).map_err(anyhow::Error::from);
        if let Some(failure) = record.failure.take() {
            outcome = outcome.and(Err(failure));
        }
        *clock += started.elapsed();
        if outcome.is_ok() && evaluator.is_due(trainer.progress().steps) {
            outcome = evaluator.evaluate(trainer, *clock).map(|row| display.say(&describe(&row)));
        }
        display.update(trainer.progress(), || Status {
            survival: record.survival.last_mean(),
            epsilon: trainer.mean_epsilon(),
            loss: record.loss,
            evaluated: evaluator.last.map(|row| row.survival_mean),
        });
    }
    if outcome.is_ok() {
        let started = Instant::now();
        outcome = trainer.finish(record).map_err(anyhow::Error::from);
        *clock += started.elapsed();
    }
    // What is kept in the end has been evaluated, too.
    let updates = trainer.progress().updates;
    let stale = evaluator.last.is_none_or(|last| last.updates != updates);
    if outcome.is_ok() && evaluator.due.is_some() && stale && !evaluator.reached() {
        outcome = evaluator.evaluate(trainer, *clock).map(|row| display.say(&describe(&row)));
    }
    display.finish();
    outcome
}

fn describe(row: &EvaluationRow) -> String {
    format!(
        "after {} steps and {:.0} s of training, {} greedy episodes last {:.1} ± {:.1} steps, {:.0} % to the limit",
        row.steps,
        row.training_seconds,
        row.episodes,
        row.survival_mean,
        row.survival_standard_error,
        100.0 * row.reached_limit
    )
}

fn summarise(
    out: &mut impl Write,
    run: &RunDirectory,
    trainer: &Trainer<World>,
    survival: &SurvivalWindows,
    clock: Duration,
    evaluator: &Evaluator<'_>,
) -> Result<()> {
    let progress = trainer.progress();
    let path = run.path().display();
    writeln!(
        out,
        "Trained for {} steps, {} episodes and {} updates in {:.1} s.",
        progress.steps,
        progress.episodes,
        progress.updates,
        clock.as_secs_f64()
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
    if let (Some(last), Some(best)) = (evaluator.last, evaluator.best) {
        writeln!(out, "Evaluated: {}.", describe(&last))?;
        if best.steps != last.steps {
            writeln!(out, "Best, and kept: {}.", describe(&best))?;
        }
    }
    writeln!(out, "{path} holds its settings, level, episodes, evaluations and weights.")?;
    writeln!(out, "Next: townlet eval {}", quoted(&path.to_string())).context("cannot write to stdout")
}

/// A path as a shell reads it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:\\".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_with_a_space_is_quoted() {
        assert_eq!(quoted("runs/pomdp-0"), "runs/pomdp-0");
        assert_eq!(quoted("my runs/it's"), r"'my runs/it'\''s'");
    }
}
