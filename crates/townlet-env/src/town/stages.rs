//! What a stage changes for the agents that are in one.

use super::Town;
use super::agent::MeterSet;
use super::block::{BLOCK, Block};
use super::dynamics::clip;
use super::plan::Plan;
use crate::{RewardMode, Stage, StageError, VectorEnv};

impl Block<'_> {
    /// Depletes meters where some agents have a multiplier. A multiplier of 1 changes no bit.
    pub(super) fn deplete_by_stage(&mut self, plan: &Plan) {
        for &(meter, depletion) in &plan.depletion {
            for (value, scale) in self.meters[meter].iter_mut().zip(&*self.depletion_multiplier) {
                *value = clip(*value - depletion * scale);
            }
        }
    }

    /// Puts held meters back to their start.
    pub(super) fn hold(&mut self, plan: &Plan) {
        for (meter, &start) in plan.start.iter().enumerate() {
            for (value, held) in self.meters[meter].iter_mut().zip(&*self.held) {
                *value = if held.contains(meter) { start } else { *value };
            }
        }
    }

    /// Pays the shaped reward instead of the sparse one to the agents that are in for it and live.
    pub(super) fn pay_shaped(&mut self, plan: &Plan) {
        let Some(shaped) = &plan.shaped_reward else { return };
        let mut rewards = [shaped.per_step; BLOCK];
        for &(meter, weight) in &shaped.weights {
            for (reward, value) in rewards.iter_mut().zip(&*self.meters[meter]) {
                *reward += weight * value;
            }
        }
        for (i, reward) in rewards[..self.len()].iter().enumerate() {
            if self.shaped[i] && !self.terminated[i] {
                self.rewards[i] = *reward;
            }
        }
    }
}

impl Town {
    /// Whether anything about this agent's world is not as in the level's plain rules.
    fn is_staged(&self, agent: usize) -> bool {
        let columns = &self.columns;
        columns.shaped[agent] || columns.depletion_multiplier[agent] != 1.0 || !columns.held[agent].is_empty()
    }

    /// Puts every agent in the world as the level has it.
    pub(super) fn leave_stages(&mut self) {
        let shaped = self.level.reward.mode == RewardMode::Shaped;
        self.columns.shaped.fill(shaped);
        self.columns.depletion_multiplier.fill(1.0);
        self.columns.held.fill(MeterSet::default());
        self.num_staged = if shaped { self.num_envs() } else { 0 };
    }

    pub(super) fn put_in_stage(&mut self, agent: usize, stage: &Stage) -> Result<(), StageError> {
        if agent >= self.num_envs() {
            return Err(StageError::NoSuchEnv { env: agent, num_envs: self.num_envs() });
        }
        let meters: Vec<_> = self.level.meters.iter().map(|meter| meter.name.as_str()).collect();
        stage.check(&meters)?;
        let shaped = stage.reward == RewardMode::Shaped;
        if shaped && self.level.reward.shaped.is_none() {
            return Err(StageError::NoShapedReward { level: self.level.name.clone() });
        }
        let is_active = |meter: &str| stage.active_meters.iter().any(|active| active == meter);
        let held = (0..meters.len()).filter(|&meter| !is_active(meters[meter])).map(|meter| 1 << meter).sum();

        self.num_staged -= usize::from(self.is_staged(agent));
        self.columns.shaped[agent] = shaped;
        self.columns.depletion_multiplier[agent] = stage.depletion_multiplier;
        self.columns.held[agent] = MeterSet(held);
        self.num_staged += usize::from(self.is_staged(agent));
        Ok(())
    }
}
