//! What one training run is: everything that decides its outcome.
//!
//! The command line and the configuration file are resolved into a [`RunConfig`] once, before anything
//! happens. A run directory keeps it, so that a run can be evaluated, or made again, from it alone.

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use townlet_drqn::{DrqnConfig, EpsilonSchedule};
use townlet_env::Level;
use townlet_nets::{Backend, QNetworkConfig};

use crate::recipe::Recipe;
use crate::world::View;

/// Everything that decides the outcome of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunConfig {
    /// The version of this program that made the run.
    pub(crate) townlet: String,
    /// What its settings started from.
    pub(crate) recipe: Recipe,
    /// The backend that it ran on.
    pub(crate) backend: Backend,
    /// How many agents lived side by side.
    pub(crate) agents: usize,
    /// What everything random follows from.
    pub(crate) seed: u64,
    /// How long it was to last.
    pub(crate) budget: Budget,
    /// When it is evaluated on its way.
    pub(crate) evaluation: EvaluationSchedule,
    /// When it is saved on its way.
    #[serde(default)]
    pub(crate) checkpoints: CheckpointSchedule,
    /// Whether what happens is recorded.
    #[serde(default = "yes")]
    pub(crate) metrics: bool,
    /// The network.
    pub(crate) network: QNetworkConfig,
    /// The settings of the learner.
    pub(crate) learner: DrqnConfig,
    /// The world.
    pub(crate) level: Level,
}

impl RunConfig {
    /// What tells this run from every other: everything that decides what happens in it, but not for how long
    /// and what is kept of it.
    ///
    /// # Errors
    ///
    /// Where it cannot be written as TOML.
    pub(crate) fn identity(&self) -> Result<String> {
        self.digest(Some(self.seed))
    }

    /// What this run has in common with those that differ in their seed alone.
    ///
    /// # Errors
    ///
    /// Where it cannot be written as TOML.
    pub(crate) fn kind(&self) -> Result<String> {
        self.digest(None)
    }

    fn digest(&self, seed: Option<u64>) -> Result<String> {
        #[derive(Serialize)]
        struct Decisive<'a> {
            agents: usize,
            seed: Option<u64>,
            network: &'a QNetworkConfig,
            learner: &'a DrqnConfig,
            level: &'a Level,
        }
        let Self { agents, network, learner, level, .. } = self;
        let decisive = Decisive { agents: *agents, seed, network, learner, level };
        let text = toml::to_string(&decisive).context("cannot write the configuration as TOML")?;
        Ok(format!("{:x}", Sha256::digest(text)))
    }

    /// How the run's agents see its level.
    pub(crate) fn view(&self) -> View {
        let previous_scale = self.network.layout.previous().map(|_| self.learner.reward_scale);
        View { level: self.level.clone(), previous_scale }
    }
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

/// When a run is evaluated on its way: greedily, in episodes that nothing is learned from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvaluationSchedule {
    /// After every so many environment steps, counted over all agents; 0 for never.
    pub(crate) every: u64,
    /// How many episodes are played.
    pub(crate) episodes: u32,
    /// The run ends once they last so many steps on average; where nothing is said, it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<f64>,
}

/// When a run is saved on its way, and what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckpointSchedule {
    /// After every so many environment steps, counted over all agents, after an evaluation that was the best,
    /// and at the end; 0 for never.
    pub(crate) every: u64,
    /// How many of the newest are kept, beside the one that was evaluated best.
    pub(crate) keep: u32,
    /// Whether the replay is in them. Without it they are small, and a run that goes on from one fills a new
    /// replay first.
    pub(crate) replay: bool,
    /// How many of the newest keep their replay, at least 1: it is most of a checkpoint.
    #[schemars(range(min = 1))]
    pub(crate) replays: u32,
}

impl CheckpointSchedule {
    /// The fewest steps between two checkpoints of a run whose user did not ask for any.
    const LEAST: u64 = 5_000;

    /// Makes a run of so many steps write ten, so that somebody who watches it sees it learn, but no more than one
    /// every [`LEAST`](Self::LEAST) steps, and no fewer than it would have.
    pub(crate) fn fit(&mut self, budget: Budget) {
        if let Budget::Steps(steps) = budget {
            self.every = self.every.min((steps / 10).max(Self::LEAST));
        }
    }
}

