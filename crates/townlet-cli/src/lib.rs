//! The `townlet` program, as a library so that what reads users' files can be tested and fuzzed. Nothing here is
//! a promised interface.
//!
//! One command a file in the folder `commands`; what several of them share stands beside them. Errors are handled
//! here and nowhere else: one message on stderr and exit code 1. Wrong usage is clap's, exit code 2.

#![doc(hidden)]

mod best_weights;
mod checkpoints;
mod commands;
mod config_file;
mod episode_tracker;
mod error_message;
mod evaluation;
pub mod fuzzing;
mod level_argument;
mod memory_scale;
mod messages;
mod newest_run;
mod probe_report;
mod probe_run;
mod probe_settings;
mod progress;
mod provenance;
mod recipe;
mod run_config;
mod run_directory;
mod run_pictures;
mod run_setup;
mod run_status;
mod settings;
mod shell;
mod signals;
mod standard_output;
mod stop;
mod study;
mod suggest;
mod survival;
mod toml_place;
mod training;
mod watching;
mod world;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use crate::commands::Command;
use crate::standard_output::StandardOutput;
use crate::stop::Stopped;

/// The exit code of wrong usage, clap's own.
const WRONG_USAGE: u8 = 2;

/// Agents that learn to survive in a town of needs, with a memory.
///
/// Train a recurrent Q-network in a grid-world town, see how long its agents live, and record what they do.
#[derive(Parser)]
#[command(name = "townlet", version, after_help = "Example: townlet train --level pomdp --steps 200000")]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Stop as after Ctrl-C when standard input ends. A study starts its runs so.
    #[arg(long, hide = true)]
    stop_at_end_of_input: bool,
}

/// Runs the program on the arguments of the process.
pub fn run() -> ExitCode {
    let mut out = StandardOutput::new();
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => {
            messages::start_logging();
            arguments.run(&mut out)
        }
        Err(usage) if usage.use_stderr() => {
            messages::styled(usage.render().ansi());
            return ExitCode::from(WRONG_USAGE);
        }
        // Help, or the version.
        Err(asked_for) => out.styled(asked_for.render().ansi()),
    };
    let written = out.finish().context("the work is done, but not all of its output could be written");
    match outcome.and(written) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Stopped>() => {
            messages::line(error);
            ExitCode::from(signals::exit_code())
        }
        Err(error) => {
            messages::error(&error);
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        if self.stop_at_end_of_input {
            signals::stop_at_end_of_input()?;
        }
        self.command.run(Self::command, out)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_help_ends_with_an_example() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "the help of `{}` ends without an example", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }
}
