//! A pole on a cart, seen through a flickering screen.

use std::array;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Outcome, Probe};
use crate::{Action, stream};

/// The cart-pole task, each observation of which is blank with a given probability.
///
/// Balance a pole on a cart by pushing the cart (Barto, Sutton and Anderson, *Neuronlike Adaptive Elements
/// That Can Solve Difficult Learning Control Problems*, 1983), with the constants of Gymnasium's
/// `CartPole-v1`. Flickering is that of Hausknecht and Stone, *Deep Recurrent Q-Learning for Partially
/// Observable MDPs* (2015): at each time the whole observation is replaced by zeros with
/// probability [`flicker`](Self::flicker), which they set to 0.5. The dynamics know nothing of it.
///
/// | Feature | Holds |
/// |---|---|
/// | 0 | the position of the cart, divided by 2.4 m |
/// | 1 | its velocity, divided by 2 m/s |
/// | 2 | the angle of the pole from upright, positive to the right, divided by 12° |
/// | 3 | its angular velocity, divided by 2 rad/s |
///
/// So position and angle are 1 where an episode ends, and velocities are seldom far above 1.
///
/// Two actions: 0 pushes the cart to the left with 10 N, 1 to the right. Every step pays 1. The episode
/// terminates where the cart leaves ±2.4 m or the pole ±12°, and is truncated after 500 steps. It starts with
/// all four numbers drawn uniformly from ±0.05. The equations of motion, by Euler's method with steps of
/// 0.02 s, are computed in double precision, as Gymnasium does. Sine and cosine are those of the platform, so
/// another platform may give other last bits.
///
/// Without flicker the current observation is all there is to know. With it, a policy without memory has to
/// guess half the time: of 3,000 linear ones the best lasts 197 steps if it may toss a coin when it sees
/// nothing, and 38 if it always pushes the same way then, as greedy policies do. A policy that remembers what
/// it saw and did balances to the end.
///
/// Both what an episode starts with and a seed of its own are drawn at its start. Whether the observation at
/// time `t` is blank comes from the stream `"flicker"` of that seed and `t`, whatever was done until then.
///
/// ```
/// use townlet_env::VectorEnv;
/// use townlet_env::probes::{FlickeringCartPole, ProbeEnv};
///
/// let mut env = ProbeEnv::new(FlickeringCartPole::default(), 1);
/// env.reset(0);
/// let mut blank = 0;
/// for time in 0..1000 {
///     blank += u32::from(env.step(&[time as u8 % 2])?.outcome(0).0 == [0.0; 4]);
/// }
/// assert!((450..550).contains(&blank));
/// # Ok::<(), townlet_env::StepError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlickeringCartPole {
    flicker: f64,
}

/// One episode of [`FlickeringCartPole`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlickeringCartPoleEpisode {
    motion: Motion,
    steps: u32,
    flicker_seed: u64,
}

/// The state of cart and pole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Motion {
    /// The position of the cart in m.
    x: f64,
    /// Its velocity in m/s.
    x_dot: f64,
    /// The angle of the pole from upright in rad.
    theta: f64,
    /// Its angular velocity in rad/s.
    theta_dot: f64,
}

/// Gravity, in m/s².
const GRAVITY: f64 = 9.8;
/// The mass of the pole, in kg.
const POLE_MASS: f64 = 0.1;
/// The mass of cart and pole, in kg.
const TOTAL_MASS: f64 = 1.0 + POLE_MASS;
/// Half the length of the pole, in m.
const HALF_LENGTH: f64 = 0.5;
/// The push, in N.
const FORCE: f64 = 10.0;
/// The time that a step takes, in s.
const STEP: f64 = 0.02;
/// How far the cart may be from the middle, in m.
const MOST_X: f64 = 2.4;
/// How far the pole may lean, in rad: 12°.
const MOST_THETA: f64 = 12.0 * std::f64::consts::TAU / 360.0;
/// What the velocities are divided by in observations, in m/s and rad/s.
const SPEED_SCALE: f64 = 2.0;
/// How far each number may be from 0 at the start.
const START: f64 = 0.05;

/// Pairs of a flicker probability and the mean return of the best of 3,000 policies without memory. The last
/// one is that of pushing at random.
const MEMORYLESS: [(f64, f64); 6] =
    [(0.0, 500.0), (0.1, 500.0), (0.25, 460.0), (0.5, 197.0), (0.75, 46.0), (1.0, 22.0)];

