//! Exploration: epsilon-greedy choice among allowed actions, and rewards for what is new.

mod annealing;
mod count_novelty;
mod distillation;
mod novelty;

use rand::RngExt;
use townlet_env::{Action, greedy, random_allowed, stream};

pub use self::annealing::{AdaptiveAnnealing, AnnealingConfig, WeightChange};
pub use self::count_novelty::{CountNovelty, CountNoveltyConfig, CountNoveltyError};
pub use self::distillation::DistillationConfig;
pub(crate) use self::distillation::Distiller;
pub use self::novelty::NoveltyError;
pub(crate) use self::novelty::{Novelty, SavedNovelty};

/// Chooses one action in every environment: with probability epsilon a random allowed one, otherwise the
/// allowed one of highest value (the first on a tie). A masked action is never chosen.
///
/// Environment `i` draws from its own stream, named by `seed`, `i` and `step`, so its choices do not depend
/// on the others. Where a mask allows nothing at all, action 0 is taken.
///
/// # Shapes
///
/// - `values` and `masks`: `[num_envs, num_actions]`
/// - `actions`: `[num_envs]`, overwritten
pub fn epsilon_greedy(
    values: &[f32],
    masks: &[bool],
    epsilon: impl Fn(usize) -> f64,
    seed: u64,
    step: u64,
    actions: &mut [Action],
) {
    let num_actions = values.len() / actions.len();
    let rows = values.chunks_exact(num_actions).zip(masks.chunks_exact(num_actions));
    for (env, (action, (values, mask))) in actions.iter_mut().zip(rows).enumerate() {
        let mut rng = stream(seed, "explore", env as u64, step);
        *action = if rng.random_bool(epsilon(env).clamp(0.0, 1.0)) {
            random_allowed(mask, &mut rng)
        } else {
            greedy(values, mask)
        };
    }
}
