#![doc = include_str!("../README.md")]

mod levels;
mod messages;
mod settings;
mod state;
mod trace;
mod weights;

pub use levels::level;
pub use messages::messages;
pub use settings::{settings, study, training_file};
pub use state::state;
pub use trace::trace;
pub use weights::weights;

/// Something that reads what strangers write.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its function, its program, its corpus and its dictionary.
    pub name: &'static str,
    /// Reads an input. Panics if Townlet does not take it as it should.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 8] = [
    Target { name: "level", run: level },
    Target { name: "settings", run: settings },
    Target { name: "training_file", run: training_file },
    Target { name: "study", run: study },
    Target { name: "trace", run: trace },
    Target { name: "state", run: state },
    Target { name: "weights", run: weights },
    Target { name: "messages", run: messages },
];
