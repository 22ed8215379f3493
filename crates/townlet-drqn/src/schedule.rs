//! When to learn, when to copy the target network, and how much to explore.

use serde::{Deserialize, Serialize};

/// When updates happen, and when the target network is copied.
///
/// Steps are environment steps counted over all environments, so the amount of learning per experience
/// does not depend on how many environments run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateSchedule {
    /// No update before this many environment steps have been taken.
    pub learning_starts: u64,
    /// One update every so many environment steps.
    pub update_every: u64,
    /// The target network becomes a copy of the online network every so many updates, where
    /// [`target_update`](crate::DrqnConfig::target_update) says that it is copied.
    pub target_copy_every: u64,
}

impl Default for UpdateSchedule {
    fn default() -> Self {
        Self { learning_starts: 1_000, update_every: 4, target_copy_every: 100 }
    }
}

impl UpdateSchedule {
    /// How many updates are due when the count of environment steps has gone from `before` to `now`.
    pub fn updates_due(&self, before: u64, now: u64) -> u64 {
        if now < self.learning_starts {
            return 0;
        }
        now / self.update_every - before / self.update_every
    }

    /// Whether the target network is copied after update number `updates` (the first is 1).
    pub fn copies_target_after(&self, updates: u64) -> bool {
        updates.is_multiple_of(self.target_copy_every)
    }
}

/// With which probability an environment takes a random action.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum EpsilonSchedule {
    /// Falls on a line from `start` to `end` over the first `steps` environment steps, then stays; the
    /// same for every environment (Mnih et al. 2015).
    Linear {
        /// Epsilon at step 0.
        start: f64,
        /// Epsilon from step `steps` on.
        end: f64,
        /// Over how many environment steps it falls.
        steps: u64,
    },
    /// Approaches `end` from `start` without ever being there, by the factor e every `decay_steps`
    /// environment steps: `end + (start - end) · exp(-steps / decay_steps)`; the same for every environment
    /// (PyTorch's DQN tutorial, Paszke and Towers).
    Exponential {
        /// Epsilon at step 0.
        start: f64,
        /// What epsilon approaches.
        end: f64,
        /// After how many environment steps 1/e of the way is left.
        decay_steps: u64,
    },
    /// Every environment keeps an epsilon of its own for the whole run: environment i of N has
    /// `base^(1 + exponent · i / (N - 1))`, so some explore much and some hardly (Ape-X, Horgan et al. 2018).
    Ladder {
        /// Epsilon of the first environment.
        base: f64,
        /// How steeply it falls over the environments.
        exponent: f64,
    },
}

impl Default for EpsilonSchedule {
    fn default() -> Self {
        Self::Linear { start: 1.0, end: 0.05, steps: 20_000 }
    }
}

impl EpsilonSchedule {
    /// Epsilon of environment `env` of `num_envs` after `steps` environment steps.
    pub fn epsilon(&self, env: usize, num_envs: usize, steps: u64) -> f64 {
        match *self {
            Self::Linear { start, end, steps: over } => {
                let done = if over == 0 { 1.0 } else { (steps as f64 / over as f64).min(1.0) };
                start * (1.0 - done) + end * done
            }
            Self::Exponential { start, end, decay_steps } => {
                end + (start - end) * (-(steps as f64) / decay_steps as f64).exp()
            }
            Self::Ladder { base, exponent } => {
                let place = if num_envs > 1 { env as f64 / (num_envs - 1) as f64 } else { 0.0 };
                base.powf(1.0 + exponent * place)
            }
        }
    }

    /// The mean epsilon of `num_envs` environments after `steps` environment steps.
    ///
    /// ```
    /// use townlet_drqn::EpsilonSchedule;
    ///
    /// let ladder = EpsilonSchedule::Ladder { base: 0.5, exponent: 1.0 };
    /// assert_eq!(ladder.mean(2, 0), (0.5 + 0.25) / 2.0);
    /// ```
    pub fn mean(&self, num_envs: usize, steps: u64) -> f64 {
        let sum: f64 = (0..num_envs).map(|env| self.epsilon(env, num_envs, steps)).sum();
        sum / num_envs as f64
    }
}