impl Default for CheckpointSchedule {
    fn default() -> Self {
        Self { every: 500_000, keep: 2, replay: true, replays: 1 }
    }
}

fn yes() -> bool {
    true
}

impl Budget {
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

/// Fits the settings of a recipe to a run that is smaller than what it was made for: a replay no larger than what
/// the run can fill, a start of learning no later than a quarter into it, and a step size that has fallen by its end.
pub(crate) fn fit(learner: &mut DrqnConfig, agents: usize, budget: Budget, step_limit: u32) {
    let most = usize::try_from(budget.most_steps(agents, step_limit)).unwrap_or(usize::MAX);
    let quarter = budget.few_steps(step_limit) / 4;
    learner.replay_capacity = learner.replay_capacity.min(most);
    learner.schedule.learning_starts = learner.schedule.learning_starts.min(quarter).max(1);
    // 0 means that the step size does not fall.
    if learner.learning_rate_updates > 0 {
        let learned = budget.few_steps(step_limit).saturating_sub(learner.schedule.learning_starts);
        let updates = learned / learner.schedule.update_every.max(1);
        learner.learning_rate_updates = learner.learning_rate_updates.min(updates).max(1);
    }
    if agents == 1 && matches!(learner.epsilon, EpsilonSchedule::Ladder { .. }) {
        // A ladder has one rung here, and nobody would ever act without exploring.
        learner.epsilon = EpsilonSchedule::Linear { start: 1.0, end: 0.05, steps: 50_000 };
    }
}

#[cfg(test)]
mod tests {
    use townlet_env::Town;

    use super::*;

    fn learner(agents: usize, budget: Budget) -> DrqnConfig {
        let recipe: toml::Table = Recipe::Best.text().parse().unwrap();
        let mut learner: DrqnConfig = recipe["learner"].clone().try_into().unwrap();
        fit(&mut learner, agents, budget, 500);
        learner
    }

    fn config(budget: Budget) -> RunConfig {
        let level = Level::builtin("temporal").unwrap();
        RunConfig {
            townlet: "0.0.0".to_owned(),
            recipe: Recipe::R2d2,
            backend: Backend::Flex,
            agents: 3,
            seed: 9,
            budget,
            evaluation: EvaluationSchedule { every: 70, episodes: 3, until: Some(120.5) },
            checkpoints: CheckpointSchedule { every: 50, keep: 1, replay: false, replays: 2 },
            metrics: false,
            network: QNetworkConfig::new(level.observation_layout(), Town::ACTION_NAMES.len()),
            learner: learner(3, budget),
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
    fn whatever_is_fitted_makes_sense() {
        for agents in [1, 2, 64] {
            for budget in [Budget::Steps(1), Budget::Episodes(1), Budget::Steps(u64::MAX)] {
                learner(agents, budget).validate().unwrap();
            }
        }
        assert!(matches!(learner(1, Budget::Steps(9)).epsilon, EpsilonSchedule::Linear { .. }));
        assert!(matches!(learner(2, Budget::Steps(9)).epsilon, EpsilonSchedule::Ladder { .. }));
    }

    #[test]
    fn a_short_run_still_learns() {
        let short = learner(4, Budget::Steps(600));
        assert_eq!((short.schedule.learning_starts, short.replay_capacity), (150, 604));
        let short = learner(4, Budget::Episodes(20));
        assert_eq!(short.schedule.learning_starts, 250);
        let falls = |budget| learner(64, budget).learning_rate_updates;
        // So many updates are made: one every 256 steps, once learning has started.
        assert_eq!(falls(Budget::Steps(360_000)), (360_000 - 10_000) / 256);
        assert_eq!(falls(Budget::Episodes(1_000)), (50_000 - 10_000) / 256);
        assert_eq!([falls(Budget::Steps(1)), falls(Budget::Steps(u64::MAX))], [1, 14_000]);
        assert_eq!(falls(Budget::Steps(3_600_000)), 14_000, "what the recipe was made for");
        let long = learner(64, Budget::Steps(3_600_000));
        assert_eq!((long.schedule.learning_starts, long.replay_capacity), (10_000, 300_000));
    }
}
