//! `townlet runs`, `plot` and `report`: what there is, in lists, tables, pictures and one page.

mod common;

use std::fs;
use std::path::Path;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

fn two_runs() -> Sandbox {
    let sandbox = Sandbox::new();
    for seed in ["1", "2"] {
        let out = format!("runs/r{seed}");
        let arguments = ["--steps", "1600", "--seed", seed, "--evaluate-every", "800"];
        sandbox.train(&out, &arguments).assert().success();
    }
    sandbox
}

#[test]
fn runs_are_listed_shown_exported_and_removed() {
    let sandbox = two_runs();
    sandbox
        .townlet(&["runs"])
        .assert()
        .success()
        .stdout(contains("runs/r1").and(contains("runs/r2")).and(contains("finished")));
    let json = sandbox.townlet(&["runs", "--json"]).assert().success();
    let json: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!((&json[0]["level"], &json[0]["steps"]), (&"pomdp".into(), &1600.into()));
    sandbox
        .townlet(&["runs", "show", "runs/r1"])
        .assert()
        .success()
        .stdout(contains("1600 steps").and(contains("[learner]")).and(contains("checkpoint ")));
    sandbox.townlet(&["runs", "export", "runs/r1", "--format", "jsonl"]).assert().success();
    let text = sandbox.read("runs/r1/export/episodes.jsonl");
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(first["survival_time"].as_u64().unwrap() > 0);

    sandbox.townlet(&["runs", "rm", "runs/r1"]).assert().failure().stderr(contains("needs --yes"));
    assert!(sandbox.path("runs/r1").exists());
    sandbox.townlet(&["runs", "rm", "runs/r1", "--yes"]).assert().success();
    assert!(!sandbox.path("runs/r1").exists());
    fs::create_dir(sandbox.path("precious")).unwrap();
    let precious = sandbox.townlet(&["runs", "rm", "precious", "--yes"]).assert().failure();
    precious.stderr(contains("is not a run directory"));
    assert!(sandbox.path("precious").exists(), "only runs are removed");
    sandbox.townlet(&["runs", "--folder", "none"]).assert().success().stdout(contains("No runs in none"));
}

#[test]
fn a_slim_run_can_be_looked_at_but_not_resumed() {
    let sandbox = two_runs();
    let run = fs::File::options().append(true).open(sandbox.path("runs/r2/lock")).unwrap();
    run.lock().unwrap();
    let refused = sandbox.townlet(&["runs", "slim", "runs/r1", "runs/r2"]).assert().failure();
    refused.stderr(contains("another process trains runs/r2"));
    let newest = sandbox.path("runs/r1/checkpoints/step-000000001600");
    assert!(newest.join("replay.msgpack.zst").exists(), "nothing was changed");

    let slim = sandbox.townlet(&["runs", "slim", "runs/r1"]).assert().success();
    slim.stdout(contains("runs/r1: freed ").and(contains("but not resumed")));
    assert!(!newest.join("replay.msgpack.zst").exists() && newest.join("online.safetensors").exists());
    for arguments in [
        &["eval", "runs/r1", "--episodes", "2"][..],
        &["eval", "runs/r1/checkpoints/step-000000001600", "--episodes", "2"],
        &["export", "runs/r1", "--html", "--weights", "last"],
        &["export", "runs/r1/checkpoints/step-000000001600", "--html"],
        &["plot", "runs/r1"],
        &["report", "runs/r1"],
        &["runs", "show", "runs/r1"],
    ] {
        sandbox.townlet(arguments).assert().success();
    }
    let resumed = sandbox.townlet(&["resume", "runs/r1", "--steps", "3200"]).assert().failure();
    resumed
        .stderr(contains("runs/r1 cannot be resumed: `townlet runs slim` removed").and(contains("run.toml")));
    let again = sandbox.townlet(&["runs", "slim", "runs/r1"]).assert().success();
    again.stdout(contains("runs/r1: freed 0 B"));
}

