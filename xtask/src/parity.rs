//! `cargo xtask parity`: does this build still compute what was recorded?
//!
//! The comparison itself is done by the tensor suite, which reads a folder of recorded data and
//! prints one JSON object for each file. Here it is run on every backend, and its findings become
//! one table.

use std::path::{self, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde::Deserialize;

use crate::backend::Selection;
use crate::child;
use crate::suite::Suite;
use crate::workspace::Workspace;

/// Arguments of the command.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders of recorded data [default: tests/data of this repository]
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    selection: Selection,
}

/// One file compared on one backend.
#[derive(Debug, Deserialize, PartialEq)]
struct Finding {
    file: String,
    /// A backend, or `none` where no tensors take part.
    backend: String,
    compared: u64,
    /// What was compared: steps, arrays.
    unit: String,
    /// Absent where a difference is not a number.
    largest_difference: Option<f64>,
    tolerance: f64,
    ok: bool,
    #[serde(default)]
    detail: String,
}

/// Runs the command: succeeds if there is data and all of it agrees, on every backend.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let folders = folders(workspace, &arguments.folders)?;
    let programs = workspace.build_tests()?;
    let mut findings = Vec::new();
    let mut failures = Vec::new();
    for backend in arguments.selection.backends() {
        let suite = match Suite::prepare(workspace, &programs.suite, backend) {
            Ok(suite) => suite,
            Err(reason) if arguments.selection.skip_missing => {
                println!("skipped {backend}: {reason:#}");
                continue;
            }
            Err(reason) => {
                failures.push(format!("{backend}: {reason:#} (or use --skip-missing)"));
                continue;
            }
        };
        for folder in &folders {
            if let Err(reason) = compare(&suite, folder, &mut findings) {
                failures.push(format!("{} on {backend}: {reason:#}", folder.display()));
            }
        }
    }
    println!("\n{}\n", table(&findings));

    for finding in findings.iter().filter(|finding| !finding.ok) {
        failures.push(format!("{} on {}: {}", finding.file, finding.backend, finding.detail));
    }
    if findings.is_empty() {
        failures.push("nothing was compared".to_owned());
    }
    for failure in &failures {
        println!("failed {failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folders asked for, as absolute paths: the suite runs in another working directory.
fn folders(workspace: &Workspace, asked: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut folders =
        asked.iter().map(path::absolute).collect::<Result<Vec<_>, _>>().context("not a folder")?;
    if folders.is_empty() {
        folders.push(workspace.root().join("tests/data"));
    }
    for folder in &folders {
        ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    }
    Ok(folders)
}

/// Runs the suite over `folder` and adds what it finds. What takes no backend is found again on
/// each of them, and kept once.
fn compare(suite: &Suite, folder: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    let mut found: Vec<Result<Finding>> = Vec::new();
    let status = child::follow(suite.command().env("TOWNLET_PARITY", folder), |line| {
        if line.starts_with('{') {
            found.push(serde_json::from_str(line).with_context(|| format!("not a finding: {line}")));
        } else {
            println!("{line}");
        }
    })?;
    ensure!(!found.is_empty(), "the suite found no recorded data ({status})");
    let mut all_agree = true;
    for finding in found {
        let finding = finding?;
        all_agree &= finding.ok;
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    ensure!(status.success() || !all_agree, "the suite failed ({status})");
    Ok(())
}

fn table(findings: &[Finding]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["file", "backend", "compared", "largest difference", "tolerance", "verdict"]);
    for finding in findings {
        table.add_row([
            finding.file.clone(),
            finding.backend.clone(),
            format!("{} {}", finding.compared, finding.unit),
            finding.largest_difference.map_or("not a number".to_owned(), |value| format!("{value:.1e}")),
            format!("{:.1e}", finding.tolerance),
            if finding.ok { "ok" } else { "DIFFERS" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(2).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_json_object() {
        let finding: Finding = serde_json::from_str(
            r#"{"file": "episode.json", "backend": "none", "compared": 9, "unit": "steps",
                "largest_difference": null, "tolerance": 1e-6, "ok": false, "detail": "step 3"}"#,
        )
        .unwrap();
        assert_eq!(finding.largest_difference, None);
        let table = table(&[finding]).to_string();
        assert!(table.contains("9 steps") && table.contains("not a number") && table.contains("DIFFERS"));
    }
}
