//! `cargo xtask test-all-backends`: every test of the workspace, on every backend.
//!
//! One build with all backends enabled serves the whole run. Tests that hold no tensors run once;
//! the tensor suite, one program, runs once for each backend.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};

use crate::backend::{Backend, Selection};
use crate::suite::Suite;
use crate::test_output::Outcome;
use crate::workspace::{TestProgram, Workspace};

/// The outcome of every part of a run.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(String, Outcome)>,
}

/// Runs the command and prints everything but the totals, which the caller prints last.
pub(crate) fn run(workspace: &Workspace, selection: &Selection) -> Result<Report> {
    let mut report = Report::default();
    match workspace.build_tests() {
        Ok(programs) => {
            report.add("no backend", without_backend(&programs.others)?);
            report.add("doc tests", doc_tests(workspace)?);
            for backend in selection.backends() {
                report.add(backend.name(), on_backend(workspace, &programs.suite, backend, selection)?);
            }
        }
        Err(error) => report.add("build", Outcome::trouble(format!("{error:#}"))),
    }
    report.print();
    Ok(report)
}

fn without_backend(programs: &[TestProgram]) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for program in programs {
        println!("\n== {} ==", program.name());
        outcome.add(Outcome::of(&program.name(), &mut program.command())?);
    }
    Ok(outcome)
}

fn doc_tests(workspace: &Workspace) -> Result<Outcome> {
    println!("\n== doc tests ==");
    let mut command = workspace.cargo_with_backends("test");
    command.args(["--doc", "--no-fail-fast", "--color=never"]);
    Outcome::of("cargo test --doc", &mut command)
}

fn on_backend(
    workspace: &Workspace,
    suite: &TestProgram,
    backend: Backend,
    selection: &Selection,
) -> Result<Outcome> {
    println!("\n== tensor suite on {backend} ==");
    match Suite::prepare(workspace, suite, backend) {
        Ok(suite) => Outcome::of(&format!("the tensor suite on {backend}"), &mut suite.command()),
        Err(reason) if selection.skip_missing => Ok(Outcome::skip(format!("all of {backend}: {reason:#}"))),
        Err(reason) => Ok(Outcome::trouble(format!("{backend}: {reason:#} (or use --skip-missing)"))),
    }
}

impl Report {
    /// Adds the outcome of a part.
    pub(crate) fn add(&mut self, name: &str, outcome: Outcome) {
        self.rows.push((name.to_owned(), outcome));
    }

    fn print(&self) {
        println!("\n{}\n", self.table());
        for (name, outcome) in &self.rows {
            for skip in &outcome.skips {
                println!("skipped {skip} [{name}]");
            }
        }
        for (name, outcome) in &self.rows {
            for trouble in &outcome.troubles {
                println!("failed {trouble} [{name}]");
            }
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["", "passed", "failed", "skipped", "seconds"]);
        for (name, outcome) in &self.rows {
            table.add_row([
                name.clone(),
                outcome.passed.to_string(),
                outcome.failed.to_string(),
                outcome.skipped.to_string(),
                format!("{:.1}", outcome.elapsed.as_secs_f64()),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn passed(&self) -> usize {
        self.rows.iter().map(|(_, outcome)| outcome.passed).sum()
    }

    fn failed(&self) -> usize {
        self.rows.iter().map(|(_, outcome)| outcome.failed).sum()
    }

    /// The line that ends a run: `N passed, N failed`.
    pub(crate) fn totals(&self) -> String {
        format!("{} passed, {} failed", self.passed(), self.failed())
    }

    /// Success if nothing failed.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
