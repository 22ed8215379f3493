//! `townlet runs`: the runs in a folder, and what to do with one.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{HumanBytes, HumanDuration};
use serde::Serialize;
use townlet_metrics::Format;
use townlet_text::printable;

use super::run_argument::newest_in;
use crate::error_message;
use crate::messages;
use crate::newest_run::RUNS;
use crate::run_config::RunConfig;
use crate::run_directory::RunDirectory;
use crate::run_status::{RunState, RunStatus};

/// List runs, look at one, export its metrics, make it small, or remove it
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet runs
  townlet runs show
  townlet runs export runs/first --format csv --out tables
  townlet runs slim runs/first
  townlet runs rm runs/first")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// The folder of the runs
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    folder: PathBuf,

    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Print everything that is known of a run
    #[command(after_help = "Example: townlet runs show runs/first")]
    Show {
        /// The run directory [default: the newest in the folder]
        #[arg(value_name = "RUN")]
        run: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove a run with everything in it
    #[command(after_help = "Example: townlet runs rm runs/first --yes")]
    Rm {
        /// The run directory: a run is only removed by its name
        #[arg(value_name = "RUN")]
        run: PathBuf,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Remove what only resuming needs, which is most of a run
    ///
    /// The weights of its checkpoints, its metrics and its evaluations stay: it can be evaluated, watched, plotted and
    /// reported as before, but not resumed. A run that is being trained is refused.
    #[command(after_help = "Example: townlet runs slim runs/first runs/second")]
    Slim {
        /// The run directories
        #[arg(value_name = "DIR", required = true)]
        runs: Vec<PathBuf>,
    },
    /// Write a run's metrics as one file for each table
    #[command(after_help = "Example: townlet runs export runs/first --format jsonl")]
    Export {
        /// The run directory [default: the newest in the folder]
        #[arg(value_name = "RUN")]
        run: Option<PathBuf>,
        /// The form of the files
        #[arg(long, value_enum, default_value_t)]
        format: ExportFormat,
        /// The directory for the files [default: export in the run directory]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ExportFormat {
    /// Comma-separated values, the names of the columns first
    #[default]
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        match &self.action {
            None => list(&self.folder, self.json, out),
            Some(Action::Show { run, json }) => show(&self.named_or_newest(run.as_deref())?, *json, out),
            Some(Action::Rm { run, yes }) => remove(run, *yes, out),
            Some(Action::Slim { runs }) => slim(runs, out),
            Some(Action::Export { run, format, out: folder }) => {
                let (directory, _) = RunDirectory::open(&self.named_or_newest(run.as_deref())?)?;
                let folder = folder.clone().unwrap_or_else(|| directory.path().join("export"));
                let format = match format {
                    ExportFormat::Csv => Format::Csv,
                    ExportFormat::Jsonl => Format::JsonLines,
                };
                townlet_metrics::export(directory.path(), format, &folder)?;
                Ok(writeln!(out, "{} holds the tables.", folder.display())?)
            }
        }
    }

    /// The run that is named, or the newest one in the folder.
    fn named_or_newest(&self, named: Option<&Path>) -> Result<PathBuf> {
        named.map_or_else(|| newest_in(&self.folder), |named| Ok(named.to_path_buf()))
    }
}

/// What is known of a run at a glance.
#[derive(Serialize)]
struct Summary {
    run: String,
    state: String,
    level: String,
    seed: u64,
    #[serde(flatten)]
    status: Option<RunStatus>,
    bytes: u64,
    age_seconds: u64,
}

impl Summary {
    fn of(directory: &RunDirectory, config: &RunConfig) -> Self {
        let status = RunStatus::read(&directory.status_file()).ok();
        let state = match status.as_ref().map(|status| status.state) {
            Some(RunState::Running) if directory.is_locked() => "running",
            Some(RunState::Running) => "killed",
            Some(RunState::Interrupted) => "interrupted",
            Some(RunState::Finished) => "finished",
            Some(RunState::Failed) => "failed",
            None if directory.is_locked() => "starting",
            None => "not begun",
        };
        let made = fs::metadata(directory.config_file()).and_then(|file| file.modified());
        let age = made.ok().and_then(|made| SystemTime::now().duration_since(made).ok());
        Self {
            run: directory.path().display().to_string(),
            state: state.to_owned(),
            level: config.level.name.clone(),
            seed: config.seed,
            status,
            bytes: size(directory.path()),
            age_seconds: age.unwrap_or_default().as_secs(),
        }
    }
}

fn list(folder: &Path, json: bool, out: &mut impl Write) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let entries = entries.with_context(|| format!("cannot read the directory {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    let mut summaries = Vec::new();
    for path in paths.iter().filter(|path| path.join("run.toml").exists() && !is_partial(path)) {
        match RunDirectory::open(path) {
            Ok((directory, config)) => summaries.push(Summary::of(&directory, &config)),
            // One that is damaged does not hide the others.
            Err(error) => messages::warning(error_message::of(&error)),
        }
    }
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&summaries)?)?);
    }
    if summaries.is_empty() {
        return Ok(writeln!(out, "No runs in {}; `townlet train` makes one.", folder.display())?);
    }
    let width = summaries.iter().map(|summary| summary.run.len()).max().unwrap_or_default().max(3);
    writeln!(
        out,
        "{:width$}  {:11}  {:16}  {:>10}  {:>9}  {:>9}  {:>10}  age",
        "run", "state", "level", "steps", "episodes", "survival", "size"
    )?;
    for Summary { run, state, level, status, bytes, age_seconds, .. } in &summaries {
        let level = printable(level);
        let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let steps = number(status.as_ref().map(|status| status.steps));
        let episodes = number(status.as_ref().map(|status| status.episodes));
        let survival = status.as_ref().and_then(|status| status.best_evaluation.or(status.survival));
        let survival = survival.map_or("-".to_owned(), |survival| format!("{survival:.1}"));
        writeln!(
            out,
            "{run:width$}  {state:11}  {level:16}  {steps:>10}  {episodes:>9}  {survival:>9}  {:>10}  {}",
            HumanBytes(*bytes).to_string(),
            HumanDuration(Duration::from_secs(*age_seconds))
        )?;
    }
    Ok(())
}

