//! Many copies of one probe, stepped together.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Probe;
use crate::{Action, ObservationLayout, RestoreError, Snapshot, Step, StepError, VectorEnv, stream};

/// `num_envs` copies of one [`Probe`] behind the [`VectorEnv`] contract.
///
/// Episode `e` of environment `i` draws from `stream(seed, P::NAME, i, e)` and from nothing else, so it
/// does not depend on how many environments there are or on what happened in them. Stepping allocates
/// nothing.
///
/// ```
/// use townlet_env::VectorEnv;
/// use townlet_env::probes::{PassiveTMaze, ProbeEnv};
///
/// let mut env = ProbeEnv::new(PassiveTMaze::new(10), 4);
/// env.reset(1);
/// assert_eq!(env.observations().len(), 4 * env.observation_layout().len());
/// // The goal, up or down, is shown in the second feature.
/// assert_eq!(env.observations()[1].abs(), 1.0);
/// ```
#[derive(Clone, Debug)]
pub struct ProbeEnv<P: Probe> {
    probe: P,
    layout: ObservationLayout,
    seed: u64,
    /// Which episode each environment is in, counted from the last reset.
    episode_numbers: Vec<u64>,
    episodes: Vec<P::Episode>,
    observations: Vec<f32>,
    masks: Vec<bool>,
    rewards: Vec<f32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    final_observations: Vec<f32>,
    final_masks: Vec<bool>,
}

impl<P: Probe> ProbeEnv<P> {
    /// `num_envs` environments, as after `reset(0)`.
    ///
    /// # Panics
    ///
    /// Where `num_envs` is 0, or the probe has no actions, more than 256, or no features.
    pub fn new(probe: P, num_envs: usize) -> Self {
        let (actions, features) = (probe.num_actions(), probe.num_features());
        assert!(num_envs > 0, "expected at least one environment");
        assert!((1..=256).contains(&actions), "expected 1 to 256 actions, {} has {actions}", P::NAME);
        assert!(features > 0, "expected at least one feature, {} has none", P::NAME);
        let mut env = Self {
            layout: ObservationLayout::builder().features(features).build(),
            seed: 0,
            episode_numbers: vec![0; num_envs],
            episodes: Vec::with_capacity(num_envs),
            observations: vec![0.0; num_envs * features],
            masks: vec![true; num_envs * actions],
            rewards: vec![0.0; num_envs],
            terminated: vec![false; num_envs],
            truncated: vec![false; num_envs],
            final_observations: vec![0.0; num_envs * features],
            final_masks: vec![true; num_envs * actions],
            probe,
        };
        env.reset(0);
        env
    }

    /// The task that is run, with its parameters.
    pub fn probe(&self) -> &P {
        &self.probe
    }

    /// The episode that environment `env` is in now.
    ///
    /// # Panics
    ///
    /// Where there is no environment `env`.
    pub fn episode(&self, env: usize) -> &P::Episode {
        &self.episodes[env]
    }
}

/// Writes what `episode` shows and allows into row `env` of `observations` and `masks`.
fn show<P: Probe>(probe: &P, episode: &P::Episode, env: usize, observations: &mut [f32], masks: &mut [bool]) {
    let (features, actions) = (probe.num_features(), probe.num_actions());
    let observation = &mut observations[env * features..][..features];
    observation.fill(0.0);
    probe.observe(episode, observation);
    let allowed = &mut masks[env * actions..][..actions];
    allowed.fill(true);
    probe.allow(episode, allowed);
    debug_assert!(allowed.contains(&true), "{} allows no action", P::NAME);
}

impl<P: Probe> VectorEnv for ProbeEnv<P> {
    fn num_envs(&self) -> usize {
        self.rewards.len()
    }

    fn num_actions(&self) -> usize {
        self.probe.num_actions()
    }

    fn observation_layout(&self) -> &ObservationLayout {
        &self.layout
    }

    fn reset(&mut self, seed: u64) {
        self.seed = seed;
        self.episode_numbers.fill(0);
        self.episodes.clear();
        for env in 0..self.rewards.len() {
            let episode = self.probe.start(&mut stream(seed, P::NAME, env as u64, 0));
            show(&self.probe, &episode, env, &mut self.observations, &mut self.masks);
            self.episodes.push(episode);
        }
    }

    fn observations(&self) -> &[f32] {
        &self.observations
    }

    fn action_masks(&self) -> &[bool] {
        &self.masks
    }

    fn step(&mut self, actions: &[Action]) -> Result<Step<'_>, StepError> {
        StepError::check(actions, self.num_envs(), self.num_actions())?;
        for (env, &action) in actions.iter().enumerate() {
            let episode = &mut self.episodes[env];
            let outcome = self.probe.step(episode, action);
            self.rewards[env] = outcome.reward;
            self.terminated[env] = outcome.terminated;
            self.truncated[env] = outcome.truncated;
            if outcome.ended() {
                show(&self.probe, episode, env, &mut self.final_observations, &mut self.final_masks);
                self.episode_numbers[env] += 1;
                let number = self.episode_numbers[env];
                *episode = self.probe.start(&mut stream(self.seed, P::NAME, env as u64, number));
            }
            show(&self.probe, episode, env, &mut self.observations, &mut self.masks);
        }
        Ok(Step {
            observations: &self.observations,
            action_masks: &self.masks,
            rewards: &self.rewards,
            terminated: &self.terminated,
            truncated: &self.truncated,
            final_observations: &self.final_observations,
            final_action_masks: &self.final_masks,
        })
    }
}

