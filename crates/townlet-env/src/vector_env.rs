//! The contract between a world and a learner: many environments, stepped together.

use thiserror::Error;

use crate::{ObservationLayout, Stage, StageError};

/// A discrete action: its index, from 0 to [`VectorEnv::num_actions`] - 1.
pub type Action = u8;

/// `num_envs` independent copies of one environment, stepped together.
///
/// These are the vector semantics of Gymnasium (`AutoresetMode.SAME_STEP`) in Rust terms:
///
/// * **Spaces.** The observation space is a row of `f32` described by [`observation_layout`]; the action
///   space is discrete with [`num_actions`] actions, of which the action mask of each environment says
///   which are allowed now. Every environment has the same spaces.
/// * **Reset.** [`reset`] starts a new episode in every environment. Everything random that follows
///   depends on its seed and on the index of the environment alone: not on how many environments there
///   are, and not on threads.
/// * **Step.** [`step`] advances every environment by one action. Where an episode ends, the environment
///   is reset within the same call: [`Step::observations`] then holds the *first observation of the new
///   episode*, and the observation in which the old episode ended stands in [`Step::final_observations`].
///   So no environment is ever stepped after its episode's end, and no step is wasted on a reset.
/// * **Two ends.** `terminated` says that the episode ended in the world (the agent died): nothing more
///   can be earned, so a learner does not bootstrap. `truncated` says that it was cut off from outside (a
///   step limit): more could have been earned, so a learner bootstraps from the final observation. They
///   are never both true; either starts a new episode.
///
/// All slices are row-major: row `i` belongs to environment `i`.
///
/// # A world of your own
///
/// ```
/// use townlet_env::{Action, ObservationLayout, Step, StepError, VectorEnv};
///
/// /// Guess the sign that you are shown. One step an episode.
/// struct Signs {
///     layout: ObservationLayout,
///     observations: Vec<f32>,
///     finals: Vec<f32>,
///     masks: Vec<bool>,
///     rewards: Vec<f32>,
///     terminated: Vec<bool>,
///     truncated: Vec<bool>,
/// }
///
/// impl Signs {
///     fn new(envs: usize) -> Self {
///         Self {
///             layout: ObservationLayout::builder().features(1).build(),
///             observations: (0..envs).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect(),
///             finals: vec![0.0; envs],
///             masks: vec![true; 2 * envs],
///             rewards: vec![0.0; envs],
///             terminated: vec![false; envs],
///             truncated: vec![false; envs],
///         }
///     }
/// }
///
/// impl VectorEnv for Signs {
///     fn num_envs(&self) -> usize {
///         self.rewards.len()
///     }
///     fn num_actions(&self) -> usize {
///         2
///     }
///     fn observation_layout(&self) -> &ObservationLayout {
///         &self.layout
///     }
///     fn reset(&mut self, _seed: u64) {}
///     fn observations(&self) -> &[f32] {
///         &self.observations
///     }
///     fn action_masks(&self) -> &[bool] {
///         &self.masks
///     }
///     fn step(&mut self, actions: &[Action]) -> Result<Step<'_>, StepError> {
///         StepError::check(actions, self.num_envs(), self.num_actions())?;
///         self.finals.copy_from_slice(&self.observations);
///         for (i, &action) in actions.iter().enumerate() {
///             let right = (action == 1) == (self.observations[i] > 0.0);
///             self.rewards[i] = if right { 1.0 } else { 0.0 };
///             self.terminated[i] = true;
///             self.observations[i] = -self.observations[i];
///         }
///         Ok(Step {
///             observations: &self.observations,
///             action_masks: &self.masks,
///             rewards: &self.rewards,
///             terminated: &self.terminated,
///             truncated: &self.truncated,
///             final_observations: &self.finals,
///             final_action_masks: &self.masks,
///         })
///     }
/// }
///
/// let mut signs = Signs::new(2);
/// signs.reset(0);
/// let step = signs.step(&[1, 1])?;
/// assert_eq!(step.rewards, [1.0, 0.0]);
/// assert_eq!(step.final_observations, [1.0, -1.0]);
/// assert_eq!(step.observations, [-1.0, 1.0]);
/// # Ok::<(), StepError>(())
/// ```
///
/// [`observation_layout`]: Self::observation_layout
/// [`num_actions`]: Self::num_actions
/// [`reset`]: Self::reset
/// [`step`]: Self::step
pub trait VectorEnv {
    /// How many environments are stepped together.
    fn num_envs(&self) -> usize;

    /// How many actions there are; at most 256.
    fn num_actions(&self) -> usize;

    /// What each feature of an observation means, and how many there are.
    fn observation_layout(&self) -> &ObservationLayout;

