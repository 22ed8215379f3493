//! Running mean and variance, and what random network distillation normalises by them.
//!
//! Novelty is the error of a prediction, so its size depends on that of the observations and on how long the
//! predictor has trained. Burda et al. 2018 (section 2.4) therefore whiten observations, and divide novelty
//! by the standard deviation of its discounted sum.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config_error::{ConfigError, check};
use crate::state_fault::StateFault;

/// Why something was not taken in.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum MomentsError {
    /// A number of features that does not make whole observations.
    #[error("expected observations of {expected} features each, found {found} features")]
    NumFeatures {
        /// The number of features of an observation.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// A number of rewards other than that of the environments.
    #[error("expected one reward for each of the {expected} environments, found {found}")]
    NumRewards {
        /// The number of environments.
        expected: usize,
        /// How many rewards there were.
        found: usize,
    },
    /// A number that would make every later mean and variance useless.
    #[error("entry {index} is {found}; expected a finite number")]
    NotFinite {
        /// Its place in what was given.
        index: usize,
        /// What it is.
        found: f32,
    },
    /// Stored means and squares of different lengths.
    #[error("{means} means are stored beside {squares} sums of squares; expected as many of both")]
    Lengths {
        /// The number of means.
        means: usize,
        /// The number of sums of squares.
        squares: usize,
    },
}

/// The first entry that is not a finite number.
fn check_finite(values: &[f32]) -> Result<(), MomentsError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(MomentsError::NotFinite { index, found: values[index] }),
        None => Ok(()),
    }
}

/// One step of Welford's algorithm (Welford 1962): the `count`-th number moves mean and sum of squares.
///
/// Unlike a sum of squares less the square of a sum, it loses no digits where the mean is large.
fn welford(mean: &mut f64, squares: &mut f64, count: u64, value: f64) {
    let before = value - *mean;
    *mean += before / count as f64;
    *squares += before * (value - *mean);
}

/// Mean and variance of all numbers seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningMoments {
    count: u64,
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
}

impl RunningMoments {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a number.
    ///
    /// # Errors
    ///
    /// Where it is not finite. Nothing has changed then.
    pub fn push(&mut self, value: f32) -> Result<(), MomentsError> {
        check_finite(&[value])?;
        self.take_in(f64::from(value));
        Ok(())
    }

    fn take_in(&mut self, value: f64) {
        self.count += 1;
        welford(&mut self.mean, &mut self.squares, self.count, value);
    }

    /// Checks that a saved state can be that of a run in which at most so many numbers were seen.
    fn check(&self, most: u64) -> Result<(), StateFault> {
        check_moments(self.count, [self.mean], [self.squares], most)
    }

    /// How many numbers were seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; 0 of none.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Their variance, over all of them (not all but one); 0 of none.
    pub fn variance(&self) -> f64 {
        variance(self.squares, self.count)
    }

    /// The root of the variance.
    pub fn standard_deviation(&self) -> f64 {
        self.variance().sqrt()
    }
}

/// Checks saved moments of at most so many numbers.
fn check_moments(
    count: u64,
    means: impl IntoIterator<Item = f64>,
    squares: impl IntoIterator<Item = f64>,
    most: u64,
) -> Result<(), StateFault> {
    StateFault::ensure(count <= most, "count", count, format_args!("at most {most}"))?;
    let (nothing, expected) = (count == 0, if count == 0 { "0, of nothing" } else { "a finite number" });
    let mean = |mean: f64| mean.is_finite() && !(nothing && mean != 0.0);
    StateFault::each("means", means, mean, expected)?;
    let expected = if nothing { "0, of nothing" } else { "a finite number, 0 or more" };
    // Rounding may leave a hair below 0.
    let square = |sum: f64| sum.is_finite() && sum > -1e-6 && !(nothing && sum != 0.0);
    StateFault::each("squares", squares, square, expected)
}

fn variance(squares: f64, count: u64) -> f64 {
    // Rounding may leave a sum of squares a hair below 0.
    if count == 0 { 0.0 } else { squares.max(0.0) / count as f64 }
}

/// Mean and variance of each feature of all observations seen so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredObservationMoments")]
pub struct ObservationMoments {
    count: u64,
    /// `[features]`
    means: Vec<f64>,
    /// The sums of the squared distances from the means, `[features]`.
    squares: Vec<f64>,
}

/// What a file says an [`ObservationMoments`] is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredObservationMoments {
    count: u64,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl TryFrom<StoredObservationMoments> for ObservationMoments {
    type Error = MomentsError;

    fn try_from(stored: StoredObservationMoments) -> Result<Self, MomentsError> {
        let StoredObservationMoments { count, means, squares } = stored;
        if means.len() == squares.len() {
            Ok(Self { count, means, squares })
        } else {
            Err(MomentsError::Lengths { means: means.len(), squares: squares.len() })
        }
    }
}

