//! The flags that settings are made of, the same for every command that resolves them.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, value_parser};
use toml::{Table, Value};
use townlet_nets::Backend;

use super::files::{self, Said};
use super::layers::Layer;
use super::origin::Origin;
use super::{Resolved, resolve, set};
use crate::commands::MAX_SEED;
use crate::config_file::MAX_AGENTS;
use crate::recipe::Recipe;

/// Settings of a training run.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SettingsArguments {
    /// A built-in level (see `townlet levels`) or a level file [default: that of the recipe, pomdp in most]
    #[arg(long, value_name = "NAME|FILE")]
    level: Option<String>,

    /// The backend: flex, ndarray or wgpu [default: flex]
    #[arg(long)]
    backend: Option<Backend>,

    /// The settings to start from [default: best]
    #[arg(long, value_enum)]
    recipe: Option<Recipe>,

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

    /// Save after every so many steps, at the best evaluation and at the end; 0 for never [default: a tenth of --steps,
    /// from 5000 to 500000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=MAX_SEED))]
    checkpoint_every: Option<u64>,

    /// Leave the replay out of checkpoints: they are small, and a run that goes on from one is another one
    #[arg(long)]
    no_replay: bool,

    /// Record nothing of what happens
    #[arg(long)]
    no_metrics: bool,

    /// What everything random follows from [default: 0]
    #[arg(long, value_name = "S", value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: Option<u64>,

    /// A TOML file with settings that differ from the recipe's; several are read in their order. A .yaml file
    /// is read as a training file of the Python implementation
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,

    /// One setting that differs, such as learner.learning_rate=5e-4; over all files
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl SettingsArguments {
    /// Puts flags, `--set`, files, the level, the recipe and the defaults together.
    ///
    /// # Errors
    ///
    /// As [`resolve`], and where a file cannot be read.
    pub(crate) fn resolve(&self) -> Result<Resolved> {
        let mut said = Vec::new();
        for path in &self.config {
            said.push(files::read(path)?);
        }
        for setting in &self.set {
            said.push(set::read(setting)?);
        }
        for (flag, key, value) in self.flags() {
            let mut table = Table::new();
            set::insert(&mut table, key, value);
            said.push(Said::new(Layer { origin: Origin::Flag(flag), table })?);
        }
        resolve(said)
    }

    /// Every flag that was given, with the setting that it means.
    fn flags(&self) -> impl Iterator<Item = (&'static str, &'static str, Value)> {
        let whole = |number: u64| Value::Integer(number as i64);
        let text = |text: &str| Value::String(text.to_owned());
        [
            ("--level", "level", self.level.as_deref().map(text)),
            ("--backend", "backend", self.backend.map(|backend| text(&backend.to_string()))),
            ("--recipe", "recipe", self.recipe.map(|recipe| text(recipe.name()))),
            ("--agents", "agents", self.agents.map(|agents| whole(agents.into()))),
            ("--steps", "steps", self.steps.map(whole)),
            ("--episodes", "episodes", self.episodes.map(whole)),
            ("--evaluate-every", "evaluation.every", self.evaluate_every.map(whole)),
            ("--until", "evaluation.until", self.until.map(Value::Float)),
            ("--checkpoint-every", "checkpoints.every", self.checkpoint_every.map(whole)),
            ("--no-replay", "checkpoints.replay", self.no_replay.then_some(Value::Boolean(false))),
            ("--no-metrics", "metrics", self.no_metrics.then_some(Value::Boolean(false))),
            ("--seed", "seed", self.seed.map(whole)),
        ]
        .into_iter()
        .filter_map(|(flag, key, value)| Some((flag, key, value?)))
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("expected a positive number".to_owned()),
    }
}
