//! Adaptive annealing: an intrinsic reward counts for less and less once agents live long and steadily.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::config_error::{ConfigError, POSITIVE, check};
use crate::state_fault::StateFault;

/// When the weight of the intrinsic reward falls, and how far.
///
/// Rule and numbers are those of the reference implementation that Townlet re-imagines.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AnnealingConfig {
    /// What the intrinsic reward is multiplied by at first.
    pub initial_weight: f64,
    /// What the weight never falls below.
    pub minimum_weight: f64,
    /// Over how many of the last finished episodes survival is judged.
    pub window: usize,
    /// The weight falls only while the unbiased variance of survival over the window, in steps², is below
    /// this.
    pub variance_threshold: f64,
    /// The weight falls only while mean survival over the window, in steps, is above this.
    ///
    /// Set it above every plateau that agents should still be lured from: agents that are stuck die at nearly
    /// the same age every time, which the variance alone cannot tell from agents that have learned to live.
    pub mean_gate: f64,
    /// What the weight is multiplied by each time that it falls.
    pub decay: f64,
}

impl Default for AnnealingConfig {
    fn default() -> Self {
        Self {
            initial_weight: 1.0,
            minimum_weight: 0.0,
            window: 100,
            variance_threshold: 100.0,
            mean_gate: 50.0,
            decay: 0.99,
        }
    }
}

impl AnnealingConfig {
    /// Checks that every setting makes sense.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let weight = |value: f64| value >= 0.0 && value.is_finite();
        let Self { initial_weight, minimum_weight, window, variance_threshold, mean_gate, decay } = *self;
        check(weight(initial_weight), "annealing.initial_weight", initial_weight, NOT_NEGATIVE)?;
        check(
            weight(minimum_weight) && minimum_weight <= initial_weight,
            "annealing.minimum_weight",
            minimum_weight,
            "0 to the initial weight",
        )?;
        // Of a single number there is no unbiased variance.
        check(window >= 2, "annealing.window", window, "at least 2")?;
        check(
            variance_threshold > 0.0 && variance_threshold.is_finite(),
            "annealing.variance_threshold",
            variance_threshold,
            POSITIVE,
        )?;
        check(weight(mean_gate), "annealing.mean_gate", mean_gate, NOT_NEGATIVE)?;
        check(decay > 0.0 && decay <= 1.0, "annealing.decay", decay, "a number above 0, at most 1")
    }
}

const NOT_NEGATIVE: &str = "0 or more";

/// The weight of the intrinsic reward, and the survival that it follows.
///
/// At the end of each episode its length joins the window. If the window is full, the variance in it below
/// the threshold and the mean above the gate, the weight is multiplied by the decay, down to its minimum:
/// once for each such episode, as long as they go on.
///
/// What the reference means by it and does not do:
///
/// - The weight is applied once. There, novelty is multiplied by it when it is stored and again when it is
///   sampled, so a weight of 0.1 leaves 0.01. Here novelty is stored as it was found, and the replay applies
///   the weight of the moment when it is sampled.
/// - Every episode counts once, with its own length. There, an agent that has died goes on being stepped and
///   adds an episode of one step each time, so that the window holds nothing else; and a truncated episode is
///   counted together with the next one.
/// - Every agent's episodes count, truncated ones too, and in the order in which they end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAnnealing {
    config: AnnealingConfig,
    weight: f64,
    /// The lengths of the last finished episodes, at most `window` of them.
    survival: VecDeque<u64>,
}

/// What made the weight fall, and from where to where.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightChange {
    /// The weight before.
    pub from: f64,
    /// The weight from now on.
    pub to: f64,
    /// Mean survival over the window, in steps.
    pub mean: f64,
    /// The unbiased variance of survival over the window, in steps².
    pub variance: f64,
}

