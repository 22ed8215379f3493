#![doc = include_str!("../README.md")]

mod burn_in;
mod config;
mod evaluate;
mod explore;
mod gradients;
mod learner;
mod policy;
mod polyak;
mod replay;
mod rescale;
mod schedule;
mod targets;
mod trainer;

pub use config::{
    BootstrapActions, ConfigError, DrqnConfig, LastStep, Loss, Memory, Sampling, StartState, TargetEstimator,
    TargetUpdate,
};
pub use evaluate::{EpisodeOutcome, evaluate};
pub use explore::epsilon_greedy;
pub use learner::{Learner, LearnerError, UpdateReport};
pub use policy::{NetworkPolicy, Policy, RandomPolicy};
pub use replay::{EmptyReplay, SequenceBatch, SequenceReplay, WindowId};
pub use rescale::{RESCALING_EPSILON, rescale, rescale_inverse, rescale_inverse_tensor, rescale_tensor};
pub use schedule::{EpsilonSchedule, UpdateSchedule};
pub use townlet_nets::{Actor, clip_global_norm};
pub use trainer::{EpisodeReport, Progress, TrainError, TrainObserver, Trainer};
