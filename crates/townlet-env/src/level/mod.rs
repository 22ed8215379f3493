//! What a world is: everything that a level file says.

mod builtin;
mod error;
mod locate;
mod validate;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{ObservationLayout, RewardMode};
pub use error::{LevelError, LevelFault, LevelPlace};

/// The most meters that a level may have.
pub const MAX_METERS: usize = 32;
/// The most affordances that a level may have.
pub const MAX_AFFORDANCES: usize = 254;
/// The most cells along one side of a grid.
pub const MAX_SIDE: u8 = 64;
/// The farthest that an agent may see.
pub const MAX_VISION_RANGE: u8 = 8;
/// The longest episode.
pub const MAX_STEP_LIMIT: u32 = 1_000_000;
/// How many hours a day has, which is also how many steps.
pub const HOURS_PER_DAY: u8 = 24;

/// An amount for each meter named; meters that are not named stay as they are.
pub type Amounts = BTreeMap<String, f32>;

/// Everything that defines a world: plain data, read from a TOML file or built in code.
///
/// ```
/// use townlet_env::Level;
///
/// let mut level = Level::builtin("pomdp")?;
/// assert_eq!(level.meters[3].name, "money");
/// level.vision_range = 1;
/// level.validate()?;
/// assert_eq!(level.observation_layout().window_side(), Some(3));
/// # Ok::<(), townlet_env::LevelError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// What the level is called.
    pub name: String,
    /// One or two sentences for a person.
    #[serde(default)]
    pub description: String,
    /// Width and height in cells, each 2 to [`MAX_SIDE`].
    pub grid: Grid,
    /// What an agent sees of the grid.
    pub observability: Observability,
    /// How many cells an agent sees in each direction where it is [`Observability::Partial`],
    /// 1 to [`MAX_VISION_RANGE`].
    #[serde(default = "default_vision_range")]
    pub vision_range: u8,
    /// Whether affordances stand where the level says, or elsewhere in every episode.
    #[serde(default)]
    pub layout: Layout,
    /// After how many steps an episode is truncated, 1 to [`MAX_STEP_LIMIT`].
    pub step_limit: u32,
    /// Whether there is a time of day: one step is one hour. Agents see the hour and their progress
    /// exactly when there is.
    #[serde(default)]
    pub clock: bool,
    /// Whether INTERACT at a closed affordance does nothing. Where this is off, opening hours bind the
    /// action mask alone.
    #[serde(default = "default_hours_enforced")]
    pub hours_enforced: bool,
    /// The meter that prices are paid from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<String>,
    /// What one move takes from meters, also a move into a wall.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub movement_cost: Amounts,
    /// What an episode pays.
    pub reward: Reward,
    /// The needs, in the order in which they are observed.
    pub meters: Vec<Meter>,
    /// Losses that grow as another meter falls, applied in order after depletion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modulations: Vec<Modulation>,
    /// What a low meter does to others, applied in order after the modulations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cascades: Vec<Cascade>,
    /// The places, in the order in which they are observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affordances: Vec<Affordance>,
}

/// The size of a grid in cells. Written `[width, height]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "[i64; 2]", into = "[u8; 2]")]
pub struct Grid {
    /// The number of columns.
    pub width: u8,
    /// The number of rows.
    pub height: u8,
}

impl Grid {
    /// The number of cells.
    pub fn cells(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    /// Whether `cell` lies on the grid.
    pub fn contains(self, cell: Cell) -> bool {
        cell.x < self.width && cell.y < self.height
    }

    /// The number of `cell`, counted row by row from the top left.
    pub fn index(self, cell: Cell) -> usize {
        usize::from(cell.y) * usize::from(self.width) + usize::from(cell.x)
    }

    /// The cell with the number `index`; the inverse of [`index`](Self::index).
    pub fn cell(self, index: usize) -> Cell {
        let width = usize::from(self.width);
        Cell { x: (index % width) as u8, y: (index / width) as u8 }
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.width, self.height)
    }
}

/// A cell of the grid: column and row, the row growing downward. Written `[x, y]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "[i64; 2]", into = "[u8; 2]")]
pub struct Cell {
    /// The column, 0 at the left.
    pub x: u8,
    /// The row, 0 at the top.
    pub y: u8,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.x, self.y)
    }
}

