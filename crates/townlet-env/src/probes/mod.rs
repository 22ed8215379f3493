//! Tiny memory tasks with a known optimum, to measure a recurrent learner from outside.
//!
//! The town is too rich to say *why* a learner fails in it. Each probe isolates one thing that a
//! recurrent Q-learner must get right, is solved within minutes, and knows its optimum in closed form:
//!
//! | Probe | Asks for | Optimum | Without memory |
//! |---|---|---|---|
//! | [`MemoryLength`] | a bit kept for `length` steps | 1 | 0 (1 where `length` is 1) |
//! | [`PassiveTMaze`] | a goal kept along a corridor that has to be walked | 1 | 0.5 |
//! | [`DelayedTMaze`] | a target network that carries its state through a delay | 1 | 0 |
//! | [`FlickeringCartPole`] | a moving state kept through blank observations | 500 | about 200 at a flicker of 0.5 |
//! | [`Chain`] | nothing remembered: exact values under a mask | −2 | −2 |
//!
//! Every probe runs as a [`VectorEnv`](crate::VectorEnv) in a [`ProbeEnv`]. A probe of your own is an
//! implementation of [`Probe`]: the dynamics of one episode, no buffers and no bookkeeping.
//!
//! ```
//! use townlet_env::VectorEnv;
//! use townlet_env::probes::{MemoryLength, Probe, ProbeEnv};
//!
//! let mut env = ProbeEnv::new(MemoryLength::new(3), 8);
//! env.reset(7);
//! for _ in 0..3 {
//!     env.step(&[1; 8])?;
//! }
//! let end = env.step(&[1; 8])?;
//! assert_eq!(end.terminated, [true; 8]);
//! assert!(end.rewards.iter().all(|reward| reward.abs() == MemoryLength::new(3).optimal_return()));
//! # Ok::<(), townlet_env::StepError>(())
//! ```

mod chain;
mod delayed_t_maze;
mod flickering_cart_pole;
mod memory_length;
mod memory_score;
mod passive_t_maze;
mod probe;
mod probe_env;
#[cfg(test)]
mod testing;

pub use chain::{Chain, ChainEpisode};
pub use delayed_t_maze::{DelayedTMaze, DelayedTMazeEpisode};
pub use flickering_cart_pole::{FlickeringCartPole, FlickeringCartPoleEpisode};
pub use memory_length::{MemoryLength, MemoryLengthEpisode};
pub use memory_score::MemoryScore;
pub use passive_t_maze::{PassiveTMaze, PassiveTMazeEpisode};
pub use probe::{Outcome, Probe};
pub use probe_env::{ProbeEnv, ProbeState};
