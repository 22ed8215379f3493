//! Whether what a world shows and pays can be learned from.

use thiserror::Error;

use crate::{Feature, ObservationLayout, Step, VectorEnv};

/// What a world did that nobody can act on or learn from.
///
/// The step is counted from the first reset or, in training, from the start of the run; step 0 is what is seen before
/// the first action.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum WorldFault {
    /// A feature that is not a finite number.
    #[error(
        "environment {env} shows {found} in feature {feature} ({segment}) after step {step}; expected a finite number. \
         Mend the world, or have it end the episode before this happens"
    )]
    Observation {
        /// The environment.
        env: usize,
        /// The step that led to it.
        step: u64,
        /// The index of the feature in the observation.
        feature: usize,
        /// What the layout calls it, such as `meters[2]`.
        segment: String,
        /// What it is.
        found: f32,
    },
    /// A reward that is not a finite number.
    #[error(
        "environment {env} pays {found} for step {step}; expected a finite number. \
         Mend the world, or bound what it pays"
    )]
    Reward {
        /// The environment.
        env: usize,
        /// The step.
        step: u64,
        /// What was paid.
        found: f32,
    },
    /// A mask that allows nothing.
    #[error("environment {env} allows no action after step {step}; expected at least one. Mend the mask")]
    NothingAllowed {
        /// The environment.
        env: usize,
        /// The step that led to it.
        step: u64,
    },
    /// A slice of the wrong length.
    #[error("{what} have {found} entries after step {step}; expected {expected}")]
    Length {
        /// Which slice.
        what: &'static str,
        /// The step.
        step: u64,
        /// How many entries there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}

/// The index of the first value that is not a finite number.
///
/// ```
/// use townlet_env::first_not_finite;
///
/// assert_eq!(first_not_finite(&[1.0, f32::MAX]), None);
/// assert_eq!(first_not_finite(&[1.0, f32::NEG_INFINITY, f32::NAN]), Some(1));
/// ```
pub fn first_not_finite(values: &[f32]) -> Option<usize> {
    const LANES: usize = 16;
    // 0 times a finite number is 0, and times anything else it is no number: many at a time, without a branch.
    let mut sums = [0.0_f32; LANES];
    let (lines, rest) = values.as_chunks::<LANES>();
    for line in lines {
        for (sum, value) in sums.iter_mut().zip(line) {
            *sum += value * 0.0;
        }
    }
    let finite = sums.iter().all(|sum| sum.is_finite()) && rest.iter().all(|value| value.is_finite());
    if finite { None } else { values.iter().position(|value| !value.is_finite()) }
}

/// Looks at everything that a world shows and pays, before anybody acts on it or learns from it.
///
/// ```
/// use townlet_env::probes::{Chain, ProbeEnv};
/// use townlet_env::{VectorEnv, WorldCheck};
///
/// let mut env = ProbeEnv::new(Chain, 2);
/// let check = WorldCheck::of(&env);
/// check.start(env.observations(), env.action_masks(), 0)?;
/// check.step(&env.step(&[1, 0])?, 1)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WorldCheck {
    layout: ObservationLayout,
    features: usize,
    num_envs: usize,
    num_actions: usize,
}

impl WorldCheck {
    /// Of this world.
    pub fn of(env: &impl VectorEnv) -> Self {
        let layout = env.observation_layout().clone();
        Self { features: layout.len(), layout, num_envs: env.num_envs(), num_actions: env.num_actions() }
    }

    /// Checks what is seen after `step` steps and what may be done then.
    ///
    /// # Errors
    ///
    /// Returns the first fault found.
    pub fn start(&self, observations: &[f32], action_masks: &[bool], step: u64) -> Result<(), WorldFault> {
        self.length("observations", observations.len(), self.features, step)?;
        self.length("action masks", action_masks.len(), self.num_actions, step)?;
        if let Some(index) = first_not_finite(observations) {
            return Err(self.feature(
                index / self.features,
                index % self.features,
                observations[index],
                step,
            ));
        }
        let mut masks = action_masks.chunks_exact(self.num_actions.max(1));
        match masks.position(|mask| !mask.contains(&true)) {
            Some(env) => Err(WorldFault::NothingAllowed { env, step }),
            None => Ok(()),
        }
    }

