//! How a run directory comes into being: whole, locked, and never in the place of another run.
//!
//! A new directory is filled beside its place, with its lock held from the first byte on, and renamed. Of several
//! processes that are given one place, the rename succeeds for one alone: a folder that holds something never gives
//! way to another. The lock goes along with the folder, so that there is no moment at which the run is there and
//! nobody holds it.
//!
//! A directory that is there already is filled where it is, because a user may be standing in it, or it may be a file
//! system of its own. The lock in it is taken before anything else is written, and makes it non-empty, so that no
//! rename replaces it from then on. Its settings are written last: until then it is no run to anybody.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use townlet_files::{FileError, PartialFolder, remove_leftovers};
use townlet_metrics::{Options, Recorder};

use crate::provenance::Provenance;
use crate::run_config::RunConfig;
use crate::run_directory::{RunDirectory, RunLock, Weights};
use crate::run_status::{RunState, RunStatus};
use crate::shell::quoted;

/// A run directory that this process has to itself.
pub(crate) type Made = (RunDirectory, RunLock);

/// Where a new run is to be.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// There, or nowhere.
    Named(PathBuf),
    /// There, or at the first of the same name with -2, -3 and so on that is free.
    Free(PathBuf),
}

impl Place {
    /// Makes the directory of a new run there.
    ///
    /// # Errors
    ///
    /// If another run is there, or somebody's files are, or it cannot be written.
    pub(crate) fn make(&self, config: &RunConfig) -> Result<Made> {
        match self {
            Self::Named(path) => make(path, config),
            Self::Free(path) => {
                let mut name = path.clone();
                for number in 2_u64.. {
                    if !name.exists()
                        && let Some(made) = make_new(&name, config)?
                    {
                        return Ok(made);
                    }
                    name.clone_from(path);
                    name.as_mut_os_string().push(format!("-{number}"));
                }
                bail!("every name like {} is taken", path.display())
            }
        }
    }
}

fn make(path: &Path, config: &RunConfig) -> Result<Made> {
    if !path.is_dir()
        && let Some(made) = make_new(path, config)?
    {
        return Ok(made);
    }
    take_over(path, config)
}