    /// Starts a new episode in every environment.
    fn reset(&mut self, seed: u64);

    /// The observations to act on now, `[num_envs, features]`.
    fn observations(&self) -> &[f32];

    /// The actions allowed now, `[num_envs, num_actions]`. At least one in each row is allowed.
    ///
    /// An environment does not enforce its mask: a masked action is a legal call that does nothing useful.
    fn action_masks(&self) -> &[bool];

    /// Takes one action in every environment, and resets those whose episode it ends.
    ///
    /// # Errors
    ///
    /// Where the number of actions is not [`num_envs`](Self::num_envs), or one does not exist. Nothing
    /// has been stepped then.
    fn step(&mut self, actions: &[Action]) -> Result<Step<'_>, StepError>;

    /// After how many steps episodes are cut off; `None` where they are not, or not all after as many.
    fn step_limit(&self) -> Option<u32> {
        None
    }

    /// Makes the world of one environment easier or harder, from its next step on, until the next call. A
    /// [`reset`](Self::reset) and the ends of episodes leave it as it is.
    ///
    /// # Errors
    ///
    /// Where the world knows no stages, as by default, or there is no such environment, or no such stage in
    /// this world. Nothing has changed then.
    fn set_stage(&mut self, env: usize, stage: &Stage) -> Result<(), StageError> {
        let _ = (env, stage);
        Err(StageError::Unsupported)
    }
}

/// What one [`VectorEnv::step`] leads to, as views into the environment's own buffers.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What to act on next, `[num_envs, features]`: where an episode ended, its successor's first.
    pub observations: &'a [f32],
    /// The actions allowed in `observations`, `[num_envs, num_actions]`.
    pub action_masks: &'a [bool],
    /// The reward of this step, `[num_envs]`.
    pub rewards: &'a [f32],
    /// Whether the episode ended in the world, `[num_envs]`.
    pub terminated: &'a [bool],
    /// Whether the episode was cut off by a limit, `[num_envs]`.
    pub truncated: &'a [bool],
    /// The last observation of each episode that ended, `[num_envs, features]`.
    /// Rows of environments whose episode goes on hold nothing meaningful.
    pub final_observations: &'a [f32],
    /// The actions allowed in `final_observations`, `[num_envs, num_actions]`; what a learner needs to
    /// bootstrap from a truncated episode. The same rows are meaningful.
    pub final_action_masks: &'a [bool],
}

impl<'a> Step<'a> {
    /// Whether the episode of environment `env` ended in this step, for either reason.
    ///
    /// # Panics
    ///
    /// Where there is no environment `env`.
    pub fn ended(&self, env: usize) -> bool {
        self.terminated[env] || self.truncated[env]
    }

    /// What environment `env` saw after its action, and what it was allowed to do there: the final
    /// observation and mask where its episode ended, the current ones otherwise.
    ///
    /// # Panics
    ///
    /// Where there is no environment `env`.
    pub fn outcome(&self, env: usize) -> (&'a [f32], &'a [bool]) {
        let (observations, masks) = if self.ended(env) {
            (self.final_observations, self.final_action_masks)
        } else {
            (self.observations, self.action_masks)
        };
        let features = observations.len() / self.rewards.len();
        let actions = masks.len() / self.rewards.len();
        (&observations[env * features..][..features], &masks[env * actions..][..actions])
    }
}

/// Why an environment refused to step.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepError {
    /// There must be one action for each environment.
    #[error("expected one action for each of the {expected} environments, found {found}")]
    NumActions {
        /// The number of environments.
        expected: usize,
        /// The number of actions given.
        found: usize,
    },
    /// An action that does not exist.
    #[error("environment {env} was given action {action}; expected 0 to {}", .num_actions - 1)]
    NoSuchAction {
        /// The environment.
        env: usize,
        /// The action it was given.
        action: Action,
        /// How many actions there are.
        num_actions: usize,
    },
}

impl StepError {
    /// Checks the argument of [`VectorEnv::step`]: one action for each environment, each of which exists.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn check(actions: &[Action], num_envs: usize, num_actions: usize) -> Result<(), Self> {
        if actions.len() != num_envs {
            return Err(Self::NumActions { expected: num_envs, found: actions.len() });
        }
        let exists = |action: Action| usize::from(action) < num_actions;
        // The largest action is found many at a time, the first fault only one at a time.
        let all_exist = actions.iter().copied().max().is_none_or(exists);
        let fault = if all_exist { None } else { actions.iter().position(|&action| !exists(action)) };
        match fault {
            Some(env) => Err(Self::NoSuchAction { env, action: actions[env], num_actions }),
            None => Ok(()),
        }
    }
}
