//! `townlet train`: train one network in many agents' lives, and keep what came of it.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, value_parser};
use townlet_drqn::{EpisodeReport, TrainObserver, Trainer, UpdateReport};
use townlet_env::Town;
use townlet_nets::Backend;
use townlet_nets::device::in_pool;
use tracing::{debug, info};

use super::MAX_SEED;
use crate::episode_log::EpisodeLog;
use crate::evaluation::cause_of_death;
use crate::progress::{ProgressDisplay, Status};
use crate::run_config::{Budget, RunConfig, default_network, fitted_learner};
use crate::run_directory::RunDirectory;
use crate::survival::SurvivalWindows;
use crate::{config_file, error_message, level_argument};

/// Train an agent
///
/// Writes a run directory with the resolved configuration (run.toml), the level (level.toml), one row for
/// each episode (episodes.csv) and the trained network (weights.safetensors). On a CPU backend, the same
/// arguments give the same files.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet train
  townlet train --level temporal --seed 3 --steps 2000000 --out runs/long
  townlet train --level mine.toml --config small.toml --episodes 500

A configuration file changes settings of the learner and sizes of the network.
The run.toml of any run shows them all:
  [learner]
  learning_rate = 5e-4
  schedule = { update_every = 128 }
  [network]
  hidden = 128")]
pub(crate) struct Arguments {
    /// A built-in level (see `townlet levels`) or a level file
    #[arg(long, value_name = "NAME|FILE", default_value = "pomdp")]
    level: String,

    /// The backend: flex, ndarray or wgpu
    #[arg(long, default_value_t = Backend::default())]
    backend: Backend,

    /// How many agents live side by side
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..=65_536))]
    agents: u32,

    /// Stop after so many steps, counted over all agents [default: 300000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    steps: Option<u64>,

    /// Stop after so many episodes, counted over all agents
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    #[arg(conflicts_with = "steps")]
    episodes: Option<u64>,

    /// What everything random follows from
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: u64,

    /// The run directory to make [default: runs/LEVEL-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// A TOML file with settings of the learner and sizes of the network
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let config = self.resolve()?;
        let path = self.out.clone().unwrap_or_else(|| default_path(&config));
        // Everything that can be refused is, before anything is written.
        let town = Town::new(config.level.clone(), config.agents)?;
        let device = config.backend.device()?;
        let mut trainer = Trainer::new(town, &config.network, config.learner.clone(), config.seed, &device)?;
        let run = RunDirectory::create(&path, &config)?;
        info!(run = %path.display(), level = config.level.name, seed = config.seed, "training");

        let started = Instant::now();
        let mut record = Record::new(EpisodeLog::create(&run.episodes_file())?);
        let display = ProgressDisplay::new(config.budget, self.quiet);
        let trained = in_pool(&device, || train(&mut trainer, &mut record, display, config.budget));
        // Whatever went wrong, what there is goes to disk.
        let logged = record.log.flush();
        let steps = trainer.progress().steps;
        let saved = run.save_weights(&trainer.learner().acting_network(), &config, steps);
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
        summarise(out, &run, &trainer, &record.survival, started.elapsed())
    }

    /// Puts arguments, configuration file and defaults together.
    fn resolve(&self) -> Result<RunConfig> {
        let level = level_argument::load(&self.level)?;
        let agents = self.agents as usize;
        let budget = match (self.steps, self.episodes) {
            (Some(steps), _) => Budget::Steps(steps),
            (None, Some(episodes)) => Budget::Episodes(episodes),
            (None, None) => Budget::DEFAULT,
        };
        let mut network = default_network(&level);
        let mut learner = fitted_learner(agents, budget, level.step_limit);
        if let Some(file) = &self.config {
            config_file::apply(file, &mut network, &mut learner)?;
        }
        let townlet = env!("CARGO_PKG_VERSION").to_owned();
        Ok(RunConfig {
            townlet,
            backend: self.backend,
            agents,
            seed: self.seed,
            budget,
            network,
            learner,
            level,
        })
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
    log: EpisodeLog,
    survival: SurvivalWindows,
    loss: Option<f32>,
    /// The first row that could not be written, if one could not.
    failure: Option<anyhow::Error>,
}

impl Record {
    fn new(log: EpisodeLog) -> Self {
        Self { log, survival: SurvivalWindows::default(), loss: None, failure: None }
    }
}

impl TrainObserver<Town> for Record {
    fn on_episode(&mut self, town: &Town, episode: &EpisodeReport) {
        self.survival.push(episode.length);
        let cause = cause_of_death(town.level(), town.deaths()[episode.env]);
        if let Err(error) = self.log.write(episode, &cause) {
            self.failure.get_or_insert(error);
        }
    }

    fn on_update(&mut self, update: &UpdateReport) {
        debug!(?update);
        self.loss = Some(update.loss);
    }
}

/// Trains until the budget is spent or something fails.
fn train(
    trainer: &mut Trainer<Town>,
    record: &mut Record,
    mut display: ProgressDisplay,
    budget: Budget,
) -> Result<()> {
    let going_on = |trainer: &Trainer<Town>| match budget {
        Budget::Steps(steps) => trainer.progress().steps < steps,
        Budget::Episodes(episodes) => trainer.progress().episodes < episodes,
    };
    let mut outcome = Ok(());
    while outcome.is_ok() && going_on(trainer) {
        outcome = trainer.round(record).map_err(anyhow::Error::from);
        if let Some(failure) = record.failure.take() {
            outcome = outcome.and(Err(failure));
        }
        display.update(trainer.progress(), || Status {
            survival: record.survival.last_mean(),
            epsilon: trainer.mean_epsilon(),
            loss: record.loss,
        });
    }
    if outcome.is_ok() {
        outcome = trainer.finish(record).map_err(anyhow::Error::from);
    }
    display.finish();
    outcome
}

fn summarise(
    out: &mut impl Write,
    run: &RunDirectory,
    trainer: &Trainer<Town>,
    survival: &SurvivalWindows,
    time: Duration,
) -> Result<()> {
    let progress = trainer.progress();
    let path = run.path().display();
    writeln!(
        out,
        "Trained for {} steps, {} episodes and {} updates in {:.1} s.",
        progress.steps,
        progress.episodes,
        progress.updates,
        time.as_secs_f64()
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
    writeln!(out, "{path} holds run.toml, level.toml, episodes.csv and weights.safetensors.")?;
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
