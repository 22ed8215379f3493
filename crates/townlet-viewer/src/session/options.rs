//! How a session begins, what can be changed about it, and what can be chosen from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::{Beside, MAX_SEED, SPEEDS};
use crate::frame::Mode;
use crate::session_error::SessionError;
use crate::{CheckpointInfo, RunFacts};

/// How a session begins. [`Default`] is the newest checkpoint in the usual level.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionOptions {
    /// The level; none for the usual one.
    pub level: Option<String>,
    /// The checkpoint, to stay on; none for the newest, and to follow.
    pub checkpoint: Option<String>,
    /// What episodes follow from.
    pub seed: u64,
    /// How often to act at random.
    pub epsilon: f64,
    /// Steps a second, 1 to 200.
    pub speed: u16,
    /// Whether to wait to be told to play.
    pub paused: bool,
    /// Who is beside the agent.
    pub beside: Beside,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            level: None,
            checkpoint: None,
            seed: 0,
            epsilon: 0.0,
            speed: 5,
            paused: false,
            beside: Beside::Nobody {},
        }
    }
}

/// What can be changed about a session, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// How it is driven.
    pub mode: Mode,
    /// Whether it waits.
    pub paused: bool,
    /// Steps a second.
    pub speed: u16,
    /// What episodes follow from.
    pub seed: u64,
    /// How often the agent acts at random.
    pub epsilon: f64,
    /// The level.
    pub level: String,
    /// The checkpoint that acts, if one does.
    pub checkpoint: Option<String>,
    /// Whether each new checkpoint is loaded.
    pub follow: bool,
    /// Who is beside the agent.
    pub beside: Beside,
    /// The most steps that an episode of this level lasted so far, of those that are over.
    pub longest: u32,
    /// Whether what a person plays is recorded.
    pub recording: bool,
    /// For a replay: which episode, and how many steps it has.
    pub replay: Option<ReplayStatus>,
}

/// Where a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayStatus {
    /// The index of the episode.
    pub episode: usize,
    /// How many steps the episode has.
    pub steps: u32,
}

/// What can be chosen from, and what is known of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Catalogue {
    /// The levels.
    pub levels: Vec<String>,
    /// The checkpoints, oldest first.
    pub checkpoints: Vec<CheckpointInfo>,
    /// The run.
    pub run: RunFacts,
}

pub(super) fn check_speed(speed: u16) -> Result<(), SessionError> {
    let expected = || format!("{} to {} steps a second", SPEEDS.start(), SPEEDS.end());
    within("speed", SPEEDS.contains(&speed), expected, &speed)
}

pub(super) fn check_epsilon(epsilon: f64) -> Result<(), SessionError> {
    within("epsilon", (0.0..=1.0).contains(&epsilon), || "0 to 1".to_owned(), &epsilon)
}

pub(super) fn check_seed(seed: u64) -> Result<(), SessionError> {
    within("seed", seed <= MAX_SEED, || format!("0 to {MAX_SEED}"), &seed)
}

fn within(
    what: &'static str,
    is_within: bool,
    expected: impl FnOnce() -> String,
    found: &impl ToString,
) -> Result<(), SessionError> {
    if is_within {
        Ok(())
    } else {
        Err(SessionError::OutOfRange { what, expected: expected(), found: found.to_string() })
    }
}
