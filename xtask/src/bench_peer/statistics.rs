//! What the rounds of a race come to.

use anyhow::{Result, ensure};
use serde::Serialize;

use super::protocol::Timing;

/// The rounds of one piece of work, one entry of both sides for each.
#[derive(Debug, Default, Serialize)]
pub(super) struct Race {
    townlet: Vec<Timing>,
    pytorch: Vec<Timing>,
}

/// The figures of a race. Ratios are Townlet : PyTorch, so Townlet is the faster one below 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    pub(super) townlet_ms: f64,
    pub(super) pytorch_ms: f64,
    /// The ratio of the two medians above.
    pub(super) ratio: f64,
    /// The lowest ratio of a single round.
    pub(super) lowest: f64,
    /// The highest.
    pub(super) highest: f64,
}

impl Race {
    /// Adds a round.
    ///
    /// # Errors
    ///
    /// Where a time is not a positive number, so that there is no ratio.
    pub(super) fn add(&mut self, townlet: Timing, pytorch: Timing) -> Result<()> {
        for Timing { median_ms, .. } in [&townlet, &pytorch] {
            ensure!(*median_ms > 0.0 && median_ms.is_finite(), "measured {median_ms} ms");
        }
        self.townlet.push(townlet);
        self.pytorch.push(pytorch);
        Ok(())
    }

    /// What the rounds come to; nothing, where there were none.
    pub(super) fn figures(&self) -> Option<Figures> {
        let townlet_ms = median(self.townlet.iter().map(|timing| timing.median_ms))?;
        let pytorch_ms = median(self.pytorch.iter().map(|timing| timing.median_ms))?;
        let rounds = self.townlet.iter().zip(&self.pytorch);
        let ratios: Vec<f64> =
            rounds.map(|(townlet, pytorch)| townlet.median_ms / pytorch.median_ms).collect();
        Some(Figures {
            townlet_ms,
            pytorch_ms,
            ratio: townlet_ms / pytorch_ms,
            lowest: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            highest: ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// The middle value, or the mean of the middle two; nothing, where there are no values.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        Some(f64::midpoint(*values.get(middle.checked_sub(1)?)?, values[middle]))
    } else {
        Some(values[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(median_ms: f64) -> Timing {
        Timing { median_ms, repetitions: 10, parameters: 3, form: None }
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_middle_two() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 100.0]), Some(3.0));
        assert_eq!(median([5.0]), Some(5.0));
        assert_eq!(median([]), None);
    }

    #[test]
    fn the_ratio_is_that_of_the_medians_and_the_spread_that_of_the_rounds() {
        let mut race = Race::default();
        for (townlet, pytorch) in [(2.0, 1.0), (3.0, 2.0), (10.0, 2.0)] {
            race.add(timing(townlet), timing(pytorch)).unwrap();
        }
        // Single rounds: 2, 1.5 and 5. The median of these, 2, is not the ratio.
        let figures = Figures { townlet_ms: 3.0, pytorch_ms: 2.0, ratio: 1.5, lowest: 1.5, highest: 5.0 };
        assert_eq!(race.figures(), Some(figures));
        assert_eq!(Race::default().figures(), None);
    }

    #[test]
    fn a_time_without_a_ratio_is_refused() {
        for time in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Race::default().add(timing(1.0), timing(time)).is_err(), "{time}");
            assert!(Race::default().add(timing(time), timing(1.0)).is_err(), "{time}");
        }
    }
}
