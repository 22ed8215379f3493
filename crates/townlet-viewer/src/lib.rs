#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod brain;
mod brains;
mod command;
pub mod export;
pub mod frame;
mod lane;
mod ledger;
pub mod message;
mod pace;
mod recording;
pub mod reference;
pub mod server;
mod session;
mod session_error;
pub mod terminal;
mod web;
mod world;

pub use brain::{Baseline, Brain, CheckpointInfo, RunFacts, Source, SourceError, SurvivalPoint, Thought};
pub use brains::{EchoBrain, RandomBrain, ScriptedBrain, UntrainedSource};
pub use command::{Beside, Command, MAX_SEED, SPEEDS};
pub use recording::{RecordedEpisode, Recording, RecordingError};
pub use session::{Catalogue, ReplayStatus, Session, SessionOptions, Status};
pub use session_error::SessionError;
pub use world::World;
