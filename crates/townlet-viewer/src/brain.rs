//! What chooses actions, and where it comes from.

use std::error::Error;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use townlet_env::{Action, ObservationLayout, TownError, greedy};

use crate::World;

/// What an agent makes of one observation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thought {
    /// The value of each action, `[num_actions]`, exactly as the network gave them. Empty where whatever
    /// chooses has no values.
    pub values: Vec<f32>,
    /// The hidden state after this observation, flattened. Empty where there is no memory.
    pub memory: Vec<f32>,
    /// The greedy action: of those allowed the one of highest value.
    pub action: Action,
}

impl Thought {
    /// The thought that chooses greedily among allowed actions: the first of those with the highest value,
    /// and action 0 where none is allowed.
    ///
    /// ```
    /// use townlet_viewer::Thought;
    ///
    /// let thought = Thought::greedy(vec![3.0, 1.0, 2.0], vec![], &[false, true, true]);
    /// assert_eq!(thought.action, 2);
    /// ```
    pub fn greedy(values: Vec<f32>, memory: Vec<f32>, mask: &[bool]) -> Self {
        Self { action: greedy(&values, mask), values, memory }
    }
}

/// One agent's network and its memory.
///
/// A session calls [`act`](Self::act) exactly once for every observation, the first of an episode included,
/// and [`forget`](Self::forget) before every episode; where it wipes memory every step, before every
/// observation.
pub trait Brain: Send {
    /// Observes, remembers, and values the actions.
    ///
    /// # Shapes
    ///
    /// - `observation`: `[features]`, `mask`: `[num_actions]`
    fn act(&mut self, observation: &[f32], mask: &[bool]) -> Thought;

    /// Wipes the memory, as at the start of an episode.
    fn forget(&mut self);

    /// Whether it can act on such observations.
    ///
    /// # Errors
    ///
    /// A sentence that says what observations it expects.
    fn accepts(&self, layout: &ObservationLayout) -> Result<(), String> {
        let _ = layout;
        Ok(())
    }
}

/// One set of weights that can be watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointInfo {
    /// What it is asked for by; never a path.
    pub id: String,
    /// After how many environment steps of training it was taken.
    pub steps: u64,
    /// After how many episodes of training, where that is known.
    pub episodes: Option<u64>,
    /// What to call it, for a person.
    pub label: String,
    /// How often training explored at that time, where that is known.
    pub epsilon: Option<f64>,
}

/// What is known of a run: its curves, and who else lives how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunFacts {
    /// What the run is called.
    pub name: String,
    /// Whether it is still training.
    pub training: bool,
    /// Environment steps trained so far.
    pub steps: u64,
    /// How long agents lived as training went on, oldest first. At most a few hundred points.
    pub survival: Vec<SurvivalPoint>,
    /// Whether `survival` is of evaluations; otherwise it is of the episodes of training.
    pub survival_is_evaluated: bool,
    /// What rewards were multiplied by before the network learned from them, and so the unit of its values.
    pub reward_scale: Option<f32>,
    /// How often training explores now.
    pub epsilon: Option<f64>,
    /// The stage of the curriculum, where the run has one.
    pub stage: Option<String>,
    /// What novelty is worth now, where the run pays for it.
    pub novelty: Option<f64>,
    /// How long others live in the same level, for comparison.
    pub baselines: Vec<Baseline>,
}

/// A point of a survival curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SurvivalPoint {
    /// Environment steps trained.
    pub steps: u64,
    /// The mean number of steps survived.
    pub survival: f64,
}

/// How long somebody lives, to compare with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// Who: "random", "trained".
    pub name: String,
    /// The mean number of steps survived.
    pub survival: f64,
}

/// Where brains, worlds and facts come from: a run directory, a checkpoint, a level.
///
/// All methods are called by the one thread that plays the session, about once a second or when somebody
/// asks; while one of them works, the session waits.
pub trait Source: Send + Sync {
    /// What can be watched, oldest first. At least one.
    fn checkpoints(&self) -> Vec<CheckpointInfo>;

    /// The newest.
    fn latest(&self) -> Option<CheckpointInfo> {
        self.checkpoints().pop()
    }

    /// A fresh brain with these weights and no memory of anything.
    ///
    /// # Errors
    ///
    /// Where there is no such checkpoint, or it cannot be loaded.
    fn brain(&self, checkpoint: &str) -> Result<Box<dyn Brain>, SourceError>;

    /// The names of the levels that can be played, the usual one first. At least one.
    fn levels(&self) -> Vec<String>;

    /// The world of one agent in this level, wrapped as its observations need to be.
    ///
    /// # Errors
    ///
    /// Where there is no such level, or it makes no world.
    fn world(&self, level: &str) -> Result<Box<dyn World>, SourceError>;

    /// What is known of the run now.
    fn facts(&self) -> RunFacts {
        RunFacts::default()
    }
}

/// Why a source did not give what was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing is called so.
    #[error("there is no checkpoint `{id}`; expected one of {known}")]
    NoSuchCheckpoint {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// Nothing is called so.
    #[error("there is no level `{name}`; expected one of {known}")]
    NoSuchLevel {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A level that makes no world.
    #[error(transparent)]
    Town(#[from] TownError),
    /// Anything else: a file that cannot be read, weights that do not fit.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}
