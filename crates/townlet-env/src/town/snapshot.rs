//! The state of a town, out and in.

use serde::{Deserialize, Serialize};
use toml::Value;

use super::stages::Stages;
use super::{AgentState, MeterSet, Town};
use crate::{Level, RestoreError, Snapshot, VectorEnv};

/// Everything that the future of a [`Town`] depends on: what [`Town::snapshot`](Snapshot::snapshot) returns.
///
/// It holds the level too, as TOML, so that it cannot be restored into a town with other rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TownState {
    level: String,
    seed: u64,
    /// The numbers of cells, `[num_envs]`.
    cells: Vec<u16>,
    /// `[num_meters][num_envs]`.
    meters: Vec<Vec<f32>>,
    hours: Vec<u8>,
    progress: Vec<u8>,
    episode_steps: Vec<u32>,
    episodes: Vec<u64>,
    /// The numbers of the affordances' cells, `[num_envs, num_affordances]`; empty where the layout is fixed.
    layouts: Vec<u16>,
    /// `[num_meters][num_envs]`.
    final_meters: Vec<Vec<f32>>,
    final_episode_steps: Vec<u32>,
    depletion_multipliers: Vec<f32>,
    /// A bit for each meter that is held.
    held_meters: Vec<u32>,
    shaped: Vec<bool>,
}

impl Snapshot for Town {
    type State = TownState;

    fn snapshot(&self) -> TownState {
        let Self { level, seed, columns, stages, .. } = self;
        TownState {
            level: level.to_toml(),
            seed: *seed,
            cells: columns.cells.clone(),
            meters: columns.meters.clone(),
            hours: columns.hours.clone(),
            progress: columns.progress.clone(),
            episode_steps: columns.episode_steps.clone(),
            episodes: columns.episodes.clone(),
            layouts: columns.layouts.clone(),
            final_meters: columns.final_meters.clone(),
            final_episode_steps: columns.final_episode_steps.clone(),
            depletion_multipliers: stages.depletion_multiplier.clone(),
            held_meters: stages.held.iter().map(|held| held.0).collect(),
            shaped: stages.shaped.clone(),
        }
    }

    /// What the last step paid and ended is forgotten, as after [`place`](Town::place).
    fn restore(&mut self, state: TownState) -> Result<(), RestoreError> {
        check_rules(&self.level, &state.level)?;
        self.check_lengths(&state)?;
        RestoreError::check_episodes("episodes", &state.episodes)?;
        for agent in 0..self.num_envs() {
            self.check_agent(&state, agent)?;
        }

        let Self { seed, columns, stages, .. } = self;
        *seed = state.seed;
        columns.cells = state.cells;
        columns.meters = state.meters;
        columns.hours = state.hours;
        columns.progress = state.progress;
        columns.episode_steps = state.episode_steps;
        columns.episodes = state.episodes;
        columns.layouts = state.layouts;
        columns.final_meters = state.final_meters;
        columns.final_episode_steps = state.final_episode_steps;
        let held = state.held_meters.into_iter().map(MeterSet).collect();
        *stages = Stages::restored(state.depletion_multipliers, held, state.shaped);
        self.for_each_block(|plan, _seed, _stages, mut agents| agents.settle(plan));
        Ok(())
    }

    fn seed(state: &TownState) -> Option<u64> {
        Some(state.seed)
    }
}

impl Town {
    fn check_lengths(&self, state: &TownState) -> Result<(), RestoreError> {
        let (expected, found) = (self.num_envs(), state.cells.len());
        if expected != found {
            return Err(RestoreError::NumEnvs { expected, found });
        }
        let meters = self.level.meters.len();
        for (key, columns) in [("meters", &state.meters), ("final_meters", &state.final_meters)] {
            RestoreError::check_length(key, meters, columns.len())?;
            for (meter, column) in columns.iter().enumerate() {
                RestoreError::check_length(&format!("{key}[{meter}]"), expected, column.len())?;
            }
        }
        RestoreError::check_length("layouts", self.columns.layouts.len(), state.layouts.len())?;
        for (key, found) in [
            ("hours", state.hours.len()),
            ("progress", state.progress.len()),
            ("episode_steps", state.episode_steps.len()),
            ("episodes", state.episodes.len()),
            ("final_episode_steps", state.final_episode_steps.len()),
            ("depletion_multipliers", state.depletion_multipliers.len()),
            ("held_meters", state.held_meters.len()),
            ("shaped", state.shaped.len()),
        ] {
            RestoreError::check_length(key, expected, found)?;
        }
        Ok(())
    }

