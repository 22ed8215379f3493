//! A batch of sequences, as the learner wants it.

use townlet_env::Action;

use super::{End, Stretch};

/// `batch` sequences of `time` steps, row-major, on the host.
///
/// Step t of a sequence has the observation t before and the observation t + 1 after it, so there is one
/// observation (and one action mask) more than there are steps: the last step bootstraps from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceBatch {
    /// The number of sequences.
    pub batch: usize,
    /// The number of steps of each.
    pub time: usize,
    /// The number of features of an observation.
    pub features: usize,
    /// The number of actions.
    pub num_actions: usize,
    /// `[batch, time + 1, features]`
    pub observations: Vec<f32>,
    /// Which actions each observation allows, `[batch, time + 1, num_actions]`.
    pub action_masks: Vec<bool>,
    /// `[batch, time]`
    pub actions: Vec<Action>,
    /// What the world paid, and what novelty was worth on top of it: `[batch, time]`.
    pub rewards: Vec<f32>,
    /// Whether the step ended the episode in the world, `[batch, time]`.
    pub terminated: Vec<bool>,
    /// Whether the step was the last before a limit cut the episode off, `[batch, time]`.
    pub truncated: Vec<bool>,
    /// Whether the step is one that happened, not padding, `[batch, time]`.
    pub valid: Vec<bool>,
    /// How many steps before each sequence its memory is warmed with, `[batch]`; empty where there are none.
    pub burn_in: Vec<usize>,
    /// The observations of those steps, row after row: `[burn_in[0] + burn_in[1] + …, features]`.
    pub burn_in_observations: Vec<f32>,
    /// The memory that the acting network had before the first of those steps (before the sequence, where
    /// there are none), hidden state and cell state side by side: `[batch, 2 * hidden]`. Empty for zeros.
    pub states: Vec<f32>,
    /// What each sequence's part of the loss is multiplied by, `[batch]`; empty where all count alike.
    pub weights: Vec<f32>,
    /// Which windows were drawn, `[batch]`; empty where they were not drawn by priority.
    pub windows: Vec<WindowId>,
}

/// A window of a prioritised replay, by which errors find their way back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowId(
    /// The number of the window's first transition.
    pub(super) u64,
);

impl SequenceBatch {
    /// An empty batch, to be filled by sampling.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes every step padding, in the given shape.
    pub(super) fn clear(&mut self, batch: usize, time: usize, features: usize, num_actions: usize) {
        (self.batch, self.time, self.features, self.num_actions) = (batch, time, features, num_actions);
        refill(&mut self.observations, batch * (time + 1) * features, 0.0);
        refill(&mut self.action_masks, batch * (time + 1) * num_actions, true);
        refill(&mut self.actions, batch * time, 0);
        refill(&mut self.rewards, batch * time, 0.0);
        refill(&mut self.terminated, batch * time, false);
        refill(&mut self.truncated, batch * time, false);
        refill(&mut self.valid, batch * time, false);
        self.burn_in.clear();
        self.burn_in_observations.clear();
        self.states.clear();
        self.weights.clear();
        self.windows.clear();
    }

    /// Copies the window of `episode` that begins with transition `start` into sequence `row`; the rows before
    /// it have been filled. Up to `burn_in` steps before the window come along, and what is stored of the
    /// memory before them. Intrinsic rewards are multiplied by `weight`, here and nowhere else, and added to the
    /// world's.
    pub(super) fn fill(
        &mut self,
        row: usize,
        episode: &impl Stretch,
        start: usize,
        burn_in: usize,
        weight: f64,
    ) {
        if burn_in > 0 {
            let before = start.min(burn_in);
            self.burn_in.push(before);
            for index in start - before..start {
                self.burn_in_observations.extend_from_slice(episode.observation(index).0);
            }
        }
        self.states.extend_from_slice(episode.state(start - start.min(burn_in)));
        let steps = (episode.len() - start).min(self.time);
        for t in 0..=steps {
            let slot = row * (self.time + 1) + t;
            let (observation, mask) = episode.observation(start + t);
            self.observations[slot * self.features..][..self.features].copy_from_slice(observation);
            self.action_masks[slot * self.num_actions..][..self.num_actions].copy_from_slice(mask);
        }
        for t in 0..steps {
            let slot = row * self.time + t;
            (self.actions[slot], self.rewards[slot]) = episode.transition(start + t);
            if let Some(&intrinsic) = episode.intrinsic().get(start + t) {
                self.rewards[slot] += (weight * f64::from(intrinsic)) as f32;
            }
            self.valid[slot] = true;
            if start + t + 1 == episode.len() {
                self.terminated[slot] = episode.end() == End::Terminated;
                self.truncated[slot] = episode.end() == End::Truncated;
            }
        }
    }

    /// The number of steps that happened.
    pub fn num_valid(&self) -> usize {
        self.valid.iter().filter(|&&valid| valid).count()
    }
}

fn refill<T: Clone>(values: &mut Vec<T>, len: usize, value: T) {
    values.clear();
    values.resize(len, value);
}
