//! `townlet eval`: how long a trained agent lives, beside one that does anything and one that knows everything.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::value_parser;
use serde::{Deserialize, Serialize};
use townlet_drqn::{NetworkPolicy, RandomPolicy};
use townlet_env::ScriptedAgent;
use townlet_nets::{Backend, QNetwork};
use townlet_text::{file_name, printable};

use super::MAX_SEED;
use super::run_argument::or_newest;
use crate::best_weights::{self, Usual};
use crate::evaluation::{Evaluation, play};
use crate::run_config::RunConfig;
use crate::run_directory::{RunDirectory, Weights};
use crate::stop::Stop;
use crate::world::View;
use crate::{error_message, level_argument, messages, signals};

/// Play episodes with a trained agent, with a random one and with one that knows everything
///
/// All play the same episodes. The random agent chooses among the actions that the mask allows, each equally
/// likely; the scripted one knows the map and plans. What lies between them is what there is to learn. The result
/// is kept in the run directory, under evaluations.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet eval
  townlet eval runs/first --episodes 500 --seeds 5 --json
  townlet eval runs/first/checkpoints/step-000000500032
  townlet eval --level pomdp-shuffled")]
pub(crate) struct Arguments {
    /// The run directory that `townlet train` made, or one of its checkpoints [default: the newest run in runs]
    #[arg(value_name = "RUN|CHECKPOINT")]
    run: Option<PathBuf>,

    /// How many episodes each of them plays with each seed
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u32).range(1..))]
    episodes: u32,

    /// What the episodes follow from [default: one more than the seed of the run]
    #[arg(long, value_name = "S", value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: Option<u64>,

    /// How many seeds are played, from that one on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1000))]
    seeds: u32,

    /// How often the trained agent does anything instead, 0 to 1
    #[arg(long, value_name = "E", default_value_t = 0.0, value_parser = probability)]
    epsilon: f64,

    /// Which weights of a run play [default: best, where the run was evaluated on its way]
    #[arg(long, value_name = "WHICH")]
    weights: Option<Weights>,

    /// Another level, built in or a file, in which agents see as much as in the run's [default: the run's]
    #[arg(long, value_name = "NAME|FILE")]
    level: Option<String>,

    /// The backend: flex, ndarray or wgpu [default: that of the run]
    #[arg(long)]
    backend: Option<Backend>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed, and kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    run: String,
    /// What of the run played: the best or last weights, or a checkpoint.
    pub(crate) weights: String,
    pub(crate) level: String,
    step_limit: u32,
    backend: Backend,
    pub(crate) episodes: u32,
    seed: u64,
    pub(crate) seeds: u32,
    pub(crate) epsilon: f64,
    pub(crate) trained: Evaluation,
    pub(crate) random: Evaluation,
    pub(crate) scripted: Evaluation,
}

