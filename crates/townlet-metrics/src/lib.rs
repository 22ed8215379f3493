#![doc = include_str!("../README.md")]

mod error;
mod export;
mod figures;
pub mod plot;
mod reader;
mod recorder;
mod recovery;
mod report;
mod rows;
mod settings_table;
mod sqlite;
mod table;
mod tensorboard;

pub use error::MetricsError;
pub use export::{Format, export};
pub use figures::{RunData, figures};
pub use plot::{Plot, PlotError};
pub use reader::{Count, HeatCell, Metrics};
pub use recorder::{Clock, Options, Recorder};
pub use recovery::Loss;
pub use report::{EvaluationLine, Report, ReportError, ReportRun, grouped, html};
pub use rows::{
    DeathRow, EpisodeRow, EvaluationRow, FinishedEpisode, HeatRow, Histogram, Position, Record, StageRow,
    SystemState, UpdateRow, VisitRow,
};
