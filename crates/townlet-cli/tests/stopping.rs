//! Signals stop whatever takes long, and what a study has started stops with it.
#![cfg(unix)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Sandbox, study};
use predicates::str::contains;

fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("townlet"));
    command.args(arguments).current_dir(sandbox.path("")).env("RUST_LOG", "townlet=info");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill(signal: &str, process: &Child) {
    assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
}

/// Waits for what happens in another process, and for no longer than anybody would.
fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_mins(2);
    while !happened() {
        assert!(Instant::now() < patience, "never {what}");
        sleep(Duration::from_millis(10));
    }
}

/// How the run stands, once it can be read.
fn state(run: &Path) -> Option<String> {
    let text = fs::read_to_string(run.join("status.json")).ok()?;
    let status: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(status["state"].as_str()?.to_owned())
}

fn is_trained(run: &Path) -> bool {
    File::open(run.join("lock")).is_ok_and(|lock| lock.try_lock().is_err())
}

fn hang_ups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 1 != 0)
}

/// A study whose runs end only when they are stopped.
fn endless_study() -> Sandbox {
    let sandbox = study();
    let text = sandbox
        .read("tiny-study.toml")
        .replace("steps = 400", "steps = 1000000000\ncheckpoints = { every = 2000 }");
    sandbox.write("endless.toml", text);
    sandbox
}

fn jobs(sandbox: &Sandbox) -> [std::path::PathBuf; 2] {
    ["carried-1", "reset-1"].map(|job| sandbox.path(format!("studies/tiny/{job}.unfinished")))
}

#[test]
fn a_study_that_is_stopped_stops_its_runs_which_are_saved() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        if signal == "-HUP" && hang_ups_are_ignored() {
            println!("skipped: these tests are run under nohup, and so would be the study");
            continue;
        }
        let sandbox = endless_study();
        let process = start(&sandbox, &["study", "endless.toml", "--at-once", "2"]);
        for run in jobs(&sandbox) {
            wait_until("training", || state(&run).as_deref() == Some("running"));
        }
        kill(signal, &process);
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("Stopped with 0 of 4 runs done"), "{said}");
        assert!(said.contains("Go on: townlet study endless.toml --at-once 2"), "{said}");
        for run in jobs(&sandbox) {
            assert_eq!(state(&run).as_deref(), Some("interrupted"));
            assert!(!is_trained(&run));
        }
    }
}

#[test]
fn the_runs_of_a_study_that_is_killed_do_not_go_on_unnoticed() {
    let sandbox = endless_study();
    let mut process = start(&sandbox, &["study", "endless.toml", "--at-once", "2"]);
    for run in jobs(&sandbox) {
        wait_until("saved", || run.join("checkpoints").read_dir().is_ok_and(|saved| saved.count() > 0));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    // Started again at once, it waits for them and goes on; nothing fails.
    let again = start(&sandbox, &["study", "endless.toml", "--at-once", "2"]);
    for run in jobs(&sandbox) {
        let resumed = || {
            let provenance = fs::read_to_string(run.join("provenance.json")).unwrap_or_default();
            let provenance: serde_json::Value = serde_json::from_str(&provenance).unwrap_or_default();
            provenance["resumed"].as_array().is_some_and(|parts| !parts.is_empty()) && is_trained(&run)
        };
        wait_until("resumed", resumed);
    }
    kill("-TERM", &again);
    let output = again.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("carried-1: another") && !said.contains("failed"), "{said}");
    for run in jobs(&sandbox) {
        wait_until("stopped", || !is_trained(&run));
        assert_eq!(state(&run).as_deref(), Some("interrupted"));
    }
}

#[test]
fn evaluations_probes_and_records_end_with_a_signal() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "100"]).assert().success();
    let endless: [&[&str]; 3] = [
        &["eval", "run", "--episodes", "4000000000"],
        &["probe", "passive-t-maze", "--length", "50", "--steps", "1000000000", "--csv", "probe.csv"],
        &["record", "pomdp", "--out", "trace.jsonl", "--episodes", "4000000000"],
    ];
    for arguments in endless {
        let mut process = start(&sandbox, arguments);
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("ready to be stopped")), "{arguments:?}");
        kill("-TERM", &process);
        let rest: Vec<String> = said.map(|line| line.unwrap()).collect();
        assert_eq!(process.wait().unwrap().code(), Some(143), "{arguments:?}: {rest:?}");
        assert_eq!(rest.last().map(String::as_str), Some("stopped"), "{arguments:?}");
    }
    assert!(!sandbox.path("run/evaluations").exists(), "an evaluation that was cut off is not kept");
}

#[test]
fn a_run_stops_when_whoever_started_it_is_gone() {
    let sandbox = Sandbox::new();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("townlet"));
    command.args([
        "--stop-at-end-of-input",
        "train",
        "--config",
        "tiny.toml",
        "--agents",
        "4",
        "--out",
        "run",
    ]);
    command.args(["--steps", "1000000000"]).current_dir(sandbox.path("")).env("RUST_LOG", "townlet=info");
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("ready to be stopped")));
    drop(process.stdin.take());
    assert_eq!(said.last().unwrap().unwrap(), "stopped");
    assert_eq!(process.wait().unwrap().code(), Some(130));
    // Whether or not it came to its first step.
    assert_eq!(state(&sandbox.path("run")).as_deref(), Some("interrupted"));
    sandbox.townlet(&["resume", "run", "--steps", "400"]).assert().success().stdout(contains("Trained for"));
}
