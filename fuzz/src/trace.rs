//! Traces.

use townlet_env::trace::{TraceReader, verify};
use townlet_viewer::Recording;

/// Reads a trace, replays it and loads it as a recording.
///
/// # Panics
///
/// If a trace that replays cannot be read, or Townlet panics.
pub fn trace(data: &[u8]) {
    let read = TraceReader::new(data, "trace.jsonl").and_then(|reader| {
        let mut lines = 0;
        for record in reader {
            record?;
            lines += 1;
        }
        Ok(lines)
    });
    match verify(data, "trace.jsonl", None) {
        Ok(report) => {
            if report.difference.is_none() {
                let lines = read.expect("what replays can be read");
                assert_eq!(report.episodes + report.steps, lines, "every line is replayed");
            }
        }
        Err(error) => drop(error.to_string()),
    }
    if let Err(error) = Recording::read(data, "trace.jsonl") {
        drop(error.to_string());
    }
}
