//! Ways of choosing actions, for evaluation.

use townlet_env::{Action, stream};
use townlet_nets::{Actor, QNetwork};

use crate::explore::{epsilon_greedy, random_allowed};

/// Chooses actions in many environments, step after step.
pub trait Policy {
    /// Chooses one action in each environment.
    ///
    /// # Shapes
    ///
    /// - `observations`: `[num_envs, features]`, `masks`: `[num_envs, num_actions]`
    /// - `actions`: `[num_envs]`, overwritten
    fn act(&mut self, observations: &[f32], masks: &[bool], actions: &mut [Action]);

    /// Learns which environments ended their episode in the step that followed, `[num_envs]`, so that it
    /// can forget them.
    fn ended(&mut self, ended: &[bool]);
}

/// Epsilon-greedy on a recurrent network that remembers each episode from its start.
#[derive(Clone, Debug)]
pub struct NetworkPolicy {
    actor: Actor,
    epsilon: f64,
    seed: u64,
    step: u64,
}

impl NetworkPolicy {
    /// Acts in `num_envs` environments; greedy where `epsilon` is 0. `seed` names the random choices.
    pub fn new(network: &QNetwork, num_envs: usize, epsilon: f64, seed: u64) -> Self {
        Self { actor: Actor::new(network, num_envs), epsilon, seed, step: 0 }
    }
}

impl Policy for NetworkPolicy {
    fn act(&mut self, observations: &[f32], masks: &[bool], actions: &mut [Action]) {
        let values = self.actor.values(observations);
        epsilon_greedy(values, masks, |_| self.epsilon, self.seed, self.step, actions);
        self.step += 1;
    }

    fn ended(&mut self, ended: &[bool]) {
        self.actor.forget(ended);
    }
}

/// Any allowed action, each equally likely: the baseline that every learner must beat.
#[derive(Clone, Debug)]
pub struct RandomPolicy {
    seed: u64,
    step: u64,
}

impl RandomPolicy {
    /// `seed` names the random choices.
    pub fn new(seed: u64) -> Self {
        Self { seed, step: 0 }
    }
}

impl Policy for RandomPolicy {
    fn act(&mut self, _observations: &[f32], masks: &[bool], actions: &mut [Action]) {
        let num_actions = masks.len() / actions.len();
        for (env, (action, mask)) in actions.iter_mut().zip(masks.chunks_exact(num_actions)).enumerate() {
            *action = random_allowed(mask, &mut stream(self.seed, "random-policy", env as u64, self.step));
        }
        self.step += 1;
    }

    fn ended(&mut self, _ended: &[bool]) {}
}
