//! How long can one bit be remembered?

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Outcome, Probe};
use crate::Action;

/// bsuite's `memory_len`: a bit is shown at the start and asked for `length` steps later.
///
/// Osband et al., *Behaviour Suite for Reinforcement Learning* (2020), experiment `memory_len`, environment
/// `memory_chain` with one bit. Every detail follows the published code, this one included: an observation
/// is built before the clock advances, so the bit is seen **twice** and an episode of length `n` has
/// **n + 1 steps**. With `length` 1 the bit is still in view when it is asked for.
///
/// | Feature | Holds |
/// |---|---|
/// | 0 | the time left, `1 - time / length` |
/// | 1 | which bit is asked for, at the last choice; with a single bit always 0 |
/// | 2 | the bit, −1 or +1, at time 0; 0 afterwards |
///
/// Two actions: 0 answers −1, 1 answers +1. Only the last step pays: +1 for the right answer, −1 for the
/// wrong one. It is scored by [`MemoryScore`](super::MemoryScore).
///
/// ```
/// use townlet_env::VectorEnv;
/// use townlet_env::probes::{MemoryLength, ProbeEnv};
///
/// let mut env = ProbeEnv::new(MemoryLength::new(2), 1);
/// env.reset(3);
/// let bit = env.observations()[2];
/// assert_eq!(env.step(&[0])?.observations, [1.0, 0.0, bit]);
/// assert_eq!(env.step(&[0])?.observations, [0.5, 0.0, 0.0]);
/// let end = env.step(&[u8::from(bit > 0.0)])?;
/// assert_eq!((end.rewards[0], end.terminated[0]), (1.0, true));
/// # Ok::<(), townlet_env::StepError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryLength {
    length: u32,
}

/// One episode of [`MemoryLength`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryLengthEpisode {
    bit: bool,
    steps: u32,
}

impl MemoryLength {
    /// The lengths that make up the experiment.
    pub const LENGTHS: [u32; 23] =
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100];

    /// The task with the given length.
    ///
    /// # Panics
    ///
    /// Where `length` is 0.
    pub const fn new(length: u32) -> Self {
        assert!(length > 0, "the length of a memory task is at least 1");
        Self { length }
    }

    /// How long the bit has to be remembered.
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// How many steps every episode has, `length + 1`.
    pub const fn episode_steps(&self) -> u32 {
        self.length + 1
    }
}

impl MemoryLengthEpisode {
    /// The time that the current observation shows: it stays 0 for the first two.
    const fn shown_time(self) -> u32 {
        self.steps.saturating_sub(1)
    }
}

impl Probe for MemoryLength {
    type Episode = MemoryLengthEpisode;
    const NAME: &'static str = "memory-length";

    fn num_actions(&self) -> usize {
        2
    }

    fn num_features(&self) -> usize {
        3
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> MemoryLengthEpisode {
        MemoryLengthEpisode { bit: rng.random(), steps: 0 }
    }

    fn observe(&self, episode: &MemoryLengthEpisode, observation: &mut [f32]) {
        let time = episode.shown_time();
        observation[0] = (1.0 - f64::from(time) / f64::from(self.length)) as f32;
        if time == 0 {
            observation[2] = if episode.bit { 1.0 } else { -1.0 };
        }
    }

    fn step(&self, episode: &mut MemoryLengthEpisode, action: Action) -> Outcome {
        episode.steps += 1;
        if episode.steps < self.episode_steps() {
            Outcome::ongoing(0.0)
        } else if (action == 1) == episode.bit {
            Outcome::terminated(1.0)
        } else {
            Outcome::terminated(-1.0)
        }
    }

    fn is_possible(&self, episode: &MemoryLengthEpisode) -> bool {
        episode.steps < self.episode_steps()
    }

    fn optimal_return(&self) -> f32 {
        1.0
    }

    fn memoryless_return(&self) -> f32 {
        if self.length == 1 { 1.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::testing::{check_contract, mean_return_over_starts, play};

    #[test]
    fn keeps_the_contract() {
        for length in [1, 2, 5] {
            check_contract(MemoryLength::new(length));
        }
    }

    #[test]
    fn remembering_the_bit_always_pays_one() {
        for length in MemoryLength::LENGTHS {
            let probe = MemoryLength::new(length);
            for episode in play(probe, 20, |history| u8::from(history[0][2] > 0.0)) {
                assert_eq!(episode.total(), probe.optimal_return(), "length {length}");
                assert_eq!(episode.rewards.len(), length as usize + 1);
                assert!(episode.terminated);
            }
        }
    }

    #[test]
    fn without_memory_only_length_one_can_be_solved() {
        for length in MemoryLength::LENGTHS {
            let probe = MemoryLength::new(length);
            // Answers what is in view, and otherwise the same each time.
            let mean =
                mean_return_over_starts(probe, |history| u8::from(history[history.len() - 1][2] >= 0.0));
            assert_eq!(mean, probe.memoryless_return(), "length {length}");
        }
    }

    #[test]
    fn the_bit_is_seen_twice_and_time_runs_out() {
        let [episode] = &play(MemoryLength::new(4), 1, |_| 0)[..] else { panic!("one episode") };
        let bit = episode.observations[0][2];
        let time: Vec<f32> = episode.observations.iter().map(|seen| seen[0]).collect();
        let bits: Vec<f32> = episode.observations.iter().map(|seen| seen[2]).collect();
        assert_eq!(time, [1.0, 1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!(bits, [bit, bit, 0.0, 0.0, 0.0, 0.0]);
    }
}
