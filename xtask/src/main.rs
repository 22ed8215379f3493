//! The repository's own commands, run as `cargo xtask COMMAND`.
//!
//! They are Rust rather than shell so that a developer and the build server run the same lines on
//! every system. One file, or a file and its folder, holds one command; what several of them need
//! stands beside them: [`workspace`] asks cargo, [`backend`] names the backends and readies them,
//! [`child`] runs programs, [`test_output`] counts what they report. The package depends on no crate
//! of the workspace, so it builds in seconds.

mod backend;
mod bench_peer;
mod browser_tests;
mod child;
mod ci;
mod crash_test;
mod deny;
mod fuzz;
mod lavapipe;
mod parity;
mod screenshots;
mod suite;
mod test_all_backends;
mod test_output;
#[cfg(test)]
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The repository's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test: those without a backend once, the tensor suite once for each backend
    TestAllBackends(backend::Selection),
    /// Compare recorded data with what this build computes, on each backend
    Parity(parity::Arguments),
    /// Run what the build server runs: format, lints, documentation, tests
    Ci,
    /// Fuzz everything that reads files and messages, with coverage guidance
    Fuzz(fuzz::Arguments),
    /// Check licences, sources and known vulnerabilities of the dependencies
    Deny(deny::Arguments),
    /// Kill training runs at random moments, and hold their end against that of a run that nobody killed
    CrashTest(crash_test::Arguments),
    /// Drive the viewer's page in Chromium
    BrowserTests(browser_tests::Arguments),
    /// Take the pictures of the documents, in docs/images
    Screenshots(screenshots::Arguments),
    /// Race Townlet against PyTorch on this machine's processor, and print both times and their ratio
    BenchPeer(bench_peer::Arguments),
    /// Fetch Mesa's software Vulkan driver into the target folder and print how to use it
    Lavapipe,
}

fn main() -> ExitCode {
    if let Some(code) = fuzz::instrument::compile() {
        return code;
    }
    run(Arguments::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    match arguments.command {
        Command::TestAllBackends(selection) => {
            let report = test_all_backends::run(&workspace, &selection)?;
            println!("{}", report.totals());
            Ok(report.exit_code())
        }
        Command::Parity(arguments) => parity::run(&workspace, &arguments),
        Command::BrowserTests(arguments) => browser_tests::run(&workspace, &arguments),
        Command::Screenshots(arguments) => screenshots::run(&workspace, &arguments),
        Command::Fuzz(arguments) => fuzz::run(&workspace, &arguments),
        Command::Deny(arguments) => deny::run(&workspace, &arguments),
        Command::CrashTest(arguments) => crash_test::run(&workspace, &arguments),
        Command::Ci => ci::run(&workspace),
        Command::BenchPeer(arguments) => bench_peer::run(&workspace, &arguments),
        Command::Lavapipe => lavapipe::run(&workspace),
    }
}
