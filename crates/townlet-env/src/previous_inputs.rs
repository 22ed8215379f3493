//! A world in which agents also see what they did last and what it paid.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{
    Action, ObservationLayout, RestoreError, Snapshot, Stage, StageError, Step, StepError, VectorEnv,
    first_not_finite,
};

/// A world whose observations also hold the action before them, one-hot, and the reward it was paid, times a
/// scale.
///
/// Kapturowski et al., *Recurrent Experience Replay in Distributed Reinforcement Learning* (2019),
/// give both to the recurrent network beside the observation, after Wang et al., *Learning to Reinforcement
/// Learn* (2016). They are appended as [`Feature::Previous`](crate::Feature::Previous), the last range:
/// `num_actions` features and one. All of them are 0 in the first observation of an episode, before which nothing was done; the observation in
/// which an episode ends has those of its last step.
///
/// A [`disabled`](Self::disabled) wrapper passes everything through as it is, so that a program can have one
/// type of world, whether agents see their previous inputs or not.
///
/// ```
/// use townlet_env::probes::{Chain, ProbeEnv};
/// use townlet_env::{PreviousInputs, VectorEnv};
///
/// let mut env = PreviousInputs::new(ProbeEnv::new(Chain, 1), 0.5);
/// env.reset(0);
/// // Three features of the chain, two actions, one reward.
/// assert_eq!(env.observation_layout().previous(), Some(3..6));
/// assert_eq!(env.observations(), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// // Every step of the chain pays -1.
/// let step = env.step(&[1])?;
/// assert_eq!(step.observations, [0.0, 1.0, 0.0, 0.0, 1.0, -0.5]);
/// let end = env.step(&[1])?;
/// assert_eq!(end.final_observations, [0.0, 0.0, 1.0, 0.0, 1.0, -0.5]);
/// assert_eq!(end.observations, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), townlet_env::StepError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PreviousInputs<E> {
    inner: E,
    appended: Option<Appended>,
}

/// What the wrapper keeps where it does anything.
#[derive(Clone, Debug)]
struct Appended {
    reward_scale: f32,
    layout: ObservationLayout,
    /// `[num_envs, features]`, the previous inputs last in each row.
    observations: Vec<f32>,
    final_observations: Vec<f32>,
}

impl<E: VectorEnv> PreviousInputs<E> {
    /// Shows the previous action, and the previous reward times `reward_scale`. A scale brings rewards to about
    /// the size of the other features; the rewards themselves stay as they are.
    ///
    /// # Panics
    ///
    /// Where the observations of `inner` already hold previous inputs.
    pub fn new(inner: E, reward_scale: f32) -> Self {
        let layout = inner.observation_layout().with_previous(inner.num_actions() + 1);
        let size = inner.num_envs() * layout.len();
        let mut appended = Appended {
            reward_scale,
            layout,
            observations: vec![0.0; size],
            final_observations: vec![0.0; size],
        };
        appended.start(inner.observations(), inner.num_envs());
        Self { inner, appended: Some(appended) }
    }

    /// Shows nothing more than `inner` does, at no cost.
    pub fn disabled(inner: E) -> Self {
        Self { inner, appended: None }
    }

    /// Whether previous inputs are shown.
    pub fn is_enabled(&self) -> bool {
        self.appended.is_some()
    }

    /// The world inside, whose own observations have no previous inputs.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    /// The world inside, unwrapped.
    pub fn into_inner(self) -> E {
        self.inner
    }
}

impl Appended {
    /// The range of row `env`.
    fn row(&self, env: usize) -> Range<usize> {
        let len = self.layout.len();
        env * len..(env + 1) * len
    }

    /// Copies the first observations of an episode, with nothing before them.
    fn start(&mut self, observations: &[f32], num_envs: usize) {
        let features = observations.len() / num_envs;
        for (env, observation) in observations.chunks_exact(features).enumerate() {
            let row = self.row(env);
            write(&mut self.observations[row], observation, None);
        }
    }

    /// Copies what a step led to.
    fn step(&mut self, step: &Step<'_>, actions: &[Action]) {
        for (env, &action) in actions.iter().enumerate() {
            let row = self.row(env);
            let previous = Some((action, step.rewards[env] * self.reward_scale));
            let (outcome, _) = step.outcome(env);
            if step.ended(env) {
                let first = &step.observations[env * outcome.len()..][..outcome.len()];
                write(&mut self.final_observations[row.clone()], outcome, previous);
                write(&mut self.observations[row], first, None);
            } else {
                write(&mut self.observations[row], outcome, previous);
            }
        }
    }
}

