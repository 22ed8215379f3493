//! Playing whole episodes with a fixed policy.

use thiserror::Error;
use townlet_env::{Action, StepError, VectorEnv, WorldCheck, WorldFault};

use crate::policy::{Policy, ValueFault};

/// Why an evaluation ended before its episodes did.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The environments refused a step.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The environments show or pay what nobody can act on.
    #[error(transparent)]
    World(#[from] WorldFault),
    /// The policy cannot choose.
    #[error(transparent)]
    Policy(#[from] ValueFault),
}

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
/// Returns an error if the environments refuse a step, show or pay what is not a finite number or allow nothing, or if
/// the policy cannot choose.
pub fn evaluate<E: VectorEnv>(
    env: &mut E,
    policy: &mut impl Policy<E>,
    seed: u64,
    on_end: impl FnMut(&E, usize, &EpisodeOutcome),
) -> Result<Vec<EpisodeOutcome>, EvaluateError> {
    let outcomes = evaluate_with(env, policy, seed, || false, |_, _, _| {}, on_end)?;
    Ok(outcomes.unwrap_or_default())
}

/// Plays as [`evaluate`] does, unless `should_stop` says before a step that nobody wants the outcomes any more;
/// then there are none.
///
/// `on_step` is called for every environment after each step of its one episode, the last one included, with the
/// action that led to it.
///
/// # Errors
///
/// As [`evaluate`].
pub fn evaluate_with<E: VectorEnv>(
    env: &mut E,
    policy: &mut impl Policy<E>,
    seed: u64,
    should_stop: impl Fn() -> bool,
    mut on_step: impl FnMut(&E, usize, Action),
    mut on_end: impl FnMut(&E, usize, &EpisodeOutcome),
) -> Result<Option<Vec<EpisodeOutcome>>, EvaluateError> {
    let num_envs = env.num_envs();
    let mut outcomes = vec![EpisodeOutcome::default(); num_envs];
    let mut finished = vec![false; num_envs];
    let mut ended = vec![false; num_envs];
    let mut actions = vec![0; num_envs];
    env.reset(seed);
    let check = WorldCheck::of(env);
    check.start(env.observations(), env.action_masks(), 0)?;
    let mut steps = 0;
    while finished.contains(&false) {
        if should_stop() {
            return Ok(None);
        }
        policy.act(env, &mut actions)?;
        let step = env.step(&actions)?;
        steps += 1;
        check.step(&step, steps)?;
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
    Ok(Some(outcomes))
}