/// Whether a directory is that of a run which is being set up, or was killed meanwhile.
fn is_partial(path: &Path) -> bool {
    path.to_string_lossy().ends_with(townlet_files::PARTIAL)
}

fn show(run: &Path, json: bool, out: &mut impl Write) -> Result<()> {
    let (directory, config) = RunDirectory::open(run)?;
    let summary = Summary::of(&directory, &config);
    let provenance = directory.provenance();
    let checkpoints = directory.checkpoints().list()?;
    if json {
        let names: Vec<String> = checkpoints.iter().map(|(_, path)| path.display().to_string()).collect();
        let value = serde_json::json!({
            "summary": summary,
            "provenance": provenance.ok(),
            "checkpoints": names,
            "settings": config,
        });
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?);
    }
    let Summary { run, state, level, seed, status, bytes, .. } = &summary;
    let level = printable(level);
    writeln!(out, "{run}: {state}, level {level}, seed {seed}, {}", HumanBytes(*bytes))?;
    if let Some(status) = status {
        let RunStatus { steps, episodes, updates, training_seconds, .. } = status;
        writeln!(
            out,
            "{steps} steps, {episodes} episodes and {updates} updates in {}",
            HumanDuration(Duration::from_secs_f64(training_seconds.max(0.0)))
        )?;
        if let Some(survival) = status.survival {
            writeln!(out, "the last training episodes last {survival:.1} steps")?;
        }
        if let Some(best) = status.best_evaluation {
            writeln!(out, "the best evaluation: {best:.1} steps")?;
        }
        if let Some(error) = &status.error {
            writeln!(out, "stopped by: {error}")?;
        }
    }
    match provenance {
        Ok(provenance) => writeln!(
            out,
            "townlet {} ({}), Burn {}, {} on {}, threads: {}",
            provenance.townlet,
            provenance.git_commit.as_deref().unwrap_or("no commit known"),
            provenance.burn,
            provenance.backend,
            provenance.cpu.as_deref().unwrap_or(&provenance.arch),
            provenance.threads_of_parts()
        )?,
        Err(error) => messages::warning(error_message::of(&error)),
    }
    for (_, path) in checkpoints {
        writeln!(out, "checkpoint {}, {}", path.display(), HumanBytes(size(&path)))?;
    }
    writeln!(out, "\n{}", toml::to_string(&config)?.trim_end())?;
    Ok(())
}

fn remove(run: &Path, yes: bool, out: &mut impl Write) -> Result<()> {
    // Only what is a run is removed, whatever was typed.
    let (directory, _) = RunDirectory::open(run)?;
    let _lock = directory.lock()?;
    if !yes {
        if !io::stdin().is_terminal() {
            bail!("removing {} needs --yes where nobody can be asked", run.display());
        }
        write!(out, "Remove {} with everything in it? [y/N] ", run.display())?;
        out.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(writeln!(out, "Nothing was removed.")?);
        }
    }
    fs::remove_dir_all(run).with_context(|| format!("cannot remove {}", run.display()))?;
    Ok(writeln!(out, "Removed {}.", run.display())?)
}

fn slim(runs: &[PathBuf], out: &mut impl Write) -> Result<()> {
    // All are looked at before any is changed.
    let mut directories = Vec::new();
    for run in runs {
        let (directory, _) = RunDirectory::open(run)?;
        let lock = directory.lock()?;
        directories.push((directory, lock));
    }
    for (directory, _lock) in &directories {
        let freed = directory.checkpoints().slim()?;
        let left = HumanBytes(size(directory.path()));
        writeln!(out, "{}: freed {}, {left} left", directory.path().display(), HumanBytes(freed))?;
    }
    Ok(writeln!(out, "They can be evaluated, watched, plotted and reported as before, but not resumed.")?)
}

/// The size of all files below `path`, as far as they can be seen.
fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