/// Writes an observation and after it the previous action and scaled reward, or zeros.
fn write(row: &mut [f32], observation: &[f32], previous: Option<(Action, f32)>) {
    let (seen, inputs) = row.split_at_mut(observation.len());
    seen.copy_from_slice(observation);
    inputs.fill(0.0);
    if let (Some((action, reward)), Some((paid, actions))) = (previous, inputs.split_last_mut()) {
        actions[usize::from(action)] = 1.0;
        *paid = reward;
    }
}

impl<E: VectorEnv> VectorEnv for PreviousInputs<E> {
    fn num_envs(&self) -> usize {
        self.inner.num_envs()
    }

    fn num_actions(&self) -> usize {
        self.inner.num_actions()
    }

    fn observation_layout(&self) -> &ObservationLayout {
        self.appended.as_ref().map_or_else(|| self.inner.observation_layout(), |appended| &appended.layout)
    }

    fn step_limit(&self) -> Option<u32> {
        self.inner.step_limit()
    }

    fn reset(&mut self, seed: u64) {
        self.inner.reset(seed);
        if let Some(appended) = &mut self.appended {
            appended.start(self.inner.observations(), self.inner.num_envs());
        }
    }

    fn observations(&self) -> &[f32] {
        self.appended.as_ref().map_or_else(|| self.inner.observations(), |appended| &appended.observations)
    }

    fn action_masks(&self) -> &[bool] {
        self.inner.action_masks()
    }

    fn step(&mut self, actions: &[Action]) -> Result<Step<'_>, StepError> {
        let step = self.inner.step(actions)?;
        let Some(appended) = &mut self.appended else { return Ok(step) };
        appended.step(&step, actions);
        Ok(Step {
            observations: &appended.observations,
            final_observations: &appended.final_observations,
            ..step
        })
    }

    fn set_stage(&mut self, env: usize, stage: &Stage) -> Result<(), StageError> {
        self.inner.set_stage(env, stage)
    }
}

/// The state of a [`PreviousInputs`]: that of the world inside, and what its observations have in addition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousInputsState<S> {
    inner: S,
    previous: Option<Previous>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Previous {
    reward_scale: f32,
    /// The previous action, none at the start of an episode, `[num_envs]`.
    actions: Vec<Option<Action>>,
    /// The previous reward times the scale, `[num_envs]`.
    rewards: Vec<f32>,
}

impl<E: VectorEnv + Snapshot> Snapshot for PreviousInputs<E> {
    type State = PreviousInputsState<E::State>;

    fn snapshot(&self) -> Self::State {
        let previous = self.appended.as_ref().map(|appended| {
            let rows = appended.observations.chunks_exact(appended.layout.len());
            let inputs = rows.map(|row| {
                let (&reward, row) = row.split_last().expect("a row ends with the previous reward");
                let actions = &row[row.len() - self.num_actions()..];
                (actions.iter().position(|&taken| taken == 1.0).map(|action| action as Action), reward)
            });
            let (actions, rewards) = inputs.unzip();
            Previous { reward_scale: appended.reward_scale, actions, rewards }
        });
        PreviousInputsState { inner: self.inner.snapshot(), previous }
    }

    fn restore(&mut self, state: Self::State) -> Result<(), RestoreError> {
        let name =
            |shown| if shown { "a world with previous inputs" } else { "a world without previous inputs" };
        let (appended, previous) = match (&mut self.appended, state.previous) {
            (None, None) => return self.inner.restore(state.inner),
            (Some(appended), Some(previous)) => (appended, previous),
            (appended, previous) => {
                return Err(RestoreError::OtherWorld {
                    expected: name(appended.is_some()).to_owned(),
                    found: name(previous.is_some()).to_owned(),
                });
            }
        };
        previous.check(appended.reward_scale, self.inner.num_envs(), self.inner.num_actions())?;
        self.inner.restore(state.inner)?;

        let features = appended.layout.len() - self.inner.num_actions() - 1;
        let inputs = previous.actions.into_iter().zip(previous.rewards).enumerate();
        for (env, (action, reward)) in inputs {
            let row = appended.row(env);
            let seen = &self.inner.observations()[env * features..][..features];
            write(&mut appended.observations[row], seen, action.map(|action| (action, reward)));
        }
        Ok(())
    }

    fn seed(state: &Self::State) -> Option<u64> {
        E::seed(&state.inner)
    }
}

