#![doc = include_str!("../README.md")]

mod atomic_file;
mod error;
mod export;
mod reader;
mod recorder;
mod rows;
mod sqlite;
mod table;
mod tensorboard;

pub use error::MetricsError;
pub use export::{Format, export};
pub use reader::{Count, HeatCell, Metrics};
pub use recorder::{Clock, Options, Recorder};
pub use rows::{
    DeathRow, EpisodeRow, EvaluationRow, FinishedEpisode, HeatRow, Histogram, Position, Record, StageRow,
    SystemState, UpdateRow, VisitRow,
};
