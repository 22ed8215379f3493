//! Curricula: worlds that are made easy first and hard when agents are ready for it.
//!
//! A curriculum knows stages and agents, and nothing of worlds or networks. Whoever owns the world tells it
//! of every *finished* episode and, where it answers with a [`StageChange`], applies the new [`Stage`] to
//! that agent's world before its next step.

mod adversarial;
mod entropy;
mod static_curriculum;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use townlet_env::{Stage, StageError};

pub use self::adversarial::{AdversarialConfig, AdversarialCurriculum, RewardProgress};
pub(crate) use self::entropy::Entropies;
pub use self::entropy::policy_entropy;
pub use self::static_curriculum::{StaticConfig, StaticCurriculum};
use crate::config_error::ConfigError;
use crate::evaluate::EpisodeOutcome;
use crate::state_fault::StateFault;

/// Why there is no such curriculum.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum CurriculumError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A stage that cannot be lived in this world.
    #[error("stage {stage} of the curriculum: {fault}")]
    Stage {
        /// The number of the stage, from 1.
        stage: usize,
        /// What is wrong with it.
        fault: StageError,
    },
    /// Episodes without a limit, of which survival cannot be a share.
    #[error("the episodes of this world have no limit, of which survival could be a share; expected one")]
    NoStepLimit,
    /// A stored agent in a stage that does not exist.
    #[error("agent {agent} is stored in stage {stage}; expected 1 to {stages}")]
    NoSuchStage {
        /// The agent.
        agent: usize,
        /// The number of the stage, from 1.
        stage: usize,
        /// How many there are.
        stages: usize,
    },
}

/// An agent's move from one stage to another, and what it was judged by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageChange {
    /// The agent.
    pub agent: usize,
    /// The number of the stage before, from 1.
    pub from: usize,
    /// The number of the stage from now on, from 1.
    pub to: usize,
    /// Mean survival over the last finished episodes of the stage, as a share of the step limit, 0 to 1.
    pub survival: f64,
    /// The mean reward of a step in those episodes less the baseline, in the units of the world's rewards.
    pub progress: f64,
    /// The entropy of the policy over the last episode, 0 to 1.
    pub entropy: f64,
    /// How many steps the agent has lived in the stage, over finished episodes.
    pub steps: u64,
}

/// Which curriculum is followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
// Empty braces, because serde does not refuse unknown keys beside a variant without any.
pub enum CurriculumConfig {
    /// None: the world is left as it is.
    None {},
    /// One stage for the whole run. The default stage holds health, so no agent dies of it.
    Static(StaticConfig),
    /// Harder when an agent lives long, easier when it dies young.
    Adversarial(AdversarialConfig),
}

impl Default for CurriculumConfig {
    fn default() -> Self {
        Self::None {}
    }
}

impl CurriculumConfig {
    /// Checks that every setting makes sense. Whether the stages do only the world knows.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::None {} | Self::Static(_) => Ok(()),
            Self::Adversarial(config) => config.validate(),
        }
    }

    /// All stages, from the first.
    pub fn stages(&self) -> &[Stage] {
        match self {
            Self::None {} => &[],
            Self::Static(StaticConfig { stage }) => std::slice::from_ref(stage),
            Self::Adversarial(config) => &config.stages,
        }
    }

    /// The curriculum at its start, if there is one, for `num_agents` agents whose episodes are cut off after
    /// `step_limit` steps.
    ///
    /// # Errors
    ///
    /// Where a setting makes no sense, or a limit is needed and there is none.
    pub fn start(
        &self,
        num_agents: usize,
        step_limit: Option<u32>,
    ) -> Result<Option<Curriculum>, CurriculumError> {
        Ok(match self {
            Self::None {} => None,
            Self::Static(config) => Some(Curriculum::Static(StaticCurriculum::new(config, num_agents))),
            Self::Adversarial(config) => Some(Curriculum::Adversarial(AdversarialCurriculum::new(
                config,
                num_agents,
                step_limit.ok_or(CurriculumError::NoStepLimit)?,
            )?)),
        })
    }
}

