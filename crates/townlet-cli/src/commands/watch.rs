//! `townlet watch`: see an agent live, in a browser or in the terminal.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, value_parser};
use townlet_viewer::{Beside, Session, SessionOptions};

use super::MAX_SEED;
use super::place::PlaceArguments;
use super::run_argument::or_newest;
use crate::watching::{show, source};

/// Watch an agent live: what it sees, thinks and remembers
///
/// Serves a page on this machine, or draws in the terminal. A run that is still training is followed: each new
/// checkpoint takes over with the next episode.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet watch
  townlet watch runs/first --beside-wiped --seed 7
  townlet watch runs/first/checkpoints/step-000000500032 --terminal
  townlet watch temporal
  townlet watch runs/first --host 0.0.0.0")]
pub(crate) struct Arguments {
    /// A run directory, one of its checkpoints, or a level [default: the newest run in runs]
    #[arg(value_name = "RUN|CHECKPOINT|LEVEL")]
    what: Option<PathBuf>,

    /// Which weights act, such as best, last or step-000000500032 [default: the newest while the run trains, the best afterwards]
    #[arg(long, value_name = "NAME")]
    weights: Option<String>,

    /// Show the same weights beside it, their memory wiped before every step
    #[arg(long)]
    beside_wiped: bool,

    /// The level, where agents see the same in several [default: the run's]
    #[arg(long, value_name = "NAME")]
    level: Option<String>,

    /// What episodes follow from
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: u64,

    /// How often the agent does anything instead, 0 to 1
    #[arg(long, value_name = "E", default_value_t = 0.0, value_parser = super::eval::probability)]
    epsilon: f64,

    /// Steps a second
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u16).range(1..=200))]
    speed: u16,

    /// Wait to be told to play
    #[arg(long)]
    paused: bool,

    #[command(flatten)]
    place: PlaceArguments,
}

impl Arguments {
    pub(crate) fn run(&self, _out: &mut impl Write) -> Result<()> {
        let (source, checkpoint) = source(&or_newest(self.what.as_deref())?)?;
        let beside = if self.beside_wiped { Beside::MemoryWiped {} } else { Beside::Nobody {} };
        let options = SessionOptions {
            level: self.level.clone(),
            checkpoint: self.weights.clone().or(checkpoint),
            seed: self.seed,
            epsilon: self.epsilon,
            speed: self.speed,
            paused: self.paused,
            beside,
        };
        show(Session::watch(source, options)?, self.place.stage()?)
    }
}
