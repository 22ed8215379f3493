//! When does a memory task count as solved?

/// bsuite's score rule for [`MemoryLength`](super::MemoryLength): did the learner, while it learned, fail
/// clearly less often than chance?
///
/// An episode is perfect if its last step paid +1. Over the first [`EPISODES`](Self::EPISODES) episodes,
/// `regret ratio = (episodes - perfect) / (0.5 * episodes)`: 0 for a learner that never failed, 1 for
/// guessing. A length is solved below [`SOLVED_BELOW`](Self::SOLVED_BELOW); the score of a sweep is the
/// fraction of its lengths that are solved.
///
/// Osband et al., *Behaviour Suite for Reinforcement Learning* (2020), analysis of `memory_len`.
///
/// ```
/// use townlet_env::probes::MemoryScore;
///
/// let mut score = MemoryScore::default();
/// for episode in 0..1000 {
///     score.record(if episode % 4 == 0 { -1.0 } else { 1.0 });
/// }
/// assert_eq!(score.regret_ratio(), Some(0.5));
/// assert!(score.is_solved());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryScore {
    episodes: u64,
    perfect: u64,
}

impl MemoryScore {
    /// How many episodes count for one length.
    pub const EPISODES: u64 = 10_000;

    /// The regret ratio below which a length is solved.
    pub const SOLVED_BELOW: f64 = 0.75;

    /// Counts one more episode by the reward of its last step. Episodes after the last that counts do not.
    pub fn record(&mut self, last_reward: f32) {
        if self.episodes < Self::EPISODES {
            self.episodes += 1;
            self.perfect += u64::from(last_reward == 1.0);
        }
    }

    /// How many episodes were counted.
    pub fn episodes(&self) -> u64 {
        self.episodes
    }

    /// How many of them ended with the right answer.
    pub fn perfect(&self) -> u64 {
        self.perfect
    }

    /// The number of wrong answers, relative to guessing. `None` before the first episode.
    pub fn regret_ratio(&self) -> Option<f64> {
        let wrong = self.episodes - self.perfect;
        (self.episodes > 0).then(|| wrong as f64 / (0.5 * self.episodes as f64))
    }

    /// Whether the length counts as solved, by the episodes so far.
    pub fn is_solved(&self) -> bool {
        self.regret_ratio().is_some_and(|ratio| ratio < Self::SOLVED_BELOW)
    }

    /// The score of a sweep: the fraction of its lengths that are solved. 0 where there are none.
    pub fn of_sweep(lengths: &[Self]) -> f64 {
        let solved = lengths.iter().filter(|score| score.is_solved()).count();
        solved as f64 / lengths.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(right: u64, wrong: u64) -> MemoryScore {
        let mut score = MemoryScore::default();
        (0..right).for_each(|_| score.record(1.0));
        (0..wrong).for_each(|_| score.record(-1.0));
        score
    }

    #[test]
    fn guessing_has_ratio_one_and_never_failing_zero() {
        assert_eq!(score(50, 50).regret_ratio(), Some(1.0));
        assert_eq!(score(50, 0).regret_ratio(), Some(0.0));
        assert_eq!(score(0, 50).regret_ratio(), Some(2.0));
        assert_eq!(score(0, 0).regret_ratio(), None);
    }

    #[test]
    fn solved_is_strictly_below_three_quarters_of_chance() {
        assert!(!score(625, 375).is_solved());
        assert!(score(626, 374).is_solved());
        assert!(!score(0, 0).is_solved());
        assert_eq!(MemoryScore::of_sweep(&[score(9, 1), score(5, 5)]), 0.5);
        assert_eq!(MemoryScore::of_sweep(&[]), 0.0);
    }

    #[test]
    fn only_the_first_ten_thousand_episodes_count() {
        let late = score(10_000, 5_000);
        assert_eq!((late.episodes(), late.perfect()), (10_000, 10_000));
    }
}
