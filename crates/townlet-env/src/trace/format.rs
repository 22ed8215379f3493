//! The lines of a trace.

use serde::{Deserialize, Deserializer, Serialize};

use super::exact_floats;
use crate::level::observation_layout;
use crate::{Action, Cell, Grid, Layout, Level, Observability, ObservationLayout, Town};

/// The format tag that a trace begins with.
pub const TRACE_FORMAT: &str = "townlet-trace/2";
/// The tag of older traces, and of those from other implementations. They have no [`TraceEnd`], so nothing tells
/// whether one is whole.
pub const TRACE_FORMAT_WITHOUT_END: &str = "townlet-trace/1";

/// The first line of a trace: the world that its episodes play in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceHeader {
    /// [`TRACE_FORMAT`] or [`TRACE_FORMAT_WITHOUT_END`].
    pub format: String,
    /// Who recorded it, for a person.
    pub source: String,
    /// What the agent sees of the grid.
    pub observability: Observability,
    /// Whether there is a time of day: the clock of a level.
    pub temporal: bool,
    /// Whether a closed affordance does nothing. False also where there are no hours.
    pub hours_enforced: bool,
    /// Width and height in cells.
    pub grid: Grid,
    /// How far the agent sees where the observability is partial.
    pub vision_range: u8,
    /// The names of the actions, by index.
    pub actions: Vec<String>,
    /// The names of the meters, by index.
    pub meters: Vec<String>,
    /// The affordances, by index.
    pub affordances: Vec<TraceAffordance>,
    /// The whole level, so that a trace of any world can be replayed without looking elsewhere. Traces
    /// from other implementations leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Box<Level>>,
}

/// An affordance and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceAffordance {
    /// Its name.
    pub name: String,
    /// Its cell. Left out of a header where every episode has a layout of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
}

/// The line that begins an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceEpisode {
    /// The name of the episode.
    pub episode: String,
    /// The state that it starts in.
    pub start: TraceStart,
    /// Where the affordances stand in this episode, if not where the header says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affordances: Option<Vec<TraceAffordance>>,
}

/// The state that an episode starts in, and what the agent sees there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceStart {
    /// Where the agent stands.
    pub cell: Cell,
    /// Its meters.
    #[serde(with = "exact_floats::list")]
    pub meters: Vec<f32>,
    /// What it sees.
    #[serde(with = "exact_floats::list")]
    pub observation: Vec<f32>,
    /// The hour; exactly where the trace is temporal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hour: Option<u8>,
    /// The ticks already done of an interaction; left out where there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub progress: u8,
}

/// One step: what the agent did, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceStep {
    /// The action taken, which the mask may forbid.
    pub action: Action,
    /// The actions that were allowed before it.
    pub mask: Vec<bool>,
    /// Where the agent stands after it, as everything that follows.
    pub cell: Cell,
    /// Its meters.
    #[serde(with = "exact_floats::list")]
    pub meters: Vec<f32>,
    /// The reward.
    #[serde(with = "exact_floats::single")]
    pub reward: f32,
    /// Whether the agent died.
    pub terminated: bool,
    /// Whether the episode was cut off by a step limit; left out where it was not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// The name of the affordance that was used, or null.
    #[serde(deserialize_with = "required")]
    pub interaction: Option<String>,
    /// The hour; exactly where the trace is temporal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hour: Option<u8>,
    /// The ticks done of an unfinished interaction; exactly where the trace is temporal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// What the agent sees: where the episode ended, its final observation.
    #[serde(with = "exact_floats::list")]
    pub observation: Vec<f32>,
}

/// The last line: how much stands before it. A trace that was cut short at the end of a line lacks it, and one that
/// lost lines in the middle has other numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceEnd {
    /// The numbers.
    pub end: TraceCounts,
}

/// How much a trace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceCounts {
    /// The number of episodes.
    pub episodes: u64,
    /// The number of steps in all of them.
    pub steps: u64,
}

impl TraceHeader {
    /// Whether the trace has a [`TraceEnd`] where it is whole.
    pub fn has_end(&self) -> bool {
        self.format != TRACE_FORMAT_WITHOUT_END
    }

    /// The header of a trace that is recorded in `level`, with the level in it.
    pub fn new(level: &Level, source: &str) -> Self {
        let fixed = level.layout == Layout::Fixed;
        Self {
            format: TRACE_FORMAT.to_owned(),
            source: source.to_owned(),
            observability: level.observability,
            temporal: level.clock,
            hours_enforced: level.clock && level.hours_enforced,
            grid: level.grid,
            vision_range: level.vision_range,
            actions: Town::ACTION_NAMES.map(str::to_owned).to_vec(),
            meters: level.meters.iter().map(|meter| meter.name.clone()).collect(),
            affordances: level
                .affordances
                .iter()
                .map(|it| TraceAffordance { name: it.name.clone(), cell: it.cell.filter(|_| fixed) })
                .collect(),
            level: Some(Box::new(level.clone())),
        }
    }

    /// What the observations in this trace hold.
    pub fn observation_layout(&self) -> ObservationLayout {
        observation_layout(
            self.observability,
            self.grid,
            self.vision_range,
            self.meters.len(),
            self.affordances.len(),
            self.temporal,
        )
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Reads a key that may be null and may not be left out.
fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}