/// The stage of every agent, and what moves them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Curriculum {
    /// One stage for the whole run.
    Static(StaticCurriculum),
    /// Harder when an agent lives long, easier when it dies young.
    Adversarial(AdversarialCurriculum),
}

impl Curriculum {
    /// Checks that a saved state can stand in the place of `fresh`, in a run that has made so many steps in each
    /// environment.
    pub(crate) fn check(&self, fresh: &Self, rounds: u64) -> Result<(), StateFault> {
        match (self, fresh) {
            (Self::Adversarial(saved), Self::Adversarial(fresh)) => saved.check(fresh, rounds),
            (saved, fresh) => StateFault::same("stage", saved, fresh),
        }
    }

    /// How many agents follow the curriculum.
    pub fn num_agents(&self) -> usize {
        match self {
            Self::Static(curriculum) => curriculum.num_agents(),
            Self::Adversarial(curriculum) => curriculum.num_agents(),
        }
    }

    /// The stage of an agent; none where there is no such agent.
    pub fn stage(&self, agent: usize) -> Option<&Stage> {
        match self {
            Self::Static(curriculum) => curriculum.stage(agent),
            Self::Adversarial(curriculum) => curriculum.stage(agent),
        }
    }

    /// The number of an agent's stage, from 1; none where there is no such agent.
    pub fn stage_number(&self, agent: usize) -> Option<usize> {
        match self {
            Self::Static(curriculum) => curriculum.stage(agent).map(|_| 1),
            Self::Adversarial(curriculum) => curriculum.stage_number(agent),
        }
    }

    /// Takes in a finished episode of an agent, and says so where it moves the agent to another stage, which
    /// holds from the first step of its next episode on.
    ///
    /// There is no hook for a step: an episode that is still being lived says nothing about how long it will
    /// be, and judging it would send a good agent back each time that one begins.
    ///
    /// `policy_entropy` is 0 to 1, see [`policy_entropy`]. An agent that does not exist never moves.
    pub fn on_episode_end(
        &mut self,
        agent: usize,
        outcome: &EpisodeOutcome,
        policy_entropy: f64,
    ) -> Option<StageChange> {
        match self {
            Self::Static(_) => None,
            Self::Adversarial(curriculum) => curriculum.on_episode_end(agent, outcome, policy_entropy),
        }
    }
}

#[cfg(test)]
mod tests {
    use townlet_env::RewardMode;

    use super::*;

    #[test]
    fn every_kind_starts_and_is_asked_in_the_same_way() {
        let stage = Stage::new(&["energy"], 0.5, RewardMode::Shaped);
        let fixed = CurriculumConfig::Static(StaticConfig { stage: stage.clone() });
        let stages = vec![stage.clone(), Stage::new(&["energy", "money"], 1.0, RewardMode::Sparse)];
        let rising = CurriculumConfig::Adversarial(AdversarialConfig {
            stages,
            min_steps: 100,
            ..AdversarialConfig::default()
        });
        let long = EpisodeOutcome { length: 100, truncated: true, ..EpisodeOutcome::default() };
        assert_eq!(CurriculumConfig::None {}.start(2, None), Ok(None));
        assert_eq!(rising.start(2, None), Err(CurriculumError::NoStepLimit));
        for (config, second) in [(fixed, 1), (rising, 2)] {
            assert_eq!(config.stages().len(), second);
            let mut curriculum = config.start(2, Some(100)).unwrap().unwrap();
            assert_eq!(curriculum.num_agents(), 2);
            assert_eq!((curriculum.stage_number(1), curriculum.stage_number(2)), (Some(1), None));
            assert_eq!((curriculum.stage(0), curriculum.stage(2)), (Some(&stage), None));
            let change = curriculum.on_episode_end(1, &long, 0.1);
            assert_eq!(change.map_or(1, |change| change.to), second);
            assert_eq!((curriculum.stage_number(0), curriculum.stage_number(1)), (Some(1), Some(second)));
            assert_eq!(curriculum.on_episode_end(9, &long, 0.1), None, "there is no agent 9");
        }
    }
}
