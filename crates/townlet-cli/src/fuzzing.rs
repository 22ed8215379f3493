//! What reads users' settings, as functions of text, for the fuzz targets.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::error_message;
use crate::run_config::RunConfig;
use crate::run_directory::read_config;
use crate::settings::{self, Resolved, Said, SourceFile};
use crate::study::Study;

/// Resolves the text of a `--config` file and `--set` arguments, as `townlet train` does.
///
/// # Errors
///
/// The message that a user would see.
///
/// # Panics
///
/// If what was accepted makes no run that can be opened again.
pub fn settings(text: &str, set: &[&str]) -> Result<(), String> {
    resolve(|| {
        let mut said = vec![settings::parse(file("settings.toml", text))?];
        for setting in set {
            said.push(settings::set::read(setting)?);
        }
        Ok(said)
    })
}

/// Resolves the text of a training file of the reference implementation.
///
/// # Errors
///
/// The message that a user would see.
///
/// # Panics
///
/// If what was accepted makes no run that can be opened again.
pub fn training_file(text: &str) -> Result<(), String> {
    resolve(|| Ok(vec![settings::parse(file("training.yaml", text))?]))
}

/// Reads the text of a study file, as `townlet study` does.
///
/// # Errors
///
/// The message that a user would see.
pub fn study(text: &str) -> Result<(), String> {
    Study::parse(Path::new("study.toml"), text.to_owned())
        .map(drop)
        .map_err(|error| error_message::of(&error))
}

fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { path: PathBuf::from(name), text: text.to_owned() }
}

fn resolve(said: impl FnOnce() -> Result<Vec<Said>>) -> Result<(), String> {
    let resolved = said().and_then(settings::resolve).map_err(|error| error_message::of(&error))?;
    if let Err(error) = check(&resolved) {
        panic!("settings were accepted and make no run: {}", error_message::of(&error));
    }
    Ok(())
}

/// Writes the run of these settings and opens it again.
fn check(resolved: &Resolved) -> Result<()> {
    settings::show(resolved)?;
    let text = toml::to_string(&resolved.config)?;
    let config: RunConfig = read_config(Path::new("run.toml"), &text)?;
    ensure!(config == resolved.config, "run.toml says something else than what was resolved");
    Ok(())
}
