//! How undecided the policy is that a curriculum judges.

use super::Curriculum;
use crate::config::DrqnConfig;
use crate::rescale::rescale_inverse;

/// How undecided a policy is that takes actions with probabilities softmax(values / `temperature`): 0 where
/// one action is certain, 1 where all allowed ones are equally likely.
///
/// The temperature is in the units of the values: where rewards are scaled down before learning, so are the
/// values, and at a temperature of 1 every policy looks undecided.
///
/// # Shapes
///
/// - `values` and `mask`: `[num_actions]`
pub fn policy_entropy(values: &[f32], mask: &[bool], temperature: f64) -> f64 {
    let allowed = || values.iter().zip(mask).filter(|(_, allowed)| **allowed).map(|(value, _)| *value);
    let count = allowed().count();
    if count < 2 {
        return 0.0;
    }
    let best = allowed().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = allowed().map(|value| (f64::from(value - best) / temperature).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let entropy: f64 = weights
        .iter()
        .map(|weight| weight / sum)
        // What never happens adds nothing, though its logarithm is infinite.
        .map(|probability| if probability == 0.0 { 0.0 } else { -probability * probability.ln() })
        .sum();
    entropy / (count as f64).ln()
}

/// How undecided the policy was in each environment.
pub(crate) struct Entropies {
    /// What values of the network are divided by, after the inverse of rescaling where they are rescaled.
    temperature: f64,
    rescaled: bool,
    /// Of the step made last, `[num_envs]`.
    of_step: Vec<f64>,
}

impl Entropies {
    /// Those of a curriculum that asks for them.
    pub(crate) fn of(curriculum: Option<&Curriculum>, config: &DrqnConfig) -> Option<Self> {
        let Some(Curriculum::Adversarial(curriculum)) = curriculum else { return None };
        // The network values scaled rewards, the temperature is one of the world's.
        let temperature = curriculum.temperature() * f64::from(config.reward_scale);
        Some(Self { temperature, rescaled: config.value_rescaling, of_step: Vec::new() })
    }

    /// `values` and `masks` are `[num_envs, num_actions]`.
    pub(crate) fn measure(&mut self, values: &[f32], masks: &[bool], num_actions: usize) {
        let unscaled: Vec<f32>;
        let values = if self.rescaled {
            unscaled = values.iter().map(|&value| rescale_inverse(f64::from(value)) as f32).collect();
            &unscaled
        } else {
            values
        };
        let rows = values.chunks_exact(num_actions).zip(masks.chunks_exact(num_actions));
        self.of_step.clear();
        self.of_step.extend(rows.map(|(values, mask)| policy_entropy(values, mask, self.temperature)));
    }

    /// Of the step measured last, `[num_envs]`.
    pub(crate) fn of_step(&self) -> &[f64] {
        &self.of_step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_zero_when_decided_and_one_when_not() {
        let all = [true; 4];
        assert!((policy_entropy(&[2.0; 4], &all, 1.0) - 1.0).abs() < 1e-12);
        assert!(policy_entropy(&[100.0, 0.0, 0.0, 0.0], &all, 1.0) < 1e-12);
        // Two allowed actions with odds of 3 to 1: ¾ ln 4/3 + ¼ ln 4, over ln 2.
        let values = [3.0_f32.ln(), 50.0, 0.0, -7.0];
        let expected = (0.75 * (4.0_f64 / 3.0).ln() + 0.25 * 4.0_f64.ln()) / 2.0_f64.ln();
        let found = policy_entropy(&values, &[true, false, true, false], 1.0);
        assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
    }

    #[test]
    fn entropy_does_not_depend_on_an_offset_but_on_the_scale() {
        let values = [1.0, 2.0, 4.0];
        let entropy = |offset: f32, scale: f32, temperature| {
            policy_entropy(&values.map(|value| offset + scale * value), &[true; 3], temperature)
        };
        assert!((entropy(0.0, 1.0, 1.0) - entropy(512.0, 1.0, 1.0)).abs() < 1e-6);
        assert!(entropy(0.0, 0.01, 1.0) > 0.99, "values of scaled rewards look undecided");
        assert!((entropy(0.0, 0.01, 0.01) - entropy(0.0, 1.0, 1.0)).abs() < 1e-5);
    }

    #[test]
    fn a_single_action_leaves_nothing_undecided() {
        assert_eq!(policy_entropy(&[1.0, 2.0], &[false, true], 1.0), 0.0);
        assert_eq!(policy_entropy(&[1.0, 2.0], &[false, false], 1.0), 0.0);
        assert_eq!(policy_entropy(&[], &[], 1.0), 0.0);
    }
}
