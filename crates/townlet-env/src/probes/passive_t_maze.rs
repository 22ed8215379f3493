//! A goal seen at the start decides the turn at the end of a corridor.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Outcome, Probe};
use crate::Action;

/// The passive T-maze: see the goal, walk a corridor of `length` cells, turn the right way.
///
/// Ni et al., *When Do Transformers Shine in RL? Decoupling Memory from Credit Assignment* (2023),
/// after Bakker (2001). The start is `(0, 0)`, the junction `(length, 0)`, and the goal is one
/// of the two cells beside the junction.
///
/// | Where | Observation |
/// |---|---|
/// | the start, in the first observation only | `[0, g]`, `g` = +1 or −1: the goal |
/// | the start later on, and the corridor | `[0, 0]` |
/// | the junction and the two cells beside it | `[1, y]` |
///
/// Four actions: 0 goes on (`x + 1`), 1 up (`y + 1`), 2 back (`x - 1`), 3 down (`y - 1`); walls block, and all
/// actions are always allowed. An episode has `length + 1` steps. Step `t` pays −1 / `length` where it
/// leaves the agent behind (`x < t`), so a wasted step is felt at once; the last step instead pays 1 in the
/// goal and 0 elsewhere. There is no time to turn back, and reaching the goal is worth 1 only to a learner
/// that remembers which cell it is.
///
/// ```
/// use townlet_env::VectorEnv;
/// use townlet_env::probes::{PassiveTMaze, ProbeEnv};
///
/// let mut env = ProbeEnv::new(PassiveTMaze::new(2), 1);
/// env.reset(0);
/// let goal = env.observations()[1];
/// assert_eq!(env.step(&[0])?.observations, [0.0, 0.0]);
/// assert_eq!(env.step(&[0])?.observations, [1.0, 0.0]);
/// let end = env.step(&[if goal > 0.0 { 1 } else { 3 }])?;
/// assert_eq!((end.rewards, end.final_observations), (&[1.0][..], &[1.0, goal][..]));
/// # Ok::<(), townlet_env::StepError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassiveTMaze {
    length: u32,
}

/// One episode of [`PassiveTMaze`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassiveTMazeEpisode {
    goal: i8,
    x: u32,
    y: i8,
    time: u32,
}

impl PassiveTMaze {
    /// A maze with a corridor of `length` cells between start and junction.
    ///
    /// # Panics
    ///
    /// Where `length` is 0.
    pub const fn new(length: u32) -> Self {
        assert!(length > 0, "the corridor of a T-maze has at least one cell");
        Self { length }
    }

    /// The number of steps from the start to the junction.
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// How many steps every episode has, `length + 1`.
    pub const fn episode_steps(&self) -> u32 {
        self.length + 1
    }
}

impl Probe for PassiveTMaze {
    type Episode = PassiveTMazeEpisode;
    const NAME: &'static str = "passive-t-maze";

    fn num_actions(&self) -> usize {
        4
    }

    fn num_features(&self) -> usize {
        2
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> PassiveTMazeEpisode {
        PassiveTMazeEpisode { goal: if rng.random() { 1 } else { -1 }, x: 0, y: 0, time: 0 }
    }

    fn observe(&self, episode: &PassiveTMazeEpisode, observation: &mut [f32]) {
        if episode.x == self.length {
            observation[0] = 1.0;
            observation[1] = f32::from(episode.y);
        } else if episode.time == 0 {
            observation[1] = f32::from(episode.goal);
        }
    }

    fn step(&self, episode: &mut PassiveTMazeEpisode, action: Action) -> Outcome {
        episode.time += 1;
        let at_junction = episode.x == self.length;
        match action {
            0 if episode.y == 0 && !at_junction => episode.x += 1,
            1 if at_junction => episode.y = (episode.y + 1).min(1),
            2 if episode.y == 0 => episode.x = episode.x.saturating_sub(1),
            3 if at_junction => episode.y = (episode.y - 1).max(-1),
            _ => {}
        }
        if episode.time == self.episode_steps() {
            Outcome::terminated(if episode.y == episode.goal { 1.0 } else { 0.0 })
        } else if episode.x < episode.time {
            Outcome::ongoing(-1.0 / self.length as f32)
        } else {
            Outcome::ongoing(0.0)
        }
    }

    fn is_possible(&self, episode: &PassiveTMazeEpisode) -> bool {
        let Self::Episode { goal, x, y, time } = *episode;
        let on_the_way = y == 0 && x <= self.length;
        let beside = matches!(y, -1 | 1) && x == self.length;
        matches!(goal, -1 | 1) && (on_the_way || beside) && x <= time && time <= self.length
    }

    fn optimal_return(&self) -> f32 {
        1.0
    }

    fn memoryless_return(&self) -> f32 {
        0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::testing::{check_contract, mean_return_over_starts, play};

    #[test]
    fn keeps_the_contract() {
        for length in [1, 4] {
            check_contract(PassiveTMaze::new(length));
        }
    }

    /// Goes on to the junction and turns there as `turn` says, given the whole history.
    fn walk(turn: impl Fn(&[Vec<f32>]) -> f32) -> impl Fn(&[Vec<f32>]) -> Action {
        move |history| match history[history.len() - 1][0] {
            1.0 if turn(history) > 0.0 => 1,
            1.0 => 3,
            _ => 0,
        }
    }

    #[test]
    fn remembering_the_goal_always_pays_one() {
        for length in [1, 2, 10, 50] {
            let probe = PassiveTMaze::new(length);
            for episode in play(probe, 20, walk(|history| history[0][1])) {
                assert_eq!(episode.total(), probe.optimal_return());
                assert_eq!(episode.rewards.len(), length as usize + 1);
                assert_eq!(episode.observations.last().unwrap()[1], episode.observations[0][1]);
                assert!(episode.terminated);
            }
        }
    }

    #[test]
    fn without_memory_half_the_goals_are_missed() {
        for length in [1, 10] {
            let probe = PassiveTMaze::new(length);
            assert_eq!(mean_return_over_starts(probe, walk(|_| 1.0)), probe.memoryless_return());
            assert_eq!(mean_return_over_starts(probe, walk(|_| -1.0)), probe.memoryless_return());
        }
    }

    #[test]
    fn walls_block_and_every_step_behind_costs() {
        // Back, up and down are walls at the start, so the agent stays; `x < t` costs from the first step.
        let [episode] = &play(PassiveTMaze::new(4), 1, |history| [2, 1, 3, 2, 2][history.len() - 1])[..]
        else {
            panic!("one episode")
        };
        assert_eq!(episode.rewards, [-0.25, -0.25, -0.25, -0.25, 0.0]);
        assert!(episode.observations[1..].iter().all(|seen| seen == &[0.0, 0.0]));
    }

    #[test]
    fn the_goal_is_not_shown_again_at_the_start() {
        let [episode] = &play(PassiveTMaze::new(3), 1, |history| [0, 2, 0, 0][history.len() - 1])[..] else {
            panic!("one episode")
        };
        assert_eq!(episode.observations[2], [0.0, 0.0]);
    }

    #[test]
    fn beyond_the_junction_only_the_way_back_is_open() {
        // Length 1: at the junction after one step, in a side cell after two, which is the end.
        let probe = PassiveTMaze::new(3);
        let mut episode = PassiveTMazeEpisode { goal: 1, x: 3, y: 1, time: 0 };
        for action in [0, 1, 2] {
            probe.step(&mut episode, action);
            assert_eq!((episode.x, episode.y), (3, 1), "action {action}");
        }
        probe.step(&mut episode, 3);
        assert_eq!((episode.x, episode.y), (3, 0));
    }
}
