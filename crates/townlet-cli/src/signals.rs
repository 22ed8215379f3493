//! Being asked to stop.

use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

/// How often this process was asked to stop.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// The exit code of a process that was interrupted: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// From now on Ctrl-C, SIGINT and SIGTERM do not end the process but ask it to stop; the second time they end
/// it at once.
pub(crate) fn listen() -> Result<()> {
    let asked = || {
        if ASKED.fetch_add(1, Ordering::Relaxed) > 0 {
            process::exit(INTERRUPTED);
        }
    };
    ctrlc::set_handler(asked).context("cannot listen for Ctrl-C")
}

/// Whether this process was asked to stop.
pub(crate) fn asked_to_stop() -> bool {
    ASKED.load(Ordering::Relaxed) > 0
}
