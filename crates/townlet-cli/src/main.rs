//! The `townlet` program.
//!
//! One command a file under [`commands`]; what several of them share stands beside them. Errors are handled
//! here and nowhere else: one message on stderr and exit code 1. Wrong usage is clap's, exit code 2.

mod checkpoints;
mod commands;
mod config_file;
mod episode_tracker;
mod error_message;
mod evaluation;
mod level_argument;
mod probe_report;
mod probe_run;
mod probe_settings;
mod progress;
mod provenance;
mod recipe;
mod run_config;
mod run_directory;
mod run_pictures;
mod run_status;
mod settings;
mod shell;
mod signals;
mod standard_output;
mod study_table;
mod suggest;
mod survival;
mod toml_place;
mod training;
mod watching;
mod world;

use std::env;
use std::io;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::AnsiColor;
use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use crate::commands::Command;
use crate::standard_output::StandardOutput;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Agents that learn to survive in a town of needs, with a memory.
///
/// Train a recurrent Q-network in a grid-world town, see how long its agents live, and record what they do.
#[derive(Parser)]
#[command(name = "townlet", version, after_help = "Example: townlet train --level pomdp --steps 200000")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging();
    match arguments.command.run(Arguments::command, &mut StandardOutput::new()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As clap shows its own, and without colour where nobody wants or sees any.
            let style = AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{style}error:{style:#} {}", error_message::of(&error));
            ExitCode::FAILURE
        }
    }
}

/// Logs to stderr what `RUST_LOG` asks for; otherwise warnings of this project alone, since graphics drivers
/// complain at length about what they are only asked whether they have.
fn start_logging() {
    let wanted = env::var("RUST_LOG").ok().filter(|wanted| !wanted.is_empty());
    let filter = EnvFilter::builder().parse_lossy(wanted.as_deref().unwrap_or("off,townlet=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    log.with_writer(io::stderr).with_ansi(colours).init();
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
