//! Saving worlds in the middle of their episodes, and restoring them to the last bit.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A world that can be saved in the middle of its episodes and goes on later as if nothing had happened.
///
/// A world that is [restored](Self::restore) shows the same observations and action masks as the one that was
/// [saved](Self::snapshot), and the same actions lead it to the same observations, rewards and ends, bit for
/// bit, through any number of episodes. Random streams need no saving: they are named in full by seed,
/// environment and episode, see [`stream`](crate::stream). What the last step paid and ended is not kept.
///
/// The state is plain data for any format of serde that keeps floats to the last bit and integers of 64 bits.
///
/// ```
/// use townlet_env::{Level, Snapshot, Town, VectorEnv};
///
/// let mut town = Town::new(Level::builtin("pomdp")?, 2)?;
/// town.reset(7);
/// town.step(&[3, 3])?;
///
/// let saved = serde_json::to_string(&town.snapshot())?;
/// let mut restored = Town::new(Level::builtin("pomdp")?, 2)?;
/// restored.restore(serde_json::from_str(&saved)?)?;
/// assert_eq!(restored.observations(), town.observations());
/// assert_eq!(restored.step(&[1, 0])?.rewards, town.step(&[1, 0])?.rewards);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Snapshot {
    /// Everything that future steps depend on.
    type State: Serialize + DeserializeOwned;

    /// The state now.
    fn snapshot(&self) -> Self::State;

    /// Goes on from a state that a world like this one was in, wherever this one is.
    ///
    /// # Errors
    ///
    /// Where the state is that of another world, of another number of environments, or of none. Nothing has
    /// changed then.
    fn restore(&mut self, state: Self::State) -> Result<(), RestoreError>;

    /// The seed that the world of this state was reset with, where a state tells it. Whoever goes on with a run
    /// compares it with the run's.
    fn seed(state: &Self::State) -> Option<u64> {
        let _ = state;
        None
    }
}

/// More episodes than any environment lives through. A state that says more is damaged.
pub(crate) const MOST_EPISODES: u64 = 1 << 53;

/// Why a world was not restored.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// The state of something else.
    #[error(
        "expected the state of {expected}, found that of {found}; restore it into the kind of world it was saved from"
    )]
    OtherWorld {
        /// What is to be restored.
        expected: String,
        /// What was saved.
        found: String,
    },
    /// The state of a world with other rules.
    #[error(
        "expected a state saved under `{key} = {expected}`, found one saved under {found}; restore it with the settings that it was saved with"
    )]
    OtherRules {
        /// The key that differs, as a level file or a setting calls it.
        key: String,
        /// What the world has.
        expected: String,
        /// What the saved one had.
        found: String,
    },
    /// Rules that this version cannot read.
    #[error("the saved level cannot be read: {message}; restore it with the version that it was saved with")]
    UnknownRules {
        /// What is wrong with the saved level.
        message: String,
    },
    /// The state of more or fewer environments.
    #[error(
        "expected the state of {expected} environments, found that of {found}; restore it into as many as were saved"
    )]
    NumEnvs {
        /// The number of environments.
        expected: usize,
        /// The number of those saved.
        found: usize,
    },
    /// A list that is too short or too long.
    #[error("{key}: expected {expected} entries, found {found}; the saved state is damaged")]
    Length {
        /// The key of the list.
        key: String,
        /// How many entries it must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A state in which no environment can be.
    #[error("{key} of environment {env}: {fault}; the saved state is damaged")]
    Invalid {
        /// The key of the list that is at fault.
        key: String,
        /// The environment.
        env: usize,
        /// What was expected, and what found.
        fault: String,
    },
}

impl RestoreError {
    /// Checks that the list called `key` has as many entries as it must.
    ///
    /// # Errors
    ///
    /// [`Length`](Self::Length) where it has not.
    pub fn check_length(key: &str, expected: usize, found: usize) -> Result<(), Self> {
        let error = || Self::Length { key: key.to_owned(), expected, found };
        if expected == found { Ok(()) } else { Err(error()) }
    }

    /// Checks that no environment is said to have lived more episodes than it can have.
    pub(crate) fn check_episodes(key: &str, episodes: &[u64]) -> Result<(), Self> {
        match episodes.iter().position(|&episode| episode > MOST_EPISODES) {
            Some(env) => {
                let fault = format!("expected at most {MOST_EPISODES} episodes, found {}", episodes[env]);
                Err(Self::invalid(key, env, &fault))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn invalid(key: &str, env: usize, fault: &impl ToString) -> Self {
        Self::Invalid { key: key.to_owned(), env, fault: fault.to_string() }
    }
}
