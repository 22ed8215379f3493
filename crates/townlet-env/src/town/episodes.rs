//! The start and the end of an episode, and agents put in prepared states.

use rand::RngExt;

use super::Town;
use super::agent::{AgentState, MeterSet, TownError};
use super::block::Block;
use super::plan::{ACTIONS, NO_AFFORDANCE, Plan};
use crate::{Cell, HOURS_PER_DAY, Layout, VectorEnv, stream};

impl Block<'_> {
    /// Starts the first episode of every agent.
    pub(super) fn reset(&mut self, plan: &Plan, seed: u64) {
        self.episodes.fill(0);
        self.final_episode_steps.fill(0);
        self.rewards.fill(0.0);
        for i in 0..self.len() {
            self.forget_last_step(i);
            self.start_episode(plan, seed, i);
        }
        self.observe(plan, 0..self.len());
    }

    /// Starts the next episode of agent `i`. Its observation is left to the caller.
    pub(super) fn start_episode(&mut self, plan: &Plan, seed: u64, i: usize) {
        let (agent, episode) = ((self.first + i) as u64, self.episodes[i]);
        for (meter, &start) in self.meters.iter_mut().zip(&plan.start) {
            meter[i] = start;
        }
        self.hours[i] = 0;
        self.progress[i] = 0;
        self.episode_steps[i] = 0;
        let cells = plan.grid.cells() as u16;
        self.cells[i] = stream(seed, "start-cell", agent, episode).random_range(0..cells);
        if plan.shuffled {
            let mut stream = stream(seed, "layout", agent, episode);
            self.clear_ground(plan, i);
            for affordance in 0..plan.num_affordances {
                // Drawing again where the cell is taken needs no list of free cells.
                while !self.stand(plan, i, affordance, stream.random_range(0..cells)) {}
            }
        }
        self.look_down(plan, i..i + 1);
    }

    /// Keeps how the episode of agent `i` ended.
    pub(super) fn finish_episode(&mut self, plan: &Plan, i: usize) {
        self.observe(plan, i..i + 1);
        copy_row(self.final_observations, self.observations, plan.features, i);
        copy_row(self.final_action_masks, self.action_masks, ACTIONS, i);
        for (last, meter) in self.final_meters.iter_mut().zip(&self.meters).take(plan.num_meters) {
            last[i] = meter[i];
        }
        self.final_cells[i] = self.cells[i];
        self.final_hours[i] = self.hours[i];
        self.final_progress[i] = self.progress[i];
        self.final_episode_steps[i] = self.episode_steps[i];
        if plan.shuffled {
            copy_row(self.final_layouts, self.layouts, plan.num_affordances, i);
        }
    }

    /// Puts the only agent of this block in a state that has been checked.
    pub(super) fn place(&mut self, plan: &Plan, state: &AgentState) {
        self.forget_last_step(0);
        self.rewards[0] = 0.0;
        for (meter, &value) in self.meters.iter_mut().zip(&state.meters) {
            meter[0] = value;
        }
        self.cells[0] = plan.grid.index(state.cell) as u16;
        self.hours[0] = state.hour;
        self.progress[0] = state.progress;
        self.episode_steps[0] = 0;
        if let (true, Some(cells)) = (plan.shuffled, &state.affordances) {
            self.clear_ground(plan, 0);
            for (affordance, &cell) in cells.iter().enumerate() {
                self.stand(plan, 0, affordance, plan.grid.index(cell) as u16);
            }
        }
        self.look_down(plan, 0..1);
        self.observe(plan, 0..1);
    }

    /// Makes up everything that follows from the states of these agents, which have been restored.
    pub(super) fn settle(&mut self, plan: &Plan) {
        self.rewards.fill(0.0);
        for i in 0..self.len() {
            self.forget_last_step(i);
            if plan.shuffled {
                self.clear_ground(plan, i);
                for affordance in 0..plan.num_affordances {
                    let cell = self.layouts[i * plan.num_affordances + affordance];
                    self.stand(plan, i, affordance, cell);
                }
            }
        }
        self.look_down(plan, 0..self.len());
        self.observe(plan, 0..self.len());
    }

    fn forget_last_step(&mut self, i: usize) {
        self.terminated[i] = false;
        self.truncated[i] = false;
        self.interactions[i] = None;
        self.deaths[i] = MeterSet::default();
    }

    fn clear_ground(&mut self, plan: &Plan, i: usize) {
        self.grounds[i * plan.ground.len..][..plan.ground.len].fill(NO_AFFORDANCE);
    }

    /// Stands an affordance on a cell of the ground of agent `i`, unless the cell is taken.
    fn stand(&mut self, plan: &Plan, i: usize, affordance: usize, cell: u16) -> bool {
        let ground = &mut self.grounds[i * plan.ground.len + plan.ground.offset(cell)];
        let free = *ground == NO_AFFORDANCE;
        if free {
            *ground = affordance as u8;
            self.layouts[i * plan.num_affordances + affordance] = cell;
        }
        free
    }
}

fn copy_row<T: Copy>(to: &mut [T], from: &[T], width: usize, row: usize) {
    let row = row * width..(row + 1) * width;
    to[row.clone()].copy_from_slice(&from[row]);
}

impl Town {
    /// Checks that the level allows `agent` to be in `state`.
    pub(super) fn check_state(&self, agent: usize, state: &AgentState) -> Result<(), TownError> {
        let level = self.level();
        if agent >= self.num_envs() {
            return Err(TownError::NoSuchAgent { agent, num_agents: self.num_envs() });
        }
        if !level.grid.contains(state.cell) {
            return Err(TownError::OffGrid { cell: state.cell, grid: level.grid });
        }
        if state.meters.len() != level.meters.len() {
            return Err(TownError::NumMeters { expected: level.meters.len(), found: state.meters.len() });
        }
        for (meter, &value) in level.meters.iter().zip(&state.meters) {
            if !(0.0..=1.0).contains(&value) {
                return Err(TownError::MeterOutOfRange { meter: meter.name.clone(), found: value });
            }
            if meter.terminal && value <= 0.0 {
                return Err(TownError::Dead { meter: meter.name.clone() });
            }
        }
        if state.hour >= HOURS_PER_DAY {
            return Err(TownError::Hour { expected: "an hour from 0 to 23", found: state.hour });
        }
        if state.hour > 0 && !level.clock {
            return Err(TownError::Hour { expected: "hour 0 without a clock", found: state.hour });
        }
        let layout = match &state.affordances {
            Some(cells) => {
                self.check_layout(agent, cells)?;
                cells.clone()
            }
            None => self.affordance_cells(agent).collect(),
        };
        let here = layout.iter().position(|&cell| cell == state.cell);
        let most = here.map_or(0, |here| level.affordances[here].ticks - 1);
        if state.progress > most {
            return Err(TownError::Progress { cell: state.cell, most, found: state.progress });
        }
        Ok(())
    }

    fn check_layout(&self, agent: usize, cells: &[Cell]) -> Result<(), TownError> {
        let level = self.level();
        if cells.len() != level.affordances.len() {
            return Err(TownError::NumAffordances { expected: level.affordances.len(), found: cells.len() });
        }
        for (index, &cell) in cells.iter().enumerate() {
            if !level.grid.contains(cell) {
                return Err(TownError::OffGrid { cell, grid: level.grid });
            }
            if cells[..index].contains(&cell) {
                return Err(TownError::CellTaken { cell });
            }
        }
        if level.layout == Layout::Fixed && !self.affordance_cells(agent).eq(cells.iter().copied()) {
            return Err(TownError::FixedLayout { level: level.name.clone() });
        }
        Ok(())
    }
}
