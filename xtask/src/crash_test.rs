//! `cargo xtask crash-test`: kills training runs at random moments and holds what they come to against a run that
//! nobody killed.

#[path = "../../crates/townlet-cli/tests/common/crash.rs"]
mod engine;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use self::engine::{CrashTest, Outcome};
use crate::child;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many kills in all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    kills: u64,

    /// What the moments follow from
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,

    /// The program to kill [default: a release build of this workspace]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let program = if let Some(program) = &arguments.program {
        fs::canonicalize(program).with_context(|| format!("cannot find {}", program.display()))?
    } else {
        child::require(workspace.cargo("build").args(["--release", "-p", "townlet-cli"]))?;
        workspace.target().join("release").join(format!("townlet{}", std::env::consts::EXE_SUFFIX))
    };
    let folder = workspace.target().join(format!("crash-test-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let begun = Instant::now();
    let test = CrashTest { program: &program, folder: &folder, kills: arguments.kills, seed: arguments.seed };
    let outcome = test.run(|outcome| {
        if outcome.runs % 10 == 0 {
            println!("{}", line(outcome));
        }
    });
    let outcome = outcome.with_context(|| format!("what there is is in {}", folder.display()))?;
    fs::remove_dir_all(&folder)?;
    println!("{}, in {:.0} s", line(&outcome), begun.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn line(outcome: &Outcome) -> String {
    let Outcome { runs, kills, at_set_up, before_the_run, at_a_checkpoint, .. } = outcome;
    format!(
        "{kills} kills ({at_set_up} in the first 200 ms of a process, {before_the_run} before there was a run, \
         {at_a_checkpoint} at a checkpoint) of {runs} runs: all resumed, all identical"
    )
}
