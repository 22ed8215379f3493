//! The files `episodes.csv`, `evaluations.csv` and `stages.csv`: one row for each episode, evaluation or change of
//! stage of a training run.

use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use townlet_drqn::{EpisodeReport, StageChange};

/// A row, and the names of its columns.
pub(crate) trait Row: Serialize {
    const COLUMNS: &'static [&'static str];
}

/// A training episode.
#[derive(Serialize)]
pub(crate) struct EpisodeRow {
    episode: u64,
    steps: u64,
    env: usize,
    length: u64,
    total_reward: f64,
    intrinsic_reward: f64,
    terminated: bool,
    truncated: bool,
    cause: String,
    epsilon: f64,
}

impl EpisodeRow {
    /// `cause` names what the agent died of; empty where it did not die.
    pub(crate) fn new(report: &EpisodeReport, cause: String) -> Self {
        Self {
            episode: report.episode,
            steps: report.steps,
            env: report.env,
            length: report.length,
            total_reward: report.total_reward,
            intrinsic_reward: report.intrinsic_reward,
            terminated: report.terminated,
            truncated: report.truncated,
            cause,
            epsilon: report.epsilon,
        }
    }
}

impl Row for EpisodeRow {
    const COLUMNS: &'static [&'static str] = &[
        "episode",
        "steps",
        "env",
        "length",
        "total_reward",
        "intrinsic_reward",
        "terminated",
        "truncated",
        "cause",
        "epsilon",
    ];
}

/// An agent's move to another stage of a curriculum.
#[derive(Serialize)]
pub(crate) struct StageRow {
    /// Environment steps over all agents.
    steps: u64,
    agent: usize,
    from: usize,
    to: usize,
    survival: f64,
    entropy: f64,
}

impl StageRow {
    pub(crate) fn new(steps: u64, change: &StageChange) -> Self {
        let StageChange { agent, from, to, survival, entropy, .. } = *change;
        Self { steps, agent, from, to, survival, entropy }
    }
}

impl Row for StageRow {
    const COLUMNS: &'static [&'static str] = &["steps", "agent", "from", "to", "survival", "entropy"];
}

/// A greedy evaluation on the way.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct EvaluationRow {
    /// Environment steps over all agents.
    pub(crate) steps: u64,
    pub(crate) updates: u64,
    /// Of training alone, without evaluations.
    pub(crate) training_seconds: f64,
    pub(crate) episodes: u32,
    pub(crate) survival_mean: f64,
    pub(crate) survival_standard_error: f64,
    /// Which share of the episodes reached the step limit.
    pub(crate) reached_limit: f64,
    pub(crate) mean_return: f64,
}

impl Row for EvaluationRow {
    const COLUMNS: &'static [&'static str] = &[
        "steps",
        "updates",
        "training_seconds",
        "episodes",
        "survival_mean",
        "survival_standard_error",
        "reached_limit",
        "mean_return",
    ];
}

/// Writes one row after the other.
pub(crate) struct CsvLog<R> {
    path: PathBuf,
    writer: csv::Writer<File>,
    rows: PhantomData<fn(R)>,
}

impl<R: Row> CsvLog<R> {
    /// Begins the file at `path`, with the names of the columns.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut writer = csv::WriterBuilder::new()
            .has_headers(false)
            .from_path(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        // Written at once and not with the first row, so that a file without rows is valid too.
        writer.write_record(R::COLUMNS).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), writer, rows: PhantomData })
    }

    /// Adds a row.
    pub(crate) fn write(&mut self, row: &R) -> Result<()> {
        self.writer.serialize(row).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Puts on disk what was written so far.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.writer.flush().with_context(|| format!("cannot write {}", self.path.display()))
    }
}
