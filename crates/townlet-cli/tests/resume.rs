//! `townlet resume`: runs that are interrupted, damaged or full go on, or say why not.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;

/// A run of a few seconds that is saved often.
const RUN: [&str; 8] =
    ["--steps", "6000", "--evaluate-every", "1500", "--checkpoint-every", "500", "--seed", "3"];

/// The run in a process of its own.
fn start(sandbox: &Sandbox, out: &str) -> Child {
    let program = assert_cmd::cargo::cargo_bin("townlet");
    let mut command = Command::new(program);
    command.args(["train", "--config", "tiny.toml", "--agents", "4", "--quiet", "--out", out]).args(RUN);
    command.current_dir(sandbox.path("")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn checkpoints(sandbox: &Sandbox, run: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.path(run).join("checkpoints"));
    let mut found: Vec<PathBuf> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| !path.to_string_lossy().ends_with(".partial"));
    found.sort();
    found
}

/// Waits until the run has been saved at least once.
fn wait_for_a_checkpoint(sandbox: &Sandbox, run: &str) {
    let patience = Instant::now() + Duration::from_mins(2);
    while checkpoints(sandbox, run).is_empty() {
        assert!(Instant::now() < patience, "{run} was never saved");
        sleep(Duration::from_millis(5));
    }
}

/// What a run leaves that must not depend on interruptions: weights, and tables without times.
fn leavings(sandbox: &Sandbox, run: &str) -> Vec<(String, Vec<u8>)> {
    sandbox.townlet(&["runs", "export", run, "--out", &format!("{run}-tables")]).assert().success();
    let mut leavings: Vec<(String, Vec<u8>)> = ["weights.safetensors", "best.safetensors", "run.toml"]
        .map(|name| (name.to_owned(), fs::read(sandbox.path(run).join(name)).unwrap()))
        .into();
    for entry in fs::read_dir(sandbox.path(format!("{run}-tables"))).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let timeless: Vec<bool> = reader
            .headers()
            .unwrap()
            .iter()
            .map(|column| !["timestamp", "training_seconds"].contains(&column))
            .collect();
        let mut text = String::new();
        for row in reader.records() {
            let row = row.unwrap();
            let cells = row.iter().zip(&timeless).filter(|(_, keep)| **keep).map(|(cell, _)| cell);
            text += &(cells.collect::<Vec<_>>().join(",") + "\n");
        }
        leavings.push((name, text.into_bytes()));
    }
    leavings.sort();
    leavings
}

fn assert_same(sandbox: &Sandbox, expected: &str, found: &str) {
    let (expected, found) = (leavings(sandbox, expected), leavings(sandbox, found));
    assert_eq!(expected.len(), found.len());
    for ((name, expected), (_, found)) in expected.iter().zip(&found) {
        assert!(expected == found, "{name} differs");
    }
}

