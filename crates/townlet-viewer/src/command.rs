//! What a viewer can ask of a session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::frame::Mode;

/// The slowest and the fastest that a session plays, in steps a second.
pub const SPEEDS: std::ops::RangeInclusive<u16> = 1..=200;

/// The largest seed that every client can write: JavaScript's numbers are exact up to here.
pub const MAX_SEED: u64 = (1 << 53) - 1;

/// What a viewer can ask of a session. As JSON, an object with the key `command`.
///
/// ```
/// use townlet_viewer::Command;
///
/// let command: Command = serde_json::from_str(r#"{"command": "speed", "steps_per_second": 20}"#)?;
/// assert_eq!(command, Command::Speed { steps_per_second: 20 });
/// assert!(serde_json::from_str::<Command>(r#"{"command": "speed", "fast": true}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
// Empty braces, because serde does not refuse unknown keys beside a variant without any.
pub enum Command {
    /// Goes on by itself.
    Play {},
    /// Stops.
    Pause {},
    /// Stops, and takes one step; where the episode is over, begins the next.
    Step {},
    /// Begins the first episode of the seed again.
    Restart {},
    /// Plays to the end of the episode without waiting between steps, and stops there.
    FinishEpisode {},
    /// How fast to play.
    Speed {
        /// 1 to 200.
        steps_per_second: u16,
    },
    /// Starts over with another seed.
    Seed {
        /// At most 2^53 - 1.
        seed: u64,
    },
    /// How often to act at random.
    Epsilon {
        /// 0 to 1.
        epsilon: f64,
    },
    /// Starts over in another level.
    Level {
        /// One of the levels that the catalogue names.
        level: String,
    },
    /// Starts over with other weights, and stays on them.
    Checkpoint {
        /// The id of a checkpoint in the catalogue.
        checkpoint: String,
    },
    /// Whether to load each new checkpoint at the start of the next episode.
    Follow {
        /// Whether.
        enabled: bool,
    },
    /// Starts over with somebody beside the agent, in the same world with the same seed.
    SideBySide {
        /// Who.
        beside: Beside,
    },
    /// In a session that a person plays: takes this action. Does nothing where the episode is over, so that no
    /// key that is pressed too late begins another life.
    Act {
        /// The index of the action.
        action: u8,
    },
    /// In a session that a person plays: begins the next episode. Does nothing before this one is over.
    NextEpisode {},
    /// In a replay: goes to a step.
    Seek {
        /// The step, from 0.
        step: u32,
    },
    /// In a replay: goes to the start of an episode.
    Episode {
        /// The index of the episode, from 0.
        episode: usize,
    },
}

impl Command {
    /// The command's name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Play {} => "play",
            Self::Pause {} => "pause",
            Self::Step {} => "step",
            Self::Restart {} => "restart",
            Self::FinishEpisode {} => "finish_episode",
            Self::Speed { .. } => "speed",
            Self::Seed { .. } => "seed",
            Self::Epsilon { .. } => "epsilon",
            Self::Level { .. } => "level",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Follow { .. } => "follow",
            Self::SideBySide { .. } => "side_by_side",
            Self::Act { .. } => "act",
            Self::NextEpisode {} => "next_episode",
            Self::Seek { .. } => "seek",
            Self::Episode { .. } => "episode",
        }
    }

    /// Whether the command makes sense in a session of this mode.
    pub(crate) fn fits(&self, mode: Mode) -> bool {
        match self {
            Self::Play {} | Self::Pause {} | Self::Step {} | Self::FinishEpisode {} | Self::Speed { .. } => {
                mode != Mode::Play
            }
            Self::Restart {} => true,
            Self::Seed { .. } | Self::Level { .. } => mode != Mode::Replay,
            Self::Epsilon { .. }
            | Self::Checkpoint { .. }
            | Self::Follow { .. }
            | Self::SideBySide { .. } => mode == Mode::Watch,
            Self::Act { .. } | Self::NextEpisode {} => mode == Mode::Play,
            Self::Seek { .. } | Self::Episode { .. } => mode == Mode::Replay,
        }
    }
}

/// Who is shown beside the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "who", rename_all = "snake_case", deny_unknown_fields)]
pub enum Beside {
    /// Nobody.
    Nobody {},
    /// The same weights with their memory wiped before every step.
    MemoryWiped {},
    /// Other weights.
    Checkpoint {
        /// The id of the checkpoint.
        checkpoint: String,
    },
}
