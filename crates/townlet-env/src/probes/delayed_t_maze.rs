//! A choice whose value can only be learned by bootstrapping through memory.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Outcome, Probe};
use crate::Action;

/// A T-maze whose reward comes only after a delay: does the *target* network carry its state?
///
/// Townlet's own. In the plain T-maze the choice is paid at once, so a learner whose target network starts
/// from a zeroed state at every step still learns it. Here the choice is paid `delay` blank steps later, so
/// its value reaches the junction only through bootstrapped values of blank observations:
///
/// | Time | Observation |
/// |---|---|
/// | 0 | `[0, g]`, `g` = +1 or −1: the goal |
/// | 1 to `corridor` | `[0, 0]`, the corridor |
/// | `corridor + 1` | `[1, 0]`, the junction: the only observation whose action counts |
/// | `corridor + 2` | `[1, y]`, the arm that was chosen, `y` = +1 or −1 |
/// | the next `delay` | `[0, 0]`, the delay |
///
/// Two actions, always allowed: at the junction 0 chooses `y` = −1 and 1 chooses `y` = +1. The agent moves on
/// by itself, so there is nothing to explore but one choice. The last step pays +1 where `y` equals `g` and
/// −1 otherwise; all others pay 0. Every episode has `corridor + delay + 3` steps, whatever was chosen.
///
/// The observations after the junction say which arm was chosen and never which one is right, and the chosen
/// arm says nothing without the goal. A one-step target that values them from a zeroed state is therefore the
/// same for both goals, and the greedy choice stays at chance. A target that carries its state tells
/// `discount^(delay + 1)` from `-discount^(delay + 1)`. (A learner with n-step returns needs a delay of at
/// least n to be told apart.) The arm has to be shown once, because the recurrent state of a network
/// that sees no actions could not know it otherwise, and then not even a carried state would do.
///
/// ```
/// use townlet_env::VectorEnv;
/// use townlet_env::probes::{DelayedTMaze, ProbeEnv};
///
/// let mut env = ProbeEnv::new(DelayedTMaze::new(1, 2), 1);
/// env.reset(0);
/// let goal = env.observations()[1];
/// let right = u8::from(goal > 0.0);
/// assert_eq!(env.step(&[0])?.observations, [0.0, 0.0]);
/// assert_eq!(env.step(&[0])?.observations, [1.0, 0.0]);
/// assert_eq!(env.step(&[right])?.observations, [1.0, goal]);
/// assert_eq!(env.step(&[0])?.observations, [0.0, 0.0]);
/// assert_eq!(env.step(&[0])?.observations, [0.0, 0.0]);
/// let end = env.step(&[0])?;
/// assert_eq!((end.rewards[0], end.terminated[0]), (1.0, true));
/// # Ok::<(), townlet_env::StepError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayedTMaze {
    corridor: u32,
    delay: u32,
}

/// One episode of [`DelayedTMaze`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayedTMazeEpisode {
    goal: bool,
    /// The arm, once it is chosen.
    arm: Option<bool>,
    time: u32,
}

impl DelayedTMaze {
    /// A maze with `corridor` blank observations before the junction and `delay` blank ones after the arm.
    ///
    /// Both may be 0. With a delay of 0 the arm itself is the last observation: its value still needs the
    /// remembered goal.
    pub const fn new(corridor: u32, delay: u32) -> Self {
        Self { corridor, delay }
    }

    /// How many blank observations lie between the goal and the junction.
    pub const fn corridor(&self) -> u32 {
        self.corridor
    }

    /// How many blank observations lie between the arm and the end.
    pub const fn delay(&self) -> u32 {
        self.delay
    }

    /// How many steps every episode has: `corridor + delay + 3`.
    pub const fn episode_steps(&self) -> u32 {
        self.corridor + self.delay + 3
    }

    /// The time at which the agent stands at the junction.
    pub const fn junction_time(&self) -> u32 {
        self.corridor + 1
    }
}

const fn sign(up: bool) -> f32 {
    if up { 1.0 } else { -1.0 }
}

impl Probe for DelayedTMaze {
    type Episode = DelayedTMazeEpisode;
    const NAME: &'static str = "delayed-t-maze";

    fn num_actions(&self) -> usize {
        2
    }