#[test]
fn a_finished_run_goes_on_with_a_larger_budget() {
    let sandbox = Sandbox::new();
    let arguments = ["--checkpoint-every", "500", "--evaluate-every", "700"];
    let long = [&["--steps", "2100"], &arguments[..]].concat();
    sandbox.train("long", &long).assert().success();
    let short = [&["--steps", "1400"], &arguments[..]].concat();
    // The same replay, and a learning rate that falls alike: both are fitted to the budget.
    let same = "[learner]\nreplay_capacity = 900\nlearning_rate_updates = 20";
    let text = sandbox.read("tiny.toml").replace("[learner]", same);
    sandbox.write("tiny.toml", text);
    sandbox.train("short", &short).assert().success();
    sandbox.train("longer", &long).assert().success();
    sandbox
        .townlet(&["resume", "short", "--steps", "2100"])
        .assert()
        .success()
        .stdout(contains("Trained for 2100 steps"));
    let weights = |run: &str| fs::read(sandbox.path(run).join("weights.safetensors")).unwrap();
    assert!(weights("short") == weights("longer"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_is_saved_and_says_how_to_go_on() {
    let sandbox = Sandbox::new();
    assert!(start(&sandbox, "whole").wait().unwrap().success());
    for signal in ["-INT", "-TERM"] {
        let out = format!("interrupted{signal}");
        let run = start(&sandbox, &out);
        wait_for_a_checkpoint(&sandbox, &out);
        let killed = Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let output = run.wait_with_output().unwrap();
        let code = if signal == "-INT" { 130 } else { 143 };
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!("Go on: townlet resume {out}")), "{said}");
        sandbox.townlet(&["runs", "--folder", "."]).assert().success().stdout(contains("interrupted"));
        sandbox.townlet(&["resume", &out]).assert().success().stderr(contains("going on from"));
        assert_same(&sandbox, "whole", &out);
        let left = checkpoints(&sandbox, &out);
        assert!((2..=3).contains(&left.len()), "the two newest and the best are kept: {left:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_stopped_in_an_evaluation_makes_it_again() {
    let sandbox = Sandbox::new();
    assert!(start(&sandbox, "whole").wait().unwrap().success());
    let program = assert_cmd::cargo::cargo_bin("townlet");
    let mut command = Command::new(program);
    command
        .args(["train", "--config", "tiny.toml", "--agents", "4", "--quiet", "--out", "stopped"])
        .args(RUN);
    // Nobody waits for so many.
    command.args(["--set", "evaluation.episodes=100000"]).env("RUST_LOG", "townlet=info");
    command.current_dir(sandbox.path("")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = command.spawn().unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("evaluating")));
    assert!(Command::new("kill").arg(run.id().to_string()).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("Stopped after 1500 steps, and saved."));

    let settings = sandbox.read("stopped/run.toml").replace("episodes = 100000", "episodes = 3");
    sandbox.write("stopped/run.toml", settings);
    sandbox.townlet(&["resume", "stopped"]).assert().success();
    assert_same(&sandbox, "whole", "stopped");
}

#[test]
fn a_run_that_goes_on_with_other_threads_says_so() {
    let sandbox = Sandbox::new();
    let train = |threads: &str, steps: &str| {
        sandbox.train("run", &["--steps", steps]).env("RAYON_NUM_THREADS", threads).assert().success();
    };
    train("2", "400");
    let resume = |threads: &str, steps: &str| {
        let mut command = sandbox.townlet(&["resume", "run", "--steps", steps]);
        command.env("RAYON_NUM_THREADS", threads).assert().success()
    };
    resume("2", "800").stderr(contains("goes on with").not());
    resume("1", "1200").stderr(contains("warning: run: it computed on 2 threads of flex"));
    resume("1", "1600").stderr(contains("goes on with").not());
    let provenance: serde_json::Value = serde_json::from_str(&sandbox.read("run/provenance.json")).unwrap();
    let threads: Vec<_> = provenance["resumed"].as_array().unwrap().iter().map(|it| &it["threads"]).collect();
    assert_eq!((&provenance["threads"], threads), (&2.into(), vec![&2.into(), &1.into(), &1.into()]));
    sandbox
        .townlet(&["runs", "show", "run"])
        .assert()
        .success()
        .stdout(contains("threads: 2, and 1 from step 800 on"));
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_named() {
    let sandbox = Sandbox::new();
    // Otherwise the older one has no replay, and going on from it is not exact.
    sandbox.train("run", &[&RUN[..], &["--set", "checkpoints.replays=2"]].concat()).assert().success();
    let expected = fs::read(sandbox.path("run/weights.safetensors")).unwrap();
    let left = checkpoints(&sandbox, "run");
    let newest = left.last().unwrap().join("replay.msgpack.zst");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    sandbox
        .townlet(&["resume", "run"])
        .assert()
        .success()
        .stderr(contains("replay.msgpack.zst is damaged: it is cut short").and(contains("going on from")));
    assert!(fs::read(sandbox.path("run/weights.safetensors")).unwrap() == expected);

    for checkpoint in checkpoints(&sandbox, "run") {
        fs::remove_file(checkpoint.join("state.msgpack.zst")).unwrap();
    }
    let config = sandbox.read("run/run.toml");
    sandbox.townlet(&["resume", "run", "--steps", "9000"]).assert().failure().stderr(
        contains("state.msgpack.zst is damaged: it is missing")
            .and(contains("no checkpoint of run is whole")),
    );
    assert_eq!(sandbox.read("run/run.toml"), config, "a run that is not gone on with keeps its budget");
    assert!(fs::read(sandbox.path("run/weights.safetensors")).unwrap() == expected, "nothing is lost");
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "600"]).assert().success();
    sandbox.train("other", &["--steps", "600", "--level", "pomdp-shuffled"]).assert().success();
    let other = checkpoints(&sandbox, "other").remove(0);
    sandbox
        .townlet(&["resume", "run", "--from", other.to_str().unwrap()])
        .assert()
        .failure()
        .stderr(contains("is a checkpoint of another run"));
    sandbox
        .townlet(&["resume", "run", "--from", "nowhere"])
        .assert()
        .failure()
        .stderr(contains("cannot read nowhere"));
    sandbox.townlet(&["resume", "nowhere"]).assert().failure().stderr(contains("is not a run directory"));
}

#[test]
fn two_processes_never_train_one_run() {
    let sandbox = Sandbox::new();
    let mut run = start(&sandbox, "run");
    wait_for_a_checkpoint(&sandbox, "run");
    let second = sandbox.townlet(&["resume", "run"]).assert();
    // Otherwise the second one was simply later.
    if run.try_wait().unwrap().is_none() {
        second.failure().stderr(contains("another process trains run"));
        let removed = sandbox.townlet(&["runs", "rm", "run", "--yes"]).assert();
        if run.try_wait().unwrap().is_none() {
            removed.failure();
        }
        assert!(run.wait().unwrap().success());
    }
}

#[test]
fn without_the_replay_a_checkpoint_is_small_and_says_what_is_lost() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "900", "--no-replay"]).assert().success();
    let checkpoint = checkpoints(&sandbox, "run").remove(0);
    assert!(!checkpoint.join("replay.msgpack.zst").exists());
    sandbox
        .townlet(&["resume", "run", "--steps", "1500"])
        .assert()
        .success()
        .stderr(contains("has no replay; nothing is learned until a new one is filled"))
        .stdout(contains("Trained for 1500 steps"));
}

