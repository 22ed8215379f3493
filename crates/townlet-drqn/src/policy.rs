//! Ways of choosing actions, for evaluation.

use thiserror::Error;
use townlet_env::{
    Action, ExplorerAgent, PreviousInputs, ScriptedAgent, Town, VectorEnv, first_not_finite, random_allowed,
    stream,
};
use townlet_nets::{Actor, QNetwork};

use crate::explore::epsilon_greedy;

/// A network values an action at something other than a finite number, so that none is the best.
#[derive(Clone, Debug, Error, PartialEq)]
#[error(
    "the network values action {action} in environment {env} at {found} in step {step}; expected a finite number. \
     Its weights or its memory have gone astray: use those of an older checkpoint"
)]
pub struct ValueFault {
    /// The environment.
    pub env: usize,
    /// The action.
    pub action: usize,
    /// What it is valued at.
    pub found: f32,
    /// The number of the step that was to be taken, from 1.
    pub step: u64,
}

impl ValueFault {
    /// Checks values, `[num_envs, num_actions]`, by which step number `step` is to be taken.
    pub(crate) fn check(values: &[f32], num_actions: usize, step: u64) -> Result<(), Self> {
        match first_not_finite(values) {
            None => Ok(()),
            Some(index) => {
                let (env, action) = (index / num_actions, index % num_actions);
                Err(Self { env, action, found: values[index], step })
            }
        }
    }
}

/// Chooses actions in many environments `E`, step after step.
///
/// A policy is shown the environments and not only what is observed in them, so that one that knows everything
/// can be measured beside one that has to find out. What learns looks at observations and masks alone.
pub trait Policy<E> {
    /// Chooses one action in each environment, `[num_envs]`, overwritten.
    ///
    /// # Errors
    ///
    /// Returns an error if what it chooses by is not a finite number.
    fn act(&mut self, env: &E, actions: &mut [Action]) -> Result<(), ValueFault>;

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

impl<E: VectorEnv> Policy<E> for NetworkPolicy {
    fn act(&mut self, env: &E, actions: &mut [Action]) -> Result<(), ValueFault> {
        let values = self.actor.values(env.observations());
        ValueFault::check(values, env.num_actions(), self.step + 1)?;
        epsilon_greedy(values, env.action_masks(), |_| self.epsilon, self.seed, self.step, actions);
        self.step += 1;
        Ok(())
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

impl<E: VectorEnv> Policy<E> for RandomPolicy {
    fn act(&mut self, env: &E, actions: &mut [Action]) -> Result<(), ValueFault> {
        let (masks, num_actions) = (env.action_masks(), env.num_actions());
        for (env, (action, mask)) in actions.iter_mut().zip(masks.chunks_exact(num_actions)).enumerate() {
            *action = random_allowed(mask, &mut stream(self.seed, "random-policy", env as u64, self.step));
        }
        self.step += 1;
        Ok(())
    }

    fn ended(&mut self, _ended: &[bool]) {}
}

/// The upper baseline: it knows the whole town.
impl Policy<Town> for ScriptedAgent {
    fn act(&mut self, town: &Town, actions: &mut [Action]) -> Result<(), ValueFault> {
        ScriptedAgent::act(self, town, actions);
        Ok(())
    }

    fn ended(&mut self, _ended: &[bool]) {}
}

impl Policy<PreviousInputs<Town>> for ScriptedAgent {
    fn act(&mut self, env: &PreviousInputs<Town>, actions: &mut [Action]) -> Result<(), ValueFault> {
        ScriptedAgent::act(self, env.inner(), actions);
        Ok(())
    }

    fn ended(&mut self, _ended: &[bool]) {}
}

/// A scale for memory: it knows the rules and finds out the map, by what it observes alone.
impl<E: VectorEnv> Policy<E> for ExplorerAgent {
    fn act(&mut self, env: &E, actions: &mut [Action]) -> Result<(), ValueFault> {
        ExplorerAgent::act(self, env.observations(), env.action_masks(), actions);
        Ok(())
    }

    fn ended(&mut self, ended: &[bool]) {
        self.forget(ended);
    }
}
