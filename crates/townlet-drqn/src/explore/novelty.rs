//! The novelty that acting finds, whichever way it is measured.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use townlet_env::{Action, ObservationLayout, Step};

use super::distillation::{Curiosity, Distiller, SavedCuriosity};
use super::{CountNovelty, CountNoveltyError};
use crate::config::Intrinsic;
use crate::config_error::ConfigError;
use crate::running_moments::MomentsError;
use crate::state_fault::StateFault;

/// Why novelty cannot be measured.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum NoveltyError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Observations cannot be counted.
    #[error(transparent)]
    Counts(#[from] CountNoveltyError),
    /// Observations, or what the networks say of them, cannot be normalised.
    #[error("random network distillation: {0}")]
    Moments(#[from] MomentsError),
    /// The predictor has gone astray.
    #[error(
        "random network distillation: the error of the prediction is {loss}, expected a finite number; \
         lower intrinsic.learning_rate"
    )]
    Diverged {
        /// The mean squared error over the batch.
        loss: f32,
    },
}

/// What is new to the agents: the acting side.
#[derive(Clone, Debug)]
pub(crate) enum Novelty {
    /// Nothing is paid for.
    None,
    /// What was seen rarely.
    Counts(CountNovelty),
    /// What cannot be predicted yet.
    Distillation(Box<Curiosity>),
}

/// What there is to remember of [`Novelty`], beside what learns.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SavedNovelty {
    None,
    Counts(CountNovelty),
    Distillation(Box<SavedCuriosity>),
}

impl SavedNovelty {
    /// What the settings call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Counts(_) => "counts",
            Self::Distillation(_) => "rnd",
        }
    }
}

impl Novelty {
    pub(crate) fn saved(&self) -> SavedNovelty {
        match self {
            Self::None => SavedNovelty::None,
            Self::Counts(counts) => SavedNovelty::Counts(counts.clone()),
            Self::Distillation(curiosity) => SavedNovelty::Distillation(Box::new(curiosity.saved())),
        }
    }

    /// Checks that what was saved can be of this run, which has made so many steps over all environments.
    pub(crate) fn check(&self, saved: &SavedNovelty, steps: u64) -> Result<(), StateFault> {
        match (self, saved) {
            (Self::Counts(fresh), SavedNovelty::Counts(saved)) => saved.check(fresh),
            (Self::Distillation(fresh), SavedNovelty::Distillation(saved)) => fresh.check(saved, steps),
            (_, _) => {
                let expected = self.saved().kind();
                StateFault::ensure(saved.kind() == expected, "kind", saved.kind(), expected)
            }
        }
    }

    /// Goes on from what was saved of novelty of the same kind; of another, nothing is taken over.
    pub(crate) fn restore(&mut self, saved: SavedNovelty) {
        match (self, saved) {
            (Self::Counts(counts), SavedNovelty::Counts(saved)) => *counts = saved,
            (Self::Distillation(curiosity), SavedNovelty::Distillation(saved)) => curiosity.restore(*saved),
            (_, _) => {}
        }
    }

    /// Knows from now on what the learning side has learned.
    pub(crate) fn knows(&mut self, distiller: &Distiller) {
        if let Self::Distillation(curiosity) = self {
            curiosity.learned(distiller);
        }
    }

    /// Where everything is still new, and what learns beside it. `device` is given without autodiff.
    pub(crate) fn start(
        settings: &Intrinsic,
        layout: &ObservationLayout,
        num_envs: usize,
        seed: u64,
        device: &Device,
    ) -> Result<(Self, Option<Distiller>), NoveltyError> {
        Ok(match settings {
            Intrinsic::None {} => (Self::None, None),
            Intrinsic::Counts(counts) => {
                (Self::Counts(CountNovelty::of_layout(counts.clone(), layout)?), None)
            }
            Intrinsic::Rnd(distillation) => {
                let (curiosity, distiller) = distillation.start(layout.len(), num_envs, seed, device)?;
                (Self::Distillation(Box::new(curiosity)), Some(distiller))
            }
        })
    }

    /// Takes in what is about to be done where. Once [`led_to`](Self::led_to) has been called too, `rewards`,
    /// `[num_envs]`, says what that is worth; it stays empty where nothing is paid.
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
    ) -> Result<(), NoveltyError> {
        match self {
            Self::None | Self::Distillation(_) => Ok(()),
            Self::Counts(counts) => Ok(counts.visit(observations, actions, rewards)?),
        }
    }

    /// Takes in what it led to. What has to be learned first pays only once it `learns`.
    pub(crate) fn led_to(
        &mut self,
        step: &Step<'_>,
        learns: bool,
        rewards: &mut Vec<f32>,
    ) -> Result<(), NoveltyError> {
        match self {
            Self::None | Self::Counts(_) => Ok(()),
            Self::Distillation(curiosity) => Ok(curiosity.observe(step, learns, rewards)?),
        }
    }
}