/// Reads a pair of small numbers, so that the message speaks of cells rather than of integer types.
macro_rules! pair {
    ($type:ident { $first:ident, $second:ident }, $expected:literal) => {
        impl TryFrom<[i64; 2]> for $type {
            type Error = String;

            fn try_from([first, second]: [i64; 2]) -> Result<Self, String> {
                match (u8::try_from(first), u8::try_from(second)) {
                    (Ok($first), Ok($second)) => Ok(Self { $first, $second }),
                    _ => Err(format!(concat!("expected ", $expected, ", found [{}, {}]"), first, second)),
                }
            }
        }

        impl From<$type> for [u8; 2] {
            fn from(pair: $type) -> Self {
                [pair.$first, pair.$second]
            }
        }
    };
}

pair!(Grid { width, height }, "[width, height] of 2 to 64 cells each");
pair!(Cell { x, y }, "a cell [x, y] of the grid, counted from 0");
pair!(Hours { open, close }, "opening hours [open, close] between 0 and 24");

/// What an agent sees of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Observability {
    /// Its own cell, one-hot over the whole grid.
    Full,
    /// A square window of cells around itself, and where in the grid it stands.
    Partial,
}

/// Where affordances stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// On the cells that the level names, for every agent.
    #[default]
    Fixed,
    /// On distinct cells drawn anew for each agent and episode.
    Shuffled,
}

/// One need: a number from 0 to 1 that falls a little with every step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// What it is called; distinct within the level.
    pub name: String,
    /// Its value at the start of an episode, 0 to 1.
    pub start: f32,
    /// How much every step takes away. A negative amount gives.
    #[serde(default)]
    pub depletion: f32,
    /// Whether the agent dies when it reaches 0.
    #[serde(default)]
    pub terminal: bool,
}

/// A loss of one meter in every step, which grows as another meter falls:
/// `target -= rate * (base + range * (1 - source))`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Modulation {
    /// The meter that decides how much.
    pub source: String,
    /// The meter that loses.
    pub target: String,
    /// The loss per step for a factor of one.
    pub rate: f32,
    /// The factor where the source is 1.
    pub base: f32,
    /// How much the factor has grown where the source is 0.
    pub range: f32,
}

/// What a low meter takes from another in every step. Below `threshold`,
/// `target -= strength * (threshold - source) / threshold`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cascade {
    /// The meter that is low.
    pub source: String,
    /// The meter that suffers.
    pub target: String,
    /// Below which value of the source the target suffers; above 0, at most 1.
    pub threshold: f32,
    /// The loss per step where the source is 0.
    pub strength: f32,
}

/// A place with something to do.
///
/// Every successful INTERACT is one tick: it pays the price and applies `effects`. Where `ticks` in a row
/// are done without leaving the cell, `completion_effects` are added and the count starts again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Affordance {
    /// What it is called; distinct within the level.
    pub name: String,
    /// Where it stands. Needed where the layout is [`Layout::Fixed`], unused where it is shuffled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// What one tick costs. An agent with less money can do nothing here.
    #[serde(default)]
    pub price: f32,
    /// When it is open; always where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// How many ticks complete it, 1 to 255.
    #[serde(default = "default_ticks", skip_serializing_if = "is_single_tick")]
    pub ticks: u8,
    /// What one tick adds to meters.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub effects: Amounts,
    /// What the last tick adds to meters in addition.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub completion_effects: Amounts,
}

/// Opening hours, which may run past midnight. Written `[open, close]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "[i64; 2]", into = "[u8; 2]")]
pub struct Hours {
    /// The first hour of being open, 0 to 23.
    pub open: u8,
    /// The first hour of being closed again, 0 to 24 (0 and 24 are both midnight); less than `open` where it closes after midnight.
    pub close: u8,
}

impl Hours {
    /// Whether these hours hold `hour`.
    ///
    /// ```
    /// # use townlet_env::Hours;
    /// let bar = Hours { open: 18, close: 4 };
    /// assert!(bar.contains(23) && bar.contains(3));
    /// assert!(!bar.contains(4) && !bar.contains(17));
    /// ```
    pub fn contains(self, hour: u8) -> bool {
        if self.open < self.close {
            (self.open..self.close).contains(&hour)
        } else {
            hour >= self.open || hour < self.close
        }
    }
}

