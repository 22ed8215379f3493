//! `townlet play`: be the agent.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, value_parser};
use townlet_viewer::{Session, SessionOptions};

use super::MAX_SEED;
use super::place::PlaceArguments;
use crate::watching::{show, source};

/// Be the agent: walk with the arrow keys, use what is there with space
///
/// How long you live is shown beside the random, the scripted and, in a run, the trained agent.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet play
  townlet play pomdp-shuffled --terminal
  townlet play runs/first --record mine.jsonl")]
pub(crate) struct Arguments {
    /// A level, or a run directory whose level to play in
    #[arg(value_name = "LEVEL|RUN", default_value = "pomdp")]
    what: PathBuf,

    /// What episodes follow from
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = value_parser!(u64).range(..=MAX_SEED))]
    seed: u64,

    /// Write what you do to this file, as a trace
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    #[command(flatten)]
    place: PlaceArguments,
}

impl Arguments {
    pub(crate) fn run(&self, _out: &mut impl Write) -> Result<()> {
        let (source, _) = source(&self.what)?;
        let record = self.record.as_ref().map(|path| {
            let file = File::create_new(path);
            file.with_context(|| format!("cannot begin the record {}; name another file", path.display()))
        });
        let record = record.transpose()?.map(|file| Box::new(file) as Box<dyn Write + Send>);
        let options = SessionOptions { seed: self.seed, ..SessionOptions::default() };
        show(Session::play(source, &options, record)?, self.place.stage()?)
    }
}