/// Makes a directory where there is none; nothing if another process was faster.
fn make_new(path: &Path, config: &RunConfig) -> Result<Option<Made>> {
    let draft = match PartialFolder::begin(path) {
        Ok(draft) => draft,
        Err(FileError::Exists { .. }) if path.is_dir() => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot use {} as a directory", path.display()));
        }
    };
    // What runs left that were killed while they were set up, under whatever name. It is in nobody's way.
    let _ = remove_leftovers(path.parent().unwrap_or(Path::new("")));
    let inside = RunDirectory::at(draft.path());
    let lock = inside.lock()?;
    // First, so that they are there if a full disk has room for nothing else.
    write_settings(&inside, config).with_context(|| {
        format!("nothing is left of {}; once that is mended, train again", path.display())
    })?;
    if let Err(error) = fill(&inside, config) {
        let kept = keep_settings(path, draft);
        // Where not even that works, the first error is still the one to tell.
        return Err(if kept.is_err() { error } else { error.context(begins_later(path)) });
    }
    match draft.finish() {
        Ok(()) => Ok(Some((RunDirectory::at(path), lock.moved_to(path)?))),
        Err(FileError::Exists { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn begins_later(path: &Path) -> String {
    format!(
        "{} cannot be set up, and holds its settings alone; once that is mended, townlet resume {} begins it",
        path.display(),
        quoted(path)
    )
}

/// Leaves the settings of a run that could not be set up, so that it can be begun with them later.
fn keep_settings(path: &Path, draft: PartialFolder) -> Result<()> {
    let settings = RunDirectory::at(draft.path()).config_file();
    for entry in fs::read_dir(draft.path())? {
        let entry = entry?.path();
        if entry != settings && entry.is_file() {
            fs::remove_file(&entry)?;
        }
    }
    draft.finish().with_context(|| path.display().to_string())
}

/// Everything of a run that has not begun, but for its settings.
fn fill(run: &RunDirectory, config: &RunConfig) -> Result<()> {
    mend(run, config)?;
    if !run.status_file().exists() {
        RunStatus::not_begun().write(&run.status_file())?;
    }
    if config.metrics && !Recorder::is_at(run.path()) {
        Recorder::create(run.path(), Options::default())?.finish()?;
    }
    Ok(())
}

fn write_settings(run: &RunDirectory, config: &RunConfig) -> Result<()> {
    let text = toml::to_string(config).context("cannot write the configuration as TOML")?;
    Ok(townlet_files::write(&run.config_file(), text)?)
}

/// Restores what a run directory lacks and its settings tell. Returns what that was.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn mend(run: &RunDirectory, config: &RunConfig) -> Result<Vec<String>> {
    let mut mended = Vec::new();
    let mut restore = |file: PathBuf, text: String, from: &str| -> Result<()> {
        let problem = if file.exists() { "was damaged" } else { "was not there" };
        townlet_files::write(&file, text)?;
        mended.push(format!("{} {problem}, and was written again {from}", file.display()));
        Ok(())
    };
    let level = config.level.to_toml();
    if fs::read_to_string(run.level_file()).ok().as_ref() != Some(&level) {
        restore(run.level_file(), level, "from run.toml")?;
    }
    if run.provenance().is_err() {
        let provenance = serde_json::to_string_pretty(&Provenance::of(config));
        let text = provenance.context("cannot write the provenance as JSON")?;
        restore(run.provenance_file(), text, "as of now")?;
    }
    Ok(mended)
}

/// Begins a run in a directory that is there: an empty one, or one in which the same run was set up, in whole or in
/// part, and never saved.
fn take_over(path: &Path, config: &RunConfig) -> Result<Made> {
    let run = RunDirectory::at(path);
    if run.is_locked() {
        bail!(
            "another process trains {}; wait until it is done, or name a new directory with --out",
            path.display()
        );
    }
    // Before a lock is written among somebody's files.
    check_may_begin(path, config)?;
    let lock = run.lock()?;
    // Once more, now that no other process can change it.
    check_may_begin(path, config)?;
    let _ = townlet_files::remove_partials(path);
    let _ = remove_leftovers(path.parent().unwrap_or(Path::new("")));
    mend(&run, config)?;
    write_settings(&run, config)?;
    Ok((run, lock))
}

/// Makes sure that a run with these settings can be begun in a directory without losing anything.
fn check_may_begin(path: &Path, config: &RunConfig) -> Result<()> {
    let (run, shown) = (RunDirectory::at(path), path.display());
    let taken = || {
        format!(
            "{shown} is not empty, and a run never overwrites another; name a new directory with --out, or remove that one"
        )
    };
    let resume = || format!("townlet resume {}", quoted(path));
    let entries = fs::read_dir(path).with_context(|| format!("cannot use {shown} as a directory"))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read the directory {shown}"))?;
        if !is_of_a_run(&entry.file_name().to_string_lossy()) {
            bail!(taken());
        }
    }
    if !run.checkpoints().list()?.is_empty() {
        bail!("{}; or go on with it: {}", taken(), resume());
    }
    if run.has_finished() {
        bail!(taken());
    }
    match fs::read_to_string(run.config_file()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", run.config_file().display())),
        Ok(text) => match toml::from_str::<RunConfig>(&text) {
            Ok(there) if there.identity()? != config.identity()? => bail!(
                "{}; it was stopped before its first checkpoint, and has other settings, which {} begins",
                taken(),
                resume()
            ),
            // Settings that are cut short are those of a run that was never set up.
            _ => Ok(()),
        },
    }
}

/// Whether a file or folder of this name is of a run that was never saved.
fn is_of_a_run(name: &str) -> bool {
    const NAMES: [&str; 7] =
        ["run.toml", "level.toml", "provenance.json", "status.json", "lock", "checkpoints", "evaluations"];
    NAMES.contains(&name)
        || [Weights::Best, Weights::Last].iter().any(|which| name == which.file_name())
        || name.starts_with("metrics.sqlite")
        || name.starts_with("events.out.tfevents.")
        || name.ends_with(townlet_files::PARTIAL)
}

impl RunStatus {
    /// Of a run that has been set up.
    fn not_begun() -> Self {
        Self {
            state: RunState::Running,
            steps: 0,
            episodes: 0,
            updates: 0,
            training_seconds: 0.0,
            survival: None,
            best_evaluation: None,
            error: None,
        }
    }
}
