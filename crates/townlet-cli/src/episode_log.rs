//! The file `episodes.csv`: one row for each episode of a training run.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use townlet_drqn::EpisodeReport;

/// Writes one row after the other.
pub(crate) struct EpisodeLog {
    path: PathBuf,
    writer: csv::Writer<File>,
}

/// The columns, in their order.
#[derive(Serialize)]
struct Row<'a> {
    episode: u64,
    steps: u64,
    env: usize,
    length: u64,
    total_reward: f64,
    terminated: bool,
    truncated: bool,
    cause: &'a str,
    epsilon: f64,
}

impl EpisodeLog {
    /// Begins the file at `path`, with the names of the columns.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut writer = csv::WriterBuilder::new()
            .has_headers(false)
            .from_path(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        // Written at once and not with the first row, so that a run without episodes has a valid file too.
        writer
            .write_record([
                "episode",
                "steps",
                "env",
                "length",
                "total_reward",
                "terminated",
                "truncated",
                "cause",
                "epsilon",
            ])
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), writer })
    }

    /// Adds an episode. `cause` names what the agent died of; empty where it did not die.
    pub(crate) fn write(&mut self, report: &EpisodeReport, cause: &str) -> Result<()> {
        let row = Row {
            episode: report.episode,
            steps: report.steps,
            env: report.env,
            length: report.length,
            total_reward: report.total_reward,
            terminated: report.terminated,
            truncated: report.truncated,
            cause,
            epsilon: report.epsilon,
        };
        self.writer.serialize(row).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Puts on disk what was written so far.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.writer.flush().with_context(|| format!("cannot write {}", self.path.display()))
    }
}
