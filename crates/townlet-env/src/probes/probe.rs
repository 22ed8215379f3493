//! What a probe has to say: the dynamics of one episode.

use rand_chacha::ChaCha8Rng;

use crate::Action;

/// The dynamics of one small task, without buffers, resets or batching; [`ProbeEnv`] adds those.
///
/// A probe itself holds the parameters of the task and is shared by all environments; what happens in one
/// of them lives in its [`Episode`](Self::Episode).
///
/// ```
/// use rand_chacha::ChaCha8Rng;
/// use townlet_env::VectorEnv;
/// use townlet_env::probes::{Outcome, Probe, ProbeEnv};
///
/// /// Pays one for the action 0, three times.
/// struct Threefold;
///
/// impl Probe for Threefold {
///     type Episode = u8;
///     const NAME: &'static str = "threefold";
///     fn num_actions(&self) -> usize {
///         2
///     }
///     fn num_features(&self) -> usize {
///         1
///     }
///     fn start(&self, _rng: &mut ChaCha8Rng) -> u8 {
///         0
///     }
///     fn observe(&self, done: &u8, observation: &mut [f32]) {
///         observation[0] = f32::from(*done);
///     }
///     fn step(&self, done: &mut u8, action: u8) -> Outcome {
///         *done += 1;
///         let reward = if action == 0 { 1.0 } else { 0.0 };
///         if *done == 3 { Outcome::terminated(reward) } else { Outcome::ongoing(reward) }
///     }
///     fn optimal_return(&self) -> f32 {
///         3.0
///     }
///     fn memoryless_return(&self) -> f32 {
///         3.0
///     }
/// }
///
/// let mut env = ProbeEnv::new(Threefold, 1);
/// env.reset(0);
/// assert_eq!(env.step(&[0])?.observations, [1.0]);
/// # Ok::<(), townlet_env::StepError>(())
/// ```
///
/// [`ProbeEnv`]: super::ProbeEnv
pub trait Probe {
    /// Everything that one running episode consists of.
    type Episode;

    /// The name of the task, which is also the purpose of its random [`stream`](crate::stream).
    const NAME: &'static str;

    /// How many actions there are; at most 256.
    fn num_actions(&self) -> usize;

    /// How many features an observation has.
    fn num_features(&self) -> usize;

    /// Begins an episode. This is the only place where a probe draws at random.
    fn start(&self, rng: &mut ChaCha8Rng) -> Self::Episode;

    /// Writes what is seen now into `observation`, `[num_features]`, which comes filled with zeros.
    fn observe(&self, episode: &Self::Episode, observation: &mut [f32]);

    /// Marks the actions that are allowed now in `allowed`, `[num_actions]`, which comes filled with `true`.
    ///
    /// At least one must remain. By default all do.
    fn allow(&self, episode: &Self::Episode, allowed: &mut [bool]) {
        let _ = (episode, allowed);
    }

    /// Takes one action, below [`num_actions`](Self::num_actions).
    fn step(&self, episode: &mut Self::Episode, action: Action) -> Outcome;

    /// Whether an episode that has not ended can be in this state. Asked before a saved episode is restored, see
    /// [`Snapshot`](crate::Snapshot); by default any can be.
    fn is_possible(&self, episode: &Self::Episode) -> bool {
        let _ = episode;
        true
    }

    /// The undiscounted return of the best policy, in expectation.
    fn optimal_return(&self) -> f32;

    /// The undiscounted return of the best policy that sees the current observation only, in expectation. A probe
    /// that does not know it in closed form says how it was found.
    fn memoryless_return(&self) -> f32;
}

/// What one step of a [`Probe`] leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The reward of the step.
    pub reward: f32,
    /// Whether the episode ended in the task itself.
    pub terminated: bool,
    /// Whether the episode was cut off by a limit.
    pub truncated: bool,
}

impl Outcome {
    /// The episode goes on.
    pub const fn ongoing(reward: f32) -> Self {
        Self { reward, terminated: false, truncated: false }
    }

    /// The episode is over: nothing more could be earned.
    pub const fn terminated(reward: f32) -> Self {
        Self { reward, terminated: true, truncated: false }
    }

    /// The episode is cut off: more could have been earned.
    pub const fn truncated(reward: f32) -> Self {
        Self { reward, terminated: false, truncated: true }
    }

    /// Whether the episode ended, for either reason.
    pub const fn ended(&self) -> bool {
        self.terminated || self.truncated
    }
}
