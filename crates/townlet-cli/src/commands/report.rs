//! `townlet report`: runs in one HTML file.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use townlet_metrics::{EvaluationLine, Metrics, Report, ReportRun, grouped, html};

use super::run_argument::all_or_newest;
use crate::commands::eval;
use crate::evaluation::Evaluation;
use crate::run_directory::RunDirectory;
use crate::run_pictures::{draw, names};
use crate::run_status::RunStatus;

/// Put runs into one HTML file, with pictures, settings, provenance and evaluations
///
/// The file needs nothing beside it: no network, no script. Runs are compared with each other; differences between
/// their settings are shown.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet report
  townlet report runs/first runs/second --out report.html")]
pub(crate) struct Arguments {
    /// The run directories [default: the newest in runs]
    #[arg(value_name = "RUN")]
    runs: Vec<PathBuf>,

    /// The file to write [default: report.html in the first run directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let runs = all_or_newest(&self.runs)?;
        let file = self.out.clone().unwrap_or_else(|| runs[0].join("report.html"));
        townlet_files::write(&file, html(&report(&runs)?)?.as_bytes())?;
        Ok(writeln!(out, "{}", file.display())?)
    }
}

/// The runs at these paths, beside each other.
fn report(paths: &[PathBuf]) -> Result<Report> {
    let mut runs = Vec::new();
    let mut evaluations = Vec::new();
    for (path, name) in paths.iter().zip(names(paths)) {
        let (directory, config) = RunDirectory::open(path)?;
        let mut facts = vec![
            ("level".to_owned(), config.level.name.clone()),
            ("seed".to_owned(), config.seed.to_string()),
        ];
        if let Ok(status) = RunStatus::read(&directory.status_file()) {
            facts.push(("environment steps".to_owned(), grouped(status.steps)));
            facts.push(("episodes".to_owned(), grouped(status.episodes)));
            facts.push(("updates".to_owned(), grouped(status.updates)));
            facts.push(("training time".to_owned(), format!("{:.0} s", status.training_seconds)));
        }
        let provenance = directory.provenance().map(|provenance| provenance.facts()).unwrap_or_default();
        let settings = toml::to_string(&config)?;
        runs.push(ReportRun { name: name.clone(), facts, settings, provenance });
        if let Some(row) = Metrics::open(path)?.evaluations()?.last() {
            evaluations.push(EvaluationLine::during_training(&name, row));
        }
        evaluations.extend(kept(&directory, &name)?);
    }
    let title = match runs.as_slice() {
        [run] => format!("Townlet: {}", run.name),
        runs => format!("Townlet: {} runs", runs.len()),
    };
    let subtitle = format!("made by townlet {}", env!("CARGO_PKG_VERSION"));
    Ok(Report { title, subtitle, runs, evaluations, plots: draw(paths)? })
}

/// The evaluations that are kept in a run directory, one line for each agent that played.
fn kept(directory: &RunDirectory, name: &str) -> Result<Vec<EvaluationLine>> {
    let Ok(entries) = fs::read_dir(directory.evaluations()) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let report = eval::read(&file)?;
        let eval::Report { weights, level, epsilon, trained, random, explorer, scripted, .. } = &report;
        let of_level = format!("on {level}");
        let trained_name = format!("trained, {weights} weights, epsilon {epsilon}, {of_level}");
        let episodes = u64::from(report.episodes) * u64::from(report.seeds);
        let line = |policy: String, it: &Evaluation| EvaluationLine {
            run: name.to_owned(),
            policy,
            episodes,
            survival_mean: it.survival_mean.unwrap_or(f64::NAN),
            interval: it.survival_interval.map(|[low, high]| (low, high)),
            survival_median: it.survival_median,
            reached_limit: it.reached_limit,
            mean_return: it.mean_return,
        };
        let trained_name = match report.memory_worth() {
            Some(worth) => format!("{trained_name}; {worth}"),
            None => trained_name,
        };
        lines.push(line(trained_name, trained));
        lines.push(line(format!("random, {of_level}"), random));
        lines.extend(
            explorer.as_ref().map(|it| line(format!("explorer that forgets nothing, {of_level}"), it)),
        );
        lines.push(line(format!("scripted, {of_level}"), scripted));
    }
    Ok(lines)
}
