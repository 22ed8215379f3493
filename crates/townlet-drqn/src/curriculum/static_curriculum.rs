//! The curriculum that stays as it is.

use serde::{Deserialize, Serialize};
use townlet_env::{RewardMode, Stage};

/// The one stage of a [`StaticCurriculum`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct StaticConfig {
    /// The stage of every agent.
    pub stage: Stage,
}

impl Default for StaticConfig {
    /// The reference's: six meters at their own depletion, and a shaped reward. Health and fitness are not among
    /// them: they stay at their start values, so no agent dies of ill health.
    fn default() -> Self {
        let meters = ["energy", "hygiene", "satiation", "money", "mood", "social"];
        Self { stage: Stage::new(&meters, 1.0, RewardMode::Shaped) }
    }
}

/// One stage for every agent and the whole run: the baseline that a curriculum is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticCurriculum {
    stage: Stage,
    num_agents: usize,
}

impl StaticCurriculum {
    /// The curriculum of `num_agents` agents.
    pub fn new(config: &StaticConfig, num_agents: usize) -> Self {
        Self { stage: config.stage.clone(), num_agents }
    }

    /// How many agents follow the curriculum.
    pub fn num_agents(&self) -> usize {
        self.num_agents
    }

    /// The stage of an agent; none where there is no such agent.
    pub fn stage(&self, agent: usize) -> Option<&Stage> {
        (agent < self.num_agents).then_some(&self.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_has_the_stage() {
        let curriculum = StaticCurriculum::new(&StaticConfig::default(), 3);
        assert_eq!(curriculum.num_agents(), 3);
        for agent in 0..3 {
            let stage = curriculum.stage(agent).unwrap();
            assert_eq!((stage.active_meters.len(), stage.depletion_multiplier), (6, 1.0));
            assert_eq!(stage.reward, RewardMode::Shaped);
        }
        assert_eq!(curriculum.stage(3), None);
    }
}
