//! `townlet eval`: how long a trained agent lives, beside one that does anything.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::value_parser;
use serde::Serialize;
use townlet_drqn::{NetworkPolicy, RandomPolicy};
use townlet_nets::Backend;

use super::MAX_SEED;
use crate::evaluation::{Evaluation, play};
use crate::run_directory::{RunDirectory, Weights};

/// Play episodes with a trained agent and with a random one
///
/// Both play the same episodes: the random agent chooses among the actions that the mask allows, each
/// equally likely.
#[derive(Args)]
#[command(after_help = "Example: townlet eval runs/pomdp-0 --episodes 500")]
pub(crate) struct Arguments {
    /// The run directory that `townlet train` made
    #[arg(value_name = "DIR")]
    run: PathBuf,

    /// How many episodes each of the two plays
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u32).range(1..))]
    episodes: u32,

    /// What the episodes follow from [default: one more than the seed of the run]
    #[arg(long, value_name = "S", value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: Option<u64>,

    /// How often the trained agent does anything instead, 0 to 1
    #[arg(long, value_name = "E", default_value_t = 0.0, value_parser = probability)]
    epsilon: f64,

    /// Which weights play [default: best, where the run was evaluated on its way]
    #[arg(long, value_name = "WHICH")]
    weights: Option<Weights>,

    /// The backend: flex, ndarray or wgpu [default: that of the run]
    #[arg(long)]
    backend: Option<Backend>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Serialize)]
struct Report<'a> {
    run: String,
    weights: Weights,
    level: &'a str,
    step_limit: u32,
    backend: Backend,
    episodes: u32,
    seed: u64,
    epsilon: f64,
    trained: Evaluation,
    random: Evaluation,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let (run, config) = RunDirectory::open(&self.run)?;
        let backend = self.backend.unwrap_or(config.backend);
        let weights = self.weights.unwrap_or_else(|| run.usual_weights());
        let network = run.load_network(weights, &config, backend)?;
        // Another seed than the run's, so that no episode is one that was trained in; nor are they those by
        // which the best weights were chosen.
        let seed = self.seed.unwrap_or_else(|| config.seed.wrapping_add(1));
        let (view, episodes) = (config.view(), self.episodes as usize);
        let trained = play(&view, episodes, seed, |agents, seed| {
            NetworkPolicy::new(&network, agents, self.epsilon, seed)
        })?;
        let random = play(&view, episodes, seed, |_, seed| RandomPolicy::new(seed))?;
        let report = Report {
            run: run.path().display().to_string(),
            weights,
            level: &config.level.name,
            step_limit: config.level.step_limit,
            backend,
            episodes: self.episodes,
            seed,
            epsilon: self.epsilon,
            trained,
            random,
        };
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
            return Ok(());
        }
        report.print(out)
    }
}

impl Report<'_> {
    fn print(&self, out: &mut impl Write) -> Result<()> {
        let Self { run, weights, level, step_limit, backend, episodes, seed, epsilon, trained, random } =
            self;
        writeln!(
            out,
            "{run}: {} weights, level {level}, {episodes} episodes of at most {step_limit} steps, \
             seed {seed}, epsilon {epsilon}, backend {backend}",
            match weights {
                Weights::Best => "best",
                Weights::Last => "last",
            }
        )?;
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        let share = |value: f64| format!("{:.1} %", 100.0 * value);
        let mut row =
            |name: &str, trained: &str, random: &str| writeln!(out, "{name:28}{trained:>12}{random:>12}");
        row("", "trained", "random")?;
        row("survival, mean", &number(trained.survival_mean), &number(random.survival_mean))?;
        let errors = [trained, random].map(|it| number(it.survival_standard_error));
        row("survival, standard error", &errors[0], &errors[1])?;
        row("survival, median", &number(trained.survival_median), &number(random.survival_median))?;
        row("reached the step limit", &share(trained.reached_limit), &share(random.reached_limit))?;
        row("return, mean", &number(Some(trained.mean_return)), &number(Some(random.mean_return)))?;
        let mut causes: Vec<&String> = trained.deaths.keys().chain(random.deaths.keys()).collect();
        causes.sort();
        causes.dedup();
        for cause in causes {
            let count = |it: &Evaluation| it.deaths.get(cause).copied().unwrap_or(0).to_string();
            row(&format!("died of {cause}"), &count(trained), &count(random))?;
        }
        Ok(())
    }
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}
