//! Settings of runs: `--config` and `--set`, training files of the reference, studies.

use std::str;

use townlet_cli::fuzzing;

/// Resolves a `--config` file. Lines that begin with `--set ` are given as `--set` instead.
///
/// # Panics
///
/// If what was accepted makes no run that can be opened again.
pub fn settings(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (mut file, mut set) = (String::new(), Vec::new());
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("--set ") {
            Some(setting) => set.push(setting.trim_end_matches('\n')),
            None => file.push_str(line),
        }
    }
    // What is wrong is told; that is all.
    let _ = fuzzing::settings(&file, &set);
}

/// Resolves a training file of the reference implementation.
///
/// # Panics
///
/// If what was accepted makes no run that can be opened again.
pub fn training_file(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = fuzzing::training_file(text);
}

/// Reads a study file and resolves the settings of all its arms.
///
/// # Panics
///
/// If Townlet does.
pub fn study(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = fuzzing::study(text);
}
