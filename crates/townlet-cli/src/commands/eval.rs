//! `townlet eval`: how long a trained agent lives, beside a random one, one that explores and one that knows the map.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::value_parser;
use serde::{Deserialize, Serialize};
use townlet_drqn::{NetworkPolicy, RandomPolicy};
use townlet_env::{ExplorerAgent, Layout, ScriptedAgent};
use townlet_nets::{Backend, QNetwork};
use townlet_text::{file_name, printable};

use super::MAX_SEED;
use super::run_argument::or_newest;
use crate::best_weights::{self, Usual};
use crate::evaluation::{Evaluation, play};
use crate::memory_scale::{HORIZONS, MemoryScale, Worth};
use crate::run_config::RunConfig;
use crate::run_directory::{RunDirectory, Weights};
use crate::stop::Stop;
use crate::world::View;
use crate::{error_message, level_argument, messages, signals};

/// Play episodes with a trained agent, a random one, an explorer and one that knows the map
///
/// All play the same episodes. The random agent chooses among the allowed actions, each equally likely. The explorer
/// knows the rules but not the map, sees what the trained agent sees, and forgets nothing. The scripted agent knows
/// the map and plans. On a map that is new in every episode, the last line says how many steps an explorer has to
/// remember to live as long as the trained agent. The result is kept in the run directory, under evaluations.
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
    /// The explorer that forgets nothing. Evaluations of older versions have none.
    #[serde(default)]
    pub(crate) explorer: Option<Evaluation>,
    pub(crate) scripted: Evaluation,
    /// How long explorers live that forget. Only where the map is new in every episode: elsewhere it can be learned
    /// by heart, and survival says nothing about memory.
    #[serde(default)]
    pub(crate) memory_scale: Option<MemoryScale>,
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
        let explore = |memory: Option<u32>| {
            play(view, episodes, &seeds, stop, |_, _| ExplorerAgent::new(&view.level, memory))
        };
        let explorer = explore(None)?;
        let memory_scale = match view.level.layout {
            Layout::Fixed => None,
            Layout::Shuffled => {
                let lived = |memory| Ok((memory, explore(Some(memory))?.survival_mean.unwrap_or_default()));
                let explorers = HORIZONS.into_iter().map(lived).collect::<Result<_>>()?;
                Some(MemoryScale { explorers, unforgetting: explorer.survival_mean.unwrap_or_default() })
            }
        };
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
            explorer: Some(explorer),
            scripted,
            memory_scale,
        })
    }
}

impl Report {
    /// What the trained agent's memory is worth, on a map that is new in every episode.
    pub(crate) fn memory_worth(&self) -> Option<Worth> {
        let (scale, survival) = self.memory_scale.as_ref().zip(self.trained.survival_mean)?;
        Some(scale.worth(survival))
    }

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
        let mut agents = vec![("trained", &self.trained), ("random", &self.random)];
        agents.extend(self.explorer.as_ref().map(|it| ("explorer", it)));
        agents.push(("scripted", &self.scripted));
        let mut line = |name: &str, cells: Vec<String>| {
            write!(out, "{name:28}")?;
            cells.iter().try_for_each(|cell| write!(out, "{cell:>16}"))?;
            writeln!(out)
        };
        line("", agents.iter().map(|(name, _)| (*name).to_owned()).collect())?;
        let mut row = |name: &str, cell: &dyn Fn(&Evaluation) -> String| {
            line(name, agents.iter().map(|(_, it)| cell(it)).collect())
        };
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        let share = |value: f64| format!("{:.1} %", 100.0 * value);
        row("survival, mean", &|it| number(it.survival_mean))?;
        row("survival, standard error", &|it| number(it.survival_standard_error))?;
        row("survival, 95 % interval", &|it| {
            it.survival_interval.map_or("-".to_owned(), |[low, high]| format!("{low:.1} to {high:.1}"))
        })?;
        row("survival, median", &|it| number(it.survival_median))?;
        row("reached the step limit", &|it| share(it.reached_limit))?;
        row("return, mean", &|it| number(Some(it.mean_return)))?;
        let causes: BTreeSet<&String> = agents.iter().flat_map(|(_, it)| it.deaths.keys()).collect();
        for cause in causes {
            row(&format!("died of {}", printable(cause)), &|it| {
                it.deaths.get(cause).copied().unwrap_or(0).to_string()
            })?;
        }
        row("time spent moving", &|it| share(it.time_budget.moving))?;
        row("time spent using", &|it| share(it.time_budget.using))?;
        row("time spent in vain", &|it| share(it.time_budget.in_vain))?;
        let places: BTreeSet<&String> = agents.iter().flat_map(|(_, it)| it.affordance_use.keys()).collect();
        for place in places {
            let used = |it: &Evaluation| number(Some(it.affordance_use.get(place).copied().unwrap_or(0.0)));
            row(&format!("{}, uses an episode", printable(place)), &used)?;
        }
        if let Some(worth) = self.memory_worth() {
            writeln!(out, "Memory: the trained agent {worth}.")?;
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
