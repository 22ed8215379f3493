//! The town: many agents, each in a world of its own, stepped together.

mod agent;
mod block;
mod dynamics;
mod episodes;
mod interactions;
mod observation;
mod plan;
mod snapshot;
mod stages;

use crate::{Action, Cell, Level, ObservationLayout, Stage, StageError, Step, StepError, VectorEnv};
pub use agent::{AgentState, MeterSet, TownError};
use block::{Block, Columns};
use plan::{ACTIONS, INTERACT, Plan};
pub use snapshot::TownState;
use stages::Stages;

/// `num_agents` independent agents in the world of one [`Level`], stepped together.
///
/// Every agent has a world to itself: agents do not meet, and nothing one does reaches another. The
/// actions are those of [`ACTION_NAMES`](Self::ACTION_NAMES). One step, in this order: move, pay for
/// moving, INTERACT, deplete, modulate, cascade, die or not, be rewarded, let an hour pass.
///
/// All arithmetic is in single precision, one rounding per operation in a fixed order, so results are the
/// same bits on every machine. Nothing random happens but at the start of an episode: the start cell and
/// a shuffled layout come from the streams `"start-cell"` and `"layout"` of seed, agent and episode, see
/// [`stream`](crate::stream).
///
/// A town of at least 4,096 agents is stepped by several threads: those of the rayon pool in which
/// [`step`](VectorEnv::step) is called. A smaller one is stepped by the calling thread. The number of threads
/// changes no bit of the results.
///
/// Each agent may be put in a [`Stage`] of its own, see [`set_stage`](VectorEnv::set_stage): some meters are
/// held at their start, the others deplete faster or slower, and the shaped reward may pay. Any number of
/// stages beside each other change nothing for the agents that are in none.
///
/// [`step`](VectorEnv::step) allocates no memory, but for what rayon needs to hand out work.
///
/// ```
/// use townlet_env::{Level, Town, VectorEnv};
///
/// let mut town = Town::new(Level::builtin("pomdp")?, 2)?;
/// town.reset(7);
/// let right = 3;
/// let step = town.step(&[right, right])?;
/// assert_eq!(step.observations.len(), 2 * 50);
/// assert_eq!(step.rewards, [5.5, 5.5]);
/// let health = town.level().meter_index("health").unwrap();
/// assert_eq!(town.meter(health), [0.999_495, 0.999_495]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Town {
    level: Level,
    observation_layout: ObservationLayout,
    plan: Plan,
    seed: u64,
    columns: Columns,
    stages: Stages,
}

impl Town {
    /// What each action is called, by its index.
    pub const ACTION_NAMES: [&'static str; ACTIONS] = ["UP", "DOWN", "LEFT", "RIGHT", "INTERACT"];

    /// The index of the action INTERACT.
    pub const INTERACT: Action = INTERACT;

    /// A town in which every agent stands at the start of an episode, as after `reset(0)`.
    ///
    /// # Errors
    ///
    /// Where the level makes no world, or there are no agents.
    pub fn new(level: Level, num_agents: usize) -> Result<Self, TownError> {
        level.validate_mechanics()?;
        if num_agents == 0 {
            return Err(TownError::NoAgents);
        }
        let plan = Plan::new(&level);
        let columns = Columns::new(&plan, num_agents);
        let observation_layout = level.observation_layout();
        let stages = Stages::new(level.reward.mode, num_agents);
        let mut town = Self { level, observation_layout, plan, seed: 0, columns, stages };
        town.reset(0);
        Ok(town)
    }

    /// The level that the town is made from.
    pub fn level(&self) -> &Level {
        &self.level
    }

    /// The meter with this index, of every agent: `[num_envs]`, each 0 to 1.
    ///
    /// # Panics
    ///
    /// Where the level has no such meter.
    pub fn meter(&self, index: usize) -> &[f32] {
        &self.columns.meters[index]
    }

    /// Where each agent stands.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Cell> + '_ {
        self.columns.cells.iter().map(|&cell| self.cell(cell))
    }

    /// The hour of each agent's day, 0 to 23, `[num_envs]`. All 0 in a level without a clock.
    pub fn hours(&self) -> &[u8] {
        &self.columns.hours
    }

    /// How many ticks of an unfinished interaction each agent has done, `[num_envs]`.
    pub fn progress(&self) -> &[u8] {
        &self.columns.progress
    }

    /// How many steps each agent has taken in its current episode, `[num_envs]`.
    pub fn episode_steps(&self) -> &[u32] {
        &self.columns.episode_steps
    }

    /// How many episodes each agent has finished since the last reset, `[num_envs]`.
    pub fn episodes(&self) -> &[u64] {
        &self.columns.episodes
    }

    /// The affordance that each agent used in the last step, `[num_envs]`; none where it did something
    /// else or was refused.
    pub fn interactions(&self) -> &[Option<u8>] {
        &self.columns.interactions
    }

    /// The terminal meters that each agent died of in the last step, `[num_envs]`; empty where it lives.
    pub fn deaths(&self) -> &[MeterSet] {
        &self.columns.deaths
    }

    /// The meter with this index at the end of the last finished episode of every agent, `[num_envs]`.
    /// Holds nothing meaningful for agents that have not finished any.
    ///
    /// # Panics
    ///
    /// Where the level has no such meter.
    pub fn final_meter(&self, index: usize) -> &[f32] {
        &self.columns.final_meters[index]
    }

