//! What can be wrong with a trace, and where.

use std::io;

use thiserror::Error;
use townlet_text::{escaped, printable, shortened};

use super::{TRACE_FORMAT, TRACE_FORMAT_WITHOUT_END, TraceCounts};
use crate::{LevelError, TownError};

/// Why a trace cannot be read or replayed. A trace that *can* be replayed and comes out differently is not
/// an error but a [`TraceDifference`](super::TraceDifference).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The input gave no line.
    #[error("{source_name}:{line}: cannot read the line: {source}")]
    Read {
        /// The file, or whatever else the input was called.
        source_name: String,
        /// The line, from 1.
        line: usize,
        /// Why not.
        source: io::Error,
    },
    /// The input ends within a line.
    #[error("{source_name}:{line}: the trace is cut off within this line; record or copy it again")]
    CutOff {
        /// The file.
        source_name: String,
        /// The line, from 1.
        line: usize,
    },
    /// The input ends at the end of a line, before the line that says how much there is.
    #[error(
        "{source_name}:{line}: the trace ends after this line, without the line that ends a whole one; it was cut \
         short, or its recording was; record or copy it again"
    )]
    NoEnd {
        /// The file.
        source_name: String,
        /// The last line, from 1.
        line: usize,
    },
    /// A line is not JSON, or not the JSON of a trace.
    #[error("{source_name}:{line}:{column}: {}", shortened(&escaped(.message)))]
    Malformed {
        /// The file.
        source_name: String,
        /// The line, from 1.
        line: usize,
        /// The column where the parser stopped, from 1.
        column: usize,
        /// What the parser expected and found.
        message: String,
    },
    /// A line that is well-formed and makes no sense where it stands.
    #[error("{source_name}:{line}: {fault}")]
    Invalid {
        /// The file.
        source_name: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: TraceFault,
    },
}

impl From<LevelError> for TraceFault {
    fn from(error: LevelError) -> Self {
        Self::Level(Box::new(error))
    }
}

impl From<TownError> for TraceFault {
    fn from(error: TownError) -> Self {
        match error {
            TownError::Level(error) => error.into(),
            error => Self::Start(Box::new(error)),
        }
    }
}

impl TraceError {
    /// The line of the trace that is at fault, from 1.
    pub fn line(&self) -> usize {
        match self {
            Self::Read { line, .. }
            | Self::CutOff { line, .. }
            | Self::NoEnd { line, .. }
            | Self::Malformed { line, .. }
            | Self::Invalid { line, .. } => *line,
        }
    }
}

/// What is wrong with a line of a trace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceFault {
    /// The input is empty.
    #[error("expected a header, found the end of the trace")]
    NoHeader,
    /// Another format, or another version of this one.
    #[error(
        "expected `\"format\": \"{TRACE_FORMAT}\"` or `\"{TRACE_FORMAT_WITHOUT_END}\"`, found {}",
        printable(.found)
    )]
    Format {
        /// The JSON that stands there.
        found: String,
    },
    /// A line that begins nothing known.
    #[error("expected an `episode`, an `action` or the `end`, found none of them")]
    UnknownLine,
    /// A step that belongs to no episode.
    #[error("expected an episode before the first step")]
    StepBeforeEpisode,
    /// A step of an agent whose episode is over.
    #[error("expected another episode, found a step after the end of `{}`", printable(.episode))]
    StepAfterEnd {
        /// The episode that is over.
        episode: String,
    },
    /// An action that does not exist.
    #[error("expected an action from 0 to {}, found {found}", .num_actions - 1)]
    UnknownAction {
        /// The action.
        found: u8,
        /// How many there are.
        num_actions: usize,
    },
    /// A name that the header, or the level, does not have in this place.
    #[error("{}: expected {}, found {}", printable(.key), shortened(&escaped(.expected)), printable(.found))]
    Mismatch {
        /// The key of the line, with an index where it is a list.
        key: String,
        /// What the level or the header says.
        expected: String,
        /// What the line says.
        found: String,
    },
    /// Another number of episodes or steps than the last line says.
    #[error(
        "expected {} episodes and {} steps before this line, as it says, found {} and {}: lines are missing or were \
         added; record or copy it again",
        .said.episodes, .said.steps, .found.episodes, .found.steps
    )]
    Counts {
        /// What the line says.
        said: TraceCounts,
        /// What stands before it.
        found: TraceCounts,
    },
    /// A line after the last one.
    #[error("expected nothing after the `end`, found another line")]
    AfterEnd,
    /// The last line in a trace of the format that has none.
    #[error("a trace of the format `{TRACE_FORMAT_WITHOUT_END}` has no `end`")]
    EndWithoutFormat,
    /// A list that is too short or too long.
    #[error("{key}: expected {expected} entries, found {found}")]
    Length {
        /// The key of the list.
        key: &'static str,
        /// How many entries it must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A key that this trace must have.
    #[error("expected the key `{key}`: {reason}")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// Why it is needed.
        reason: &'static str,
    },
    /// A key that this trace cannot have.
    #[error("the key `{key}` belongs to a temporal trace, and the header says `\"temporal\": false`")]
    NotTemporal {
        /// The key.
        key: &'static str,
    },
    /// A header that makes no world.
    #[error("the header makes no world: {0}")]
    Level(#[source] Box<LevelError>),
    /// An episode that starts in a state that its world does not allow.
    #[error("the episode cannot start so: {0}")]
    Start(#[source] Box<TownError>),
}
