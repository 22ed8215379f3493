//! `townlet resume`: go on with a run that was stopped.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, value_parser};

use super::MAX_SEED;
use super::run_argument::or_newest;
use crate::signals;
use crate::training::{self, Change, Manner};

/// Go on with a run that was stopped or killed
///
/// Begins with the newest checkpoint that is whole. On a CPU backend, with the same number of threads, the run
/// comes to the same weights, replay and metrics as if it had never stopped: what it did after the checkpoint
/// is forgotten, and done again. A finished run goes on with a larger budget.
///
/// Metrics that are lost or damaged are set aside under another name, and new ones begin with the checkpoint.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet resume
  townlet resume runs/first --steps 9000000
  townlet resume runs/first --from runs/first/checkpoints/step-000000500032")]
pub(crate) struct Arguments {
    /// The run directory [default: the newest in runs]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,

    /// The checkpoint to go on from [default: the newest that is whole]
    #[arg(long, value_name = "CHECKPOINT")]
    from: Option<PathBuf>,

    /// Stop after so many steps in all, counted over all agents [default: the run's]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MAX_SEED))]
    steps: Option<u64>,

    /// Record nothing from now on; what was recorded stays
    #[arg(long)]
    no_metrics: bool,

    #[command(flatten)]
    manner: Manner,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        signals::listen()?;
        let stop = &signals::asked_to_stop;
        let run = match (&self.run, &self.from) {
            // A checkpoint lies in the folder of its run's checkpoints.
            (None, Some(from)) if Self::run_of(from).is_some() => Self::run_of(from),
            (run, _) => run.clone(),
        };
        let run = or_newest(run.as_deref())?;
        let change = Change { budget: self.steps, no_metrics: self.no_metrics };
        training::resume(&run, self.from.as_deref(), change, self.manner, stop, out)
    }

    /// The run whose checkpoint lies at `from`, if it lies in one.
    fn run_of(from: &Path) -> Option<PathBuf> {
        let run = fs::canonicalize(from).ok()?.parent()?.parent()?.to_path_buf();
        run.join("run.toml").is_file().then_some(run)
    }
}
