//! `townlet train`: train one network in many agents' lives, and keep what came of it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, value_parser};
use jiff::ZonedDateTime;
use townlet_drqn::DrqnConfig;
use townlet_nets::Backend;

use super::MAX_SEED;
use crate::config_file::{self, ConfigFile, MAX_AGENTS};
use crate::recipe::Recipe;
use crate::run_config::{Budget, CheckpointSchedule, EvaluationSchedule, RunConfig, default_network, fit};
use crate::toml_place::TomlText;
use crate::training::{self, Manner};
use crate::level_argument;

/// Train an agent
///
/// Writes a run directory with the resolved configuration (run.toml), the level (level.toml), where the run
/// comes from (provenance.json), what happened (metrics.sqlite, and events.out.tfevents.* for TensorBoard),
/// checkpoints from which `townlet resume` goes on, the trained network (weights.safetensors) and the one that
/// was evaluated best (best.safetensors). Ctrl-C saves and stops. On a CPU backend, the same arguments train the
/// same networks.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet train
  townlet train --level temporal --seed 3 --steps 2000000 --out runs/long
  townlet train --until 490
  townlet train --recipe drqn --level mine.toml --config small.toml --episodes 500

A configuration file changes what it names of the recipe. The run.toml of any run shows all
settings:
  agents = 32
  [learner]
  learning_rate = 5e-4
  schedule = { update_every = 128 }
  [network]
  hidden = 128
  core = { kind = \"gru\" }")]
pub(crate) struct Arguments {
    /// A built-in level (see `townlet levels`) or a level file
    #[arg(long, value_name = "NAME|FILE", default_value = "pomdp")]
    level: String,

    /// The backend: flex, ndarray or wgpu
    #[arg(long, default_value_t = Backend::default())]
    backend: Backend,

    /// The settings to start from
    #[arg(long, value_enum, default_value_t)]
    recipe: Recipe,

    /// How many agents live side by side [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=i64::from(MAX_AGENTS)))]
    agents: Option<u32>,

    /// Stop after so many steps, counted over all agents [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    steps: Option<u64>,

    /// Stop after so many episodes, counted over all agents
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    #[arg(conflicts_with = "steps")]
    episodes: Option<u64>,

    /// Evaluate greedily after every so many steps; 0 for never [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=MAX_SEED))]
    evaluate_every: Option<u64>,

    /// Stop once an evaluation's mean survival reaches so many steps
    #[arg(long, value_name = "STEPS", value_parser = positive)]
    until: Option<f64>,

    /// What everything random follows from
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: u64,

    /// The run directory to make [default: runs/LEVEL-DATE-TIME-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// A TOML file with settings that differ from the recipe's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Save after every so many steps, at the best evaluation and at the end; 0 for never [default: 500000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=MAX_SEED))]
    checkpoint_every: Option<u64>,

    /// Leave the replay out of checkpoints: they are small, and a run that goes on from one is another one
    #[arg(long)]
    no_replay: bool,

    /// Record nothing of what happens
    #[arg(long)]
    no_metrics: bool,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,

    /// Print what came of it as one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let config = self.resolve()?;
        let path = self.out.clone().unwrap_or_else(|| default_path(&config));
        training::start(&path, &config, Manner { quiet: self.quiet, json: self.json }, out)
    }

    /// Puts arguments, configuration file, recipe and defaults together.
    fn resolve(&self) -> Result<RunConfig> {
        let level = level_argument::load(&self.level)?;
        let recipe_path = self.recipe.path();
        let recipe = ConfigFile::parse(TomlText { path: &recipe_path, text: self.recipe.text() })?;
        let own_text = self.config.as_deref().map(config_file::read).transpose()?;
        let own = self.config.as_deref().zip(own_text.as_deref());
        let own = own.map(|(path, text)| ConfigFile::parse(TomlText { path, text })).transpose()?;

        let (mut network, mut learner) = (default_network(&level), DrqnConfig::default());
        let mut evaluation = EvaluationSchedule { every: 0, episodes: 200, until: self.until };
        let mut checkpoints = CheckpointSchedule::default();
        let agents = self.agents.or_else(|| own.as_ref().and_then(ConfigFile::agents)).or(recipe.agents());
        let agents = agents.unwrap_or(1) as usize;
        let steps = own.as_ref().and_then(ConfigFile::steps).or(recipe.steps());
        let budget = match (self.steps, self.episodes) {
            (Some(steps), _) => Budget::Steps(steps),
            (None, Some(episodes)) => Budget::Episodes(episodes),
            (None, None) => Budget::Steps(steps.unwrap_or(1)),
        };
        if own.as_ref().and_then(ConfigFile::previous).or(recipe.previous()) == Some(true) {
            network.layout = network.layout.with_previous(network.num_actions + 1);
        }
        recipe.apply_network(&mut network)?;
        recipe.apply_learner(&mut learner)?;
        recipe.apply_evaluation(&mut evaluation);
        fit(&mut learner, agents, budget, level.step_limit);
        if let Some(own) = &own {
            own.apply_network(&mut network)?;
            own.apply_learner(&mut learner)?;
            own.apply_evaluation(&mut evaluation);
        }
        checkpoints.every = self.checkpoint_every.unwrap_or(checkpoints.every);
        checkpoints.replay &= !self.no_replay;
        evaluation.every = self.evaluate_every.unwrap_or(evaluation.every);
        if self.until.is_some() && evaluation.every == 0 {
            bail!("--until needs evaluations; give --evaluate-every, or evaluation.every in a --config file");
        }
        Ok(RunConfig {
            townlet: env!("CARGO_PKG_VERSION").to_owned(),
            recipe: self.recipe,
            backend: self.backend,
            agents,
            seed: self.seed,
            budget,
            evaluation,
            checkpoints,
            metrics: !self.no_metrics,
            network,
            learner,
            level,
        })
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("expected a positive number".to_owned()),
    }
}

/// `runs/LEVEL-DATE-TIME-SEED`, the name of the level without anything that means something in a path.
fn default_path(config: &RunConfig) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let name: String = config.level.name.chars().map(plain).collect();
    let now = ZonedDateTime::now().strftime("%Y%m%d-%H%M%S");
    PathBuf::from("runs").join(format!("{name}-{now}-{}", config.seed))
}