impl Motion {
    /// What a push leads to in one step: the equations of Barto, Sutton and Anderson without friction, as
    /// Gymnasium has them.
    fn pushed(self, force: f64) -> Self {
        let (sin, cos) = self.theta.sin_cos();
        let pole = POLE_MASS * HALF_LENGTH;
        let push = (force + pole * self.theta_dot.powi(2) * sin) / TOTAL_MASS;
        let inertia = HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cos.powi(2) / TOTAL_MASS);
        let theta_acceleration = (GRAVITY * sin - cos * push) / inertia;
        let x_acceleration = push - pole * theta_acceleration * cos / TOTAL_MASS;
        Self {
            x: self.x + STEP * self.x_dot,
            x_dot: self.x_dot + STEP * x_acceleration,
            theta: self.theta + STEP * self.theta_dot,
            theta_dot: self.theta_dot + STEP * theta_acceleration,
        }
    }

    /// The four features.
    fn seen(self) -> [f32; 4] {
        let Self { x, x_dot, theta, theta_dot } = self;
        [x / MOST_X, x_dot / SPEED_SCALE, theta / MOST_THETA, theta_dot / SPEED_SCALE]
            .map(|value| value as f32)
    }

    fn is_lost(self) -> bool {
        self.x.abs() > MOST_X || self.theta.abs() > MOST_THETA
    }
}

impl FlickeringCartPole {
    /// After how many steps an episode is truncated.
    pub const STEP_LIMIT: u32 = 500;

    /// The task whose observations are blank with probability `flicker`; 0 shows everything.
    ///
    /// # Panics
    ///
    /// Where `flicker` is not 0 or more and below 1.
    pub const fn new(flicker: f64) -> Self {
        assert!(flicker >= 0.0 && flicker < 1.0, "the flicker probability is 0 or more and below 1");
        Self { flicker }
    }

    /// The probability that an observation is blank.
    pub const fn flicker(self) -> f64 {
        self.flicker
    }

    fn is_blank(self, episode: &FlickeringCartPoleEpisode) -> bool {
        self.flicker > 0.0
            && stream(episode.flicker_seed, "flicker", 0, episode.steps.into()).random::<f64>() < self.flicker
    }
}

/// Half of all observations are blank.
impl Default for FlickeringCartPole {
    fn default() -> Self {
        Self::new(0.5)
    }
}

impl Probe for FlickeringCartPole {
    type Episode = FlickeringCartPoleEpisode;
    const NAME: &'static str = "flickering-cart-pole";

    fn num_actions(&self) -> usize {
        2
    }

