//! Shows an untrained agent in the terminal: `cargo run -p townlet-viewer --example demo_terminal`.
//!
//! `demo_terminal [watch|play|panic|TRACE]`; `panic` shows that the terminal comes back.

use std::env;
use std::error::Error;
use std::sync::Arc;

use townlet_env::ObservationLayout;
use townlet_viewer::{
    Brain, CheckpointInfo, Recording, Session, SessionOptions, Source, SourceError, Thought, UntrainedSource,
    World, terminal,
};

fn main() -> Result<(), Box<dyn Error>> {
    let source = Arc::new(UntrainedSource::demo(0));
    let options = SessionOptions { paused: true, ..SessionOptions::default() };
    let mut session = match env::args().nth(1).as_deref() {
        None | Some("watch") => Session::watch(source, options)?,
        Some("play") => Session::play(source, &options, None)?,
        Some("panic") => Session::watch(Arc::new(Panicking), options)?,
        Some(trace) => Session::replay(Recording::load(trace)?, &options)?,
    };
    terminal::run(&mut session)?;
    Ok(())
}

/// A source whose brain fails at its third thought.
struct Panicking;

struct Short(u32);

impl Brain for Short {
    fn act(&mut self, _observation: &[f32], mask: &[bool]) -> Thought {
        self.0 += 1;
        assert!(self.0 < 3, "a brain that fails on purpose");
        Thought::greedy(vec![0.0; mask.len()], Vec::new(), mask)
    }
    fn forget(&mut self) {}
    fn accepts(&self, _layout: &ObservationLayout) -> Result<(), String> {
        Ok(())
    }
}

impl Source for Panicking {
    fn checkpoints(&self) -> Vec<CheckpointInfo> {
        UntrainedSource::default().checkpoints()
    }
    fn brain(&self, _checkpoint: &str) -> Result<Box<dyn Brain>, SourceError> {
        Ok(Box::new(Short(0)))
    }
    fn levels(&self) -> Vec<String> {
        UntrainedSource::default().levels()
    }
    fn world(&self, level: &str) -> Result<Box<dyn World>, SourceError> {
        UntrainedSource::default().world(level)
    }
}
