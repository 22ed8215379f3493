//! A run on disk: its configuration, its level, where it comes from, how it stands, and its weights.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;
use townlet_drqn::Checkpoint;
use townlet_env::VectorEnv;
use townlet_nets::{
    Backend, QNetwork, WeightsError, load_state_dict, read_weights, state_dict, write_safetensors,
};
use townlet_text::printable;

use crate::checkpoints::Checkpoints;
use crate::provenance::Provenance;
use crate::run_config::RunConfig;
use crate::run_status::{RunState, RunStatus};
use crate::shell::quoted;
use crate::toml_place::TomlText;

/// What the metadata of the weights calls their format.
const WEIGHTS_FORMAT: &str = "townlet-weights/1";

/// Which weights of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weights {
    /// Those of the evaluation that went best
    Best,
    /// Those at the end
    Last,
}

impl Weights {
    /// What they are called on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Last => "last",
        }
    }

    /// The file that they are in.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Last => "weights.safetensors",
            Self::Best => "best.safetensors",
        }
    }
}

/// The directory of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// The run directory at `path`, whatever is there.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// The run in the directory at `path`, and its configuration.
    ///
    /// # Errors
    ///
    /// Where there is no run, or its configuration is damaged.
    pub(crate) fn open(path: &Path) -> Result<(Self, RunConfig)> {
        let run = Self { path: path.to_path_buf() };
        let file = run.config_file();
        let text = fs::read_to_string(&file).with_context(|| {
            format!(
                "{} is not a run directory: cannot read {}; `townlet train --out {}` makes one",
                path.display(),
                file.display(),
                quoted(path)
            )
        })?;
        let config = read_config(&file, &text).with_context(|| {
            let again = match run.checkpoints().list() {
                Ok(list) if list.is_empty() => {
                    "if it was never trained, townlet train --out with this directory begins it anew"
                }
                _ => "restore it from a copy",
            };
            format!("the settings in {} are damaged; {again}", file.display())
        })?;
        Ok((run, config))
    }

    /// The run at `path`, or the one to which the checkpoint at `path` belongs, and that checkpoint.
    ///
    /// # Errors
    ///
    /// Where there is neither, or it is damaged.
    pub(crate) fn open_with_checkpoint(path: &Path) -> Result<(Self, RunConfig, Option<Checkpoint>)> {
        if !path.join("manifest.json").exists() {
            return Self::open(path).map(|(run, config)| (run, config, None));
        }
        let checkpoint = Checkpoint::open(path)?;
        let place = fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?;
        let Some(run) = place.parent().and_then(Path::parent) else {
            bail!("{} is not in the folder of a run's checkpoints", path.display());
        };
        let (run, config) = Self::open(run)?;
        Ok((run, config, Some(checkpoint)))
    }

    /// The network of a checkpoint, on the default device of `backend`.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be used, or the checkpoint is of another network.
    pub(crate) fn checkpoint_network(
        checkpoint: &Checkpoint,
        config: &RunConfig,
        backend: Backend,
    ) -> Result<QNetwork> {
        let untrained = config.network.init(config.seed, &backend.device()?);
        load_state_dict(&untrained, &checkpoint.online_weights()?)
            .with_context(|| checkpoint.path().display().to_string())
    }

    /// Whether there is a run at `path`, whole or not.
    pub(crate) fn is_at(path: &Path) -> bool {
        path.is_dir()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved configuration: everything that decides the outcome.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.path.join("run.toml")
    }

    /// The level once more, as a level file that can be given with `--level`.
    pub(crate) fn level_file(&self) -> PathBuf {
        self.path.join("level.toml")
    }

    /// The program, the machine and the command.
    pub(crate) fn provenance_file(&self) -> PathBuf {
        self.path.join("provenance.json")
    }

    /// Where the run comes from.
    ///
    /// # Errors
    ///
    /// Where that is not known, or its file is damaged.
    pub(crate) fn provenance(&self) -> Result<Provenance> {
        let file = self.provenance_file();
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    /// Adds to the provenance that the run goes on here after so many steps, and returns what is different from before,
    /// if that changes the outcome.
    ///
    /// # Errors
    ///
    /// Returns an error if the provenance cannot be read or written.
    pub(crate) fn goes_on(&self, steps: u64, config: &RunConfig) -> Result<Option<String>> {
        let mut provenance = self.provenance()?;
        let change = provenance.goes_on(steps, Provenance::of(config));
        let text =
            serde_json::to_string_pretty(&provenance).context("cannot write the provenance as JSON")?;
        townlet_files::write(&self.provenance_file(), text.as_bytes())?;
        Ok(change)
    }

    /// What `townlet eval` found, one file each.
    pub(crate) fn evaluations(&self) -> PathBuf {
        self.path.join("evaluations")
    }

    /// How the run stands.
    pub(crate) fn status_file(&self) -> PathBuf {
        self.path.join("status.json")
    }

    pub(crate) fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.path.join("checkpoints"))
    }

    /// Makes sure that no other process trains this run as long as the lock is held. A process that dies lets
    /// go of it.
    ///
    /// # Errors
    ///
    /// Where another process trains it.
    pub(crate) fn lock(&self) -> Result<RunLock> {
        let path = self.path.join("lock");
        let failed = || format!("cannot write {}", path.display());
        // Who asks whether the run is locked holds the lock for a moment; that is no reason to give up.
        let mut patience = 10;
        loop {
            let file = File::options().create(true).append(true).open(&path).with_context(failed)?;
            match file.try_lock() {
                // The run may have been removed, and another one begun, before it was locked.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => return Ok(RunLock { _file: file }),
                Err(TryLockError::WouldBlock) if patience > 0 => {
                    patience -= 1;
                    sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => bail!(
                    "another process trains {}; wait until it is done, or stop it first",
                    self.path.display()
                ),
                Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
            }
        }
    }

    /// Whether a process trains this run now.
    pub(crate) fn is_locked(&self) -> bool {
        let file = File::open(self.path.join("lock"));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Whether a process trains a run at `path` now, whole or not.
    pub(crate) fn is_trained_at(path: &Path) -> bool {
        Self { path: path.to_path_buf() }.is_locked()
    }

    /// Puts another configuration in the place of the one that is there.
    ///
    /// # Errors
    ///
    /// Where it cannot be written. The old one is still there then.
    pub(crate) fn change(&self, config: &RunConfig) -> Result<()> {
        let text = toml::to_string(config).context("cannot write the configuration as TOML")?;
        Ok(townlet_files::write(&self.config_file(), text)?)
    }

    pub(crate) fn weights_file(&self, which: Weights) -> PathBuf {
        self.path.join(which.file_name())
    }

    /// Whether the run has come to its end, as far as that can be told: weights without a word about them are those
    /// of a run that has.
    pub(crate) fn has_finished(&self) -> bool {
        match RunStatus::read(&self.status_file()) {
            Ok(status) => status.state == RunState::Finished,
            Err(_) => self.has_weights(Weights::Last),
        }
    }

    /// Whether these weights are there.
    pub(crate) fn has_weights(&self, which: Weights) -> bool {
        self.weights_file(which).exists()
    }

    /// Whether these weights are there and can be read. Those that are not finite are: nothing was lost, and whoever
    /// loads them is told what is wrong with them.
    pub(crate) fn weights_are_whole(&self, which: Weights) -> bool {
        matches!(read_weights(&self.weights_file(which)), Ok(_) | Err(WeightsError::NotFinite { .. }))
    }

    /// Whether the run was evaluated on its way, as far as its status tells.
    pub(crate) fn was_evaluated(&self) -> bool {
        RunStatus::read(&self.status_file()).is_ok_and(|status| status.best_evaluation.is_some())
    }

    /// Writes the weights of a network that was trained for so many steps.
    ///
    /// # Errors
    ///
    /// Where they cannot be written. An older file is still there then, unchanged.
    pub(crate) fn save_weights(
        &self,
        which: Weights,
        network: &QNetwork,
        config: &RunConfig,
        steps: u64,
    ) -> Result<()> {
        let facts = json!({
            "format": WEIGHTS_FORMAT,
            "level": config.level.name,
            "seed": config.seed,
            "steps": steps,
        });
        // One entry: with several, their order in the file would be another one in every process.
        let metadata = BTreeMap::from([("townlet".to_owned(), facts.to_string())]);
        Ok(write_safetensors(&self.weights_file(which), &state_dict(network), &metadata)?)
    }

    /// The trained network, on the default device of `backend`.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be used, or the weights are missing, damaged, or another network's.
    pub(crate) fn load_network(
        &self,
        which: Weights,
        config: &RunConfig,
        backend: Backend,
    ) -> Result<QNetwork> {
        let device = backend.device()?;
        let file = self.weights_file(which);
        let weights = read_weights(&file)?;
        let untrained = config.network.init(config.seed, &device);
        load_state_dict(&untrained, &weights).with_context(|| file.display().to_string())
    }
}

/// The version of the program that wrote the text of a `run.toml`, as far as it can be read at all.
fn made_by(text: &str) -> Option<String> {
    Some(text.parse::<toml::Table>().ok()?.get("townlet")?.as_str()?.to_owned())
}

/// Reads the text of a `run.toml`.
///
/// # Errors
///
/// If it is damaged.
pub(crate) fn read_config(file: &Path, text: &str) -> Result<RunConfig> {
    let config: RunConfig = TomlText { path: file, text }.parse().map_err(|error| match made_by(text) {
        Some(version) if version != env!("CARGO_PKG_VERSION") => {
            let own = env!("CARGO_PKG_VERSION");
            let version = printable(&version).into_owned();
            error.context(format!(
                "townlet {version} made this run, and this is townlet {own}: use that version"
            ))
        }
        _ => error,
    })?;
    let damaged = || format!("{} holds a run that cannot be played", file.display());
    // Whatever the level and what is in it are called: runs older than the rules for names still open.
    let seen = config.view().world(1).with_context(damaged)?;
    if config.network.layout != *seen.observation_layout() {
        bail!("{}: network.layout is not what agents see in this level; restore the file", file.display());
    }
    Ok(config)
}

/// Held by the process that trains a run.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

impl RunLock {
    /// The lock after the run directory was moved. It goes along with the directory.
    #[cfg(unix)]
    #[allow(clippy::unnecessary_wraps, reason = "elsewhere it is taken again")]
    pub(crate) fn moved_to(self, _: &Path) -> Result<Self> {
        Ok(self)
    }

    #[cfg(not(unix))]
    pub(crate) fn moved_to(self, path: &Path) -> Result<Self> {
        drop(self);
        RunDirectory::at(path).lock()
    }
}

/// Whether an open file is the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(number) == fs::metadata(path).ok().map(number)
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
