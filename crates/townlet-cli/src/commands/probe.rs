//! `townlet probe`: how well the learner does on small memory tasks whose optimum is known.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand, value_parser};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use townlet_drqn::Memory;
use townlet_env::probes::{DelayedTMaze, FlickeringCartPole, MemoryLength, MemoryScore, PassiveTMaze, Probe};
use townlet_nets::Backend;

use super::MAX_SEED;
use crate::probe_report::{Case, Report};
use crate::probe_run::{Learned, Plan, ProbeRun, learn};
use crate::probe_settings::ProbeSettings;
use crate::run_config::Budget;
use crate::signals;
use crate::stop::Stopped;

/// The longest corridor, delay and memory: beyond it no sequence fits a computer.
const MOST_STEPS: i64 = 1_000;

/// Measure the learner on small memory tasks
///
/// Each task is learned from nothing by several agents, one for each seed, with settings that come with the
/// program. They are measured by the rule under which figures for the task are published.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet probe passive-t-maze --length 10 --seeds 5
  townlet probe memory-length --json
  townlet probe delayed-t-maze --delay 1,2,4,8,16 --memory carried,reset-target-only --csv delays.csv
  townlet probe passive-t-maze --print-config > mine.toml
  townlet probe passive-t-maze --config mine.toml")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    task: TaskArguments,
}

#[derive(Subcommand)]
enum TaskArguments {
    PassiveTMaze(PassiveTMazeArguments),
    MemoryLength(MemoryLengthArguments),
    DelayedTMaze(DelayedTMazeArguments),
    #[command(visible_alias = "flickering-cartpole")]
    FlickeringCartPole(FlickeringCartPoleArguments),
}

/// The passive T-maze: see the goal, walk a corridor, turn the right way
///
/// Learning ends when the mean greedy return is 1, the best there is, at two looks in a row. What is reported
/// is the number of steps before the first of the two.
#[derive(Args)]
#[command(after_help = "Example: townlet probe passive-t-maze --length 10,50")]
struct PassiveTMazeArguments {
    /// Cells of the corridor, several separated by commas
    #[arg(long, value_name = "N,..", default_value = "10", value_delimiter = ',')]
    #[arg(value_parser = value_parser!(u32).range(1..=MOST_STEPS))]
    length: Vec<u32>,

    /// Give up after so many steps, counted over all agents
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    steps: u64,

    #[command(flatten)]
    common: Common,
}

/// bsuite's `memory_len`: a bit is shown at the start and asked for at the end
///
/// Scored by bsuite's own rule. Over the first 10,000 training episodes, exploration and all, wrong answers
/// are counted; a length is solved where they are less than 0.75 times those of guessing.
#[derive(Args)]
#[command(after_help = "Example: townlet probe memory-length --length 5,30 --seeds 3")]
struct MemoryLengthArguments {
    /// For how many steps the bit is remembered, several separated by commas
    #[arg(long, value_name = "N,..", default_value = "1,2,3,4,5,6,7,8,9,10,12,14,17,20,25,30")]
    #[arg(value_delimiter = ',', value_parser = value_parser!(u32).range(1..=MOST_STEPS))]
    length: Vec<u32>,

    #[command(flatten)]
    common: Common,
}

/// The delayed T-maze: a choice whose value has to be bootstrapped through memory
///
/// The reward for the choice comes after a delay, so its value is learned through the target network. One
/// that carries its memory learns the task; one whose memory is reset stays at chance. Every agent learns
/// for as many steps; what is reported is the greedy return then, and by how much the agent values the right
/// arm above the wrong one where it chooses. Without a preference it follows rounding errors.
#[derive(Args)]
#[command(
    after_help = "Example: townlet probe delayed-t-maze --delay 1,2,4,8,16 --memory carried,reset-target-only --csv delays.csv"
)]
struct DelayedTMazeArguments {
    /// Blank steps between the choice and its reward, several separated by commas
    #[arg(long, value_name = "N,..", default_value = "4", value_delimiter = ',')]
    #[arg(value_parser = value_parser!(u32).range(0..=MOST_STEPS))]
    delay: Vec<u32>,