/// The state of a [`ProbeEnv`] of the probe `P` with episodes `E`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeState<P, E> {
    name: String,
    probe: P,
    seed: u64,
    episode_numbers: Vec<u64>,
    episodes: Vec<E>,
}

/// Only a probe with the same parameters can be restored.
impl<P> Snapshot for ProbeEnv<P>
where
    P: Probe + Clone + Debug + PartialEq + Serialize + DeserializeOwned,
    P::Episode: Clone + Debug + Serialize + DeserializeOwned,
{
    type State = ProbeState<P, P::Episode>;

    fn snapshot(&self) -> Self::State {
        ProbeState {
            name: P::NAME.to_owned(),
            probe: self.probe.clone(),
            seed: self.seed,
            episode_numbers: self.episode_numbers.clone(),
            episodes: self.episodes.clone(),
        }
    }

    fn restore(&mut self, state: Self::State) -> Result<(), RestoreError> {
        if (state.name.as_str(), &state.probe) != (P::NAME, &self.probe) {
            let describe = |name: &str, probe: &P| format!("the probe `{name}`, {probe:?}");
            return Err(RestoreError::OtherWorld {
                expected: describe(P::NAME, &self.probe),
                found: describe(&state.name, &state.probe),
            });
        }
        let (expected, found) = (self.num_envs(), state.episodes.len());
        if expected != found {
            return Err(RestoreError::NumEnvs { expected, found });
        }
        RestoreError::check_length("episode_numbers", expected, state.episode_numbers.len())?;
        RestoreError::check_episodes("episode_numbers", &state.episode_numbers)?;
        if let Some(env) = state.episodes.iter().position(|episode| !self.probe.is_possible(episode)) {
            let fault = format!("expected an episode that goes on, found {:?}", state.episodes[env]);
            return Err(RestoreError::invalid("episodes", env, &fault));
        }

        self.seed = state.seed;
        self.episode_numbers = state.episode_numbers;
        self.episodes = state.episodes;
        self.rewards.fill(0.0);
        self.terminated.fill(false);
        self.truncated.fill(false);
        for (env, episode) in self.episodes.iter().enumerate() {
            show(&self.probe, episode, env, &mut self.observations, &mut self.masks);
        }
        Ok(())
    }

    fn seed(state: &Self::State) -> Option<u64> {
        Some(state.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::{MemoryLength, Outcome};

    /// Is cut off after two steps; the second action is allowed only at the start.
    struct Cut;

    impl Probe for Cut {
        type Episode = u8;
        const NAME: &'static str = "cut";
        fn num_actions(&self) -> usize {
            2
        }
        fn num_features(&self) -> usize {
            1
        }
        fn start(&self, _rng: &mut rand_chacha::ChaCha8Rng) -> u8 {
            0
        }
        fn observe(&self, time: &u8, observation: &mut [f32]) {
            observation[0] = f32::from(*time);
        }
        fn allow(&self, time: &u8, allowed: &mut [bool]) {
            allowed[1] = *time == 0;
        }
        fn step(&self, time: &mut u8, _action: Action) -> Outcome {
            *time += 1;
            if *time == 2 { Outcome::truncated(0.5) } else { Outcome::ongoing(0.25) }
        }
        fn optimal_return(&self) -> f32 {
            0.75
        }
        fn memoryless_return(&self) -> f32 {
            0.75
        }
    }

    #[test]
    fn truncation_keeps_its_own_flag_mask_and_final_observation() {
        let mut env = ProbeEnv::new(Cut, 1);
        assert_eq!(env.action_masks(), [true, true]);
        let step = env.step(&[0]).unwrap();
        assert_eq!((step.rewards, step.ended(0)), (&[0.25][..], false));
        assert_eq!(step.outcome(0), (&[1.0][..], &[true, false][..]));
        let step = env.step(&[0]).unwrap();
        assert_eq!((step.terminated, step.truncated), (&[false][..], &[true][..]));
        assert_eq!((step.observations, step.action_masks), (&[0.0][..], &[true, true][..]));
        assert_eq!(step.outcome(0), (&[2.0][..], &[true, false][..]));
    }

    #[test]
    fn a_bad_action_steps_nothing() {
        let mut env = ProbeEnv::new(MemoryLength::new(2), 3);
        let before = env.observations().to_vec();
        assert_eq!(env.step(&[0, 0]).unwrap_err(), StepError::NumActions { expected: 3, found: 2 });
        assert_eq!(
            env.step(&[0, 2, 0]).unwrap_err(),
            StepError::NoSuchAction { env: 1, action: 2, num_actions: 2 }
        );
        assert_eq!(env.observations(), before);
        assert!((0..3).all(|i| *env.episode(i) == *ProbeEnv::new(MemoryLength::new(2), 3).episode(i)));
    }
}
