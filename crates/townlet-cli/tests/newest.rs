//! The newest run is taken where a command asks for a run and none is named.

mod common;

use std::fs;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;

/// Two runs, of which the one whose name comes first was begun last.
fn two_runs() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, begun) in [("runs/old", "1000"), ("runs/new", "2000")] {
        sandbox.train(name, &["--steps", "600", "--evaluate-every", "300"]).assert().success();
        let file = sandbox.path(name).join("provenance.json");
        let text = fs::read_to_string(&file).unwrap();
        let (before, after) = text.split_once("\"started\": ").unwrap();
        let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
        fs::write(&file, format!("{before}\"started\": {begun}{after}")).unwrap();
    }
    sandbox
}

#[test]
fn every_command_about_a_run_takes_the_newest_and_says_so() {
    let sandbox = two_runs();
    let commands: [&[&str]; 8] = [
        &["eval", "--episodes", "2"],
        &["plot", "--format", "svg"],
        &["report"],
        &["runs", "show"],
        &["runs", "export"],
        &["record", "--out", "newest.jsonl"],
        &["export", "--png", "1"],
        &["resume", "--steps", "900", "--quiet"],
    ];
    for command in commands {
        let said = sandbox.townlet(command).assert().success();
        said.stderr(contains("runs/new, the newest run").and(contains("runs/old").not()));
    }
    for left in ["runs/new/report.html", "runs/new/plots", "runs/new/export", "newest.jsonl", "new.png"] {
        assert!(sandbox.path(left).exists(), "{left}");
    }
    assert!(!sandbox.path("runs/old/report.html").exists());
    // Whoever names a run gets that one, without another word.
    let named = sandbox.townlet(&["runs", "show", "runs/old"]).assert().success();
    named.stdout(contains("runs/old: finished")).stderr(contains("newest").not());
}

#[test]
fn the_newest_is_looked_for_in_the_folder_that_was_named() {
    let sandbox = two_runs();
    fs::rename(sandbox.path("runs"), sandbox.path("elsewhere")).unwrap();
    let shown = sandbox.townlet(&["runs", "--folder", "elsewhere", "show"]).assert().success();
    shown.stdout(contains("elsewhere/new: finished"));
}

#[test]
fn a_run_is_never_removed_without_its_name() {
    let sandbox = two_runs();
    sandbox.townlet(&["runs", "rm", "--yes"]).assert().code(2).stderr(contains("<RUN>"));
    assert!(sandbox.path("runs/new").exists());
}

#[test]
fn where_there_is_no_run_every_command_says_how_to_make_one() {
    let sandbox = Sandbox::new();
    let commands: [&[&str]; 9] = [
        &["eval"],
        &["watch"],
        &["plot"],
        &["report"],
        &["runs", "show"],
        &["runs", "export"],
        &["record", "--out", "newest.jsonl"],
        &["export", "--gif"],
        &["resume"],
    ];
    for command in commands {
        let refused = sandbox.townlet(command).assert().code(1);
        refused.stderr(contains("name one, or make one with `townlet train`"));
    }
    assert!(!sandbox.path("runs").exists());
}

#[test]
fn a_checkpoint_is_gone_on_from_in_its_own_run() {
    let sandbox = two_runs();
    let checkpoints = fs::read_dir(sandbox.path("runs/old/checkpoints")).unwrap();
    let checkpoint = checkpoints.map(|entry| entry.unwrap().path()).max().unwrap();
    let from = checkpoint.to_str().unwrap();
    let resumed = sandbox.townlet(&["resume", "--from", from, "--steps", "900"]).assert().success();
    resumed.stdout(contains("runs/old holds its settings"));
}

#[test]
fn the_end_of_training_says_how_to_see_the_agent() {
    let sandbox = Sandbox::new();
    let trained = sandbox.train("runs/my run", &["--steps", "300"]).assert().success();
    trained.stdout(contains("townlet watch 'runs/my run'").and(contains("townlet eval 'runs/my run'")));
}

#[test]
fn a_recording_is_followed_by_the_command_that_plays_it() {
    let sandbox = Sandbox::new();
    let recorded = sandbox.townlet(&["record", "pomdp", "--out", "a b.jsonl"]).assert().success();
    recorded.stdout(contains("townlet replay 'a b.jsonl'").and(contains("trace verify").not()));
}
