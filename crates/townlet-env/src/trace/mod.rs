//! Episodes written down step by step, and replayed to the last bit.
//!
//! A trace in the format `townlet-trace/2` holds everything that an agent saw, did and got, as JSON Lines:
//! first a [`TraceHeader`], then for each episode a [`TraceEpisode`] line followed by its [`TraceStep`]
//! lines, and a [`TraceEnd`], without which it is not whole. [`TraceWriter`] records a [`Town`](crate::Town), [`verify`] replays a trace and reports the first
//! difference, and [`TraceReader`] reads one for anything else.
//!
//! Floats are written as the shortest decimal that reads back as the same `f32`, and are read without a
//! detour through `f64`. So "equal" means equal bits, and a trace made by one implementation, compiler or
//! machine decides whether another one computes the same world.
//!
//! ```
//! use townlet_env::trace::{TraceWriter, verify};
//! use townlet_env::{Level, Town, VectorEnv};
//!
//! let mut town = Town::new(Level::builtin("temporal")?, 1)?;
//! town.reset(7);
//! let mut trace = TraceWriter::new(Vec::new(), town.level(), "an example")?;
//! trace.begin("to the right", &town, 0)?;
//! for action in [3, 3, 3, 4] {
//!     town.step(&[action])?;
//!     trace.step(&town, action)?;
//! }
//! let trace = trace.into_inner()?;
//!
//! let report = verify(&trace[..], "example.jsonl", None)?;
//! assert_eq!((report.episodes, report.steps), (1, 4));
//! assert!(report.difference.is_none() && report.has_end);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod exact_floats;
mod format;
mod reader;
mod replay_level;
mod verify;
mod writer;

pub use error::{TraceError, TraceFault};
pub use format::{
    TRACE_FORMAT, TRACE_FORMAT_WITHOUT_END, TraceAffordance, TraceCounts, TraceEnd, TraceEpisode,
    TraceHeader, TraceStart, TraceStep,
};
pub use reader::{TraceReader, TraceRecord};
pub use verify::{TraceDifference, TraceReport, verify};
pub use writer::TraceWriter;