    fn num_features(&self) -> usize {
        2
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> DelayedTMazeEpisode {
        DelayedTMazeEpisode { goal: rng.random(), arm: None, time: 0 }
    }

    fn observe(&self, episode: &DelayedTMazeEpisode, observation: &mut [f32]) {
        let junction = self.junction_time();
        if episode.time == 0 {
            observation[1] = sign(episode.goal);
        } else if episode.time == junction {
            observation[0] = 1.0;
        } else if episode.time == junction + 1 {
            observation[0] = 1.0;
            observation[1] = episode.arm.map_or(0.0, sign);
        }
    }

    fn step(&self, episode: &mut DelayedTMazeEpisode, action: Action) -> Outcome {
        if episode.time == self.junction_time() {
            episode.arm = Some(action == 1);
        }
        episode.time += 1;
        if episode.time < self.episode_steps() {
            Outcome::ongoing(0.0)
        } else {
            Outcome::terminated(sign(episode.arm == Some(episode.goal)))
        }
    }

    fn is_possible(&self, episode: &DelayedTMazeEpisode) -> bool {
        episode.time < self.episode_steps() && episode.arm.is_some() == (episode.time > self.junction_time())
    }

    fn optimal_return(&self) -> f32 {
        1.0
    }

    fn memoryless_return(&self) -> f32 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::probes::testing::{Episode, check_contract, mean_return_over_starts, play};

    #[test]
    fn keeps_the_contract() {
        for (corridor, delay) in [(0, 0), (1, 2), (3, 1)] {
            check_contract(DelayedTMaze::new(corridor, delay));
        }
    }

    #[test]
    fn remembering_the_goal_always_pays_one() {
        for (corridor, delay) in [(0, 0), (2, 3), (10, 5)] {
            let probe = DelayedTMaze::new(corridor, delay);
            for episode in play(probe, 20, |history| u8::from(history[0][1] > 0.0)) {
                assert_eq!(episode.total(), probe.optimal_return());
                assert_eq!(episode.rewards.len() as u32, corridor + delay + 3);
                assert!(episode.rewards[..episode.rewards.len() - 1].iter().all(|&reward| reward == 0.0));
            }
        }
    }

    #[test]
    fn without_memory_it_is_a_coin_flip() {
        for action in [0, 1] {
            let probe = DelayedTMaze::new(2, 2);
            assert_eq!(mean_return_over_starts(probe, |_| action), probe.memoryless_return());
        }
    }

    #[test]
    fn nothing_after_the_start_tells_the_goal() {
        let probe = DelayedTMaze::new(3, 4);
        for action in [0, 1] {
            let episodes = play(probe, 40, |_| action);
            let after = &episodes[0].observations[1..];
            assert!(episodes.iter().all(|episode| &episode.observations[1..] == after));
            assert!(after[5..].iter().all(|seen| seen == &[0.0, 0.0]), "the delay is blank");
            assert!(after[..3].iter().all(|seen| seen == &[0.0, 0.0]), "the corridor is blank");
        }
    }

    /// An observation history as a key: the bits of every feature seen.
    fn key(history: &[Vec<f32>]) -> Vec<u32> {
        history.iter().flatten().map(|value| value.to_bits()).collect()
    }

    /// Q-learning with one table entry per *history* (an ideal memory), where the bootstrap values what it
    /// finds after `view` of the next history: the identity carries the state, the last observation alone
    /// is what a target network sees whose state was zeroed. Returns the values at the junction, by goal
    /// and action.
    fn q_at_the_junction(view: impl Fn(&[Vec<f32>]) -> &[Vec<f32>]) -> [[f32; 2]; 2] {
        const DISCOUNT: f32 = 0.9;
        let probe = DelayedTMaze::new(1, 2);
        let junction = probe.junction_time() as usize;
        // Every action at the junction, with every action elsewhere.
        let episodes: Vec<(usize, usize, Vec<Episode>)> = [(0, 0), (0, 1), (1, 0), (1, 1)]
            .into_iter()
            .map(|(turn, other)| {
                let policy = |seen: &[Vec<f32>]| if seen.len() == junction + 1 { turn } else { other };
                (usize::from(turn), usize::from(other), play(probe, 20, policy))
            })
            .collect();
        let mut q: HashMap<Vec<u32>, [f32; 2]> = HashMap::new();
        for _sweep in 0..2 * probe.episode_steps() {
            for (turn, other, episodes) in &episodes {
                for Episode { observations, rewards, .. } in episodes {
                    for (time, &reward) in rewards.iter().enumerate() {
                        let action = if time == junction { *turn } else { *other };
                        let next = q.get(&key(view(&observations[..time + 2]))).copied().unwrap_or_default();
                        let last = time + 1 == rewards.len();
                        let bootstrap = if last { 0.0 } else { DISCOUNT * next[0].max(next[1]) };
                        q.entry(key(&observations[..=time])).or_default()[action] = reward + bootstrap;
                    }
                }
            }
        }
        let mut values = [[0.0; 2]; 2];
        for Episode { observations, .. } in &episodes[0].2 {
            values[usize::from(observations[0][1] > 0.0)] = q[&key(&observations[..=junction])];
        }
        values
    }

    #[test]
    fn a_carried_target_values_the_choice() {
        // The reward is `delay + 1` bootstraps away from the junction.
        let worth = 0.9_f32 * (0.9 * 0.9);
        assert_eq!(q_at_the_junction(|history| history), [[worth, -worth], [-worth, worth]]);
    }

    #[test]
    fn a_forgetful_target_leaves_the_choice_at_chance() {
        let [down, up] = q_at_the_junction(|history| &history[history.len() - 1..]);
        assert_eq!(down, up);
    }
}
