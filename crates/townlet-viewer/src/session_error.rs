//! What a session refuses, and why.

use std::io;

use thiserror::Error;
use townlet_env::{StepError, TownError};

use crate::SourceError;
use crate::frame::Mode;

/// Why a session does not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A command that makes no sense here.
    #[error("the command `{command}` does not fit {}; {}", describe(*mode), advise(*mode))]
    NotInMode {
        /// The command.
        command: &'static str,
        /// What the session is.
        mode: Mode,
    },
    /// A number outside its range.
    #[error("{what}: expected {expected}, found {found}")]
    OutOfRange {
        /// The key.
        what: &'static str,
        /// The range.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A name that the catalogue does not have.
    #[error("there is no level `{name}`; expected one of {known}")]
    NoSuchLevel {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A name that the catalogue does not have.
    #[error("there is no checkpoint `{id}`; expected one of {known}")]
    NoSuchCheckpoint {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// A network that was trained for other observations.
    #[error("checkpoint `{checkpoint}` cannot act in level `{level}`: {reason}")]
    DoesNotFit {
        /// The checkpoint.
        checkpoint: String,
        /// The level.
        level: String,
        /// What the network expects.
        reason: String,
    },
    /// Another level while a trace is being written.
    #[error("a recording holds one level; begin another recording to play in another one")]
    Recorded,
    /// A session that has no source.
    #[error("a replay has no checkpoints and no levels to choose from")]
    NoSource,
    /// What the source says.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No such world, or no such state in it.
    #[error(transparent)]
    Town(#[from] TownError),
    /// A brain that chose an action that does not exist.
    #[error("the agent cannot take its step: {0}")]
    Step(#[from] StepError),
    /// A recording that cannot be written.
    #[error("cannot write the recording: {0}")]
    Record(#[source] io::Error),
}

fn describe(mode: Mode) -> &'static str {
    match mode {
        Mode::Watch => "a session in which a network acts",
        Mode::Play => "a session that a person plays",
        Mode::Replay => "a replay",
    }
}

fn advise(mode: Mode) -> &'static str {
    match mode {
        Mode::Watch => "`act`, `seek` and `episode` are for playing and for replays",
        Mode::Play => "use `act`, `next_episode`, `restart`, `seed` or `level`",
        Mode::Replay => "use `play`, `pause`, `step`, `restart`, `speed`, `seek` or `episode`",
    }
}