    /// Blank steps between the goal and the choice
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(0..=MOST_STEPS))]
    corridor: u32,

    /// Whether memory is carried in learning: carried, reset-target-only or reset-each-step, several
    /// separated by commas
    #[arg(long, value_name = "ARM,..", default_value = "carried,reset-target-only", value_delimiter = ',')]
    #[arg(value_parser = memory)]
    memory: Vec<Memory>,

    /// Learn for so many steps, counted over all agents
    #[arg(long, value_name = "N", default_value_t = 60_000, value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    steps: u64,

    #[command(flatten)]
    common: Common,
}

/// The cart-pole behind a flickering screen
///
/// What is reported is the mean return of the last 100 training episodes, exploration and all.
#[derive(Args)]
#[command(after_help = "Example: townlet probe flickering-cart-pole --flicker 0,0.5")]
struct FlickeringCartPoleArguments {
    /// The probability that an observation is blank, 0 or more and below 1, several separated by commas
    #[arg(long, value_name = "P,..", default_value = "0.5", value_delimiter = ',', value_parser = flicker)]
    flicker: Vec<f64>,

    /// Learn for so many steps, counted over all agents
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    steps: u64,

    #[command(flatten)]
    common: Common,
}

/// What all tasks have.
#[derive(Args)]
struct Common {
    /// How many agents learn, one after the other, each from a seed of its own
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=10_000))]
    seeds: u32,

    /// The first seed; the others follow it
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = value_parser!(u64).range(..=MAX_SEED - 10_000))]
    seed: u64,

    /// The backend: flex, ndarray or wgpu
    #[arg(long, default_value_t = Backend::default())]
    backend: Backend,

    /// A TOML file that changes the settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print the built-in settings as a commented TOML file, and learn nothing
    #[arg(long)]
    print_config: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Write one row for each agent to a CSV file, too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        match &self.task {
            TaskArguments::PassiveTMaze(arguments) => arguments.run(out),
            TaskArguments::MemoryLength(arguments) => arguments.run(out),
            TaskArguments::DelayedTMaze(arguments) => arguments.run(out),
            TaskArguments::FlickeringCartPole(arguments) => arguments.run(out),
        }
    }
}

impl PassiveTMazeArguments {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        let builtin = include_str!("../../probes/passive-t-maze.toml");
        let Some(mut measurement) = self.common.measurement::<PassiveTMaze, _>(builtin, out)? else {
            return Ok(());
        };
        for &length in &self.length {
            let probe = PassiveTMaze::new(length);
            let settings = measurement.settings(probe.episode_steps())?;
            let case = Case { length: Some(length), ..Case::default() };
            measurement.learn(probe, case, &settings, Budget::Steps(self.steps), true, |learned| {
                let solved = Some(learned.run.solved_at.is_some());
                Ok(ProbeRun { solved, ..learned.run.clone() })
            })?;
        }
        measurement.finish()
    }
}

impl MemoryLengthArguments {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        let builtin = include_str!("../../probes/memory-length.toml");
        let Some(mut measurement) = self.common.measurement::<MemoryLength, _>(builtin, out)? else {
            return Ok(());
        };
        for &length in &self.length {
            let probe = MemoryLength::new(length);
            let settings = measurement.settings(probe.episode_steps())?;
            let case = Case { length: Some(length), ..Case::default() };
            let budget = Budget::Episodes(MemoryScore::EPISODES);
            measurement.learn(probe, case, &settings, budget, false, |Learned { run, score, .. }| {
                let (solved, regret_ratio) = (Some(score.is_solved()), score.regret_ratio());
                Ok(ProbeRun { solved, regret_ratio, ..run.clone() })
            })?;
        }
        measurement.finish()
    }
}