impl ObservationMoments {
    /// How far from its mean a whitened feature goes at most, in standard deviations (Burda et al. 2018,
    /// section 2.4).
    pub const CLIP: f32 = 5.0;

    /// Of no observation yet, for observations of `num_features` features.
    pub fn new(num_features: usize) -> Self {
        Self { count: 0, means: vec![0.0; num_features], squares: vec![0.0; num_features] }
    }

    /// Checks that a saved state can be that of a run whose observations have so many features, and in which at
    /// most so many were seen.
    pub(crate) fn check(&self, num_features: usize, most: u64) -> Result<(), StateFault> {
        StateFault::length("means", self.means.len(), num_features)?;
        StateFault::length("squares", self.squares.len(), num_features)?;
        check_moments(self.count, self.means.iter().copied(), self.squares.iter().copied(), most)
    }

    /// The number of features of an observation.
    pub fn num_features(&self) -> usize {
        self.means.len()
    }

    /// How many observations were seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean of each feature, `[features]`.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The variance of each feature over all observations (not all but one).
    pub fn variances(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.squares.iter().map(|&squares| variance(squares, self.count))
    }

    /// Takes in observations, `[rows, features]`.
    ///
    /// # Errors
    ///
    /// Where they are not whole observations or hold a number that is not finite. Nothing has changed then.
    pub fn push(&mut self, observations: &[f32]) -> Result<(), MomentsError> {
        self.check_shape(observations)?;
        check_finite(observations)?;
        if observations.is_empty() {
            return Ok(());
        }
        for row in observations.chunks_exact(self.num_features()) {
            self.count += 1;
            for ((mean, squares), &value) in self.means.iter_mut().zip(&mut self.squares).zip(row) {
                welford(mean, squares, self.count, f64::from(value));
            }
        }
        Ok(())
    }

    /// Whitens observations in their place, `[rows, features]`: each feature less its mean, over its standard
    /// deviation, cut off at ±[`CLIP`](Self::CLIP).
    ///
    /// A feature that has never changed is 0, and at the limit as soon as it does. Before anything was seen,
    /// features are only cut off.
    ///
    /// # Errors
    ///
    /// Where they are not whole observations. Nothing has changed then.
    pub fn whiten(&self, observations: &mut [f32]) -> Result<(), MomentsError> {
        self.check_shape(observations)?;
        if observations.is_empty() {
            return Ok(());
        }
        let deviations: Vec<f64> = if self.count == 0 {
            vec![1.0; self.num_features()]
        } else {
            self.variances().map(|variance| variance.sqrt().max(SMALLEST_DEVIATION)).collect()
        };
        for row in observations.chunks_exact_mut(self.num_features()) {
            for ((value, mean), deviation) in row.iter_mut().zip(&self.means).zip(&deviations) {
                let whitened = (f64::from(*value) - mean) / deviation;
                *value = (whitened as f32).clamp(-Self::CLIP, Self::CLIP);
            }
        }
        Ok(())
    }

    fn check_shape(&self, observations: &[f32]) -> Result<(), MomentsError> {
        let (expected, found) = (self.num_features(), observations.len());
        let whole = if expected == 0 { found == 0 } else { found.is_multiple_of(expected) };
        if whole { Ok(()) } else { Err(MomentsError::NumFeatures { expected, found }) }
    }
}

/// Nothing is divided by less, so that nothing is divided by 0.
const SMALLEST_DEVIATION: f64 = 1e-8;

/// Divides intrinsic rewards by the standard deviation of their discounted sum, so that they are of the same
/// size in every world and all through training (Burda et al. 2018, section 2.4).
///
/// The sum of each environment is R ← γ R + r, and does not start again with an episode: what is new is new
/// over the whole run (section 2.3). Rewards are not centred: the sum's mean plays no part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntrinsicNormaliser {
    discount: f64,
    /// `[num_envs]`
    sums: Vec<f64>,
    moments: RunningMoments,
}

impl IntrinsicNormaliser {
    /// For `num_envs` environments that have earned nothing yet. `discount` is γ of the intrinsic rewards.
    ///
    /// # Errors
    ///
    /// Where `discount` is not between 0 and 1.
    pub fn new(discount: f64, num_envs: usize) -> Result<Self, ConfigError> {
        check((0.0..1.0).contains(&discount), "intrinsic.discount", discount, "0 to below 1")?;
        Ok(Self { discount, sums: vec![0.0; num_envs], moments: RunningMoments::new() })
    }

