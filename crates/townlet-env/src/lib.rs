#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod choice;
mod level;
mod observation_layout;
mod previous_inputs;
pub mod probes;
mod scripted;
mod snapshot;
mod stage;
mod streams;
mod town;
pub mod trace;
mod vector_env;
mod world_check;

pub use choice::{greedy, random_allowed};
pub use level::{
    Affordance, Amounts, Cascade, Cell, Grid, HOURS_PER_DAY, Hours, Layout, Level, LevelError, LevelFault,
    LevelPlace, MAX_AFFORDANCES, MAX_METERS, MAX_SIDE, MAX_STEP_LIMIT, MAX_VISION_RANGE, Meter, Milestone,
    Modulation, Observability, Reward, ShapedReward,
};
pub use observation_layout::{Feature, ObservationLayout, ObservationLayoutBuilder};
pub use previous_inputs::{PreviousInputs, PreviousInputsState};
pub use scripted::{ExplorerAgent, ScriptedAgent};
pub use snapshot::{RestoreError, Snapshot};
pub use stage::{RewardMode, Stage, StageError};
pub use streams::stream;
pub use town::{AgentState, MeterSet, Town, TownError, TownState};
pub use vector_env::{Action, Step, StepError, VectorEnv};
pub use world_check::{WorldCheck, WorldFault, first_not_finite};