    fn num_features(&self) -> usize {
        4
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> FlickeringCartPoleEpisode {
        let [x, x_dot, theta, theta_dot] = array::from_fn(|_| rng.random_range(-START..START));
        FlickeringCartPoleEpisode {
            motion: Motion { x, x_dot, theta, theta_dot },
            steps: 0,
            flicker_seed: rng.random(),
        }
    }

    fn observe(&self, episode: &FlickeringCartPoleEpisode, observation: &mut [f32]) {
        if !self.is_blank(episode) {
            observation.copy_from_slice(&episode.motion.seen());
        }
    }

    fn step(&self, episode: &mut FlickeringCartPoleEpisode, action: Action) -> Outcome {
        episode.motion = episode.motion.pushed(if action == 1 { FORCE } else { -FORCE });
        episode.steps += 1;
        if episode.motion.is_lost() {
            Outcome::terminated(1.0)
        } else if episode.steps == Self::STEP_LIMIT {
            Outcome::truncated(1.0)
        } else {
            Outcome::ongoing(1.0)
        }
    }

    fn is_possible(&self, episode: &FlickeringCartPoleEpisode) -> bool {
        let Motion { x, x_dot, theta, theta_dot } = episode.motion;
        let finite = [x, x_dot, theta, theta_dot].into_iter().all(f64::is_finite);
        finite && !episode.motion.is_lost() && episode.steps < Self::STEP_LIMIT
    }

    /// A pole that was seen once can be followed by the equations of motion, so blanks cost a policy with
    /// memory nothing but the small chance that all stays blank from the start until it is too late: less than
    /// one episode in a thousand at a flicker of 0.5.
    fn optimal_return(&self) -> f32 {
        Self::STEP_LIMIT as f32
    }

    /// Not known in closed form, except where nothing flickers. This is what the best policy of a random
    /// search achieves that is linear in what it sees and tosses a coin when it sees nothing, interpolated
    /// between the flicker probabilities that were tried.
    fn memoryless_return(&self) -> f32 {
        let above = MEMORYLESS.partition_point(|&(flicker, _)| flicker <= self.flicker);
        let ((from, start), (to, end)) = (MEMORYLESS[above - 1], MEMORYLESS[above]);
        (start + (end - start) * (self.flicker - from) / (to - from)) as f32
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::probes::testing::{check_contract, play};

    #[test]
    fn keeps_the_contract() {
        for flicker in [0.0, 0.5] {
            check_contract(FlickeringCartPole::new(flicker));
        }
    }

    /// Takes actions from a state, and checks the state that they lead to.
    fn check(start: [f64; 4], actions: &[Action], expected: [f64; 4]) {
        let [x, x_dot, theta, theta_dot] = start;
        let motion = Motion { x, x_dot, theta, theta_dot };
        let mut episode = FlickeringCartPoleEpisode { motion, steps: 0, flicker_seed: 0 };
        for &action in actions {
            assert_eq!(FlickeringCartPole::new(0.0).step(&mut episode, action), Outcome::ongoing(1.0));
        }
        let Motion { x, x_dot, theta, theta_dot } = episode.motion;
        for (found, expected) in [x, x_dot, theta, theta_dot].into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{found}, expected {expected}");
        }
    }

    #[test]
    fn a_push_does_what_the_equations_say() {
        // Upright and at rest, sin = 0 and cos = 1: the push is 10 / 1.1 = 100/11 m/s², the pole turns with
        // -100/11 / (1/2 * (4/3 - 1/11)) = -600/41 rad/s² and the cart moves with 100/11 + 1/22 * 600/41 =
        // 400/41 m/s². Euler's method moves nothing in the first step.
        check([0.0; 4], &[1], [0.0, 8.0 / 41.0, 0.0, -12.0 / 41.0]);
        // The pole still stands upright when the second push is computed, which undoes the first.
        check([0.0; 4], &[1, 0], [0.16 / 41.0, 0.0, -0.24 / 41.0, 0.0]);
        // What Gymnasium 1.x gives for leaning, moving poles.
        check(
            [0.1, 0.2, 0.05, -0.3],
            &[0],
            [0.104_000_000_000_000_01, 0.004_202_345_356_037_418, 0.044, 0.008_023_313_606_151_494],
        );
        check(
            [-1.5, 0.7, -0.15, 1.25],
            &[1, 1, 0],
            [
                -1.446_200_910_997_028_9,
                0.899_784_511_773_991_3,
                -0.095_010_583_816_304_5,
                0.842_382_518_718_274_3,
            ],
        );
    }

    #[test]
    fn an_episode_ends_where_the_pole_or_the_cart_is_lost_and_is_cut_off_after_500_steps() {
        for motion in [[2.41, 0.0], [-2.41, 0.0], [0.0, 0.21], [0.0, -0.21], [2.39, 0.209]] {
            let [x, theta] = motion;
            let motion = Motion { x, x_dot: 0.0, theta, theta_dot: 0.0 };
            let mut episode = FlickeringCartPoleEpisode { motion, steps: 499, flicker_seed: 0 };
            let outcome = FlickeringCartPole::default().step(&mut episode, 1);
            let inside = x == 2.39;
            assert_eq!(outcome, if inside { Outcome::truncated(1.0) } else { Outcome::terminated(1.0) });
        }
    }

    /// Pushes towards where the pole falls, and slowly back to the middle.
    fn balance([x, x_dot, theta, theta_dot]: [f32; 4]) -> Action {
        u8::from(0.53 * x + 0.26 * x_dot + 0.98 * theta + 1.96 * theta_dot > 0.0)
    }

    fn last(history: &[Vec<f32>]) -> [f32; 4] {
        history[history.len() - 1][..].try_into().unwrap()
    }

    fn mean(flicker: f64, policy: impl Fn(&[Vec<f32>]) -> Action) -> f32 {
        let episodes = play(FlickeringCartPole::new(flicker), 100, policy);
        episodes.iter().map(super::super::testing::Episode::total).sum::<f32>() / 100.0
    }

    #[test]
    fn what_is_seen_now_is_enough_only_without_flicker() {
        let right_when_blank = |history: &[Vec<f32>]| match last(history) {
            [0.0, 0.0, 0.0, 0.0] => 1,
            seen => balance(seen),
        };
        assert_eq!(mean(0.0, right_when_blank), 500.0);
        assert!(mean(0.5, right_when_blank) < 50.0);
    }

    #[test]
    fn remembering_what_was_seen_and_done_balances_through_the_blanks() {
        // Knows the equations, and follows them from the last observation that was not blank.
        let followed = Cell::new((Motion { x: 0.0, x_dot: 0.0, theta: 0.0, theta_dot: 0.0 }, 1));
        let policy = |history: &[Vec<f32>]| {
            let (motion, action) = followed.get();
            let motion = match last(history) {
                [0.0, 0.0, 0.0, 0.0] if history.len() == 1 => motion,
                [0.0, 0.0, 0.0, 0.0] => motion.pushed(if action == 1 { FORCE } else { -FORCE }),
                seen => {
                    let [x, x_dot, theta, theta_dot] = seen.map(f64::from);
                    Motion {
                        x: x * MOST_X,
                        x_dot: x_dot * SPEED_SCALE,
                        theta: theta * MOST_THETA,
                        theta_dot: theta_dot * SPEED_SCALE,
                    }
                }
            };
            let action = balance(motion.seen());
            followed.set((motion, action));
            action
        };
        assert_eq!(mean(0.5, policy), FlickeringCartPole::default().optimal_return());
    }

    #[test]
    fn the_times_of_blanks_are_those_of_the_episode_whatever_is_done() {
        let blanks = |action: Action| {
            let [episode] = &play(FlickeringCartPole::default(), 1, |_| action)[..] else { panic!("one") };
            episode.observations.iter().map(|seen| seen[..] == [0.0; 4]).take(8).collect::<Vec<_>>()
        };
        assert_eq!(blanks(0), blanks(1));
        assert!(blanks(0).contains(&true) && blanks(0).contains(&false));
    }
}