    /// Checks that agent `agent` of a state whose lists are long enough can be so.
    fn check_agent(&self, state: &TownState, agent: usize) -> Result<(), RestoreError> {
        let Self { level, plan, .. } = self;
        let cell = |key: &str, index: u16| {
            let cells = level.grid.cells();
            let fault = || format!("expected a cell from 0 to {}, found {index}", cells - 1);
            if usize::from(index) < cells {
                Ok(level.grid.cell(index.into()))
            } else {
                Err(RestoreError::invalid(key, agent, &fault()))
            }
        };
        let layout = if plan.shuffled {
            let row = &state.layouts[agent * plan.num_affordances..][..plan.num_affordances];
            Some(row.iter().map(|&index| cell("layouts", index)).collect::<Result<_, _>>()?)
        } else {
            None
        };
        let here = AgentState {
            cell: cell("cells", state.cells[agent])?,
            meters: state.meters.iter().map(|meter| meter[agent]).collect(),
            hour: state.hours[agent],
            progress: state.progress[agent],
            affordances: layout,
        };
        self.check_state(agent, &here).map_err(|error| RestoreError::invalid("state", agent, &error))?;

        let ensure = |holds: bool, key: &str, expected: String, found: String| {
            let fault = || format!("expected {expected}, found {found}");
            if holds { Ok(()) } else { Err(RestoreError::invalid(key, agent, &fault())) }
        };
        let (steps, limit) = (state.episode_steps[agent], level.step_limit);
        ensure(steps < limit, "episode_steps", format!("0 to {} steps", limit - 1), steps.to_string())?;
        let steps = state.final_episode_steps[agent];
        ensure(steps <= limit, "final_episode_steps", format!("0 to {limit} steps"), steps.to_string())?;
        for meter in &state.final_meters {
            let within = (0.0..=1.0).contains(&meter[agent]);
            ensure(within, "final_meters", "a meter from 0 to 1".to_owned(), meter[agent].to_string())?;
        }
        let multiplier = state.depletion_multipliers[agent];
        ensure(
            multiplier > 0.0 && multiplier <= 10.0,
            "depletion_multipliers",
            "a number above 0, at most 10".to_owned(),
            multiplier.to_string(),
        )?;
        let (held, meters) = (u64::from(state.held_meters[agent]), level.meters.len());
        ensure(
            held < (1 << meters) - 1,
            "held_meters",
            format!("bits for some of {meters} meters, not for all"),
            format!("{held:#b}"),
        )?;
        ensure(
            !state.shaped[agent] || level.reward.shaped.is_some(),
            "shaped",
            format!("the sparse reward, for level `{}` has no shaped one", level.name),
            "the shaped reward".to_owned(),
        )
    }
}

/// Checks that the saved level is `level`, but for its description.
fn check_rules(level: &Level, saved: &str) -> Result<(), RestoreError> {
    let mut found: Level = toml::from_str(saved)
        .map_err(|error| RestoreError::UnknownRules { message: error.message().to_owned() })?;
    found.description.clone_from(&level.description);
    if found == *level {
        return Ok(());
    }
    if found.name != level.name {
        let name = |level: &Level| format!("level `{}`", level.name);
        return Err(RestoreError::OtherWorld { expected: name(level), found: name(&found) });
    }
    // By way of the text, in which single precision has no digits to spare.
    let value = |level: &Level| toml::from_str::<Value>(&level.to_toml()).ok();
    let (key, expected, found) =
        first_difference("level", value(level).as_ref(), value(&found).as_ref()).unwrap_or_default();
    Err(RestoreError::OtherRules { key, expected, found })
}

/// The first key at which two values differ, and the two values there.
fn first_difference(
    key: &str,
    left: Option<&Value>,
    right: Option<&Value>,
) -> Option<(String, String, String)> {
    match (left, right) {
        (Some(Value::Table(left)), Some(Value::Table(right))) => {
            let keys = left.keys().chain(right.keys().filter(|&name| !left.contains_key(name)));
            keys.map(String::as_str)
                .find_map(|name| first_difference(&format!("{key}.{name}"), left.get(name), right.get(name)))
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            let entries = 0..left.len().max(right.len());
            entries.into_iter().find_map(|index| {
                first_difference(&format!("{key}[{index}]"), left.get(index), right.get(index))
            })
        }
        _ if left == right => None,
        _ => {
            let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            Some((key.to_owned(), text(left), text(right)))
        }
    }
}
