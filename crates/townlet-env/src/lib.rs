#![doc = include_str!("../README.md")]

mod observation_layout;
mod streams;
mod vector_env;

pub use observation_layout::{Feature, ObservationLayout, ObservationLayoutBuilder};
pub use streams::stream;
pub use vector_env::{Action, Step, StepError, VectorEnv};
