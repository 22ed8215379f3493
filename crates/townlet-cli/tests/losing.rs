//! What is lost of a run or damaged in it does not lose the run: it is said, set aside or restored, and the run goes
//! on.

mod common;

use std::fs;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;
use townlet_metrics::Metrics;

const RUN: [&str; 4] = ["--steps", "800", "--checkpoint-every", "200"];
const EVALUATED: [&str; 6] = ["--steps", "800", "--checkpoint-every", "200", "--evaluate-every", "200"];

/// The same run with a larger budget, which nothing happened to.
fn weights_without_losses(sandbox: &Sandbox) -> Vec<u8> {
    sandbox.train("whole", &RUN).assert().success();
    sandbox.townlet(&["resume", "whole", "--steps", "1200"]).assert().success();
    fs::read(sandbox.path("whole/weights.safetensors")).unwrap()
}

#[test]
fn a_run_whose_metrics_are_lost_goes_on_and_says_so() {
    let sandbox = Sandbox::new();
    let expected = weights_without_losses(&sandbox);
    let damages: [(&str, Option<&[u8]>); 4] = [
        ("it is not there", None),
        ("it is an empty file", Some(b"")),
        ("it is a file that is no database", Some(&[7; 10_000])),
        ("it is", Some(&[0; 10_000])),
    ];
    for (index, (reason, contents)) in damages.into_iter().enumerate() {
        let run = format!("run-{index}");
        sandbox.train(&run, &RUN).assert().success();
        let file = sandbox.path(format!("{run}/metrics.sqlite"));
        match contents {
            None => fs::remove_file(&file).unwrap(),
            Some(contents) => fs::write(&file, contents).unwrap(),
        }
        sandbox
            .townlet(&["resume", &run, "--steps", "1200"])
            .assert()
            .success()
            .stderr(contains("metrics.sqlite").and(contains(reason)).and(contains("after 800 steps")));
        let aside = fs::read(sandbox.path(format!("{run}/metrics.sqlite.damaged-1"))).ok();
        assert_eq!(aside.as_deref(), contents, "what is damaged is set aside, and never deleted");
        assert!(fs::read(sandbox.path(format!("{run}/weights.safetensors"))).unwrap() == expected);
        assert!(!Metrics::open(&sandbox.path(&run)).unwrap().updates().unwrap().is_empty());
        for command in ["plot", "report"] {
            sandbox.townlet(&[command, &run]).assert().success();
        }
        sandbox.townlet(&["runs", "show", &run]).assert().success();
    }
}

#[test]
fn a_run_whose_events_are_lost_goes_on_and_says_so() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &RUN).assert().success();
    for entry in fs::read_dir(sandbox.path("run")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("tfevents") {
            fs::write(&path, [0; 500]).unwrap();
        }
    }
    let resumed = sandbox.townlet(&["resume", "run", "--steps", "1200"]).assert().success();
    resumed.stderr(contains("tfevents").and(contains("set aside as")));
}

#[test]
fn a_run_can_go_on_without_metrics() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &RUN).assert().success();
    let before = fs::read(sandbox.path("run/metrics.sqlite")).unwrap();
    sandbox.townlet(&["resume", "run", "--steps", "1200", "--no-metrics"]).assert().success();
    assert!(fs::read(sandbox.path("run/metrics.sqlite")).unwrap() == before);
    assert!(sandbox.read("run/run.toml").contains("metrics = false"));
}

#[test]
fn what_the_settings_tell_is_restored() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &RUN).assert().success();
    let level = sandbox.read("run/level.toml");
    fs::remove_file(sandbox.path("run/level.toml")).unwrap();
    sandbox.write("run/provenance.json", "{ \"townlet\": ");
    sandbox.write("run/status.json", "");
    sandbox.write("run/best.safetensors.partial", "left by an older version");
    sandbox.townlet(&["runs", "--folder", "."]).assert().success().stdout(contains("run "));
    sandbox.townlet(&["resume", "run", "--steps", "1200"]).assert().success().stderr(
        contains("level.toml was not there, and was written again")
            .and(contains("provenance.json was damaged, and was written again")),
    );
    assert_eq!(sandbox.read("run/level.toml"), level);
    assert!(sandbox.read("run/status.json").contains("\"steps\": 1200"));
    assert!(!sandbox.path("run/best.safetensors.partial").exists());
}

#[test]
fn best_weights_that_are_lost_are_used_and_restored_from_the_best_checkpoint() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &EVALUATED).args(["--set", "evaluation.episodes=2"]).assert().success();
    let file = sandbox.path("run/best.safetensors");
    for damage in [None, Some("cut short")] {
        match damage {
            None => fs::remove_file(&file).unwrap(),
            Some(text) => fs::write(&file, text).unwrap(),
        }
        let evaluated = sandbox.townlet(&["eval", "run", "--episodes", "2"]).assert().success();
        evaluated.stderr(
            contains("best.safetensors is lost; the same weights are in").or(contains("any more; the last")),
        );
    }
    sandbox.townlet(&["resume", "run", "--steps", "1000"]).assert().success().stderr(
        contains("best.safetensors was lost, and is restored from")
            .or(contains("any more; the file is made again")),
    );
}

#[test]
fn best_weights_that_no_checkpoint_has_are_said_to_be_lost_and_never_replaced_in_silence() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &EVALUATED).args(["--set", "evaluation.episodes=2"]).assert().success();
    fs::remove_file(sandbox.path("run/best.safetensors")).unwrap();
    fs::remove_dir_all(sandbox.path("run/checkpoints")).unwrap();
    sandbox
        .townlet(&["eval", "run", "--episodes", "2"])
        .assert()
        .success()
        .stderr(contains("no checkpoint has the best weights any more; the last ones are used"))
        .stdout(contains("run: last weights"));
    sandbox.townlet(&["record", "run", "--out", "a.jsonl"]).assert().success().stderr(contains("is lost"));
}
