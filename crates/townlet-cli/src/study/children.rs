//! Processes of this program that stop when the one that started them stops, whatever becomes of it.

use std::env;
use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

/// Starts processes of this program and stops them all at once.
///
/// They read a pipe that nobody writes to, and stop as after Ctrl-C when it ends: when [`stop`](Self::stop) closes
/// it, or when this process is gone, however it went. A signal that reaches all of them as well, as Ctrl-C does in
/// a terminal, counts but once.
pub(super) struct Children {
    program: PathBuf,
    input: PipeReader,
    open: Mutex<Option<PipeWriter>>,
}

impl Children {
    pub(super) fn new() -> Result<Self> {
        let program = env::current_exe().context("cannot find this program's own file")?;
        let (input, open) = io::pipe().context("cannot make a pipe")?;
        Ok(Self { program, input, open: Mutex::new(Some(open)) })
    }

    /// Runs the program with these arguments to its end.
    pub(super) fn run<S: AsRef<OsStr>>(&self, threads: usize, arguments: &[S]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg("--stop-at-end-of-input").args(arguments);
        command.env("RAYON_NUM_THREADS", threads.to_string());
        let input = self.input.try_clone().context("cannot hand on a pipe")?;
        let output = command.stdin(Stdio::from(input)).output();
        output.with_context(|| format!("cannot start {}", self.program.display()))
    }

    /// Asks all of them to stop, those that are started later too.
    pub(super) fn stop(&self) {
        drop(self.open.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
