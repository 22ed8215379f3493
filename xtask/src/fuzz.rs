//! `cargo xtask fuzz`: the fuzz targets, with coverage guidance.
//!
//! The programs in `fuzz/fuzz_targets` hold libFuzzer. They are built in the profile of the tests with the features of
//! the whole workspace, so that every dependency is there already; only the workspace's own crates are compiled once
//! more, instrumented (see [`instrument`]). No nightly compiler is needed.

pub(crate) mod instrument;
mod log;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, value_parser};
use comfy_table::{CellAlignment, Table, presets};

use self::log::Statistics;
use crate::workspace::{Workspace, build_programs};

/// The longest that Townlet may take over an input, in seconds.
const MOST_SECONDS: u32 = 5;
/// The most memory that a target may take, in MiB.
const MOST_MEMORY: u32 = 1024;
/// The largest input, in bytes.
const MOST_BYTES: u32 = 65_536;
/// How long each target runs on the build server, in seconds.
const SECONDS_ON_THE_BUILD_SERVER: u32 = 6;

/// What the command takes.
#[derive(Args, Default)]
pub(crate) struct Arguments {
    /// Fuzz this target only; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Stop each target after so many inputs
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    inputs: Option<u64>,
    /// Stop each target after so many seconds [default: 8, or none with --inputs]
    #[arg(long, value_name = "S", value_parser = value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Begin with this random seed [default: drawn]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    seed: Option<u32>,
}

impl Arguments {
    /// As the build server runs it: with a fixed seed, so that a failure belongs to the change that it shows up with.
    pub(crate) fn on_the_build_server() -> Self {
        Self { seconds: Some(SECONDS_ON_THE_BUILD_SERVER), seed: Some(7), ..Self::default() }
    }

    /// The limits of one target, for libFuzzer.
    fn limits(&self) -> Vec<String> {
        let seconds = self.seconds.or(self.inputs.is_none().then_some(8));
        let limits = [
            self.inputs.map(|inputs| format!("-runs={inputs}")),
            seconds.map(|seconds| format!("-max_total_time={seconds}")),
            self.seed.map(|seed| format!("-seed={seed}")),
        ];
        limits.into_iter().flatten().collect()
    }
}

/// How one target went.
struct Outcome {
    name: String,
    statistics: Statistics,
    elapsed: Duration,
    /// What went wrong, and with which input.
    fault: Option<String>,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let succeeded = fuzz(workspace, arguments)?;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fuzzes and prints what ran; whether nothing was found.
pub(crate) fn fuzz(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    let targets = targets(workspace, &arguments.target)?;
    if let Err(reason) = compiler() {
        println!("\n!! NOTHING WAS FUZZED WITH COVERAGE GUIDANCE: {reason:#} !!\n");
        return Ok(true);
    }
    let started = Instant::now();
    let programs = build(workspace, &targets)?;
    println!("built {} fuzz targets in {:.1} s", targets.len(), started.elapsed().as_secs_f64());
    let mut outcomes = Vec::new();
    for (name, program) in &programs {
        println!("fuzzing {name}");
        outcomes.push(fuzz_one(workspace, name, program, arguments)?);
    }
    println!("\n{}\n", table(&outcomes));
    let inputs: u64 = outcomes.iter().map(|outcome| outcome.statistics.inputs).sum();
    let elapsed: Duration = outcomes.iter().map(|outcome| outcome.elapsed).sum();
    println!("{inputs} inputs in {:.0} s", elapsed.as_secs_f64());
    let mut succeeded = true;
    for Outcome { name, fault, .. } in &outcomes {
        if let Some(fault) = fault {
            println!("FAILED {name}: {fault}");
            succeeded = false;
        }
    }
    Ok(succeeded)
}

/// The names of the targets: those asked for, or all.
fn targets(workspace: &Workspace, wanted: &[String]) -> Result<Vec<String>> {
    let folder = workspace.root().join("fuzz/fuzz_targets");
    let mut known = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        known.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    known.sort();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        bail!("there is no fuzz target {unknown}; expected one of {}", known.join(", "));
    }
    Ok(if wanted.is_empty() { known } else { wanted.to_vec() })
}

/// Whether there is a C++ compiler, which libFuzzer is built with.
fn compiler() -> Result<()> {
    let program = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let mut command = Command::new(&program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let found = command.status().is_ok_and(|status| status.success());
    ensure!(
        found,
        "there is no C++ compiler ({program}), which libFuzzer is built with; install g++ or clang"
    );
    Ok(())
}

/// Builds the programs, instrumented.
fn build(workspace: &Workspace, targets: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let mut cargo = workspace.cargo_with_backends_and("build", "townlet-fuzz/libfuzzer");
    for target in targets {
        cargo.args(["--bin", target]);
    }
    // With an example, cargo chooses the features of dependencies as for tests, and finds them built.
    cargo.args(["--example", "as_for_tests"]);
    cargo.env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?).env(instrument::VARIABLE, "1");
    let programs = build_programs(&mut cargo)?;
    let of = |name: &String| {
        let program = programs.get(name).with_context(|| format!("cargo built no {name}"))?;
        Ok((name.clone(), program.clone()))
    };
    targets.iter().map(of).collect()
}

fn fuzz_one(workspace: &Workspace, name: &str, program: &Path, arguments: &Arguments) -> Result<Outcome> {
    let fuzz = workspace.root().join("fuzz");
    let place = workspace.target().join("fuzz");
    let (found, artifacts) = (place.join("corpus").join(name), place.join("artifacts").join(name));
    let log = place.join(format!("{name}.log"));
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(arguments.limits()).arg("-print_final_stats=1");
    command.arg(format!("-timeout={MOST_SECONDS}")).arg(format!("-rss_limit_mb={MOST_MEMORY}"));
    command.arg(format!("-max_len={MOST_BYTES}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    let dictionary = fuzz.join("dictionaries").join(format!("{name}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    // What is found goes into the first folder.
    command.arg(&found).arg(fuzz.join("corpus").join(name));
    // In a folder of its own: an input may name files.
    command.current_dir(&artifacts).env("RAYON_NUM_THREADS", "1");
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let started = Instant::now();
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    let elapsed = started.elapsed();
    let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let fault = (!status.success()).then(|| {
        let again = format!("{} {}/...", program.display(), artifacts.display());
        format!("{} ({status}); the log is {}, and {again} does it again", log::fault(&text), log.display())
    });
    Ok(Outcome { name: name.to_owned(), statistics: Statistics::read(&text), elapsed, fault })
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["target", "inputs", "seconds", "coverage", "slowest, s", "memory, MiB", ""]);
    for Outcome { name, statistics, elapsed, fault } in outcomes {
        table.add_row([
            name.clone(),
            statistics.inputs.to_string(),
            format!("{:.0}", elapsed.as_secs_f64()),
            statistics.coverage.to_string(),
            statistics.slowest.to_string(),
            statistics.memory.to_string(),
            if fault.is_some() { "FAILED" } else { "ok" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