impl AdaptiveAnnealing {
    /// A weight that has not fallen yet.
    ///
    /// # Errors
    ///
    /// Where a setting makes no sense.
    pub fn new(config: AnnealingConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self { config, weight: config.initial_weight, survival: VecDeque::new() })
    }

    /// Checks that a saved state can stand in the place of `fresh`, in a run that has made so many steps in each
    /// environment.
    pub(crate) fn check(&self, fresh: &Self, rounds: u64) -> Result<(), StateFault> {
        StateFault::same("config", &self.config, &fresh.config)?;
        let AnnealingConfig { minimum_weight, initial_weight, .. } = self.config;
        StateFault::ensure(
            (minimum_weight..=initial_weight).contains(&self.weight),
            "weight",
            self.weight,
            format_args!("{minimum_weight} to {initial_weight}"),
        )?;
        let (len, most) = (self.survival.len(), self.window());
        StateFault::ensure(
            len <= most,
            "survival",
            format_args!("a list of {len}"),
            format_args!("at most {most}"),
        )?;
        let expected = format!("1 to {rounds} steps");
        StateFault::each(
            "survival",
            self.survival.iter().copied(),
            |length| (1..=rounds).contains(&length),
            &expected,
        )
    }

    /// What the intrinsic reward is multiplied by now.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Takes in a finished episode of `length` steps, of any agent. Says what happened where the weight
    /// falls.
    pub fn on_episode_end(&mut self, length: u64) -> Option<WeightChange> {
        self.survival.push_back(length);
        while self.survival.len() > self.window() {
            self.survival.pop_front();
        }
        let (mean, variance) = self.survival_moments()?;
        if variance >= self.config.variance_threshold || mean <= self.config.mean_gate {
            return None;
        }
        let from = self.weight;
        self.weight = (from * self.config.decay).max(self.config.minimum_weight);
        (self.weight < from).then_some(WeightChange { from, to: self.weight, mean, variance })
    }

    /// Mean and unbiased variance of survival over the window; none until it is full.
    pub fn survival_moments(&self) -> Option<(f64, f64)> {
        let count = self.survival.len();
        if count < self.window() {
            return None;
        }
        let mean = self.survival.iter().sum::<u64>() as f64 / count as f64;
        let squares: f64 = self.survival.iter().map(|&length| (length as f64 - mean).powi(2)).sum();
        Some((mean, squares / (count - 1) as f64))
    }

    /// The settings' window, also where a damaged file says otherwise: of less than two there is no variance.
    fn window(&self) -> usize {
        self.config.window.max(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annealing(config: AnnealingConfig) -> AdaptiveAnnealing {
        AdaptiveAnnealing::new(config).unwrap()
    }

    fn short() -> AnnealingConfig {
        AnnealingConfig { window: 3, variance_threshold: 5.0, decay: 0.5, ..AnnealingConfig::default() }
    }

    /// The weight after each of these episodes.
    fn weights(annealing: &mut AdaptiveAnnealing, lengths: &[u64]) -> Vec<f64> {
        let after = |&length: &u64| {
            annealing.on_episode_end(length);
            annealing.weight()
        };
        lengths.iter().map(after).collect()
    }

    #[test]
    fn a_steady_window_lowers_the_weight_and_says_why() {
        let mut annealing = annealing(short());
        assert_eq!(annealing.on_episode_end(60), None);
        assert_eq!(annealing.on_episode_end(62), None, "the window is not full");
        // Mean 62; squares 4 + 0 + 4, over 3 - 1.
        let change = WeightChange { from: 1.0, to: 0.5, mean: 62.0, variance: 4.0 };
        assert_eq!(annealing.on_episode_end(64), Some(change));
    }

    #[test]
    fn the_variance_is_the_unbiased_one() {
        // 4 over all but one, 8/3 over all.
        let mut annealing = annealing(AnnealingConfig { variance_threshold: 3.5, ..short() });
        assert_eq!(weights(&mut annealing, &[60, 62, 64]), [1.0; 3]);
        assert_eq!(annealing.survival_moments(), Some((62.0, 4.0)));
    }

    #[test]
    fn both_limits_are_outside() {
        let mut varied = annealing(AnnealingConfig { variance_threshold: 4.0, ..short() });
        assert_eq!(weights(&mut varied, &[60, 62, 64]), [1.0; 3], "a variance of exactly the threshold");
        let mut young = annealing(short());
        assert_eq!(weights(&mut young, &[50, 50, 50]), [1.0; 3], "a mean of exactly the gate");
        assert_eq!(weights(&mut young, &[52]), [0.5]);
    }

    #[test]
    fn the_weight_falls_once_for_each_episode_of_a_streak() {
        let mut annealing = annealing(short());
        let found = weights(&mut annealing, &[90, 90, 90, 90, 90, 300, 90, 90, 90]);
        // The outlier is in the window of three episodes, its own among them.
        assert_eq!(found, [1.0, 1.0, 0.5, 0.25, 0.125, 0.125, 0.125, 0.125, 0.0625]);
    }

    #[test]
    fn the_weight_stops_at_its_minimum_without_a_word() {
        let mut annealing = annealing(AnnealingConfig { minimum_weight: 0.3, ..short() });
        assert_eq!(weights(&mut annealing, &[90; 6]), [1.0, 1.0, 0.5, 0.3, 0.3, 0.3]);
        assert_eq!(annealing.on_episode_end(90), None);
    }

    /// Random agents in the town live 101 steps with a standard deviation of 38.
    #[test]
    fn agents_that_act_at_random_keep_the_whole_reward() {
        let mut annealing = annealing(AnnealingConfig::default());
        let lengths: Vec<u64> = (0..1_000).map(|episode| 101 + 76 * (episode % 2) - 38).collect();
        assert_eq!(weights(&mut annealing, &lengths), vec![1.0; 1_000]);
        let (mean, variance) = annealing.survival_moments().unwrap();
        assert!(mean == 101.0 && variance > 1_444.0, "{mean} {variance}");
    }

    #[test]
    fn a_gate_above_a_plateau_keeps_the_whole_reward_on_it() {
        let plateau = [333; 200];
        let lured = AnnealingConfig { mean_gate: 340.0, ..AnnealingConfig::default() };
        assert_eq!(weights(&mut annealing(lured), &plateau), [1.0; 200]);
        let mut forgotten = annealing(AnnealingConfig::default());
        assert!(weights(&mut forgotten, &plateau)[199] < 0.4, "the default gate takes a plateau for success");
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_by_name() {
        let fault = |config: AnnealingConfig| config.validate().unwrap_err().key;
        let base = AnnealingConfig::default;
        assert_eq!(fault(AnnealingConfig { window: 1, ..base() }), "annealing.window");
        assert_eq!(fault(AnnealingConfig { decay: 0.0, ..base() }), "annealing.decay");
        assert_eq!(fault(AnnealingConfig { decay: 1.1, ..base() }), "annealing.decay");
        let above = AnnealingConfig { minimum_weight: 2.0, ..base() };
        assert_eq!(fault(above), "annealing.minimum_weight");
        let negative = AnnealingConfig { initial_weight: -1.0, ..base() };
        assert_eq!(fault(negative), "annealing.initial_weight");
        let still = AnnealingConfig { variance_threshold: f64::NAN, ..base() };
        assert_eq!(fault(still), "annealing.variance_threshold");
        let endless = AnnealingConfig { mean_gate: f64::INFINITY, ..base() };
        assert_eq!(fault(endless), "annealing.mean_gate");
        assert!(AdaptiveAnnealing::new(AnnealingConfig { window: 0, ..base() }).is_err());
        base().validate().unwrap();
    }

    #[test]
    fn its_state_can_be_stored() {
        fn is_stored<T: Serialize + for<'de> Deserialize<'de>>(_: &T) {}
        is_stored(&annealing(AnnealingConfig::default()));
    }
}
