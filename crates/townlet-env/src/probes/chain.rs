//! Three states whose values are known exactly.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Outcome, Probe};
use crate::Action;

/// A chain of three states, `S0 -> S1 -> S2`, to hold a learner's values against exact ones.
///
/// The state is in full view (one-hot over the three), so nothing has to be remembered. Action 0 stays and
/// action 1 advances; every step pays −1, and reaching `S2` terminates. In `S1` staying is **masked** (and,
/// as everywhere, harmless if taken all the same).
///
/// With discount `d` and values `V(S2) = 0`, `V(S1) = -1` (advancing is all that is allowed there) and
/// `V(S0) = -1 + d V(S1) = -1 - d`, the action values `Q(s, a) = -1 + d V(s')` are
///
/// | State | 0: stay | 1: advance |
/// |---|---|---|
/// | `S0` | `-1 - d - d²` | `-1 - d` |
/// | `S1` | `-1 - d`, masked | `-1` |
/// | `S2` | 0, terminal | 0, terminal |
///
/// All true values are negative, which makes the usual faults visible in any learner whose estimates start
/// at 0. The masked entry is never learned: a bootstrap that forgets the mask takes its 0 for the best
/// value of `S1` and puts `Q(S0, advance)` at −1. A bootstrap across the end, into the first observation of the
/// next episode, drives `Q(S1, advance)` far below −1.
///
/// ```
/// use townlet_env::VectorEnv;
/// use townlet_env::probes::{Chain, ProbeEnv};
///
/// let mut env = ProbeEnv::new(Chain, 1);
/// env.reset(0);
/// assert_eq!(env.observations(), [1.0, 0.0, 0.0]);
/// let step = env.step(&[1])?;
/// assert_eq!((step.observations, step.action_masks), (&[0.0, 1.0, 0.0][..], &[false, true][..]));
/// let step = env.step(&[1])?;
/// assert_eq!((step.rewards, step.terminated), (&[-1.0][..], &[true][..]));
/// assert_eq!(step.final_observations, [0.0, 0.0, 1.0]);
///
/// assert_eq!(Chain::value(0, 1, 0.5), -1.5);
/// # Ok::<(), townlet_env::StepError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain;

/// One episode of [`Chain`]: the state it is in, 0 to 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEpisode {
    state: u8,
}

impl Chain {
    /// The optimal value of taking `action` in `state`, `Q(state, action)`, masked or not.
    ///
    /// # Panics
    ///
    /// Where `state` is above 2 or `action` above 1.
    pub fn value(state: usize, action: Action, discount: f32) -> f32 {
        match (state, action) {
            (0, 0) => -1.0 - discount - discount * discount,
            (0, 1) | (1, 0) => -1.0 - discount,
            (1, 1) => -1.0,
            (2, 0 | 1) => 0.0,
            _ => panic!(
                "the chain has states 0 to 2 and actions 0 and 1, not state {state} and action {action}"
            ),
        }
    }
}

impl Probe for Chain {
    type Episode = ChainEpisode;
    const NAME: &'static str = "chain";

    fn num_actions(&self) -> usize {
        2
    }

    fn num_features(&self) -> usize {
        3
    }

    fn start(&self, _rng: &mut ChaCha8Rng) -> ChainEpisode {
        ChainEpisode { state: 0 }
    }

    fn observe(&self, episode: &ChainEpisode, observation: &mut [f32]) {
        observation[usize::from(episode.state)] = 1.0;
    }

    fn allow(&self, episode: &ChainEpisode, allowed: &mut [bool]) {
        allowed[0] = episode.state != 1;
    }

    fn step(&self, episode: &mut ChainEpisode, action: Action) -> Outcome {
        episode.state += action;
        if episode.state == 2 { Outcome::terminated(-1.0) } else { Outcome::ongoing(-1.0) }
    }

    fn is_possible(&self, episode: &ChainEpisode) -> bool {
        episode.state < 2
    }

    fn optimal_return(&self) -> f32 {
        -2.0
    }

    fn memoryless_return(&self) -> f32 {
        -2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::ProbeEnv;
    use crate::probes::testing::{check_contract, play};
    use crate::{Step, VectorEnv};

    #[test]
    fn keeps_the_contract() {
        check_contract(Chain);
    }

    #[test]
    fn advancing_is_optimal() {
        let [episode] = &play(Chain, 1, |_| 1)[..] else { panic!("one episode") };
        assert_eq!(episode.total(), Chain.optimal_return());
        assert_eq!(episode.total(), Chain.memoryless_return());
        assert_eq!(episode.observations, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    }

    #[test]
    fn a_masked_action_is_a_legal_call_that_does_nothing_useful() {
        let mut env = ProbeEnv::new(Chain, 1);
        env.step(&[1]).unwrap();
        let step = env.step(&[0]).unwrap();
        assert_eq!((step.observations, step.rewards[0], step.ended(0)), (&[0.0, 1.0, 0.0][..], -1.0, false));
    }

    /// Expected-value Q-learning from zero on allowed actions, with the bootstrap that `best` takes over
    /// `(values, mask)` of what the step led to.
    fn learn(discount: f32, best: impl Fn(&[f32; 2], &[bool]) -> f32) -> [[f32; 2]; 3] {
        let state = |observation: &[f32]| observation.iter().position(|&value| value == 1.0).unwrap();
        let mut q = [[0.0; 2]; 3];
        let mut env = ProbeEnv::new(Chain, 1);
        for number in 0..200 {
            let here = state(env.observations());
            let action = if env.action_masks()[0] { u8::from(number % 3 > 0) } else { 1 };
            let step: Step<'_> = env.step(&[action]).unwrap();
            let (seen, allowed) = step.outcome(0);
            let future = if step.terminated[0] { 0.0 } else { discount * best(&q[state(seen)], allowed) };
            q[here][usize::from(action)] = step.rewards[0] + future;
        }
        q
    }

    #[test]
    fn masked_q_learning_converges_to_the_exact_values() {
        for discount in [0.5, 0.75, 1.0] {
            let q = learn(discount, |values, allowed| {
                let allowed = values.iter().zip(allowed).filter(|(_, allowed)| **allowed);
                allowed.map(|(value, _)| *value).fold(f32::NEG_INFINITY, f32::max)
            });
            for (state, action) in [(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)] {
                assert_eq!(q[state][usize::from(action)], Chain::value(state, action, discount));
            }
        }
    }

    #[test]
    fn a_bootstrap_that_forgets_the_mask_is_found_out() {
        let q = learn(0.5, |values, _| values[0].max(values[1]));
        assert_eq!(q[0][1], -1.0);
        assert_ne!(q[0][1], Chain::value(0, 1, 0.5));
    }
}
