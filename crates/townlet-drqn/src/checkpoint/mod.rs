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
//! | `state.msgpack.zst` | the world in the middle of its episodes, the agents' memory, counters, curriculum, novelty |
//! | `replay.msgpack.zst` | the replay; may be left out or taken out |
//! | `application.msgpack.zst` | what the program that runs the training adds |
//! | `SHA256SUMS` | the checksums of all of them |
//!
//! The values in `.msgpack.zst` are MessagePack compressed with Zstandard. The format `townlet-checkpoint/1` had them
//! uncompressed, in `.msgpack`; it is read as well.
//!
//! It is written beside its place and moved there once it is on the disk, so that a crash leaves either no
//! checkpoint or a whole one. No random generator is in it: all streams are named (see
//! [`stream`](townlet_env::stream)), so counters say where each of them is.

mod error;
mod files;
mod packing;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use townlet_nets::{StateDict, read_weights, write_safetensors};

pub use self::error::CheckpointError;
use self::files::Draft;
use crate::trainer::Progress;

/// The format that this version writes, and reads.
const FORMAT: &str = "townlet-checkpoint/2";
/// The format before it, in which values are not compressed. It is read as well.
const FORMAT_1: &str = "townlet-checkpoint/1";

const MANIFEST: &str = "manifest.json";
const STATE: &str = "state.msgpack.zst";
const REPLAY: &str = "replay.msgpack.zst";
const APPLICATION: &str = "application.msgpack.zst";
const ONLINE: &str = "online";

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
    /// The names of its files.
    files: BTreeSet<String>,
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
        if ![FORMAT, FORMAT_1].contains(&found) {
            let found = found.to_owned();
            return Err(CheckpointError::Format { path: path.into(), found, expected: FORMAT });
        }
        let files = files::verify(path)?;
        let manifest = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        Ok(Self { path: path.into(), manifest, files })
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
        self.manifest.replay && self.has(REPLAY)
    }

    /// Whether a run can go on from it: all but its weights may have been [taken out](Self::keep_weights_only).
    pub fn can_be_resumed(&self) -> bool {
        self.has(STATE)
    }

    /// Takes the replay, which is most of it, out of the checkpoint in the folder `path`, if it is in it. Returns how
    /// many bytes that freed. Other processes find the checkpoint whole all the time.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no checkpoint, or it cannot be changed.
    pub fn drop_replay(path: &Path) -> Result<u64, CheckpointError> {
        files::take_out(path, |name| is_called(name, REPLAY))
    }

    /// Takes all that only resuming needs out of the checkpoint in the folder `path`. Its
    /// [weights](Self::online_weights) and [progress](Self::progress) stay. Returns how many bytes that freed. Other
    /// processes find the checkpoint whole all the time.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no checkpoint, or it cannot be changed.
    pub fn keep_weights_only(path: &Path) -> Result<u64, CheckpointError> {
        let online = weights_file(ONLINE);
        files::take_out(path, |name| name != MANIFEST && name != online)
    }

    /// What the program that runs the training added.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read as this.
    pub fn application<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        self.read(APPLICATION)
    }

    /// Where that is, for messages.
    pub fn application_file(&self) -> PathBuf {
        self.path.join(self.called(APPLICATION))
    }

    /// The network that was trained, by PyTorch's names.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn online_weights(&self) -> Result<StateDict, CheckpointError> {
        self.weights(ONLINE)
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
        self.path.join(self.called(STATE))
    }

    pub(crate) fn replay_file(&self) -> PathBuf {
        self.path.join(self.called(REPLAY))
    }

    pub(crate) fn state<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        self.read(STATE)
    }

    /// The replay, where it is there.
    pub(crate) fn replay<T: DeserializeOwned>(&self) -> Result<Option<T>, CheckpointError> {
        if self.has_replay() { self.read(REPLAY).map(Some) } else { Ok(None) }
    }

    fn is_packed(&self) -> bool {
        self.manifest.format != FORMAT_1
    }

    /// What a file of values is called in this checkpoint.
    fn called(&self, name: &'static str) -> &'static str {
        if self.is_packed() { name } else { unpacked(name) }
    }

    fn has(&self, name: &'static str) -> bool {
        self.files.contains(self.called(name))
    }

    fn read<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, CheckpointError> {
        files::read(&self.path.join(self.called(name)), self.is_packed())
    }
}

/// What a file of values is called where it is not compressed.
fn unpacked(name: &str) -> &str {
    name.strip_suffix(".zst").unwrap_or(name)
}

/// Whether a file is the one of this name, compressed or not.
fn is_called(file: &str, name: &str) -> bool {
    file == name || file == unpacked(name)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(replay: &Vec<u64>) -> Contents<'_, &'static str, Vec<u64>, u64> {
        Contents {
            seed: 3,
            progress: Progress::default(),
            application: &7,
            weights: Vec::new(),
            state: "the world",
            replay: Some(replay),
        }
    }

    #[test]
    fn the_format_before_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        let replay = vec![5; 1_000];
        contents(&replay).write(&new).unwrap();
        let draft = Draft::begin(&old).unwrap();
        for name in [STATE, REPLAY, APPLICATION] {
            let packed = fs::read(new.join(name)).unwrap();
            let plain = zstd::decode_all(&packed[..]).unwrap();
            fs::write(draft.file(unpacked(name)), plain).unwrap();
        }
        let manifest = fs::read_to_string(new.join(MANIFEST)).unwrap();
        fs::write(draft.file(MANIFEST), manifest.replace(FORMAT, FORMAT_1)).unwrap();
        draft.finish().unwrap();
        for path in [new, old] {
            let checkpoint = Checkpoint::open(&path).unwrap();
            assert!(checkpoint.can_be_resumed());
            assert_eq!(checkpoint.state::<String>().unwrap(), "the world");
            assert_eq!(checkpoint.replay::<Vec<u64>>().unwrap().as_ref(), Some(&replay));
            assert_eq!(checkpoint.application::<u64>().unwrap(), 7);
            assert!(Checkpoint::drop_replay(&path).unwrap() > 0);
            let checkpoint = Checkpoint::open(&path).unwrap();
            assert!(checkpoint.can_be_resumed() && checkpoint.replay::<Vec<u64>>().unwrap().is_none());
        }
    }

    #[test]
    fn what_is_not_compressed_is_refused_where_it_has_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let draft = Draft::begin(&path).unwrap();
        fs::write(draft.file(STATE), b"\xa4text").unwrap();
        fs::write(
            draft.file(MANIFEST),
            format!(
                "{{\"format\": \"{FORMAT}\", \"seed\": 3, \"progress\": \
            {{\"steps\": 0, \"episodes\": 0, \"updates\": 0, \"stored\": 0}}, \"replay\": false}}"
            ),
        )
        .unwrap();
        draft.finish().unwrap();
        let error = Checkpoint::open(&path).unwrap().state::<String>().unwrap_err().to_string();
        assert!(error.contains("state.msgpack.zst is damaged"), "{error}");
    }
}