/// An evaluation that was kept.
pub(crate) fn read(file: &Path) -> Result<Report> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged; remove it and evaluate again", file.display()))
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        signals::listen()?;
        let run = or_newest(self.run.as_deref())?;
        let (run, config, checkpoint) = RunDirectory::open_with_checkpoint(&run)?;
        let backend = self.backend.unwrap_or(config.backend);
        let (weights, network) = match (&checkpoint, self.weights) {
            (Some(_), Some(_)) => bail!("--weights chooses among those of a run; a checkpoint has its own"),
            (Some(checkpoint), None) => {
                let name = checkpoint.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                (name, RunDirectory::checkpoint_network(checkpoint, &config, backend)?)
            }
            (None, Some(which)) => (which.name().to_owned(), run.load_network(which, &config, backend)?),
            (None, None) => {
                let Usual { network, which, note } = best_weights::usual(&run, &config, backend)?;
                if let Some(note) = note {
                    messages::warning(note);
                }
                (which.name().to_owned(), network)
            }
        };
        let view = self.view(&config)?;
        // Another seed than the run's, so that no episode is one that was trained in; nor are they those by
        // which the best weights were chosen.
        let seed = self.seed.unwrap_or_else(|| config.seed.wrapping_add(1));
        let report = self.play(&run, weights, &view, &network, backend, seed)?;
        let folder = run.evaluations();
        let file = folder.join(format!(
            "{}-{}-seed{seed}x{}-epsilon{}.json",
            file_name(&report.weights),
            file_name(&report.level),
            self.seeds,
            self.epsilon
        ));
        let json = serde_json::to_string_pretty(&report)?;
        // A run that may only be read can be evaluated all the same.
        if let Err(error) = fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))
            .and_then(|()| Ok(townlet_files::write(&file, &json)?))
        {
            messages::warning(format_args!("the evaluation is not kept: {}", error_message::of(&error)));
        }
        if self.json {
            writeln!(out, "{json}")?;
            return Ok(());
        }
        report.print(out)
    }

    /// The run's level, or the one asked for, seen as the run's agents see.
    fn view(&self, config: &RunConfig) -> Result<View> {
        let mut view = config.view();
        if let Some(level) = &self.level {
            view.level = level_argument::load(level)?;
            let seen = townlet_env::VectorEnv::observation_layout(&view.world(1)?).clone();
            if seen != config.network.layout {
                bail!(
                    "in the level {} agents see something else than in {}, the run's; \
                     choose a level with the same window, meters, affordances and clock",
                    printable(&view.level.name),
                    printable(&config.level.name)
                );
            }
        }
        Ok(view)
    }

    fn play(
        &self,
        run: &RunDirectory,
        weights: String,
        view: &View,
        network: &QNetwork,
        backend: Backend,
        seed: u64,
    ) -> Result<Report> {
        let seeds: Vec<u64> = (0..u64::from(self.seeds)).map(|more| seed.wrapping_add(more)).collect();
        let episodes = self.episodes as usize;
        let stop: Stop<'_> = &signals::asked_to_stop;
        let trained = play(view, episodes, &seeds, stop, |agents, seed| {
            NetworkPolicy::new(network, agents, self.epsilon, seed)
        })?;
        let random = play(view, episodes, &seeds, stop, |_, seed| RandomPolicy::new(seed))?;
        let scripted = play(view, episodes, &seeds, stop, |_, _| ScriptedAgent::new(&view.level))?;
        Ok(Report {
            run: run.path().display().to_string(),
            weights,
            level: view.level.name.clone(),
            step_limit: view.level.step_limit,
            backend,
            episodes: self.episodes,
            seed,
            seeds: self.seeds,
            epsilon: self.epsilon,
            trained,
            random,
            scripted,
        })
    }
}

impl Report {
    fn print(&self, out: &mut impl Write) -> Result<()> {
        let (weights, level) = (printable(&self.weights), printable(&self.level));
        let Self { run, step_limit, backend, episodes, seed, seeds, epsilon, .. } = self;
        let seeds = match seeds {
            1 => format!("seed {seed}"),
            more => format!("each of {more} seeds from {seed} on"),
        };
        writeln!(
            out,
            "{run}: {weights} weights, level {level}, {episodes} episodes of at most {step_limit} steps with {seeds}, \
             epsilon {epsilon}, backend {backend}"
        )?;
        let all = [&self.trained, &self.random, &self.scripted];
        let mut row = |name: &str, cell: &dyn Fn(&Evaluation) -> String| {
            let [trained, random, scripted] = all.map(cell);
            writeln!(out, "{name:28}{trained:>16}{random:>16}{scripted:>16}")
        };
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        let share = |value: f64| format!("{:.1} %", 100.0 * value);
        let names = [(&self.trained, "trained"), (&self.random, "random"), (&self.scripted, "scripted")];
        row("", &|it| {
            names.iter().find(|(of, _)| std::ptr::eq(*of, it)).map_or("", |(_, name)| name).to_owned()
        })?;
        row("survival, mean", &|it| number(it.survival_mean))?;
        row("survival, standard error", &|it| number(it.survival_standard_error))?;
        row("survival, 95 % interval", &|it| {
            it.survival_interval.map_or("-".to_owned(), |[low, high]| format!("{low:.1} to {high:.1}"))
        })?;
        row("survival, median", &|it| number(it.survival_median))?;
        row("reached the step limit", &|it| share(it.reached_limit))?;
        row("return, mean", &|it| number(Some(it.mean_return)))?;
        let causes: BTreeSet<&String> = all.iter().flat_map(|it| it.deaths.keys()).collect();
        for cause in causes {
            row(&format!("died of {}", printable(cause)), &|it| {
                it.deaths.get(cause).copied().unwrap_or(0).to_string()
            })?;
        }
        row("time spent moving", &|it| share(it.time_budget.moving))?;
        row("time spent using", &|it| share(it.time_budget.using))?;
        row("time spent in vain", &|it| share(it.time_budget.in_vain))?;
        let places: BTreeSet<&String> = all.iter().flat_map(|it| it.affordance_use.keys()).collect();
        for place in places {
            let used = |it: &Evaluation| number(Some(it.affordance_use.get(place).copied().unwrap_or(0.0)));
            row(&format!("{}, uses an episode", printable(place)), &used)?;
        }
        Ok(())
    }
}

pub(crate) fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}