    /// Checks what the step with this number, counted from 1, led to.
    ///
    /// # Errors
    ///
    /// Returns the first fault found.
    pub fn step(&self, step: &Step<'_>, number: u64) -> Result<(), WorldFault> {
        self.length("rewards", step.rewards.len(), 1, number)?;
        self.length("terminated flags", step.terminated.len(), 1, number)?;
        self.length("truncated flags", step.truncated.len(), 1, number)?;
        self.length("final observations", step.final_observations.len(), self.features, number)?;
        self.length("final action masks", step.final_action_masks.len(), self.num_actions, number)?;
        self.start(step.observations, step.action_masks, number)?;
        if let Some(env) = first_not_finite(step.rewards) {
            return Err(WorldFault::Reward { env, step: number, found: step.rewards[env] });
        }
        for env in (0..self.num_envs).filter(|&env| step.ended(env)) {
            let last = &step.final_observations[env * self.features..][..self.features];
            if let Some(feature) = first_not_finite(last) {
                return Err(self.feature(env, feature, last[feature], number));
            }
        }
        Ok(())
    }

    fn length(&self, what: &'static str, found: usize, each: usize, step: u64) -> Result<(), WorldFault> {
        let expected = self.num_envs * each;
        if found == expected { Ok(()) } else { Err(WorldFault::Length { what, step, expected, found }) }
    }

    fn feature(&self, env: usize, feature: usize, found: f32, step: u64) -> WorldFault {
        let segment = self.layout.ranges().find(|(_, range)| range.contains(&feature));
        let segment = segment.map(|(kind, range)| format!("{}[{}]", name(kind), feature - range.start));
        WorldFault::Observation { env, step, feature, segment: segment.unwrap_or_default(), found }
    }
}

/// What settings call it.
fn name(feature: Feature) -> &'static str {
    match feature {
        Feature::Window => "window",
        Feature::Cell => "cell",
        Feature::Position => "position",
        Feature::Meters => "meters",
        Feature::Affordance => "affordance",
        Feature::Hour => "hour",
        Feature::Progress => "progress",
        Feature::Features => "features",
        Feature::Previous => "previous",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Town};

    #[test]
    fn the_first_value_that_is_not_finite_is_found_wherever_it_is() {
        for len in 0..70 {
            let fine: Vec<f32> =
                (0..len).map(|i| if i % 2 == 0 { f32::MAX } else { -f32::MIN_POSITIVE }).collect();
            assert_eq!(first_not_finite(&fine), None);
            for at in 0..len {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut values = fine.clone();
                    values[at] = bad;
                    values[len - 1] = bad;
                    assert_eq!(first_not_finite(&values), Some(at));
                }
            }
        }
    }

    #[test]
    fn a_fault_names_the_environment_the_step_and_the_feature() {
        let mut town = Town::new(Level::builtin("pomdp").unwrap(), 3).unwrap();
        let check = WorldCheck::of(&town);
        check.start(town.observations(), town.action_masks(), 0).unwrap();
        let step = town.step(&[0, 1, 2]).unwrap();
        check.step(&step, 1).unwrap();

        let mut observations = step.observations.to_vec();
        let features = observations.len() / 3;
        observations[features + 29] = f32::NAN;
        let error = check.step(&Step { observations: &observations, ..step }, 7).unwrap_err();
        // A window of 25 cells, two coordinates, then the meters.
        let expected = "environment 1 shows NaN in feature 29 (meters[2]) after step 7";
        assert!(error.to_string().starts_with(expected), "{error}");

        let rewards = [0.0, 1.0, f32::NEG_INFINITY];
        let error = check.step(&Step { rewards: &rewards, ..step }, 7).unwrap_err();
        assert_eq!(error, WorldFault::Reward { env: 2, step: 7, found: f32::NEG_INFINITY });

        let mut masks = step.action_masks.to_vec();
        masks[..5].fill(false);
        let error = check.step(&Step { action_masks: &masks, ..step }, 7).unwrap_err();
        assert_eq!(error, WorldFault::NothingAllowed { env: 0, step: 7 });

        let error = check.step(&Step { rewards: &rewards[..2], ..step }, 7).unwrap_err();
        assert_eq!(error, WorldFault::Length { what: "rewards", step: 7, expected: 3, found: 2 });
    }

    #[test]
    fn the_last_observation_counts_where_an_episode_ended_and_nowhere_else() {
        let mut town = Town::new(Level::builtin("pomdp").unwrap(), 2).unwrap();
        let check = WorldCheck::of(&town);
        let step = town.step(&[0, 0]).unwrap();
        let mut last = step.final_observations.to_vec();
        let features = last.len() / 2;
        last[features] = f32::INFINITY;
        let step = Step { final_observations: &last, ..step };
        check.step(&step, 1).unwrap();
        let error = check.step(&Step { terminated: &[false, true], ..step }, 1).unwrap_err();
        assert!(matches!(error, WorldFault::Observation { env: 1, feature: 0, .. }), "{error}");
    }
}
