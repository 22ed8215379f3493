//! `townlet resume`: go on with a run that was stopped.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, value_parser};

use super::MAX_SEED;
use crate::signals;
use crate::training::{self, Manner};

/// Go on with a run that was stopped or killed
///
/// Begins with the newest checkpoint that is whole. On the same CPU backend, with the same number of threads and the
/// same instruction set, the run comes to the same weights, replay and metrics as if it had never stopped: what it
/// did after the checkpoint is forgotten, and done again. With others it says so and goes on. A finished run goes on
/// with a larger budget.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet resume runs/pomdp-0
  townlet resume runs/pomdp-0 --steps 9000000
  townlet resume runs/pomdp-0 --from runs/pomdp-0/checkpoints/step-000000500032")]
pub(crate) struct Arguments {
    /// The run directory
    #[arg(value_name = "DIR")]
    run: PathBuf,

    /// The checkpoint to go on from [default: the newest that is whole]
    #[arg(long, value_name = "CHECKPOINT")]
    from: Option<PathBuf>,

    /// Stop after so many steps in all, counted over all agents [default: the run's]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    steps: Option<u64>,

    #[command(flatten)]
    manner: Manner,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        signals::listen()?;
        let stop = &signals::asked_to_stop;
        training::resume(&self.run, self.from.as_deref(), self.steps, self.manner, stop, out)
    }
}
