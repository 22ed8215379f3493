#![doc = include_str!("../README.md")]

mod burn_in;
mod checkpoint;
mod config;
mod config_error;
mod curriculum;
mod evaluate;
mod explore;
mod gradients;
mod learner;
mod packed;
mod policy;
mod polyak;
mod replay;
mod rescale;
mod running_moments;
mod schedule;
mod state_fault;
mod targets;
mod trainer;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use config::{
    Annealing, BootstrapActions, DrqnConfig, Intrinsic, LastStep, Loss, Memory, Sampling, Sequences,
    StartState, TargetEstimator, TargetUpdate,
};
pub use config_error::ConfigError;
pub use curriculum::{
    AdversarialConfig, AdversarialCurriculum, Curriculum, CurriculumConfig, CurriculumError, RewardProgress,
    StageChange, StaticConfig, StaticCurriculum, policy_entropy,
};
pub use evaluate::{EpisodeOutcome, EvaluateError, evaluate, evaluate_with};
pub use explore::{
    AdaptiveAnnealing, AnnealingConfig, CountNovelty, CountNoveltyConfig, CountNoveltyError,
    DistillationConfig, NoveltyError, WeightChange, epsilon_greedy,
};
pub use learner::{Learner, LearnerError, UpdateReport};
pub use policy::{NetworkPolicy, Policy, RandomPolicy, ValueFault};
pub use replay::{EmptyReplay, Extras, SequenceBatch, SequenceReplay, WindowId};
pub use rescale::{RESCALING_EPSILON, rescale, rescale_inverse, rescale_inverse_tensor, rescale_tensor};
pub use running_moments::{IntrinsicNormaliser, MomentsError, ObservationMoments, RunningMoments};
pub use schedule::{EpsilonSchedule, UpdateSchedule};
pub use state_fault::StateFault;
pub use townlet_nets::{Actor, clip_global_norm};
pub use trainer::{EpisodeReport, Progress, TrainError, TrainObserver, Trainer};
