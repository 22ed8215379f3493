//! `cargo xtask browser-tests`: the viewer's page, driven in Chromium.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::child;
use crate::test_output::Outcome;
use crate::workspace::Workspace;

/// Where Debian's package puts the browser.
const CHROMIUM: &str = "/usr/bin/chromium";

/// What the command takes.
#[derive(Args, Default)]
pub(crate) struct Arguments {
    /// Install Chromium with apt-get where it is missing
    #[arg(long)]
    install: bool,
    /// Say so and succeed where there is no browser or no Node.js
    #[arg(long)]
    skip_missing: bool,
}

impl Arguments {
    /// As the build server runs it.
    pub(crate) fn on_the_build_server() -> Self {
        Self { install: true, skip_missing: true }
    }
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let outcome = tests(workspace, arguments)?;
    println!("browser tests: {} passed, {} failed", outcome.passed, outcome.failed);
    Ok(if outcome.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the tests and counts them.
pub(crate) fn tests(workspace: &Workspace, arguments: &Arguments) -> Result<Outcome> {
    let chromium = match browser(arguments.install) {
        Ok(chromium) => chromium,
        Err(reason) if arguments.skip_missing => {
            println!("\n!! THE BROWSER TESTS WERE NOT RUN: {reason:#} !!\n");
            return Ok(Outcome::skip(format!("all browser tests: {reason:#}")));
        }
        Err(reason) => return Err(reason),
    };
    let started = Instant::now();
    // The examples that serve and record, built like everything else that is tested.
    child::require(workspace.cargo_with_backends("build").args([
        "--example",
        "demo_server",
        "--example",
        "demo_export",
    ]))?;
    let folder = packages(workspace)?;
    let (mut passed, mut failed) = (0, Vec::new());
    let mut command = Command::new("npx");
    command.args(["playwright", "test", "--reporter=list"]).current_dir(&folder);
    command.env("CHROMIUM", &chromium).env("CARGO_TARGET_DIR", workspace.target());
    let status = child::follow(&mut command, |line| {
        println!("{line}");
        // The list reporter writes a tick or a cross, a number and the name of the test.
        match line.trim_start().split_once(' ') {
            Some(("✓" | "ok", _)) => passed += 1,
            Some(("✘" | "x", name)) => failed.push(name.trim().to_owned()),
            _ => {}
        }
    })?;
    if !status.success() && failed.is_empty() {
        failed.push(format!("playwright: {status}"));
    }
    if status.success() && passed == 0 {
        failed.push("playwright ran no test".to_owned());
    }
    let mut outcome =
        Outcome { passed, failed: failed.len(), elapsed: started.elapsed(), ..Outcome::default() };
    outcome.troubles.extend(failed.into_iter().map(|name| format!("browser test {name}")));
    Ok(outcome)
}

/// The folder of the tests, with the packages that they need.
pub(crate) fn packages(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.root().join("crates/townlet-viewer/browser-tests");
    child::require(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
            .current_dir(&folder),
    )?;
    Ok(folder)
}

/// The browser; installed first, where that is wanted and possible.
pub(crate) fn browser(install: bool) -> Result<PathBuf> {
    let runs = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !runs("npm") {
        bail!("there is no npm on this machine; install Node.js");
    }
    if let Some(chromium) = env::var_os("CHROMIUM") {
        return Ok(chromium.into());
    }
    if !Path::new(CHROMIUM).exists() && install {
        println!("installing chromium");
        let apt = |arguments: &[&str]| Command::new("apt-get").args(arguments).status();
        apt(&["-qq", "update"]).context("there is no apt-get to install Chromium with")?;
        apt(&["-qq", "install", "--yes", "--no-install-recommends", "chromium"])?;
    }
    if Path::new(CHROMIUM).exists() {
        Ok(CHROMIUM.into())
    } else {
        bail!(
            "there is no {CHROMIUM}; install Chromium (apt-get install chromium), or set CHROMIUM to its path"
        );
    }
}
