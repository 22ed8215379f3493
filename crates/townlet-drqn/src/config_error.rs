//! What is said of a setting that makes no sense.

use std::fmt::Display;

use thiserror::Error;

/// A setting that makes no sense.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{key} = {found}: expected {expected}")]
pub struct ConfigError {
    /// The setting, as it is written in a file.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// What it must be.
    pub expected: &'static str,
}

/// What most numbers must be.
pub(crate) const POSITIVE: &str = "a positive number";

/// Refuses a setting where what must hold of it does not.
pub(crate) fn check(
    holds: bool,
    key: &'static str,
    found: impl Display,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { key, found: found.to_string(), expected }) }
}
