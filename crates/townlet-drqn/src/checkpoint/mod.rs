//! Checkpoints on disk: everything that a run needs to go on as if it had never stopped.
//!
//! A checkpoint is a folder:
//!
//! | File | What |
//! |---|---|
//! | `manifest.json` | the format, how far the run is, and its seed |
//! | `online.safetensors`, `target.safetensors` | both networks, by PyTorch's names |
//! | `optimizer.safetensors` | Adam's moments, as PyTorch names them |
//! | `predictor.safetensors`, `predictor-optimizer.safetensors` | with random network distillation: the side that learns |
//! | `state.msgpack` | the world in the middle of its episodes, the agents' memory, counters, curriculum, novelty |
//! | `replay.msgpack` | the replay; may be left out |
//! | `application.msgpack` | what the program that runs the training adds |
//! | `SHA256SUMS` | the checksums of all of them |
//!
//! It is written beside its place and moved there once it is on the disk, so that a crash leaves either no
//! checkpoint or a whole one. No random generator is in it: all streams are named (see
//! [`stream`](townlet_env::stream)), so counters say where each of them is.

mod error;
mod files;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use townlet_nets::{StateDict, read_weights, write_safetensors};

pub use self::error::CheckpointError;
use self::files::Draft;
use crate::trainer::Progress;

/// The format that this version writes and reads.
const FORMAT: &str = "townlet-checkpoint/1";

const MANIFEST: &str = "manifest.json";
const STATE: &str = "state.msgpack";
const REPLAY: &str = "replay.msgpack";
const APPLICATION: &str = "application.msgpack";

/// What is known of a checkpoint before it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: String,
    pub(crate) seed: u64,
    pub(crate) progress: Progress,
    replay: bool,
}

/// A whole checkpoint.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    manifest: Manifest,
}

impl Checkpoint {
    /// Opens the checkpoint in the folder `path`, once every file of it is found to be what was written.
    ///
    /// # Errors
    ///
    /// Where there is none, or it is in another format, or a part is missing, cut short or changed.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let file = path.join(MANIFEST);
        let text = fs::read_to_string(&file)
            .map_err(|source| CheckpointError::Read { path: file.clone(), source })?;
        let damaged = |reason: String| CheckpointError::Damaged { path: file.clone(), reason };
        let value: Value = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        // Asked before anything else: of another format nothing else is known.
        let found = value["format"].as_str().unwrap_or_default();
        if found != FORMAT {
            let found = found.to_owned();
            return Err(CheckpointError::Format { path: path.into(), found, expected: FORMAT });
        }
        files::verify(path)?;
        let manifest = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        Ok(Self { path: path.into(), manifest })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far the run was.
    pub fn progress(&self) -> &Progress {
        &self.manifest.progress
    }

    /// Whether the replay is in it.
    pub fn has_replay(&self) -> bool {
        self.manifest.replay
    }

    /// What the program that runs the training added.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read as this.
    pub fn application<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        files::read(&self.application_file())
    }

    /// Where that is, for messages.
    pub fn application_file(&self) -> PathBuf {
        self.path.join(APPLICATION)
    }

    /// The network that was trained, by PyTorch's names.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn online_weights(&self) -> Result<StateDict, CheckpointError> {
        self.weights("online")
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn weights_file(&self, name: &str) -> PathBuf {
        self.path.join(weights_file(name))
    }

    pub(crate) fn weights(&self, name: &str) -> Result<StateDict, CheckpointError> {
        Ok(read_weights(&self.weights_file(name))?)
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.path.join(STATE)
    }

    pub(crate) fn replay_file(&self) -> PathBuf {
        self.path.join(REPLAY)
    }

    pub(crate) fn state<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        files::read(&self.state_file())
    }

    /// The replay, where it is there.
    pub(crate) fn replay<T: DeserializeOwned>(&self) -> Result<Option<T>, CheckpointError> {
        if self.manifest.replay { files::read(&self.replay_file()).map(Some) } else { Ok(None) }
    }
}

fn weights_file(name: &str) -> String {
    format!("{name}.safetensors")
}

/// What goes into a checkpoint.
pub(crate) struct Contents<'a, S, R, A> {
    pub(crate) seed: u64,
    pub(crate) progress: Progress,
    pub(crate) application: &'a A,
    pub(crate) weights: Vec<(&'static str, StateDict)>,
    pub(crate) state: S,
    pub(crate) replay: Option<&'a R>,
}

impl<S: Serialize, R: Serialize, A: Serialize> Contents<'_, S, R, A> {
    /// Writes a checkpoint into a new folder `path`.
    pub(crate) fn write(self, path: &Path) -> Result<(), CheckpointError> {
        let draft = Draft::begin(path)?;
        let metadata = BTreeMap::from([("format".to_owned(), FORMAT.to_owned())]);
        for (name, weights) in &self.weights {
            write_safetensors(&draft.file(&weights_file(name)), weights, &metadata)?;
        }
        draft.write(STATE, &self.state)?;
        if let Some(replay) = self.replay {
            draft.write(REPLAY, replay)?;
        }
        draft.write(APPLICATION, self.application)?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            seed: self.seed,
            progress: self.progress,
            replay: self.replay.is_some(),
        };
        let file = draft.file(MANIFEST);
        let text = serde_json::to_string_pretty(&manifest).map_err(std::io::Error::other);
        let text = text.map_err(|source| CheckpointError::Write { path: file.clone(), source })?;
        townlet_files::write(&file, text + "\n")?;
        draft.finish()
    }
}
