//! How a run stands, in a file of its run directory.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a run is doing, as far as it could say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RunState {
    /// It trains; or it did, and was killed.
    Running,
    /// It was asked to stop, and can go on.
    Interrupted,
    /// It has come to its end.
    Finished,
    /// Something went wrong.
    Failed,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunStatus {
    pub(crate) state: RunState,
    pub(crate) steps: u64,
    pub(crate) episodes: u64,
    pub(crate) updates: u64,
    pub(crate) training_seconds: f64,
    /// The mean length of the last training episodes.
    pub(crate) survival: Option<f64>,
    /// The mean length of the episodes of the best evaluation.
    pub(crate) best_evaluation: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl RunStatus {
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("cannot write the status as JSON")?;
        Ok(townlet_files::write(path, text)?)
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }
}
