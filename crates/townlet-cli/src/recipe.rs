//! The recipes that are built in: whole sets of settings with a name.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A set of settings to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Recipe {
    /// What lets agents survive
    #[default]
    Best,
    /// The same where the map is new in every episode
    Shuffled,
    /// Prioritised sequences, stored states, burn-in, rescaled values, a dueling head
    R2d2,
    /// Plain DRQN, one agent
    Drqn,
}

impl Recipe {
    /// Its file, as `--config` would read it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Best => include_str!("../recipes/best.toml"),
            Self::Shuffled => include_str!("../recipes/shuffled.toml"),
            Self::R2d2 => include_str!("../recipes/r2d2.toml"),
            Self::Drqn => include_str!("../recipes/drqn.toml"),
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Shuffled => "shuffled",
            Self::R2d2 => "r2d2",
            Self::Drqn => "drqn",
        }
    }
}
