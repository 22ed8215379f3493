//! A run directory comes into being whole, in one process alone, and what was left half made is begun anew.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;

const RUN: [&str; 4] = ["--steps", "400", "--checkpoint-every", "200"];

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A run directory as versions before left it that were killed while they set it up: these files and no others.
fn half_made(sandbox: &Sandbox, run: &str, files: &[(&str, &str)]) {
    fs::create_dir(sandbox.path(run)).unwrap();
    for (name, contents) in files {
        let contents =
            if *contents == "whole" { sandbox.read(&format!("whole/{name}")) } else { (*contents).into() };
        sandbox.write(&format!("{run}/{name}"), contents);
    }
}

#[test]
fn whatever_a_killed_set_up_left_is_begun_anew() {
    let sandbox = Sandbox::new();
    sandbox.train("whole", &RUN).assert().success();
    let weights = |run: &str| fs::read(sandbox.path(format!("{run}/weights.safetensors"))).unwrap();
    let expected = weights("whole");
    let cases: [&[(&str, &str)]; 7] = [
        &[],
        &[("run.toml", "")],
        &[("run.toml", "townlet = \"0.1.0\"\nrecipe = ")],
        &[("run.toml", "whole")],
        &[("run.toml", "whole"), ("level.toml", "name = ")],
        &[("run.toml", "whole"), ("level.toml", "whole"), ("provenance.json", "{"), ("lock", "")],
        &[("run.toml", "whole"), ("metrics.sqlite", ""), ("metrics.sqlite-wal", ""), ("status.json", "")],
    ];
    for (index, files) in cases.into_iter().enumerate() {
        let run = format!("train-{index}");
        half_made(&sandbox, &run, files);
        sandbox.train(&run, &RUN).assert().success();
        assert!(weights(&run) == expected, "{files:?}");
        if !files.contains(&("run.toml", "whole")) {
            continue;
        }
        let run = format!("resume-{index}");
        half_made(&sandbox, &run, files);
        sandbox.townlet(&["resume", &run]).assert().success().stderr(contains("begins anew"));
        assert!(weights(&run) == expected, "{files:?}");
    }
}

#[test]
fn settings_that_cannot_be_read_say_what_begins_the_run_anew() {
    let sandbox = Sandbox::new();
    half_made(&sandbox, "run", &[("run.toml", "townlet = ")]);
    sandbox
        .townlet(&["resume", "run"])
        .assert()
        .failure()
        .stderr(contains("run.toml").and(contains("townlet train --out with this directory begins it anew")));
    sandbox.train("run", &RUN).assert().success();
}

#[test]
fn a_run_with_other_settings_or_files_of_somebody_are_never_replaced() {
    let sandbox = Sandbox::new();
    sandbox.train("whole", &RUN).assert().success();
    half_made(&sandbox, "run", &[("run.toml", "whole")]);
    let refused = sandbox.train("run", &RUN).args(["--seed", "9"]).assert().failure();
    refused.stderr(contains("has other settings, which townlet resume run begins"));
    half_made(&sandbox, "mine", &[("notes.txt", "mine")]);
    sandbox.train("mine", &RUN).assert().failure().stderr(contains("is not empty"));
    assert_eq!(names(&sandbox.path("mine")), ["notes.txt"], "not even a lock is left there");
    // Its checkpoints were removed, as a study does.
    fs::remove_dir_all(sandbox.path("whole/checkpoints")).unwrap();
    let weights = fs::read(sandbox.path("whole/weights.safetensors")).unwrap();
    sandbox.train("whole", &RUN).assert().failure().stderr(contains("is not empty"));
    sandbox.townlet(&["resume", "whole"]).assert().failure().stderr(contains("its checkpoints are gone"));
    assert!(fs::read(sandbox.path("whole/weights.safetensors")).unwrap() == weights);
}

#[test]
fn of_several_trainings_given_one_folder_one_trains_and_its_settings_are_there() {
    let sandbox = Sandbox::new();
    let program = assert_cmd::cargo::cargo_bin("townlet");
    for (round, made_before) in [false, true, false].into_iter().enumerate() {
        let out = format!("run-{round}");
        if made_before {
            fs::create_dir(sandbox.path(&out)).unwrap();
        }
        let start = |seed: u64| {
            let mut command = Command::new(&program);
            command.args(["train", "--config", "tiny.toml", "--agents", "4", "-q", "--steps", "64"]);
            command.args(["--seed", &seed.to_string(), "--out", &out]).current_dir(sandbox.path(""));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let processes: Vec<_> = (1..=4).map(|seed| (seed, start(seed))).collect();
        let trained: Vec<u64> = processes
            .into_iter()
            .filter_map(|(seed, mut process)| process.wait().unwrap().success().then_some(seed))
            .collect();
        assert_eq!(trained.len(), 1);
        let settings: toml::Table = sandbox.read(&format!("{out}/run.toml")).parse().unwrap();
        assert_eq!(settings["seed"].as_integer(), Some(trained[0] as i64));
    }
    let left = names(&sandbox.path(""));
    assert!(!left.iter().any(|name| name.ends_with(".partial")), "{left:?}");
}

#[test]
fn runs_begun_in_one_second_with_default_names_all_run() {
    let sandbox = Sandbox::new();
    let program = assert_cmd::cargo::cargo_bin("townlet");
    let start = || {
        let mut command = Command::new(&program);
        command.args(["train", "--config", "tiny.toml", "--agents", "4", "-q", "--steps", "64"]);
        command.current_dir(sandbox.path("")).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..4).map(|_| start()).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(names(&sandbox.path("runs")).len(), 4);
}

#[test]
fn a_killed_set_up_is_no_run_and_the_next_start_removes_it() {
    let sandbox = Sandbox::new();
    sandbox.train("whole", &RUN).assert().success();
    half_made(&sandbox, "old.AbC123.townlet.partial", &[("run.toml", "whole")]);
    let listed = sandbox.townlet(&["runs", "--folder", "."]).assert().success();
    listed.stdout(contains("whole").and(contains("partial").not()));
    sandbox.train("run", &RUN).assert().success();
    assert!(!sandbox.path("old.AbC123.townlet.partial").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_the_settings_are_kept_and_the_run_begins_once_there_is_room() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("disk")).unwrap();
    let mount = |options: &str| {
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(sandbox.path("disk"))
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    for (size, has_settings) in [("4k", false), ("16k", true), ("28k", true), ("64k", true)] {
        if let Err(reason) = mount(&format!("size={size}")) {
            return eprintln!("skipped: no small disk can be mounted here: {reason}");
        }
        let failed = sandbox.train("disk/run", &RUN).assert().failure();
        let said = if has_settings { "townlet resume disk/run begins it" } else { "train again" };
        failed.stderr(contains("No space left").or(contains("full")).and(contains(said)));
        mount("remount,size=64M").unwrap();
        let next = if has_settings {
            sandbox.townlet(&["resume", "disk/run"]).assert()
        } else {
            sandbox.train("disk/run", &RUN).assert()
        };
        let left = names(&sandbox.path("disk"));
        let _ = Command::new("umount").arg(sandbox.path("disk")).status();
        next.success();
        assert_eq!(left, ["run"], "{size}");
    }
}
