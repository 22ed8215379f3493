//! An episode that is still being lived.

use serde::{Deserialize, Serialize};
use townlet_env::Action;

use super::{End, Stretch, state_row};
use crate::packed;

/// The steps of one environment since its episode began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunningEpisode {
    features: usize,
    num_actions: usize,
    /// `[len + 1, features]`
    #[serde(with = "packed::floats")]
    pub(super) observations: Vec<f32>,
    /// `[len + 1, num_actions]`
    #[serde(with = "packed::bools")]
    pub(super) masks: Vec<bool>,
    #[serde(with = "serde_bytes")]
    pub(super) actions: Vec<Action>,
    #[serde(with = "packed::floats")]
    pub(super) rewards: Vec<f32>,
    /// The memory before every `period`-th transition, from the first: `[len / period rounded up, width]`;
    /// empty where none is stored.
    #[serde(with = "packed::floats")]
    pub(super) states: Vec<f32>,
    /// The intrinsic reward of each transition, `[len]`; empty where none is stored.
    #[serde(with = "packed::floats")]
    pub(super) intrinsic: Vec<f32>,
    period: usize,
    end: End,
}

impl RunningEpisode {
    pub(super) fn new(features: usize, num_actions: usize, period: usize) -> Self {
        Self {
            features,
            num_actions,
            observations: Vec::new(),
            masks: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            states: Vec::new(),
            intrinsic: Vec::new(),
            period,
            end: End::Open,
        }
    }

    /// Whether its rows are as long as they say, and of the same kind as those of `other`.
    pub(super) fn fits(&self, other: &Self) -> bool {
        let len = self.len();
        (self.features, self.num_actions, self.period) == (other.features, other.num_actions, other.period)
            && self.observations.len() == (len + 1) * self.features
            && self.masks.len() == (len + 1) * self.num_actions
            && self.rewards.len() == len
            && [0, len].contains(&self.intrinsic.len())
            && self.states.len().is_multiple_of(len.div_ceil(self.period).max(1))
            && self.actions.iter().all(|&action| usize::from(action) < self.num_actions)
    }

    /// Forgets what was and begins with this observation.
    pub(super) fn start(&mut self, observation: &[f32], mask: &[bool]) {
        self.observations.clear();
        self.masks.clear();
        self.actions.clear();
        self.rewards.clear();
        self.states.clear();
        self.intrinsic.clear();
        self.end = End::Open;
        self.observations.extend_from_slice(observation);
        self.masks.extend_from_slice(mask);
    }

    /// The memory before the transition that is pushed next.
    pub(super) fn remember(&mut self, state: &[f32]) {
        if self.len().is_multiple_of(self.period) {
            self.states.extend_from_slice(state);
        }
    }

    pub(super) fn push(&mut self, action: Action, reward: f32, observation: &[f32], mask: &[bool], end: End) {
        self.actions.push(action);
        self.rewards.push(reward);
        self.observations.extend_from_slice(observation);
        self.masks.extend_from_slice(mask);
        self.end = end;
    }
}

impl Stretch for RunningEpisode {
    fn len(&self) -> usize {
        self.actions.len()
    }

    fn end(&self) -> End {
        self.end
    }

    fn observation(&self, index: usize) -> (&[f32], &[bool]) {
        (
            &self.observations[index * self.features..][..self.features],
            &self.masks[index * self.num_actions..][..self.num_actions],
        )
    }

    fn state(&self, index: usize) -> &[f32] {
        state_row(&self.states, index, self.len(), self.period)
    }

    fn transition(&self, index: usize) -> (Action, f32) {
        (self.actions[index], self.rewards[index])
    }

    fn intrinsic(&self) -> &[f32] {
        &self.intrinsic
    }
}
