//! What one training run is: everything that decides its outcome.
//!
//! The command line and the configuration file are resolved into a [`RunConfig`] once, before anything
//! happens. A run directory keeps it, so that a run can be evaluated, or made again, from it alone.

use serde::{Deserialize, Serialize};
use townlet_drqn::{DrqnConfig, EpsilonSchedule, Loss, TargetEstimator, UpdateSchedule};
use townlet_env::{Level, Town};
use townlet_nets::{Backend, QNetworkConfig};

/// Everything that decides the outcome of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunConfig {
    /// The version of this program that made the run.
    pub(crate) townlet: String,
    /// The backend that it ran on.
    pub(crate) backend: Backend,
    /// How many agents lived side by side.
    pub(crate) agents: usize,
    /// What everything random follows from.
    pub(crate) seed: u64,
    /// How long it was to last.
    pub(crate) budget: Budget,
    /// The sizes of the network.
    pub(crate) network: QNetworkConfig,
    /// The settings of the learner.
    pub(crate) learner: DrqnConfig,
    /// The world.
    pub(crate) level: Level,
}

/// How long a run lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Budget {
    /// Until so many environment steps were taken, counted over all agents.
    Steps(u64),
    /// Until so many episodes have finished.
    Episodes(u64),
}

impl Budget {
    /// What `train` does when it is not told how long.
    pub(crate) const DEFAULT: Self = Self::Steps(300_000);

    /// The most steps that a run of this budget can take.
    fn most_steps(self, agents: usize, step_limit: u32) -> u64 {
        match self {
            Self::Steps(steps) => steps.saturating_add(agents as u64),
            Self::Episodes(episodes) => {
                // While the last episode finishes, every other agent may be in the middle of one.
                episodes.saturating_add(agents as u64).saturating_mul(u64::from(step_limit))
            }
        }
    }

    /// The steps that a run of this budget takes even if its agents die young: after a tenth of the limit.
    fn few_steps(self, step_limit: u32) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Episodes(episodes) => episodes.saturating_mul(u64::from(step_limit)) / 10,
        }
    }
}

/// The settings that `train` learns with where a configuration file does not say otherwise.
pub(crate) fn default_learner(agents: usize) -> DrqnConfig {
    DrqnConfig {
        discount: 0.995,
        n_step: 10,
        estimator: TargetEstimator::Double,
        loss: Loss::Huber,
        // A death pays -100 in the built-in levels; the Huber loss is square up to an error of 1.
        reward_scale: 0.01,
        learning_rate: 1e-3,
        replay_capacity: 300_000,
        batch_size: 32,
        trace_length: 20,
        schedule: UpdateSchedule { learning_starts: 5_000, update_every: 64, target_copy_every: 50 },
        overlap: true,
        epsilon: if agents > 1 {
            EpsilonSchedule::Ladder { base: 0.5, exponent: 4.0 }
        } else {
            // A ladder has one rung here, and nobody would ever act without exploring.
            EpsilonSchedule::Linear { start: 1.0, end: 0.05, steps: 50_000 }
        },
        ..DrqnConfig::default()
    }
}

/// [`default_learner`], with a replay no larger than what the run can fill and a start of learning no
/// later than a quarter into it.
pub(crate) fn fitted_learner(agents: usize, budget: Budget, step_limit: u32) -> DrqnConfig {
    let mut learner = default_learner(agents);
    let most = usize::try_from(budget.most_steps(agents, step_limit)).unwrap_or(usize::MAX);
    let quarter = budget.few_steps(step_limit) / 4;
    learner.replay_capacity = learner.replay_capacity.min(most);
    learner.schedule.learning_starts = learner.schedule.learning_starts.min(quarter).max(1);
    learner
}

/// The standard network for agents in `level`.
pub(crate) fn default_network(level: &Level) -> QNetworkConfig {
    QNetworkConfig::new(level.observation_layout(), Town::ACTION_NAMES.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(budget: Budget) -> RunConfig {
        let level = Level::builtin("temporal").unwrap();
        RunConfig {
            townlet: "0.0.0".to_owned(),
            backend: Backend::Flex,
            agents: 3,
            seed: 9,
            budget,
            network: default_network(&level),
            learner: fitted_learner(3, budget, level.step_limit),
            level,
        }
    }

    #[test]
    fn a_run_reads_back_from_toml() {
        for budget in [Budget::Steps(600), Budget::Episodes(20)] {
            let written = config(budget);
            let text = toml::to_string(&written).unwrap();
            assert_eq!(toml::from_str::<RunConfig>(&text).unwrap(), written, "{text}");
        }
    }

    #[test]
    fn the_defaults_make_sense() {
        for agents in [1, 2, 64] {
            default_learner(agents).validate().unwrap();
            for budget in [Budget::Steps(1), Budget::Episodes(1), Budget::DEFAULT, Budget::Steps(u64::MAX)] {
                fitted_learner(agents, budget, 500).validate().unwrap();
            }
        }
    }

    #[test]
    fn a_short_run_still_learns() {
        let learner = fitted_learner(4, Budget::Steps(600), 500);
        assert_eq!((learner.schedule.learning_starts, learner.replay_capacity), (150, 604));
        let learner = fitted_learner(4, Budget::Episodes(20), 500);
        assert_eq!(learner.schedule.learning_starts, 250);
    }
}
