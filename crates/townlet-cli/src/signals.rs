//! Signals that ask this process to stop: Ctrl-C, SIGTERM and SIGHUP, and the end of the process that started it.

use std::io::{self, Read};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result};
use tracing::info;

/// How many signals asked this process to stop.
static SIGNALS: AtomicU32 = AtomicU32::new(0);
/// The number of the first; 0 if there was none.
static FIRST: AtomicI32 = AtomicI32::new(0);
/// Whether whoever started this process is gone, or wants it to stop.
static LEFT_ALONE: AtomicBool = AtomicBool::new(false);
/// Whether signals are listened for.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// The number of SIGINT everywhere.
const SIGINT: i32 = 2;

/// From now on a signal does not end the process but asks it to stop; the second one ends it at once.
///
/// For commands that have something to save. Others are ended by their first signal, as any program is.
///
/// # Errors
///
/// Returns an error if the system allows no handler.
pub(crate) fn listen() -> Result<()> {
    if LISTENING.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    system::listen().context("cannot listen for signals")?;
    info!("ready to be stopped");
    Ok(())
}

/// Asks this process to stop when its standard input ends: it is a pipe whose other end belongs to a process that
/// started this one, which closes it to stop it, or by being killed.
pub(crate) fn stop_at_end_of_input() -> Result<()> {
    let watch = || {
        let mut buffer = [0; 64];
        while io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
        LEFT_ALONE.store(true, Ordering::Relaxed);
        if !LISTENING.load(Ordering::Relaxed) {
            process::exit(exit_code().into());
        }
    };
    thread::Builder::new().name("input".to_owned()).spawn(watch).context("cannot watch standard input")?;
    Ok(())
}

/// Whether this process was asked to stop.
pub(crate) fn asked_to_stop() -> bool {
    LEFT_ALONE.load(Ordering::Relaxed) || SIGNALS.load(Ordering::Relaxed) > 0
}

/// The exit code of a process that was asked to stop: 128 and the number of the signal, as shells have it.
pub(crate) fn exit_code() -> u8 {
    let signal = match FIRST.load(Ordering::Relaxed) {
        0 => SIGINT,
        signal => signal,
    };
    (128 + signal) as u8
}

fn heard(signal: i32) {
    // Before whoever looks at the number of signals can ask which it was.
    let _ = FIRST.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    if SIGNALS.fetch_add(1, Ordering::SeqCst) > 0 {
        process::exit(128 + signal);
    }
}

#[cfg(unix)]
mod system {
    use std::{fs, io, thread};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    pub(super) fn listen() -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        if !hang_ups_are_ignored() {
            signals.add_signal(SIGHUP)?;
        }
        let listen = move || signals.forever().for_each(super::heard);
        thread::Builder::new().name("signals".to_owned()).spawn(listen).map(drop)
    }

    /// Whether this process was started by `nohup`, which wants it to outlive its terminal. Known on Linux only.
    fn hang_ups_are_ignored() -> bool {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        mask & 1 << (SIGHUP - 1) != 0
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    pub(super) fn listen() -> io::Result<()> {
        ctrlc::set_handler(|| super::heard(super::SIGINT)).map_err(io::Error::other)
    }
}