#[test]
fn an_export_says_which_weights_play_and_takes_the_best() {
    let sandbox = two_runs();
    let played = |arguments: &[&str], with: &str| {
        let exported =
            sandbox.townlet(&[&["export", "--html", "--out", "page.html"], arguments].concat()).assert();
        exported.success().stdout(contains(format!(", played with {with}")));
    };
    played(&["runs/r1"], "the best weights");
    // Nor does it depend on whether the run is being trained.
    let lock = fs::File::options().append(true).open(sandbox.path("runs/r1/lock")).unwrap();
    lock.lock().unwrap();
    played(&["runs/r1"], "the best weights");
    played(&["runs/r1", "--weights", "last"], "the last weights");
    let checkpoint = "runs/r1/checkpoints/step-000000001600";
    played(&[checkpoint], "the checkpoint step-000000001600");
    let both = sandbox.townlet(&["export", checkpoint, "--html", "--weights", "best"]).assert().failure();
    both.stderr(contains("a checkpoint has its own"));
    sandbox.train("plain", &["--steps", "100"]).assert().success();
    played(&["plain"], "the last weights");
    let none = sandbox.townlet(&["export", "plain", "--html", "--weights", "best"]).assert().failure();
    none.stderr(contains("has no best weights yet"));
}

#[test]
fn one_checkpoint_of_a_run_holds_its_replay() {
    let sandbox = Sandbox::new();
    let arguments = ["--steps", "1600", "--checkpoint-every", "400", "--evaluate-every", "800"];
    sandbox.train("run", &arguments).assert().success();
    let mut checkpoints: Vec<_> =
        fs::read_dir(sandbox.path("run/checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    checkpoints.sort();
    let replays: Vec<bool> =
        checkpoints.iter().map(|path| path.join("replay.msgpack.zst").exists()).collect();
    let (newest, older) = replays.split_last().unwrap();
    assert!(*newest && !older.is_empty() && !older.contains(&true), "{replays:?}");
    // Going on from an older one is possible all the same.
    let from = checkpoints[0].to_str().unwrap();
    let resumed = sandbox.townlet(&["resume", "run", "--from", from]).assert().success();
    resumed.stderr(contains("has no replay"));
}

#[test]
fn pictures_are_drawn_of_several_runs() {
    let sandbox = two_runs();
    let drawn = sandbox.townlet(&["plot", "runs/r1", "runs/r2", "--out", "pictures", "--width", "400"]);
    let drawn = { drawn }.assert().success();
    let said = String::from_utf8(drawn.get_output().stdout.clone()).unwrap();
    let files: Vec<&str> = said.lines().collect();
    let is = |file: &str, form: &str| Path::new(file).extension().is_some_and(|found| found == form);
    assert!(files.len() >= 10, "{files:?}");
    for file in &files {
        let bytes = fs::read(sandbox.path(file)).unwrap();
        let start: &[u8] = if is(file, "png") { b"\x89PNG" } else { b"<svg" };
        assert!(bytes.starts_with(start), "{file}");
    }
    // Two seeds of one kind of run are one curve.
    let learning = files.iter().find(|file| file.contains("learning") && is(file, "svg")).unwrap();
    assert!(sandbox.read(learning).contains("2 seeds"), "{learning}");
    sandbox.townlet(&["plot", "nowhere"]).assert().failure().stderr(contains("is not a run directory"));
}

#[test]
fn a_report_needs_nothing_but_itself() {
    let sandbox = two_runs();
    sandbox.townlet(&["eval", "runs/r1", "--episodes", "4"]).assert().success();
    sandbox.townlet(&["report", "runs/r1", "runs/r2", "--out", "report.html"]).assert().success();
    let page = sandbox.read("report.html");
    assert!(page.len() < 5_000_000);
    for part in ["r1", "r2", "scripted", "learning_rate", "flex", "<svg"] {
        assert!(page.contains(part), "{part}");
    }
    for outside in ["<script", "src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
    }
    sandbox.train("quiet", &["--steps", "100", "--no-metrics"]).assert().success();
    sandbox.townlet(&["report", "quiet"]).assert().failure().stderr(contains("metrics.sqlite"));
}
