//! What one step does to a block of agents.
//!
//! Meters are worked on a column at a time, so that the compiler turns every loop into vector
//! instructions. The order of operations, and where each result is rounded and limited to `[0, 1]`, is
//! part of the world's definition: levels recorded elsewhere replay to the same bits.

use super::agent::MeterSet;
use super::block::{BLOCK, Block, clip};
use super::plan::{CascadeStep, DEFICIT_SLOTS, INTERACT, Plan};
use super::stages::Stages;
use crate::{Action, HOURS_PER_DAY};

/// The agents of a block that something applies to, gathered without a branch per agent.
pub(super) struct Chosen {
    indices: [u8; BLOCK],
    len: usize,
}

impl Chosen {
    /// Those of the first `len` agents for which `is_chosen` holds.
    pub(super) fn new(len: usize, mut is_chosen: impl FnMut(usize) -> bool) -> Self {
        let mut chosen = Self { indices: [0; BLOCK], len: 0 };
        for i in 0..len {
            chosen.indices[chosen.len] = i as u8;
            chosen.len += usize::from(is_chosen(i));
        }
        chosen
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.indices[..self.len].iter().map(|&i| usize::from(i))
    }
}

impl Block<'_> {
    /// Takes one action per agent; agents whose episode it ends start the next one. `stages` is given
    /// where any agent of the town lives by other rules than the level's plain ones.
    pub(super) fn step(&mut self, plan: &Plan, seed: u64, stages: Option<&Stages>, actions: &[Action]) {
        self.walk(plan, actions);
        self.pay_for_moving(plan, actions);
        self.interact(plan, actions);
        match stages {
            None => self.deplete(plan),
            Some(stages) => {
                self.deplete_by_stage(plan, stages);
                self.hold(plan, stages);
            }
        }
        self.modulate(plan);
        if let Some(stages) = stages {
            self.hold(plan, stages);
        }
        self.cascade(plan);
        if let Some(stages) = stages {
            self.hold(plan, stages);
        }
        self.find_deaths(plan);
        let ended = self.reward(plan);
        if let Some(stages) = stages {
            self.pay_shaped(plan, stages);
        }
        if plan.clock_at.is_some() {
            self.let_an_hour_pass();
        }
        for i in ended.iter() {
            self.finish_episode(plan, i);
            self.episodes[i] += 1;
            self.start_episode(plan, seed, i);
        }
        self.observe(plan, 0..self.len());
    }

    fn walk(&mut self, plan: &Plan, actions: &[Action]) {
        for (i, &action) in actions.iter().enumerate() {
            let from = self.cells[i];
            let to = plan.next_cell[usize::from(from)][usize::from(action)];
            self.cells[i] = to;
            if plan.keeps_progress {
                self.progress[i] = if to == from { self.progress[i] } else { 0 };
            }
        }
        self.look_down(plan, 0..self.len());
    }

    fn pay_for_moving(&mut self, plan: &Plan, actions: &[Action]) {
        let mut moving = [0.0; BLOCK];
        for (moving, &action) in moving.iter_mut().zip(actions) {
            *moving = f32::from(u8::from(action != INTERACT));
        }
        for &(meter, cost) in &plan.movement_cost {
            for (value, moving) in self.meters[meter].iter_mut().zip(&moving) {
                *value = clip(*value - cost * moving);
            }
        }
    }

    fn deplete(&mut self, plan: &Plan) {
        for &(meter, depletion) in &plan.depletion {
            for value in &mut *self.meters[meter] {
                *value = clip(*value - depletion);
            }
        }
    }

    fn modulate(&mut self, plan: &Plan) {
        let mut losses = [0.0; BLOCK];
        for modulation in &plan.modulations {
            for (loss, &source) in losses.iter_mut().zip(&*self.meters[modulation.source]) {
                let factor = modulation.base + modulation.range * (1.0 - source);
                *loss = modulation.rate * factor;
            }
            for (value, loss) in self.meters[modulation.target].iter_mut().zip(&losses) {
                *value = clip(*value - loss);
            }
        }
    }

    fn cascade(&mut self, plan: &Plan) {
        let mut deficits = [[0.0; BLOCK]; DEFICIT_SLOTS];
        for step in &plan.cascades {
            match *step {
                CascadeStep::Deficit { source, threshold, slot } => {
                    for (deficit, &source) in deficits[slot].iter_mut().zip(&*self.meters[source]) {
                        let relative = (threshold - source) / threshold;
                        *deficit = if source < threshold { relative } else { 0.0 };
                    }
                }
                CascadeStep::Loss { slot, target, strength } => {
                    for (value, deficit) in self.meters[target].iter_mut().zip(&deficits[slot]) {
                        *value = clip(*value - strength * deficit);
                    }
                }
            }
        }
    }

    fn find_deaths(&mut self, plan: &Plan) {
        self.deaths.fill(MeterSet::default());
        for &meter in &plan.terminal {
            for (deaths, &value) in self.deaths.iter_mut().zip(&*self.meters[meter]) {
                deaths.0 |= u32::from(value <= 0.0) << meter;
            }
        }
    }

    /// Rewards and counts the step. Returns the agents whose episode it ended.
    fn reward(&mut self, plan: &Plan) -> Chosen {
        Chosen::new(self.len(), |i| {
            let step = self.episode_steps[i];
            let dead = !self.deaths[i].is_empty();
            let survived = plan.survival_reward[step as usize];
            self.rewards[i] = if dead { plan.death_reward } else { survived };
            self.episode_steps[i] = step + 1;
            self.terminated[i] = dead;
            self.truncated[i] = !dead && step + 1 == plan.step_limit;
            dead || step + 1 == plan.step_limit
        })
    }

    fn let_an_hour_pass(&mut self) {
        for hour in &mut *self.hours {
            *hour = if *hour == HOURS_PER_DAY - 1 { 0 } else { *hour + 1 };
        }
    }
}
