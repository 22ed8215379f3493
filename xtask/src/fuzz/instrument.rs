//! This program as a compiler: the real one, with the flags that count which code an input reaches.
//!
//! Cargo runs it for the workspace's own crates (`RUSTC_WORKSPACE_WRAPPER`) and keeps what comes of it apart from what
//! other builds made.

use std::env;
use std::process::{Command, ExitCode};

/// The variable that turns this program into a compiler.
pub(crate) const VARIABLE: &str = "TOWNLET_XTASK_INSTRUMENT";

/// What libFuzzer reads: a counter for each edge, and what is compared with what.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Ccodegen-units=4",
];

/// Compiles, if that is what this process is for.
pub(crate) fn compile() -> Option<ExitCode> {
    env::var_os(VARIABLE)?;
    let mut arguments = env::args_os().skip(1);
    let compiler = arguments.next()?;
    let arguments: Vec<_> = arguments.collect();
    let mut command = Command::new(compiler);
    command.args(&arguments);
    // Cargo also asks the compiler about itself, and has build scripts compiled, which run without libFuzzer.
    let of_townlet = env::var("CARGO_PKG_NAME").is_ok_and(|name| name.starts_with("townlet"));
    if of_townlet && !arguments.iter().any(|argument| argument == "build_script_build") {
        command.args(FLAGS);
    }
    Some(match command.status() {
        Ok(status) => {
            status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("error: cannot run the compiler: {error}");
            ExitCode::FAILURE
        }
    })
}