impl DelayedTMazeArguments {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        let builtin = include_str!("../../probes/delayed-t-maze.toml");
        let Some(mut measurement) = self.common.measurement::<DelayedTMaze, _>(builtin, out)? else {
            return Ok(());
        };
        for &delay in &self.delay {
            let probe = DelayedTMaze::new(self.corridor, delay);
            for &memory in &self.memory {
                let mut settings = measurement.settings(probe.episode_steps())?;
                settings.learner.memory = memory;
                // The reward comes that many steps after the choice, +1 for one arm and -1 for the other.
                let worth = settings.learner.discount.powf(f64::from(delay) + 1.0);
                let case = Case {
                    corridor: Some(self.corridor),
                    delay: Some(delay),
                    memory: Some(memory),
                    exact_preference: Some(2.0 * worth),
                    ..Case::default()
                };
                measurement.learn(probe, case, &settings, Budget::Steps(self.steps), false, |learned| {
                    let solved = Some(learned.run.greedy_return >= f64::from(probe.optimal_return()));
                    let preference = Some(learned.preference(&settings)?);
                    Ok(ProbeRun { solved, preference, ..learned.run.clone() })
                })?;
            }
        }
        measurement.finish()
    }
}

impl FlickeringCartPoleArguments {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        let builtin = include_str!("../../probes/flickering-cart-pole.toml");
        let Some(mut measurement) = self.common.measurement::<FlickeringCartPole, _>(builtin, out)? else {
            return Ok(());
        };
        for &flicker in &self.flicker {
            let probe = FlickeringCartPole::new(flicker);
            let settings = measurement.settings(FlickeringCartPole::STEP_LIMIT)?;
            let case = Case { flicker: Some(flicker), ..Case::default() };
            let budget = Budget::Steps(self.steps);
            measurement.learn(probe, case, &settings, budget, false, |learned| Ok(learned.run.clone()))?;
        }
        measurement.finish()
    }
}

/// One call of the command.
struct Measurement<'a, W> {
    common: &'a Common,
    builtin: &'static str,
    report: Report<'a, W>,
    /// Whether somebody asked to stop before the last agent had learned.
    stopped: bool,
}

impl Common {
    /// Begins with the task `P`, whose settings are the text `builtin`; none where only those are asked for.
    fn measurement<'a, P: Probe, W: Write>(
        &'a self,
        builtin: &'static str,
        out: &'a mut W,
    ) -> Result<Option<Measurement<'a, W>>> {
        if self.print_config {
            out.write_all(builtin.as_bytes())?;
            return Ok(None);
        }
        signals::listen()?;
        // So that a mistake in the file is found before anything is written.
        ProbeSettings::load(builtin, self.config.as_deref(), MOST_STEPS as u32)?;
        let report = Report::new(P::NAME, self.backend, self.json, self.csv.as_deref(), out)?;
        Ok(Some(Measurement { common: self, builtin, report, stopped: false }))
    }
}

impl<W: Write> Measurement<'_, W> {
    fn settings(&self, episode_steps: u32) -> Result<ProbeSettings> {
        ProbeSettings::load(self.builtin, self.common.config.as_deref(), episode_steps)
    }

    /// Lets an agent learn `probe` for each seed; `judge` adds what the task measures.
    fn learn<P>(
        &mut self,
        probe: P,
        case: Case,
        settings: &ProbeSettings,
        budget: Budget,
        until_solved: bool,
        judge: impl Fn(&Learned<P>) -> Result<ProbeRun>,
    ) -> Result<()>
    where
        P: Probe + Copy + Send + Sync,
        P::Episode: Send,
    {
        let Common { seeds, seed: first, backend, quiet, .. } = *self.common;
        let stop = &signals::asked_to_stop;
        if self.stopped {
            return Ok(());
        }
        self.report.begin(case, settings.clone())?;
        for seed in first..first + u64::from(seeds) {
            match learn(probe, &Plan { settings, backend, seed, budget, until_solved, quiet, stop }) {
                Err(error) if error.is::<Stopped>() => {
                    self.stopped = true;
                    return Ok(());
                }
                learned => {
                    let learned = learned?;
                    self.report.push(judge(&learned)?, learned.looks)?;
                }
            }
        }
        Ok(())
    }

    /// Says what all agents came to; after a signal, those that were done with.
    fn finish(self) -> Result<()> {
        let stopped = self.stopped;
        self.report.finish()?;
        ensure!(!stopped, Stopped);
        Ok(())
    }
}

fn memory(text: &str) -> Result<Memory, String> {
    Memory::deserialize(text.into_deserializer()).map_err(|error: serde::de::value::Error| error.to_string())
}

fn flicker(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..1.0).contains(&number) => Ok(number),
        _ => Err("expected a number of 0 or more and below 1".to_owned()),
    }
}