    /// Checks that a saved state can stand in the place of `fresh`, that of a run that has made at most so many
    /// steps over all environments.
    pub(crate) fn check(&self, fresh: &Self, most: u64) -> Result<(), StateFault> {
        StateFault::same("discount", &self.discount, &fresh.discount)?;
        StateFault::length("sums", self.sums.len(), fresh.sums.len())?;
        StateFault::finite("sums", self.sums.iter().copied())?;
        self.moments.check(most).map_err(|fault| fault.of("moments"))
    }

    /// Takes in what one step of every environment found, and normalises it in its place, `[num_envs]`.
    ///
    /// As long as the sums have not differed, rewards are left as they are.
    ///
    /// # Errors
    ///
    /// Where there is not one finite reward for each environment. Nothing has changed then.
    pub fn normalise(&mut self, rewards: &mut [f32]) -> Result<(), MomentsError> {
        let (expected, found) = (self.sums.len(), rewards.len());
        if found != expected {
            return Err(MomentsError::NumRewards { expected, found });
        }
        check_finite(rewards)?;
        for (sum, &reward) in self.sums.iter_mut().zip(&*rewards) {
            *sum = self.discount * *sum + f64::from(reward);
            self.moments.take_in(*sum);
        }
        let deviation = self.deviation();
        for reward in rewards {
            *reward = (f64::from(*reward) / deviation) as f32;
        }
        Ok(())
    }

