//! How long episodes last, in numbers.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The lengths of the first and of the last episodes of a run that is still going on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SurvivalWindows {
    first: Vec<u64>,
    last: VecDeque<u64>,
}

impl SurvivalWindows {
    /// How many episodes each window holds at most.
    pub(crate) const LENGTH: usize = 100;

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
    fn the_middle_and_the_spread() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[5, 1, 3]), Some(3.0));
        assert_eq!(median(&[5, 1, 4, 2]), Some(3.0));
        assert_eq!(standard_error(&[7]), None);
        // Mean 3, sum of squares 8, variance 8 / 2, divided by the three.
        assert_eq!(standard_error(&[1, 3, 5]), Some((4.0_f64 / 3.0).sqrt()));
    }
}
