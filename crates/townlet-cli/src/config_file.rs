//! What files of settings have in common, and how large the sizes in them may be.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};
use townlet_drqn::DrqnConfig;

use crate::toml_place::TomlText;

/// The most that any size of the network may be; beyond it the parameters no longer fit a computer.
pub(crate) const MAX_NETWORK_SIZE: usize = 16_384;
/// The most transitions that a replay may keep.
const MAX_REPLAY_CAPACITY: usize = 100_000_000;
/// The most sequences of a batch, and the most steps of a sequence.
const MAX_BATCH_SIDE: usize = 65_536;
/// The most agents that live side by side.
pub(crate) const MAX_AGENTS: u32 = 65_536;

/// The text of the file at `path`.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))
}

/// Refuses settings that no computer can hold or that make no sense; `text` is what is blamed for them.
pub(crate) fn check_learner(text: &TomlText<'_>, learner: &DrqnConfig) -> Result<()> {
    check_limits(learner).map_err(|(key, fault)| text.fault(key, &fault))?;
    learner.validate().map_err(|fault| {
        let key = format!("learner.{}", fault.key);
        text.fault(&key, &format!("expected {}, found {}", fault.expected, fault.found))
    })
}

/// Refuses sizes that no computer can hold, with the key and the fault.
pub(crate) fn check_limits(learner: &DrqnConfig) -> Result<(), (&'static str, String)> {
    let limits = [
        ("learner.replay_capacity", learner.replay_capacity, MAX_REPLAY_CAPACITY),
        ("learner.batch_size", learner.batch_size, MAX_BATCH_SIDE),
        ("learner.trace_length", learner.trace_length, MAX_BATCH_SIDE),
        ("learner.burn_in", learner.burn_in, MAX_BATCH_SIDE),
        ("learner.period", learner.period, MAX_BATCH_SIDE),
    ];
    match limits.into_iter().find(|(_, found, most)| found > most) {
        Some((key, found, most)) => Err((key, format!("expected at most {most}, found {found}"))),
        None => Ok(()),
    }
}

/// Puts every value of `said` in its place in `settings`. A choice with settings of its own (a table with a
/// `kind`) is replaced as a whole.
pub(crate) fn overlay(settings: &mut Table, said: Table) {
    for (key, value) in said {
        match (settings.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !new.contains_key("kind") => overlay(old, new),
            (_, value) => {
                settings.insert(key, value);
            }
        }
    }
}
