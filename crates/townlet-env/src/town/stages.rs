//! What a stage changes for the agents that are in one.

use super::Town;
use super::agent::MeterSet;
use super::block::{BLOCK, Block, clip};
use super::plan::Plan;
use crate::{RewardMode, Stage, StageError, VectorEnv};

/// The stage of every agent, an entry each. Kept beside the other columns, which every step passes about.
#[derive(Clone, Debug)]
pub(super) struct Stages {
    /// What depletion is multiplied by.
    pub(super) depletion_multiplier: Vec<f32>,
    /// The meters that stay at their start.
    pub(super) held: Vec<MeterSet>,
    /// Whether the shaped reward pays.
    pub(super) shaped: Vec<bool>,
    /// How many agents live by other rules than the level's plain ones.
    num_staged: usize,
}

impl Stages {
    /// All agents in the world as the level has it.
    pub(super) fn new(mode: RewardMode, agents: usize) -> Self {
        let shaped = mode == RewardMode::Shaped;
        Self {
            depletion_multiplier: vec![1.0; agents],
            held: vec![MeterSet::default(); agents],
            shaped: vec![shaped; agents],
            num_staged: if shaped { agents } else { 0 },
        }
    }

    /// Agents in the stages that they were saved in.
    pub(super) fn restored(depletion_multiplier: Vec<f32>, held: Vec<MeterSet>, shaped: Vec<bool>) -> Self {
        let mut stages = Self { depletion_multiplier, held, shaped, num_staged: 0 };
        stages.num_staged = (0..stages.shaped.len()).filter(|&agent| stages.is_staged(agent)).count();
        stages
    }

    /// The stages, where any agent is in one.
    pub(super) fn in_use(&self) -> Option<&Self> {
        (self.num_staged > 0).then_some(self)
    }

    fn set(&mut self, agent: usize, depletion_multiplier: f32, held: MeterSet, shaped: bool) {
        self.num_staged -= usize::from(self.is_staged(agent));
        self.depletion_multiplier[agent] = depletion_multiplier;
        self.held[agent] = held;
        self.shaped[agent] = shaped;
        self.num_staged += usize::from(self.is_staged(agent));
    }

    /// Whether anything about this agent's world is not as in the level's plain rules.
    fn is_staged(&self, agent: usize) -> bool {
        self.shaped[agent] || self.depletion_multiplier[agent] != 1.0 || !self.held[agent].is_empty()
    }
}

// Cold, so that they stay out of line: inlined, they would slow down the step of those who are in no stage.
impl Block<'_> {
    /// Depletes meters where some agents have a multiplier. A multiplier of 1 changes no bit.
    #[cold]
    pub(super) fn deplete_by_stage(&mut self, plan: &Plan, stages: &Stages) {
        for &(meter, depletion) in &plan.depletion {
            for (value, scale) in
                self.meters[meter].iter_mut().zip(&stages.depletion_multiplier[self.first..])
            {
                *value = clip(*value - depletion * scale);
            }
        }
    }

    /// Puts held meters back to their start.
    #[cold]
    pub(super) fn hold(&mut self, plan: &Plan, stages: &Stages) {
        for (meter, &start) in plan.start.iter().enumerate() {
            for (value, held) in self.meters[meter].iter_mut().zip(&stages.held[self.first..]) {
                *value = if held.contains(meter) { start } else { *value };
            }
        }
    }

    /// Pays the shaped reward instead of the sparse one to the agents that are in for it and live.
    #[cold]
    pub(super) fn pay_shaped(&mut self, plan: &Plan, stages: &Stages) {
        let Some(shaped) = &plan.shaped_reward else { return };
        let mut rewards = [shaped.per_step; BLOCK];
        for &(meter, weight) in &shaped.weights {
            for (reward, value) in rewards.iter_mut().zip(&*self.meters[meter]) {
                *reward += weight * value;
            }
        }
        for (i, reward) in rewards[..self.len()].iter().enumerate() {
            if stages.shaped[self.first + i] && !self.terminated[i] {
                self.rewards[i] = *reward;
            }
        }
    }
}

impl Town {
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

        self.stages.set(agent, stage.depletion_multiplier, MeterSet(held), shaped);
        Ok(())
    }
}
