//! The novelty that acting finds, whichever way it is measured.

use townlet_env::{Action, ObservationLayout};

use super::{CountNovelty, CountNoveltyError};
use crate::config::Intrinsic;

/// What is new to the agents. It learns from every step that they take.
#[derive(Clone, Debug)]
pub(crate) enum Novelty {
    /// Nothing is paid for.
    None,
    /// What was seen rarely.
    Counts(CountNovelty),
}

impl Novelty {
    /// Where everything is still new.
    pub(crate) fn new(settings: &Intrinsic, layout: &ObservationLayout) -> Result<Self, CountNoveltyError> {
        Ok(match settings {
            Intrinsic::None => Self::None,
            Intrinsic::Counts(counts) => Self::Counts(CountNovelty::of_layout(counts.clone(), layout)?),
        })
    }

    /// Takes in what is done where, and writes what that is worth into `rewards`, `[num_envs]`; empty where
    /// nothing is paid.
    ///
    /// # Shapes
    ///
    /// - `observations`: `[num_envs, features]`, what the actions were chosen by
    /// - `actions`: `[num_envs]`
    pub(crate) fn visit(
        &mut self,
        observations: &[f32],
        actions: &[Action],
        rewards: &mut Vec<f32>,
    ) -> Result<(), CountNoveltyError> {
        match self {
            Self::None => Ok(()),
            Self::Counts(counts) => counts.visit(observations, actions, rewards),
        }
    }
}
