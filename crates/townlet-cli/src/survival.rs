//! How long episodes last, in numbers.

use std::collections::VecDeque;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use townlet_drqn::StateFault;
use townlet_env::stream;

/// The lengths of the first and of the last episodes of a run that is still going on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SurvivalWindows {
    first: Vec<u64>,
    last: VecDeque<u64>,
}

impl SurvivalWindows {
    /// How many episodes each window holds at most.
    pub(crate) const LENGTH: usize = 100;

    /// Checks that windows that were saved can be those of a run with so many finished episodes, none of which is
    /// longer than `longest` steps.
    pub(crate) fn check(&self, episodes: u64, longest: u64) -> Result<(), StateFault> {
        let expected = usize::try_from(episodes).unwrap_or(usize::MAX).min(Self::LENGTH);
        let range = format!("1 to {longest} steps");
        StateFault::length("first", self.first.len(), expected)?;
        StateFault::length("last", self.last.len(), expected)?;
        let within = |length: u64| (1..=longest).contains(&length);
        StateFault::each("first", self.first.iter().copied(), within, &range)?;
        StateFault::each("last", self.last.iter().copied(), within, &range)
    }

    /// Takes in the next finished episode.
    pub(crate) fn push(&mut self, length: u64) {
        if self.first.len() < Self::LENGTH {
            self.first.push(length);
        }
        if self.last.len() == Self::LENGTH {
            self.last.pop_front();
        }
        self.last.push_back(length);
    }

    /// How many episodes the windows hold now.
    pub(crate) fn len(&self) -> usize {
        self.last.len()
    }

    /// The mean length of the first episodes, if there are any.
    pub(crate) fn first_mean(&self) -> Option<f64> {
        mean(self.first.iter().copied())
    }

    /// The mean length of the last episodes, if there are any.
    pub(crate) fn last_mean(&self) -> Option<f64> {
        mean(self.last.iter().copied())
    }
}

/// The mean; none of nothing.
pub(crate) fn mean(lengths: impl ExactSizeIterator<Item = u64>) -> Option<f64> {
    let count = lengths.len();
    (count > 0).then(|| lengths.sum::<u64>() as f64 / count as f64)
}

/// The middle one, or the mean of the two in the middle; none of nothing.
pub(crate) fn median(lengths: &[u64]) -> Option<f64> {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle] as f64),
        _ => mean(sorted[middle - 1..=middle].iter().copied()),
    }
}

/// The standard error of the mean, from the sample's own variance; none of fewer than two.
pub(crate) fn standard_error(lengths: &[u64]) -> Option<f64> {
    let count = lengths.len() as f64;
    let mean = mean(lengths.iter().copied()).filter(|_| lengths.len() > 1)?;
    let squares: f64 = lengths.iter().map(|&length| (length as f64 - mean).powi(2)).sum();
    Some((squares / (count - 1.0) / count).sqrt())
}

/// How often the mean of a sample is drawn again.
const RESAMPLES: u64 = 10_000;

/// Where the mean lies with a confidence of 95 %: the middle 95 % of the means of samples drawn from this one, with
/// replacement (Efron 1979, the percentile method); none of fewer than two. `seed` names the draws.
pub(crate) fn bootstrap_interval(lengths: &[u64], seed: u64) -> Option<[f64; 2]> {
    let count = lengths.len();
    if count < 2 {
        return None;
    }
    let mut rng = stream(seed, "bootstrap", 0, 0);
    let mut sums: Vec<u64> =
        (0..RESAMPLES).map(|_| (0..count).map(|_| lengths[rng.random_range(0..count)]).sum()).collect();
    sums.sort_unstable();
    let tail = RESAMPLES as usize / 40;
    Some([sums[tail], sums[sums.len() - 1 - tail]].map(|sum| sum as f64 / count as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_windows_keep_the_first_and_the_last() {
        let mut windows = SurvivalWindows::default();
        assert_eq!((windows.len(), windows.first_mean(), windows.last_mean()), (0, None, None));
        (1..=300).for_each(|length| windows.push(length));
        assert_eq!(windows.len(), 100);
        assert_eq!(windows.first_mean(), Some(50.5));
        assert_eq!(windows.last_mean(), Some(250.5));
    }

    #[test]
    fn the_bootstrap_agrees_with_the_normal_interval() {
        assert_eq!(bootstrap_interval(&[7], 0), None);
        assert_eq!(bootstrap_interval(&[7; 9], 0), Some([7.0, 7.0]));
        let lengths: Vec<u64> = (0..200).map(|i| 100 + i * 37 % 101).collect();
        let mean = mean(lengths.iter().copied()).unwrap();
        let reach = 1.96 * standard_error(&lengths).unwrap();
        let [low, high] = bootstrap_interval(&lengths, 3).unwrap();
        assert!((low - (mean - reach)).abs() < 0.3 && (high - (mean + reach)).abs() < 0.3, "{low} {high}");
    }

    #[test]
    fn the_middle_and_the_spread() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[5, 1, 3]), Some(3.0));
        assert_eq!(median(&[5, 1, 4, 2]), Some(3.0));
        assert_eq!(standard_error(&[7]), None);
        // Mean 3, sum of squares 8, variance 8 / 2, divided by the three.
        assert_eq!(standard_error(&[1, 3, 5]), Some((4.0_f64 / 3.0).sqrt()));
    }
}
