//! An episode that is still being lived.

use townlet_env::Action;

use super::{End, Stretch, state_row};

/// The steps of one environment since its episode began.
#[derive(Clone, Debug)]
pub(super) struct RunningEpisode {
    features: usize,
    num_actions: usize,
    /// `[len + 1, features]`
    pub(super) observations: Vec<f32>,
    /// `[len + 1, num_actions]`
    pub(super) masks: Vec<bool>,
    pub(super) actions: Vec<Action>,
    pub(super) rewards: Vec<f32>,
    /// The memory before every `period`-th transition, from the first: `[len / period rounded up, width]`;
    /// empty where none is stored.
    pub(super) states: Vec<f32>,
    /// The intrinsic reward of each transition, `[len]`; empty where none is stored.
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
