//! How hard the world of one environment is: what a curriculum sets.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RewardMode {
    /// Milestones of survival, and death.
    #[default]
    Sparse,
    /// The dense reward of the level, paid in every step, and death.
    Shaped,
}

/// How hard the world of an agent is.
///
/// [`VectorEnv::set_stage`](crate::VectorEnv::set_stage) puts one environment in a stage.
///
/// ```
/// use townlet_env::{Level, RewardMode, Stage, StageError, Town, VectorEnv};
///
/// let mut town = Town::new(Level::builtin("pomdp")?, 2)?;
/// town.set_stage(1, &Stage::new(&["energy", "hygiene"], 0.2, RewardMode::Shaped))?;
/// town.step(&[3, 3])?;
/// // Energy is lost more slowly: 0.005 for the move, and a fifth of 0.005.
/// assert_eq!(town.meter(0), [0.99, 0.994]);
/// // Satiation is held.
/// assert_eq!(town.meter(2), [0.992, 1.0]);
///
/// let asleep = Stage::new(&["sleep"], 1.0, RewardMode::Sparse);
/// assert!(matches!(town.set_stage(0, &asleep), Err(StageError::NoSuchMeter { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The names of the meters that change. Any other stays at its start value: nothing depletes, wears or
    /// feeds it, nothing is paid from it, and nobody dies of it.
    pub active_meters: Vec<String>,
    /// What the depletion of active meters is multiplied by, above 0 and at most 10. 1 is the level's own.
    pub depletion_multiplier: f32,
    /// What pays.
    pub reward: RewardMode,
}

impl Stage {
    /// A stage in which the named meters are active.
    pub fn new(active_meters: &[&str], depletion_multiplier: f32, reward: RewardMode) -> Self {
        let active_meters = active_meters.iter().map(|&meter| meter.to_owned()).collect();
        Self { active_meters, depletion_multiplier, reward }
    }

    /// Checks that the stage can be lived in a world with these meters.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn check(&self, meters: &[&str]) -> Result<(), StageError> {
        if self.active_meters.is_empty() {
            return Err(StageError::NoMeters);
        }
        for (index, meter) in self.active_meters.iter().enumerate() {
            if !meters.contains(&meter.as_str()) {
                return Err(StageError::NoSuchMeter { meter: meter.clone(), known: meters.join(", ") });
            }
            if self.active_meters[..index].contains(meter) {
                return Err(StageError::MeterTwice { meter: meter.clone() });
            }
        }
        let found = self.depletion_multiplier;
        if found > 0.0 && found <= 10.0 { Ok(()) } else { Err(StageError::DepletionMultiplier { found }) }
    }
}

/// Why an environment was not put in a stage.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum StageError {
    /// A world that knows no stages.
    #[error("this world has no stages; train in it without a curriculum")]
    Unsupported,
    /// An environment that does not exist.
    #[error("there is no environment {env}; expected 0 to {}", .num_envs - 1)]
    NoSuchEnv {
        /// The environment.
        env: usize,
        /// How many there are.
        num_envs: usize,
    },
    /// A stage in which nothing can change.
    #[error("the stage has no active meters; expected at least one")]
    NoMeters,
    /// A meter that the world does not have.
    #[error(
        "the stage activates the meter `{meter}`, which the level does not have; expected some of {known}"
    )]
    NoSuchMeter {
        /// The name of the meter.
        meter: String,
        /// The names of the level's meters.
        known: String,
    },
    /// A meter that is named more than once.
    #[error("the stage activates the meter `{meter}` twice; expected each once")]
    MeterTwice {
        /// The name of the meter.
        meter: String,
    },
    /// A multiplier outside its range.
    #[error("the stage has the depletion multiplier {found}; expected a number above 0, at most 10")]
    DepletionMultiplier {
        /// The multiplier.
        found: f32,
    },
    /// A shaped reward in a level that has none.
    #[error(
        "the stage pays a shaped reward, and level `{level}` has none; add a table `[reward.shaped]` to it, \
         for example with `per_step = 0.1`"
    )]
    NoShapedReward {
        /// The name of the level.
        level: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_makes_no_sense_is_refused() {
        let check = |meters: &[&str], multiplier| {
            Stage::new(meters, multiplier, RewardMode::Sparse).check(&["energy", "money"])
        };
        check(&["energy"], 0.2).unwrap();
        check(&["money", "energy"], 10.0).unwrap();
        assert_eq!(check(&[], 1.0), Err(StageError::NoMeters));
        let unknown = check(&["energy", "sleep"], 1.0).unwrap_err().to_string();
        assert!(unknown.contains("`sleep`") && unknown.contains("energy, money"), "{unknown}");
        assert_eq!(check(&["money"; 2], 1.0), Err(StageError::MeterTwice { meter: "money".to_owned() }));
        for multiplier in [0.0, -1.0, 10.1, f32::NAN] {
            let error = check(&["energy"], multiplier).unwrap_err();
            assert!(matches!(error, StageError::DepletionMultiplier { .. }), "{error}");
        }
    }
}
