//! Values that describe one agent.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Cell, Grid, LevelError};

/// What one agent's world is at one moment, apart from how long its episode has lasted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentState {
    /// Where the agent stands.
    pub cell: Cell,
    /// Its meters in the order of the level, each 0 to 1.
    pub meters: Vec<f32>,
    /// The hour, 0 to 23; always 0 in a level without a clock.
    #[serde(default)]
    pub hour: u8,
    /// How many ticks of an unfinished interaction it has done on this cell.
    #[serde(default)]
    pub progress: u8,
    /// Where the affordances stand, in the order of the level. For [`Town::place`](super::Town::place),
    /// `None` leaves them where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affordances: Option<Vec<Cell>>,
}

/// A set of meters, by index.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MeterSet(pub(super) u32);

impl MeterSet {
    /// Whether the set holds no meter.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set holds the meter with this index.
    pub fn contains(self, meter: usize) -> bool {
        meter < 32 && self.0 >> meter & 1 == 1
    }

    /// The indices of its meters, from the smallest.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..32).filter(move |&meter| self.contains(meter))
    }
}

impl fmt::Debug for MeterSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Why there is no such town, or no such agent in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TownError {
    /// The level makes no world.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// A town without agents.
    #[error("expected at least one agent, found none")]
    NoAgents,
    /// An agent that does not exist.
    #[error("there is no agent {agent}; expected 0 to {}", .num_agents - 1)]
    NoSuchAgent {
        /// The agent asked for.
        agent: usize,
        /// How many there are.
        num_agents: usize,
    },
    /// A cell beside the grid.
    #[error("{cell} lies off the {grid} grid")]
    OffGrid {
        /// The cell.
        cell: Cell,
        /// The grid.
        grid: Grid,
    },
    /// The wrong number of meters.
    #[error("expected {expected} meters, found {found}")]
    NumMeters {
        /// The number of meters of the level.
        expected: usize,
        /// The number given.
        found: usize,
    },
    /// A meter outside its range.
    #[error("expected meter `{meter}` to be 0 to 1, found {found}")]
    MeterOutOfRange {
        /// The name of the meter.
        meter: String,
        /// Its value.
        found: f32,
    },
    /// An agent that is dead from the start.
    #[error("expected a living agent, found the terminal meter `{meter}` at 0")]
    Dead {
        /// The name of the meter.
        meter: String,
    },
    /// An hour that does not exist.
    #[error("expected {expected}, found hour {found}")]
    Hour {
        /// The possible hours, in words.
        expected: &'static str,
        /// The hour.
        found: u8,
    },
    /// More progress than an unfinished interaction on that cell can have.
    #[error("expected a progress of at most {most} on {cell}, found {found}")]
    Progress {
        /// The cell.
        cell: Cell,
        /// The most that it can be.
        most: u8,
        /// What it was.
        found: u8,
    },
    /// A layout other than the level's, which is fixed.
    #[error("the layout of level `{level}` is fixed; set `layout = \"shuffled\"` to place its affordances")]
    FixedLayout {
        /// The name of the level.
        level: String,
    },
    /// The wrong number of affordances.
    #[error("expected a cell for each of {expected} affordances, found {found}")]
    NumAffordances {
        /// The number of affordances of the level.
        expected: usize,
        /// The number of cells given.
        found: usize,
    },
    /// Two affordances on one cell.
    #[error("two affordances stand on {cell}; expected distinct cells")]
    CellTaken {
        /// The cell.
        cell: Cell,
    },
}
