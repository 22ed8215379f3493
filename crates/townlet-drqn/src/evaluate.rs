//! Playing whole episodes with a fixed policy.

use townlet_env::{Action, StepError, VectorEnv};

use crate::policy::Policy;

/// How one episode went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpisodeOutcome {
    /// How many steps it lasted.
    pub length: u64,
    /// The sum of its rewards.
    pub total_reward: f64,
    /// Whether it ended in the world.
    pub terminated: bool,
    /// Whether a limit cut it off.
    pub truncated: bool,
}

/// Plays one episode in each environment, from a reset with `seed`, and returns how each went.
///
/// One episode an environment, not the first so many that end: those would be the short ones. An
/// environment that is done plays on unseen until the last one is.
///
/// `on_end` is called as each episode ends, with the environments right after that step, so that it can ask
/// the world for more than this knows (what the agent died of).
///
/// # Errors
///
/// Where the environments refuse a step.
pub fn evaluate<E: VectorEnv>(
    env: &mut E,
    policy: &mut impl Policy<E>,
    seed: u64,
    on_end: impl FnMut(&E, usize, &EpisodeOutcome),
) -> Result<Vec<EpisodeOutcome>, StepError> {
    evaluate_with(env, policy, seed, |_, _, _| {}, on_end)
}

/// [`evaluate`], and `on_step` is called for every environment after each step of its one episode, the last one
/// included, with the action that led to it.
///
/// # Errors
///
/// Where the environments refuse a step.
pub fn evaluate_with<E: VectorEnv>(
    env: &mut E,
    policy: &mut impl Policy<E>,
    seed: u64,
    mut on_step: impl FnMut(&E, usize, Action),
    mut on_end: impl FnMut(&E, usize, &EpisodeOutcome),
) -> Result<Vec<EpisodeOutcome>, StepError> {
    let num_envs = env.num_envs();
    let mut outcomes = vec![EpisodeOutcome::default(); num_envs];
    let mut finished = vec![false; num_envs];
    let mut ended = vec![false; num_envs];
    let mut actions = vec![0; num_envs];
    env.reset(seed);
    while finished.contains(&false) {
        policy.act(env, &mut actions);
        let step = env.step(&actions)?;
        for (i, outcome) in outcomes.iter_mut().enumerate() {
            ended[i] = step.ended(i);
            if !finished[i] {
                outcome.length += 1;
                outcome.total_reward += f64::from(step.rewards[i]);
                outcome.terminated = step.terminated[i];
                outcome.truncated = step.truncated[i];
            }
        }
        for i in 0..num_envs {
            if finished[i] {
                continue;
            }
            on_step(env, i, actions[i]);
            if ended[i] {
                finished[i] = true;
                on_end(env, i, &outcomes[i]);
            }
        }
        policy.ended(&ended);
    }
    Ok(outcomes)
}
