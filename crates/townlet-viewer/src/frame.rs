//! What is shown: the scene, which stays, and frames, which follow each other.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use townlet_env::{Amounts, Level, Observability, Town};
use townlet_text::{escaped_lines, printable};

/// How a session is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A network acts.
    Watch,
    /// A person acts.
    Play,
    /// A recording is played.
    Replay,
}

/// What stays the same from frame to frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scene {
    /// Which scene this is; frames say the same number.
    pub id: u64,
    /// How the session is driven.
    pub mode: Mode,
    /// The level.
    pub level: LevelFacts,
    /// The agents side by side, one or two.
    pub lanes: Vec<LaneFacts>,
    /// For a replay: the names of its episodes.
    pub recorded_episodes: Vec<String>,
}

/// The rules of a level, as far as they can be seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelFacts {
    /// What it is called.
    pub name: String,
    /// What it is, for a person.
    pub description: String,
    /// Columns of the grid.
    pub width: u8,
    /// Rows of the grid.
    pub height: u8,
    /// How far the agent sees in each direction; null where it sees its own cell on the whole grid.
    pub vision_range: Option<u8>,
    /// Whether there is a time of day.
    pub clock: bool,
    /// After how many steps an episode is cut off.
    pub step_limit: u32,
    /// The names of the actions, by index.
    pub actions: Vec<String>,
    /// The meters, by index.
    pub meters: Vec<MeterFacts>,
    /// What low meters do to others, by index.
    pub cascades: Vec<CascadeFacts>,
    /// The places, by index.
    pub places: Vec<PlaceFacts>,
}

/// A meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeterFacts {
    /// What it is called.
    pub name: String,
    /// How much every step takes.
    pub depletion: f32,
    /// Whether the agent dies where it is 0.
    pub terminal: bool,
    /// Whether prices are paid from it.
    pub money: bool,
}

/// A cascade: below `threshold` of its source, its target loses up to `strength` a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CascadeFacts {
    /// The index of the meter that is low.
    pub source: usize,
    /// The index of the meter that suffers.
    pub target: usize,
    /// Below which value of the source.
    pub threshold: f32,
    /// How much, where the source is 0.
    pub strength: f32,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceFacts {
    /// What it is called.
    pub name: String,
    /// What a tick costs.
    pub price: f32,
    /// When it opens and closes; null where it never closes.
    pub hours: Option<[u8; 2]>,
    /// How many ticks complete it.
    pub ticks: u8,
    /// What a tick adds to meters, by name.
    pub effects: BTreeMap<String, f32>,
    /// What the last tick adds besides.
    pub completion_effects: BTreeMap<String, f32>,
}

/// One of the agents side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneFacts {
    /// What to call it.
    pub title: String,
    /// The checkpoint that acts, where one does.
    pub checkpoint: Option<String>,
    /// After how many steps of training the checkpoint was taken.
    pub trained_steps: Option<u64>,
    /// Whether it keeps its memory from step to step.
    pub keeps_memory: bool,
}

/// One moment of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// The scene that this belongs to.
    pub scene: u64,
    /// Which episode since the last restart, from 0.
    pub episode: u64,
    /// The agents, in the order of the scene.
    pub lanes: Vec<LaneFrame>,
}

/// One agent in one moment: where it stands, what it thinks, and what its last step did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneFrame {
    /// How many steps it has taken in this episode.
    pub step: u32,
    /// The hour, 0 to 23; 0 without a clock.
    pub hour: u8,
    /// Its cell, column and row.
    pub cell: [u8; 2],
    /// The places, in the order of the scene.
    pub places: Vec<PlaceFrame>,
    /// What the agent sees of the cells around it, row by row: whether something stands there. Null where
    /// it does not see a window.
    pub window: Option<Vec<bool>>,
    /// The meters, in the order of the scene.
    pub meters: Vec<MeterFrame>,
    /// The cascades that took something in the last step.
    pub bites: Vec<Bite>,
    /// The last step; null at the start of an episode.
    pub taken: Option<Taken>,
    /// The actions that are allowed now, in the order of the scene.
    pub mask: Vec<bool>,
    /// What the agent makes of this; null where nobody thinks, or the episode is over.
    pub thought: Option<ThoughtFrame>,
    /// An interaction under way.
    pub progress: Option<ProgressFrame>,
    /// The sum of the rewards of this episode.
    pub total_reward: f64,
    /// How often each cell was stood on in this episode, row by row.
    pub visits: Vec<u32>,
    /// How often each place was used in this episode.
    pub uses: Vec<u32>,
    /// The last cells, oldest first, this one last.
    pub trail: Vec<[u8; 2]>,
    /// How the episode ended, where it has.
    pub ended: Option<Certificate>,
}

/// A place in one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceFrame {
    /// Its cell, column and row.
    pub cell: [u8; 2],
    /// Whether it is open at this hour.
    pub open: bool,
}

