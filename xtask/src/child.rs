//! Running programs: following their output as it comes, and saying clearly how they ended.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs `command` and hands each line of its standard output to `on_line` as soon as it is there.
/// Its standard error goes straight through.
pub(crate) fn follow(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    // The lines are read by a program, so nobody may colour them.
    let mut child = command
        .env("NO_COLOR", "1")
        .env_remove("CLICOLOR_FORCE")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let mut stdout = BufReader::new(child.stdout.take().context("the program has no output")?);
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line)? > 0 {
        on_line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        line.clear();
    }
    Ok(child.wait()?)
}

/// Runs `command`, and fails if it does.
pub(crate) fn require(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(())
}
