//! An episode that is still being lived.

use serde::{Deserialize, Serialize};
use townlet_env::Action;

use super::{End, ReplayFacts, Stretch, check_actions, state_row};
use crate::packed;
use crate::state_fault::StateFault;

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

    /// Checks that what was read from a file can stand in the place of `fresh`, an empty one, beside a ring of
    /// `capacity` transitions.
    pub(super) fn check(
        &self,
        fresh: &Self,
        capacity: usize,
        of: &ReplayFacts<'_>,
    ) -> Result<(), StateFault> {
        StateFault::same("features", &self.features, &fresh.features)?;
        StateFault::same("num_actions", &self.num_actions, &fresh.num_actions)?;
        StateFault::same("period", &self.period, &fresh.period)?;
        StateFault::same("end", &self.end, &End::Open)?;
        let len = self.len();
        // One that is as long as the ring has gone there.
        StateFault::ensure(
            len < capacity,
            "actions",
            format_args!("a list of {len}"),
            format_args!("fewer than {capacity}"),
        )?;
        StateFault::length("observations", self.observations.len(), (len + 1) * self.features)?;
        StateFault::finite("observations", self.observations.iter().copied())?;
        StateFault::length("masks", self.masks.len(), (len + 1) * self.num_actions)?;
        StateFault::length("rewards", self.rewards.len(), len)?;
        StateFault::finite("rewards", self.rewards.iter().copied())?;
        check_actions(&self.actions, self.num_actions)?;
        of.check_extras(len, self.period, &self.states, &self.intrinsic)
    }

    /// Checks that it ends with what its environment shows and allows now. Its rows have been checked.
    pub(super) fn check_last(&self, observation: &[f32], mask: &[bool]) -> Result<(), StateFault> {
        let (last, allowed) = Stretch::observation(self, self.len());
        if let Some(feature) = last.iter().zip(observation).position(|(stored, shown)| stored != shown) {
            let found = format!("{} in feature {feature} of the last", last[feature]);
            let expected = format!("{}, which the environment shows", observation[feature]);
            return StateFault::ensure(false, "observations", found, expected);
        }
        StateFault::ensure(allowed == mask, "masks", "another than its environment's in the last", "the same")
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
