//! `cargo xtask ci`: what the build server runs, and a developer before a pull request.
//!
//! A step that fails does not stop the next ones: one run tells everything that is wrong.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Result;

use crate::backend::Selection;
use crate::browser_tests;
use crate::deny;
use crate::fuzz;
use crate::test_all_backends::{self, Report};
use crate::workspace::Workspace;

/// Runs the command. The line with the test counts comes last.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let mut steps = Steps::default();

    steps.cargo(workspace.cargo("fmt").args(["--all", "--", "--check"]))?;
    steps.cargo(workspace.cargo_with_backends("clippy").args(["--all-targets", "--", "-Dwarnings"]))?;
    steps.cargo(workspace.cargo_with_backends("doc").arg("--no-deps").env("RUSTDOCFLAGS", "-Dwarnings"))?;
    let mut report = Report::default();
    steps.step("cargo xtask test-all-backends", || {
        report = test_all_backends::run(workspace, &Selection::default())?;
        Ok(report.exit_code() == ExitCode::SUCCESS)
    })?;

    let browser = browser_tests::Arguments::on_the_build_server();
    steps.step("cargo xtask browser-tests --install --skip-missing", || {
        let outcome = browser_tests::tests(workspace, &browser)?;
        let passed = outcome.failed == 0;
        report.add("browser", outcome);
        Ok(passed)
    })?;

    let briefly = fuzz::Arguments::on_the_build_server();
    steps.step("cargo xtask fuzz", || {
        // That nothing could be built is a failure like any other, and the last line still comes last.
        fuzz::fuzz(workspace, &briefly).or_else(|error| {
            println!("{error:#}");
            Ok(false)
        })
    })?;
    let dependencies = deny::Arguments::on_the_build_server();
    steps.step("cargo xtask deny --install --skip-missing", || deny::check(workspace, &dependencies))?;

    println!("\n{}\n{}", steps.summary.join("\n"), report.totals());
    Ok(if steps.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The steps run so far.
#[derive(Default)]
struct Steps {
    summary: Vec<String>,
    failed: bool,
}

impl Steps {
    fn cargo(&mut self, command: &mut Command) -> Result<()> {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        let name = format!("cargo {}", arguments.join(" "));
        self.step(&name, || Ok(command.status()?.success()))
    }

    /// Runs one step; `run` returns whether it succeeded.
    fn step(&mut self, name: &str, run: impl FnOnce() -> Result<bool>) -> Result<()> {
        println!("\n== {name} ==");
        let start = Instant::now();
        let succeeded = run()?;
        self.failed |= !succeeded;
        let verdict = if succeeded { "ok" } else { "FAILED" };
        let line = format!("{verdict:<6} {:>7.1} s  {name}", start.elapsed().as_secs_f64());
        println!("{line}");
        self.summary.push(line);
        Ok(())
    }
}