    /// What rewards are divided by now.
    pub fn deviation(&self) -> f64 {
        let deviation = self.moments.standard_deviation();
        if deviation > SMALLEST_DEVIATION { deviation } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> RunningMoments {
        let mut moments = RunningMoments::new();
        for &value in values {
            moments.push(value).unwrap();
        }
        moments
    }

    #[test]
    fn mean_and_variance_are_those_of_all_numbers() {
        let moments = of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((moments.count(), moments.mean()), (8, 5.0));
        assert!((moments.variance() - 4.0).abs() < 1e-12);
        assert!((moments.standard_deviation() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_and_one_number_have_no_variance() {
        assert_eq!((RunningMoments::new().mean(), RunningMoments::new().variance()), (0.0, 0.0));
        assert_eq!((of(&[3.0]).mean(), of(&[3.0]).variance()), (3.0, 0.0));
    }

    #[test]
    fn no_digits_are_lost_far_from_zero() {
        // 2^23 and a little: a sum of squares less the square of a sum would be off by far more than 1e-6.
        let far = 8_388_608.0_f32;
        let moments = of(&[far + 4.0, far + 7.0, far + 13.0, far + 16.0].repeat(1_000));
        assert!((moments.mean() - f64::from(far) - 10.0).abs() < 1e-6, "{moments:?}");
        assert!((moments.variance() - 22.5).abs() < 1e-6, "{moments:?}");
    }

    #[test]
    fn what_is_not_a_number_is_refused_and_changes_nothing() {
        let mut moments = of(&[1.0, 2.0]);
        let before = moments;
        assert!(matches!(moments.push(f32::NAN), Err(MomentsError::NotFinite { index: 0, .. })));
        assert!(moments.push(f32::INFINITY).is_err());
        assert_eq!(moments, before);

        let mut observations = ObservationMoments::new(2);
        let infinite = observations.push(&[1.0, 2.0, 3.0, f32::INFINITY]);
        assert_eq!(infinite, Err(MomentsError::NotFinite { index: 3, found: f32::INFINITY }));
        assert_eq!(observations, ObservationMoments::new(2));
    }

    #[test]
    fn every_feature_has_moments_of_its_own() {
        let mut moments = ObservationMoments::new(2);
        moments.push(&[1.0, 10.0, 3.0, 30.0]).unwrap();
        moments.push(&[5.0, 20.0]).unwrap();
        assert_eq!((moments.count(), moments.means()), (3, [3.0, 20.0].as_slice()));
        let variances: Vec<f64> = moments.variances().collect();
        assert!((variances[0] - 8.0 / 3.0).abs() < 1e-12 && (variances[1] - 200.0 / 3.0).abs() < 1e-12);
        assert_eq!(variances[0], of(&[1.0, 3.0, 5.0]).variance(), "the same as one by one");
    }

    #[test]
    fn whitened_observations_have_mean_0_and_variance_1() {
        let mut moments = ObservationMoments::new(2);
        let mut observations: Vec<f32> =
            (0..200_u8).map(|i| f32::from(i % 7) * 3.0 + f32::from(i % 2)).collect();
        moments.push(&observations).unwrap();
        moments.whiten(&mut observations).unwrap();
        let mut after = ObservationMoments::new(2);
        after.push(&observations).unwrap();
        assert!(after.means().iter().all(|mean| mean.abs() < 1e-6), "{after:?}");
        assert!(after.variances().all(|variance| (variance - 1.0).abs() < 1e-5), "{after:?}");
    }

    #[test]
    fn a_whitened_feature_is_cut_off_at_five() {
        let mut moments = ObservationMoments::new(2);
        moments.push(&[-1.0, 0.5, 1.0, 0.5]).unwrap();
        let mut seen = [9.0, 0.5, -9.0, 0.6, 2.0, 0.4];
        moments.whiten(&mut seen).unwrap();
        // The second feature has never changed: it is 0 where it still does not, and at the limit otherwise.
        assert_eq!(seen, [5.0, 0.0, -5.0, 5.0, 2.0, -5.0]);
        let mut unseen = [2.0, -7.0];
        ObservationMoments::new(2).whiten(&mut unseen).unwrap();
        assert_eq!(unseen, [2.0, -5.0]);
    }

    #[test]
    fn parts_of_observations_are_refused() {
        let mut moments = ObservationMoments::new(3);
        let fault = MomentsError::NumFeatures { expected: 3, found: 4 };
        assert_eq!(moments.push(&[0.0; 4]), Err(fault));
        assert_eq!(moments.whiten(&mut [0.0; 4]), Err(fault));
        assert_eq!(moments.push(&[]), Ok(()));
        assert_eq!(ObservationMoments::new(0).push(&[]), Ok(()));
        assert!(ObservationMoments::new(0).push(&[1.0]).is_err());
        assert_eq!(moments, ObservationMoments::new(3));
    }

    #[test]
    fn rewards_are_divided_by_the_deviation_of_their_discounted_sums() {
        let mut normaliser = IntrinsicNormaliser::new(0.5, 2).unwrap();
        let mut first = [2.0, 2.0];
        normaliser.normalise(&mut first).unwrap();
        assert_eq!(first, [2.0, 2.0], "equal sums have no deviation yet");
        let mut second = [3.0, 1.0];
        normaliser.normalise(&mut second).unwrap();
        // The sums are 2, 2, then 1 + 3 and 1 + 1: mean 2.5, squares 3 * 0.25 + 2.25, over four.
        let deviation = 0.75_f32.sqrt();
        assert!((normaliser.deviation() - f64::from(deviation)).abs() < 1e-6);
        assert!((second[0] - 3.0 / deviation).abs() < 1e-6 && (second[1] - 1.0 / deviation).abs() < 1e-6);
    }

    #[test]
    fn normalised_rewards_do_not_depend_on_the_size_of_novelty() {
        let run = |scale: f32| {
            let mut normaliser = IntrinsicNormaliser::new(0.99, 4).unwrap();
            let mut last = [0.0; 4];
            for step in 0..100_u16 {
                last = [0_u16, 1, 2, 3].map(|env| scale * (1.0 + f32::from((step * 3 + env * 5) % 11)));
                normaliser.normalise(&mut last).unwrap();
            }
            last
        };
        for (small, large) in run(1e-3).into_iter().zip(run(1e3)) {
            assert!((small - large).abs() < 1e-4 * large, "{small} {large}");
        }
    }

    #[test]
    fn a_normaliser_refuses_what_does_not_fit() {
        assert_eq!(IntrinsicNormaliser::new(1.0, 1).unwrap_err().key, "intrinsic.discount");
        assert!(IntrinsicNormaliser::new(f64::NAN, 1).is_err());
        let mut normaliser = IntrinsicNormaliser::new(0.9, 2).unwrap();
        let before = normaliser.clone();
        let fault = MomentsError::NumRewards { expected: 2, found: 1 };
        assert_eq!(normaliser.normalise(&mut [1.0]), Err(fault));
        assert!(normaliser.normalise(&mut [1.0, f32::NAN]).is_err());
        assert_eq!(normaliser, before);
    }

    #[test]
    fn stored_moments_go_on_and_damaged_ones_are_refused() {
        fn is_stored<T: Serialize + for<'de> Deserialize<'de>>(_: &T) {}

        let mut moments = ObservationMoments::new(2);
        moments.push(&[1.0, 2.0]).unwrap();
        is_stored(&moments);
        is_stored(&of(&[1.0]));
        is_stored(&IntrinsicNormaliser::new(0.9, 1).unwrap());
        let stored = StoredObservationMoments { count: 1, means: vec![1.0, 2.0], squares: vec![0.0; 2] };
        assert_eq!(ObservationMoments::try_from(stored), Ok(moments));
        let damaged = StoredObservationMoments { count: 1, means: vec![1.0, 2.0], squares: vec![0.0] };
        let fault = MomentsError::Lengths { means: 2, squares: 1 };
        assert_eq!(ObservationMoments::try_from(damaged), Err(fault));
    }
}
