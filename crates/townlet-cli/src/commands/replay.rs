//! `townlet replay`: play a recorded episode.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, value_parser};
use townlet_viewer::{Recording, Session, SessionOptions};

use super::place::PlaceArguments;
use crate::messages;
use crate::watching::show;

/// Play recorded episodes, forwards and backwards
///
/// The trace is compared with a replay first, to the last bit.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet record runs/first --out first.jsonl
  townlet replay first.jsonl
  townlet replay first.jsonl --terminal --speed 20")]
pub(crate) struct Arguments {
    /// A trace, as `townlet record` writes it
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// Steps a second
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u16).range(1..=200))]
    speed: u16,

    #[command(flatten)]
    place: PlaceArguments,
}

/// The trace at `path`, as far as it goes.
pub(crate) fn recording(path: &Path) -> Result<Recording> {
    let recording = Recording::load(path)?;
    if recording.is_cut_short() {
        messages::warning(format_args!("{} is cut short; this shows what there is of it", path.display()));
    }
    Ok(recording)
}

impl Arguments {
    pub(crate) fn run(&self, _out: &mut impl Write) -> Result<()> {
        let options = SessionOptions { speed: self.speed, ..SessionOptions::default() };
        show(Session::replay(recording(&self.trace)?, &options)?, self.place.stage()?)
    }
}