/// A meter in one moment, and what the last step gave and took. Losses are negative. What is gained beyond 1
/// and lost below 0 does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeterFrame {
    /// Its value, 0 to 1.
    pub value: f32,
    /// By moving.
    pub moving: f32,
    /// By using a place, its price included.
    pub interaction: f32,
    /// By time.
    pub depletion: f32,
    /// By another meter that is not full.
    pub modulation: f32,
    /// By other meters that are low.
    pub cascades: f32,
}

/// What one cascade took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bite {
    /// The index of the cascade in the scene.
    pub cascade: usize,
    /// What its target lost, negative.
    pub amount: f32,
}

/// The step that led here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// The action.
    pub action: u8,
    /// Whether it was drawn at random, to explore.
    pub explored: bool,
    /// Whether the mask allowed it.
    pub allowed: bool,
    /// What it paid.
    pub reward: f32,
    /// The index of the place that was used.
    pub used: Option<usize>,
    /// Whether that completed an interaction.
    pub completed: bool,
    /// Why it did nothing, where it did nothing.
    pub refused: Option<Refusal>,
}

/// Why a step did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A move against the edge of the grid.
    Wall,
    /// INTERACT where nothing stands.
    NothingHere,
    /// INTERACT at a place that is closed at this hour.
    Closed,
    /// INTERACT at a place that costs more than there is money.
    TooExpensive,
}

/// What an agent makes of what it sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThoughtFrame {
    /// The value of each action; empty where it has none. Exactly what the network gave.
    pub values: Vec<f32>,
    /// What it will do next.
    pub action: u8,
    /// Whether that was drawn at random, to explore.
    pub explored: bool,
    /// The hidden state, rounded to four decimals; empty where it has none.
    pub memory: Vec<f32>,
    /// How much the hidden state changed by this observation: the root of the mean squared difference.
    pub memory_change: f32,
    /// The last step of this episode at which it changed more than twice as much as it does on average.
    pub memory_jump: Option<u32>,
}

/// An interaction under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressFrame {
    /// The index of the place.
    pub place: usize,
    /// Ticks done.
    pub done: u8,
    /// Ticks needed.
    pub required: u8,
}

/// How an episode ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// Which of the agents side by side.
    pub lane: usize,
    /// What it was called.
    pub title: String,
    /// Which episode since the last restart, from 0.
    pub episode: u64,
    /// How many steps it lived.
    pub steps: u32,
    /// Whether it died; otherwise the step limit cut the episode off.
    pub died: bool,
    /// The meters that it died of.
    pub causes: Vec<String>,
    /// The sum of its rewards.
    pub total_reward: f64,
    /// Its meters at the end.
    pub meters: Vec<f32>,
    /// Its last steps, at most 20, oldest first.
    pub last_steps: Vec<LastStep>,
}

/// A step in a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastStep {
    /// Which step of the episode, from 1.
    pub step: u32,
    /// The name of the action.
    pub action: String,
    /// Where it led, column and row.
    pub cell: [u8; 2],
    /// The place used, if any.
    pub used: Option<String>,
    /// What it paid.
    pub reward: f32,
    /// The lowest meter that an agent can die of, and its value.
    pub lowest: Option<(String, f32)>,
    /// The meters that were at 0, by name.
    pub at_zero: Vec<String>,
}

impl LevelFacts {
    /// What can be seen of a valid level. Levels of older runs and traces may be called anything; their names are made
    /// [`printable`] here, before a page or a terminal gets them.
    pub fn new(level: &Level) -> Self {
        let meter = |name: &str| level.meter_index(name);
        let shown = |name: &str| printable(name).into_owned();
        let amounts = |amounts: &Amounts| amounts.iter().map(|(name, &by)| (shown(name), by)).collect();
        Self {
            name: shown(&level.name),
            description: escaped_lines(&level.description).into_owned(),
            width: level.grid.width,
            height: level.grid.height,
            vision_range: (level.observability == Observability::Partial).then_some(level.vision_range),
            clock: level.clock,
            step_limit: level.step_limit,
            actions: Town::ACTION_NAMES.map(str::to_owned).to_vec(),
            meters: level
                .meters
                .iter()
                .map(|it| MeterFacts {
                    name: shown(&it.name),
                    depletion: it.depletion,
                    terminal: it.terminal,
                    money: level.money.as_ref() == Some(&it.name),
                })
                .collect(),
            cascades: level
                .cascades
                .iter()
                .filter_map(|it| {
                    let (source, target) = (meter(&it.source)?, meter(&it.target)?);
                    Some(CascadeFacts { source, target, threshold: it.threshold, strength: it.strength })
                })
                .collect(),
            places: level
                .affordances
                .iter()
                .map(|it| PlaceFacts {
                    name: shown(&it.name),
                    price: it.price,
                    hours: it.hours.map(Into::into),
                    ticks: it.ticks,
                    effects: amounts(&it.effects),
                    completion_effects: amounts(&it.completion_effects),
                })
                .collect(),
        }
    }
}
