//! How many steps of memory an agent is worth: those of the explorer that lives as long.

use std::fmt;

use serde::{Deserialize, Serialize};

/// For how many steps the explorers of the scale remember; after them comes the one that forgets nothing.
pub(crate) const HORIZONS: [u32; 10] = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256];

/// How long explorers live that remember for different numbers of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MemoryScale {
    /// The mean number of steps survived, by the number of steps remembered, the fewest first.
    pub(crate) explorers: Vec<(u32, f64)>,
    /// That of the explorer that forgets nothing.
    pub(crate) unforgetting: f64,
}

/// What an agent's memory is worth by a [`MemoryScale`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Worth {
    /// It lives shorter than the explorer that remembers nothing.
    Nothing,
    /// It lives as long as an explorer that remembers about so many steps.
    Steps(f64),
    /// It lives at least as long as the explorer that forgets nothing, which remembering so many steps is enough for.
    Everything(u32),
}

impl MemoryScale {
    /// What the memory of an agent is worth that survives so many steps in the mean.
    ///
    /// Between two explorers the number of steps is interpolated on a logarithmic scale. More memory is taken to be worth
    /// no less: an explorer that by chance lives shorter than one that remembers less counts as living as long.
    pub(crate) fn worth(&self, survival: f64) -> Worth {
        let mut before: Option<(u32, f64)> = None;
        for &(steps, lived) in &self.explorers {
            let lived = before.map_or(lived, |(_, before)| lived.max(before));
            if lived >= self.unforgetting && survival >= lived {
                return Worth::Everything(steps);
            }
            if survival < lived {
                let Some((fewer, shorter)) = before else { return Worth::Nothing };
                let share = (survival - shorter) / (lived - shorter);
                let (low, high) = (f64::from(fewer + 1).log2(), f64::from(steps + 1).log2());
                return Worth::Steps((low + share * (high - low)).exp2() - 1.0);
            }
            before = Some((steps, lived));
        }
        match before {
            Some((steps, lived)) if survival < self.unforgetting && lived < self.unforgetting => {
                Worth::Steps(f64::from(steps))
            }
            _ => Worth::Everything(self.explorers.last().map_or(0, |&(steps, _)| steps)),
        }
    }
}

impl fmt::Display for Worth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("lives shorter than an explorer that remembers nothing"),
            Self::Steps(steps) => {
                write!(f, "lives as long as an explorer that remembers for {steps:.0} steps")
            }
            Self::Everything(steps) => write!(
                f,
                "lives as long as an explorer that forgets nothing ({steps} steps of memory are enough for that)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale() -> MemoryScale {
        MemoryScale {
            explorers: vec![(0, 100.0), (1, 200.0), (3, 190.0), (7, 300.0), (15, 500.0)],
            unforgetting: 500.0,
        }
    }

    #[test]
    fn an_agent_is_worth_what_the_explorer_remembers_that_lives_as_long() {
        assert_eq!(scale().worth(99.0), Worth::Nothing);
        assert_eq!(scale().worth(100.0), Worth::Steps(0.0));
        assert_eq!(scale().worth(300.0), Worth::Steps(7.0));
        // Half of the way from 8 to 16 on a logarithmic scale.
        let Worth::Steps(steps) = scale().worth(400.0) else { panic!("between two explorers") };
        assert!((steps - (8.0 * 2.0_f64.sqrt() - 1.0)).abs() < 1e-9);
    }

    #[test]
    fn more_memory_is_never_worth_less() {
        // The explorer of 3 steps lives shorter than that of 1, by chance.
        assert_eq!(scale().worth(200.0), Worth::Steps(3.0));
    }

    #[test]
    fn whoever_lives_as_long_as_anybody_remembers_everything_that_matters() {
        assert_eq!(scale().worth(500.0), Worth::Everything(15));
        let never_enough = MemoryScale { explorers: vec![(0, 100.0), (1, 150.0)], unforgetting: 400.0 };
        assert_eq!(never_enough.worth(200.0), Worth::Steps(1.0));
        assert_eq!(never_enough.worth(450.0), Worth::Everything(1));
    }
}
