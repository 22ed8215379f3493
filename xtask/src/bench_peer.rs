//! `cargo xtask bench-peer`: Townlet against PyTorch, on this machine's processor.
//!
//! Each side is one long-lived program: `crates/townlet-drqn/examples/peer.rs`, and `xtask/peer/peer.py` in
//! a Python environment below the target folder. They are asked strictly in turn, so that only one of them
//! works at any time, and a machine that grows slower or faster does so for both. Which side goes first
//! changes from round to round.
//!
//! A side's figure for a piece of work is the median over its rounds of the median of a round. The spread
//! of the ratios of single rounds says how far the ratio can be trusted.

mod machine;
mod peer;
mod protocol;
mod python;
mod report;
mod statistics;
mod works;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::backend::Backend;
use crate::workspace::Workspace;

use self::peer::Peer;
use self::protocol::{About, Pace, Request, Timing, Work};
use self::report::{Outcome, Report};
use self::statistics::Race;

/// The backends that take part.
const BACKENDS: [Backend; 2] = [Backend::Flex, Backend::Ndarray];
/// Fewer rounds say nothing about the spread.
const FEWEST_ROUNDS: i64 = 5;
/// More than any of the work needs.
const KEPT_BYTES: &str = "1073741824";

/// Arguments of the command.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each side does each piece of work, 5 or more
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(FEWEST_ROUNDS..))]
    rounds: u32,
    /// How long a side works in a round, in seconds, after a warm-up of a quarter of it
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// How many threads each side computes with
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    threads: u32,
    /// Only this work, by name or the beginning of it: `train`, `act-16`, `train-16x8-flex`
    #[arg(long, value_name = "WORK", value_delimiter = ',')]
    only: Vec<String>,
    /// A Python that has torch and numpy, instead of one below the target folder
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Print everything measured as one line of JSON too, the last of the output
    #[arg(long)]
    json: bool,
}

/// Runs the command. The report goes to standard output, everything else to standard error.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let works = works::select(&arguments.only)?;
    // Townlet is alone in some work, and then no Python is needed. Where one is, it comes first: that there
    // is none shows sooner than that the other side does not build.
    let python = if works.iter().any(Work::is_race) {
        Some(python::interpreter(workspace, arguments.python.as_deref())?)
    } else {
        None
    };
    let mut townlet = start_townlet(workspace, arguments.threads)?;
    let mut pytorch = match python {
        Some(python) => Some(start_pytorch(workspace, &python, arguments.threads)?),
        None => None,
    };

    let mut outcomes = Vec::new();
    for work in &works {
        let outcome = match &mut pytorch {
            Some(pytorch) if work.is_race() => {
                Outcome::Race(race(work, &mut townlet.peer, &mut pytorch.peer, arguments)?)
            }
            _ => Outcome::Alone(alone(work, &mut townlet.peer, arguments)?),
        };
        outcomes.push((work.name(), outcome));
    }

    let report = Report {
        machine: machine::describe(),
        threads: arguments.threads,
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        townlet: townlet.about,
        pytorch: pytorch.map(|side| side.about),
        outcomes,
    };
    println!("{report}");
    if arguments.json {
        println!("{}", report.json());
    }
    Ok(ExitCode::SUCCESS)
}

/// A program that was started, and what it said about itself.
struct Side {
    peer: Peer,
    about: About,
}

fn start_townlet(workspace: &Workspace, threads: u32) -> Result<Side> {
    let program = workspace.build_example("peer", &BACKENDS)?;
    let mut command = Command::new(program);
    for variable in ["RAYON_NUM_THREADS", "MATMUL_NUM_THREADS"] {
        command.env(variable, threads.to_string());
    }
    start("Townlet", &mut command, threads)
}

fn start_pytorch(workspace: &Workspace, python: &Path, threads: u32) -> Result<Side> {
    let mut command = Command::new(python);
    command.arg(workspace.root().join("xtask/peer/peer.py")).arg("--threads").arg(threads.to_string());
    for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(variable, threads.to_string());
    }
    // Townlet brings an allocator that keeps what is freed. So does glibc's for PyTorch with these, which
    // makes an update some 5 % faster; other systems do not read them.
    for variable in ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"] {
        command.env(variable, KEPT_BYTES);
    }
    start("PyTorch", &mut command, threads)
}

fn start(name: &'static str, command: &mut Command, threads: u32) -> Result<Side> {
    let mut peer = Peer::start(name, command)?;
    let about: About = peer.ask(&Request { work: Work::About, seconds: None })?;
    ensure!(about.threads == threads, "{name} computes with {} threads, not {threads}", about.threads);
    Ok(Side { peer, about })
}

/// The rounds of one piece of work.
fn race(work: &Work, townlet: &mut Peer, pytorch: &mut Peer, arguments: &Arguments) -> Result<Race> {
    let request = Request { work: *work, seconds: Some(arguments.seconds) };
    let mut race = Race::default();
    for round in 0..arguments.rounds {
        let (townlet, pytorch): (Timing, Timing) = if round % 2 == 0 {
            let first = townlet.ask(&request)?;
            (first, pytorch.ask(&request)?)
        } else {
            let first = pytorch.ask(&request)?;
            (townlet.ask(&request)?, first)
        };
        ensure!(
            townlet.parameters == pytorch.parameters,
            "the two sides do not compute the same network: {} parameters in Townlet, {} in PyTorch",
            townlet.parameters,
            pytorch.parameters
        );
        eprintln!(
            "{:<18} round {} of {}: Townlet {:>9.3} ms, PyTorch {:>9.3} ms{}",
            work.name(),
            round + 1,
            arguments.rounds,
            townlet.median_ms,
            pytorch.median_ms,
            pytorch.form.as_ref().map(|form| format!(" ({form})")).unwrap_or_default()
        );
        race.add(townlet, pytorch).with_context(|| work.name())?;
    }
    Ok(race)
}

/// The rounds of work that only Townlet does.
fn alone(work: &Work, townlet: &mut Peer, arguments: &Arguments) -> Result<Vec<Pace>> {
    let request = Request { work: *work, seconds: Some(arguments.seconds) };
    let mut paces = Vec::new();
    for round in 1..=arguments.rounds {
        let pace: Pace = townlet.ask(&request)?;
        eprintln!(
            "{:<18} round {round} of {}: {:.0} steps/s, {:.1} updates/s",
            work.name(),
            arguments.rounds,
            pace.steps_per_second,
            pace.updates_per_second
        );
        paces.push(pace);
    }
    Ok(paces)
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if seconds > 0.0 && seconds <= 3_600.0 {
        Ok(seconds)
    } else {
        Err("expected more than 0 and at most 3600".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_some_seconds_and_not_a_day() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for text in ["0", "-1", "NaN", "inf", "86400", "two"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