#[test]
fn a_folder_that_cannot_be_written_is_one_clear_error() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "not a folder");
    sandbox.train("file/run", &["--steps", "100"]).assert().failure().stderr(contains("file/run"));
}

/// A tmpfs of a few MiB, while it is needed.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Result<Self, String> {
        fs::create_dir(path).map_err(|error| error.to_string())?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(path);
        let output = mount.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(Self(path.to_path_buf()))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_training_stops_and_the_last_checkpoint_stays_whole() {
    let sandbox = Sandbox::new();
    let disk = match SmallDisk::mount(&sandbox.path("disk")) {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("skipped: no small disk can be mounted here: {reason}"),
    };
    sandbox
        .train("disk/run", &["--steps", "200000", "--checkpoint-every", "400"])
        .assert()
        .failure()
        .stderr(contains("training stopped after").and(contains("No space left on device")));
    let whole = checkpoints(&sandbox, "disk/run");
    assert!(!whole.is_empty());
    // With room again, the run goes on.
    let copy = sandbox.path("copy");
    let copied = Command::new("cp").arg("-r").arg(sandbox.path("disk/run")).arg(&copy).status().unwrap();
    assert!(copied.success());
    drop(disk);
    let steps: u64 = whole.last().unwrap().to_string_lossy().rsplit('-').next().unwrap().parse().unwrap();
    let more = (steps + 800).to_string();
    sandbox.townlet(&["resume", "copy", "--steps", &more]).assert().success();
}