impl Previous {
    fn check(&self, reward_scale: f32, num_envs: usize, num_actions: usize) -> Result<(), RestoreError> {
        if self.reward_scale != reward_scale {
            return Err(RestoreError::OtherRules {
                key: "reward_scale".to_owned(),
                expected: reward_scale.to_string(),
                found: self.reward_scale.to_string(),
            });
        }
        if self.actions.len() != num_envs {
            return Err(RestoreError::NumEnvs { expected: num_envs, found: self.actions.len() });
        }
        RestoreError::check_length("previous.rewards", num_envs, self.rewards.len())?;
        if let Some(env) = first_not_finite(&self.rewards) {
            let fault = format!("expected a finite number, found {}", self.rewards[env]);
            return Err(RestoreError::invalid("previous.rewards", env, &fault));
        }
        let unknown =
            |action: &Option<Action>| action.is_some_and(|action| usize::from(action) >= num_actions);
        match self.actions.iter().position(unknown) {
            None => Ok(()),
            Some(env) => Err(RestoreError::invalid(
                "previous.actions",
                env,
                &format!("expected an action from 0 to {}", num_actions - 1),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, RewardMode, Town};

    const SCALE: f32 = 0.25;

    fn town(agents: usize) -> Town {
        Town::new(Level::builtin("temporal").unwrap(), agents).unwrap()
    }

    /// Actions that kill some agents soon.
    fn actions(time: usize, agents: usize) -> Vec<Action> {
        (0..agents).map(|agent| ((agent * 7 + time * time * 3 + time) % 5) as Action).collect()
    }

    /// An observation, and after it the inputs that it should have.
    fn with(observation: &[f32], previous: Option<(Action, f32)>) -> Vec<f32> {
        let mut row = observation.to_vec();
        row.extend(
            (0..5).map(|action| f32::from(u8::from(previous.is_some_and(|(taken, _)| taken == action)))),
        );
        row.push(previous.map_or(0.0, |(_, reward)| SCALE * reward));
        row
    }

    #[test]
    fn every_observation_has_the_action_and_the_reward_that_led_to_it() {
        let (mut plain, mut env) = (town(6), PreviousInputs::new(town(6), SCALE));
        plain.reset(5);
        env.reset(5);
        assert!(env.is_enabled());
        let (features, wide) = (plain.observation_layout().len(), env.observation_layout().len());
        assert_eq!((wide, env.observation_layout().previous()), (features + 6, Some(features..features + 6)));
        assert_eq!(env.observations()[..wide], with(&plain.observations()[..features], None));
        let mut ends = 0;
        for time in 0..400 {
            let actions = actions(time, 6);
            let (expected, step) = (plain.step(&actions).unwrap(), env.step(&actions).unwrap());
            assert_eq!((step.rewards, step.terminated), (expected.rewards, expected.terminated));
            for (agent, &action) in actions.iter().enumerate() {
                let led_here = Some((action, expected.rewards[agent]));
                let (seen, mask) = expected.outcome(agent);
                assert_eq!(step.outcome(agent), (&with(seen, led_here)[..], mask));
                if step.ended(agent) {
                    ends += 1;
                    let first = &expected.observations[agent * features..][..features];
                    assert_eq!(step.observations[agent * wide..][..wide], with(first, None));
                }
            }
        }
        assert!(ends > 3, "some episodes ended");
        assert_eq!(env.inner().episodes(), plain.episodes());
        env.reset(5);
        assert!(
            env.observations().chunks_exact(wide).all(|row| row[features..] == [0.0; 6]),
            "a reset forgets"
        );
    }

    #[test]
    fn a_disabled_wrapper_changes_nothing() {
        let (mut plain, mut env) = (town(2), PreviousInputs::disabled(town(2)));
        assert!(!env.is_enabled());
        assert_eq!(env.observation_layout(), plain.observation_layout());
        for time in 0..200 {
            let actions = actions(time, 2);
            let (expected, step) = (plain.step(&actions).unwrap(), env.step(&actions).unwrap());
            assert_eq!(step.observations, expected.observations);
            assert_eq!(step.rewards, expected.rewards);
        }
        assert_eq!(env.into_inner().state(0), plain.state(0));
    }

    #[test]
    fn errors_and_stages_are_passed_on() {
        let mut env = PreviousInputs::new(town(2), SCALE);
        let before = env.observations().to_vec();
        assert!(env.step(&[0, 9]).is_err());
        assert_eq!(env.observations(), before);
        env.set_stage(1, &Stage::new(&["energy"], 1.0, RewardMode::Sparse)).unwrap();
        env.step(&[4, 4]).unwrap();
        assert_eq!(env.inner().meter(5), [0.994, 1.0]);
    }
}