    /// How many steps the last finished episode of each agent took, `[num_envs]`; 0 where there is none.
    pub fn final_episode_steps(&self) -> &[u32] {
        &self.columns.final_episode_steps
    }

    /// Where the affordances of one agent stand, in the order of the level.
    ///
    /// # Panics
    ///
    /// Where there is no such agent.
    pub fn affordance_cells(&self, agent: usize) -> impl ExactSizeIterator<Item = Cell> + '_ {
        assert!(agent < self.num_envs(), "there is no agent {agent}");
        self.layout(&self.columns.layouts, agent).iter().map(|&cell| self.cell(cell))
    }

    /// The state of one agent now: where the last step ended an episode, the start of the next one.
    ///
    /// # Panics
    ///
    /// Where there is no such agent.
    pub fn state(&self, agent: usize) -> AgentState {
        let columns = &self.columns;
        AgentState {
            cell: self.cell(columns.cells[agent]),
            meters: columns.meters.iter().map(|meter| meter[agent]).collect(),
            hour: columns.hours[agent],
            progress: columns.progress[agent],
            affordances: Some(self.affordance_cells(agent).collect()),
        }
    }

    /// The state that the last step led one agent to: where it ended an episode, the state in which it
    /// ended, before the reset. Compare [`Step::outcome`].
    ///
    /// # Panics
    ///
    /// Where there is no such agent.
    pub fn outcome(&self, agent: usize) -> AgentState {
        let columns = &self.columns;
        if !columns.terminated[agent] && !columns.truncated[agent] {
            return self.state(agent);
        }
        let layout = self.layout(&columns.final_layouts, agent);
        AgentState {
            cell: self.cell(columns.final_cells[agent]),
            meters: columns.final_meters.iter().map(|meter| meter[agent]).collect(),
            hour: columns.final_hours[agent],
            progress: columns.final_progress[agent],
            affordances: Some(layout.iter().map(|&cell| self.cell(cell)).collect()),
        }
    }

    /// What the last [`step`](VectorEnv::step) led to, once more. Before the first step of all, nothing in
    /// it is meaningful but observations and action masks.
    pub fn last_step(&self) -> Step<'_> {
        let columns = &self.columns;
        Step {
            observations: &columns.observations,
            action_masks: &columns.action_masks,
            rewards: &columns.rewards,
            terminated: &columns.terminated,
            truncated: &columns.truncated,
            final_observations: &columns.final_observations,
            final_action_masks: &columns.final_action_masks,
        }
    }

    /// Puts one agent in a prepared state, at step 0 of its current episode, and refreshes its observation
    /// and action mask.
    ///
    /// # Errors
    ///
    /// Where there is no such agent, or its level allows no such state. Nothing has changed then.
    pub fn place(&mut self, agent: usize, state: &AgentState) -> Result<(), TownError> {
        self.check_state(agent, state)?;
        let Self { plan, columns, .. } = self;
        let mut agents = columns.block();
        agents.take(plan, agent);
        agents.take(plan, 1).place(plan, state);
        Ok(())
    }

    fn cell(&self, index: u16) -> Cell {
        self.plan.grid.cell(index.into())
    }

    /// The row of `agent` in a column of layouts, or the layout that all agents share.
    fn layout<'a>(&'a self, layouts: &'a [u16], agent: usize) -> &'a [u16] {
        let count = self.plan.num_affordances;
        if self.plan.shuffled { &layouts[agent * count..][..count] } else { &self.plan.shared_layout }
    }

    /// Calls `work` on every block of agents.
    fn for_each_block(&mut self, work: impl Fn(&Plan, u64, Option<&Stages>, Block<'_>) + Sync) {
        let Self { plan, seed, columns, stages, .. } = self;
        let stages = stages.in_use();
        columns.block().for_each_block(plan, &|agents| work(plan, *seed, stages, agents));
    }
}

impl VectorEnv for Town {
    fn num_envs(&self) -> usize {
        self.columns.cells.len()
    }

    fn num_actions(&self) -> usize {
        ACTIONS
    }

    fn observation_layout(&self) -> &ObservationLayout {
        &self.observation_layout
    }

    fn reset(&mut self, seed: u64) {
        self.seed = seed;
        self.for_each_block(|plan, seed, _stages, mut agents| agents.reset(plan, seed));
    }

    fn observations(&self) -> &[f32] {
        &self.columns.observations
    }

    fn action_masks(&self) -> &[bool] {
        &self.columns.action_masks
    }

    fn step(&mut self, actions: &[Action]) -> Result<Step<'_>, StepError> {
        StepError::check(actions, self.num_envs(), ACTIONS)?;
        self.for_each_block(|plan, seed, stages, mut agents| {
            let actions = &actions[agents.first..][..agents.len()];
            agents.step(plan, seed, stages, actions);
        });
        Ok(self.last_step())
    }

    fn step_limit(&self) -> Option<u32> {
        Some(self.level.step_limit)
    }

    fn set_stage(&mut self, env: usize, stage: &Stage) -> Result<(), StageError> {
        self.put_in_stage(env, stage)
    }
}
