//! The commands, one a file.

mod completions;
mod config;
mod doctor;
pub(crate) mod eval;
mod export;
mod levels;
mod man;
mod place;
mod play;
mod plot;
mod probe;
mod replay;
mod report;
mod resume;
mod run_argument;
mod runs;
mod study;
mod trace;
mod train;
mod watch;

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Train(train::Arguments),
    Resume(resume::Arguments),
    Runs(runs::Arguments),
    Eval(eval::Arguments),
    Watch(watch::Arguments),
    Play(play::Arguments),
    Record(trace::Record),
    Replay(replay::Arguments),
    Export(export::Arguments),
    Plot(plot::Arguments),
    Report(report::Arguments),
    Study(study::Arguments),
    Config(config::Arguments),
    Levels(levels::Arguments),
    Probe(probe::Arguments),
    Trace(trace::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

impl Command {
    /// Runs the command. What was asked for goes to `out`; everything else goes to stderr. `program` makes the
    /// whole command line, for those who describe it.
    pub(crate) fn run(&self, program: impl Fn() -> clap::Command, out: &mut impl Write) -> Result<()> {
        match self {
            Self::Train(arguments) => arguments.run(out)?,
            Self::Resume(arguments) => arguments.run(out)?,
            Self::Runs(arguments) => arguments.run(out)?,
            Self::Eval(arguments) => arguments.run(out)?,
            Self::Watch(arguments) => arguments.run(out)?,
            Self::Play(arguments) => arguments.run(out)?,
            Self::Record(arguments) => arguments.run(out)?,
            Self::Replay(arguments) => arguments.run(out)?,
            Self::Export(arguments) => arguments.run(out)?,
            Self::Plot(arguments) => arguments.run(out)?,
            Self::Report(arguments) => arguments.run(out)?,
            Self::Study(arguments) => arguments.run(out)?,
            Self::Config(arguments) => arguments.run(out)?,
            Self::Levels(arguments) => arguments.run(out)?,
            Self::Probe(arguments) => arguments.run(out)?,
            Self::Trace(arguments) => arguments.run(out)?,
            Self::Doctor(arguments) => arguments.run(out)?,
            Self::Completions(arguments) => arguments.run(program(), out)?,
            Self::Man(arguments) => arguments.run(program(), out)?,
        }
        Ok(out.flush()?)
    }
}

/// The largest seed: the largest integer that a TOML file can hold.
pub(crate) const MAX_SEED: u64 = i64::MAX as u64;