/// What an episode pays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// The reward of the step in which the agent dies; nothing else is paid then.
    pub death: f32,
    /// What surviving pays. Milestones that fall together add up.
    #[serde(default)]
    pub milestones: Vec<Milestone>,
    /// What pays: the milestones, or [`shaped`](Self::shaped). A [`Stage`](crate::Stage) may say otherwise.
    #[serde(default, skip_serializing_if = "is_sparse")]
    pub mode: RewardMode,
    /// The dense reward; none where the level has none. It can be an alternative that only stages use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shaped: Option<ShapedReward>,
}

/// A reward for every step survived, instead of milestones: `per_step`, and for each meter named its value
/// after the step times its weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShapedReward {
    /// What every step pays.
    #[serde(default)]
    pub per_step: f32,
    /// What a step pays in addition for each meter where that is 1, and in proportion below.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub meters: Amounts,
}

impl Reward {
    /// What surviving a step pays by milestones. `step` counts from 0 in each episode.
    pub fn for_surviving(&self, step: u32) -> f32 {
        let reached = self.milestones.iter().filter(|milestone| step.is_multiple_of(milestone.every));
        // Not `sum`, which starts from a negative zero.
        reached.fold(0.0, |sum, milestone| sum + milestone.amount)
    }
}

/// A reward for every so many steps survived, the first step of an episode included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Milestone {
    /// The number of steps from one payment to the next.
    pub every: u32,
    /// What is paid.
    pub amount: f32,
}

fn default_vision_range() -> u8 {
    2
}

fn default_hours_enforced() -> bool {
    true
}

fn default_ticks() -> u8 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_single_tick(ticks: &u8) -> bool {
    *ticks == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_sparse(mode: &RewardMode) -> bool {
    *mode == RewardMode::Sparse
}

impl Level {
    /// Reads and checks a level. `source_name` names the text in errors, usually the path of the file.
    ///
    /// # Errors
    ///
    /// The first fault found, with the line and the key that it stands at.
    pub fn from_toml(text: &str, source_name: &str) -> Result<Self, LevelError> {
        let level: Self =
            toml::from_str(text).map_err(|error| locate::malformed(text, source_name, &error))?;
        level.validate().map_err(|error| locate::in_source(text, source_name, error))?;
        Ok(level)
    }

    /// Reads and checks the level file at `path`.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, and as [`from_toml`](Self::from_toml).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LevelError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|source| LevelError::Read { path: path.to_path_buf(), source })?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// The level as TOML, every value spelt out. Reads back as an equal level.
    ///
    /// # Panics
    ///
    /// Never: every level can be written.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a level has string keys and plain values only")
    }

    /// What an observation in this level holds.
    ///
    /// Full: cell, meters, affordance. Partial: window, position, meters, affordance. With a clock, the
    /// hour and the progress follow.
    pub fn observation_layout(&self) -> ObservationLayout {
        observation_layout(
            self.observability,
            self.grid,
            self.vision_range,
            self.meters.len(),
            self.affordances.len(),
            self.clock,
        )
    }

    /// The index of the meter called `name`.
    pub fn meter_index(&self, name: &str) -> Option<usize> {
        self.meters.iter().position(|meter| meter.name == name)
    }

    /// The index of the affordance called `name`.
    pub fn affordance_index(&self, name: &str) -> Option<usize> {
        self.affordances.iter().position(|affordance| affordance.name == name)
    }
}

/// What an observation holds in a world of this kind.
pub(crate) fn observation_layout(
    observability: Observability,
    grid: Grid,
    vision_range: u8,
    meters: usize,
    affordances: usize,
    clock: bool,
) -> ObservationLayout {
    let place = match observability {
        Observability::Full => ObservationLayout::builder().cell(grid.cells()),
        Observability::Partial => {
            ObservationLayout::builder().window(2 * usize::from(vision_range) + 1).position()
        }
    };
    let layout = place.meters(meters).affordance(affordances);
    if clock { layout.hour().progress().build() } else { layout.build() }
}
