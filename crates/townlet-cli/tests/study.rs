//! `townlet study`: every arm with every seed, once.

mod common;

use std::fs;

use common::study;
use predicates::prelude::*;
use predicates::str::contains;

#[test]
fn every_arm_is_run_with_every_seed_and_once() {
    let sandbox = study();
    let run = |arguments: &[&str]| {
        let mut all = vec!["study", "tiny-study.toml"];
        all.extend(arguments);
        sandbox.townlet(&all).assert().success()
    };
    run(&[])
        .stdout(contains("| carried | 2 |").and(contains("| reset | 2 |")))
        .stdout(contains("| random agent | 2 |").and(contains("| scripted agent | 2 |")))
        .stdout(contains("incomplete").not())
        .stderr(contains("reset-2: survives"));
    let settings: toml::Table = sandbox.read("studies/tiny/reset-2/run.toml").parse().unwrap();
    assert_eq!(settings["learner"]["memory"].as_str(), Some("reset-each-step"));
    assert_eq!(settings["learner"]["batch_size"].as_integer(), Some(2), "all arms have what is said for all");
    assert_eq!(settings["seed"].as_integer(), Some(2));

    let results: serde_json::Value =
        serde_json::from_str(&sandbox.read("studies/tiny/results.json")).unwrap();
    assert_eq!(results["results"].as_array().unwrap().len(), 4, "two arms at two epsilons");
    assert_eq!(results["baselines"].as_array().unwrap().len(), 4, "two baselines at two epsilons");
    let rows = sandbox.read("studies/tiny/results.csv");
    assert_eq!(rows.lines().count(), 1 + 8 + 8, "{rows}");

    // In parts, the same comes out; what is not done yet is missed by name.
    run(&["--out", "parts", "--job", "1/3"])
        .stdout(contains("incomplete: carried has 1 of 2 seeds; 2 missing"));
    for part in ["2/3", "3/3"] {
        run(&["--out", "parts", "--part", part]);
    }
    assert_eq!(sandbox.read("parts/results.csv"), rows);

    // Other seeds than the file's.
    run(&["--out", "parts", "--seeds", "2"]).stdout(contains("| carried | 1 |"));
}

#[test]
fn a_study_goes_on_from_whatever_a_kill_leaves() {
    let sandbox = study();
    let run = || sandbox.townlet(&["study", "tiny-study.toml"]).assert().success();
    run();
    let path = |name: &str| sandbox.path(format!("studies/tiny/{name}"));
    let rows = sandbox.read("studies/tiny/results.csv");
    let weights = |job: &str| fs::read(path(job).join("weights.safetensors")).unwrap();
    let written =
        |job: &str| fs::metadata(path(job).join("weights.safetensors")).unwrap().modified().unwrap();
    let (kept, network) = (written("carried-1"), weights("reset-1"));

    // Trained, and killed before it was moved; its checkpoints were half removed then.
    fs::rename(path("carried-1"), path("carried-1.unfinished")).unwrap();
    fs::create_dir_all(path("carried-1.unfinished/checkpoints/step-000000000400")).unwrap();
    // Moved, and killed before its checkpoints were removed.
    fs::create_dir_all(path("carried-2/checkpoints/step-000000000400")).unwrap();
    // Killed while it was set up: nothing in it is whole.
    fs::remove_dir_all(path("reset-1")).unwrap();
    fs::create_dir(path("reset-1.unfinished")).unwrap();
    for name in ["run.toml", "metrics.sqlite", "status.json"] {
        fs::write(path("reset-1.unfinished").join(name), "").unwrap();
    }
    // Set up, and killed before its first checkpoint.
    fs::rename(path("reset-2"), path("reset-2.unfinished")).unwrap();
    fs::remove_file(path("reset-2.unfinished/status.json")).unwrap();
    fs::write(path("reset-2.unfinished/metrics.sqlite"), "").unwrap();
    // Killed while it was evaluated, by a version that wrote in place.
    let evaluation = path("carried-1.epsilon-0.json");
    fs::write(&evaluation, &fs::read(&evaluation).unwrap()[..100]).unwrap();

    run()
        .stderr(contains("reset-1: was stopped before its first checkpoint; it begins anew"))
        .stderr(contains("reset-2: was stopped before its first checkpoint; it begins anew"))
        .stderr(contains("carried-1: studies").and(contains("is made again")));
    assert_eq!(written("carried-1"), kept, "what is trained is not trained again");
    assert!(weights("reset-1") == network, "the same seed gives the same network");
    assert_eq!(sandbox.read("studies/tiny/results.csv"), rows);
    for job in ["carried-1", "carried-2", "reset-1", "reset-2"] {
        assert!(!path(job).join("checkpoints").exists(), "{job}");
        assert!(!path(&format!("{job}.unfinished")).exists(), "{job}");
    }

    // An evaluation that the study does not ask for any more is no result of it.
    let text = sandbox.read("tiny-study.toml");
    sandbox.write("tiny-study.toml", text.replace("episodes = 4\n", "episodes = 5\n"));
    run().stderr(contains("is made again"));
    let report: serde_json::Value =
        serde_json::from_str(&sandbox.read("studies/tiny/carried-1.epsilon-0.json")).unwrap();
    assert_eq!(report["episodes"], 5);
}

#[test]
fn two_processes_share_the_work_of_a_study() {
    let sandbox = study();
    sandbox.townlet(&["study", "tiny-study.toml", "--out", "alone"]).assert().success();
    let start = || {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("townlet"));
        command.args(["study", "tiny-study.toml", "--out", "shared", "--at-once", "1"]);
        let piped = std::process::Stdio::piped;
        command.current_dir(sandbox.path("")).stdout(piped()).stderr(piped()).spawn().unwrap()
    };
    let both = [start(), start()].map(|process| process.wait_with_output().unwrap());
    for output in &both {
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(sandbox.read("shared/results.csv"), sandbox.read("alone/results.csv"));
    // Each run was trained by one of them alone.
    for job in ["carried-1", "carried-2", "reset-1", "reset-2"] {
        let said = format!("shared/{job}.unfinished");
        let provenance: serde_json::Value =
            serde_json::from_str(&sandbox.read(&format!("shared/{job}/provenance.json"))).unwrap();
        assert!(provenance["command"].as_array().unwrap().iter().any(|word| word == said.as_str()));
        assert_eq!(provenance["resumed"], serde_json::json!([]), "{job}");
    }
}

#[test]
fn mistakes_in_a_study_are_found() {
    let sandbox = study();
    let text = sandbox.read("tiny-study.toml");
    let fails = |text: &str, message: &str| {
        sandbox.write("wrong.toml", text);
        sandbox.townlet(&["study", "wrong.toml"]).assert().failure().stderr(contains(message.to_owned()));
        sandbox.townlet(&["config", "check", "wrong.toml", "--as", "study"]).assert().failure();
    };
    fails(&text.replace("seeds = [1, 2]", "seeds = []"), "wrong.toml:2: seeds: expected at least one seed");
    fails(&text.replace("seeds = [1, 2]", "seeds = [1, 2, 1]"), "wrong.toml:2: seeds: seed 1 is there twice");
    fails(&text.replace("\"reset\"", "\"carried\""), "there are two arms called carried");
    fails(&text.replace("\"reset\"", "\"Carried\""), "carried and Carried are the same name to some disks");
    fails(
        &text.replace("memory = \"reset-each-step\"", ""),
        "arms[1]: reset has the same settings as carried",
    );
    fails(&text.replace("[0.0, 1.0]", "[0.0, 0.0]"), "evaluation.epsilons: 0 is there twice");
    fails(
        &text.replace("[0.0, 1.0]", "[0.0, 1.5]"),
        "evaluation.epsilons: expected numbers from 0 to 1, found 1.5",
    );
    fails(&text.replace("seeds", "sedes"), "wrong.toml:2: sedes: unknown field `sedes`");
    fails(&text.replace("memory =", "memroy ="), "unknown field `memroy`");
    sandbox
        .townlet(&["study", "tiny-study.toml", "--part", "4/3"])
        .assert()
        .code(2)
        .stderr(contains("expected I/N with I from 1 to N"));
    sandbox
        .townlet(&["study", "tiny-study.toml", "--seeds", "3,4,3"])
        .assert()
        .failure()
        .stderr(contains("--seeds: seed 3 is there twice"));
}

#[test]
fn the_results_of_one_study_are_not_mixed_with_anothers() {
    let sandbox = study();
    let text = sandbox.read("tiny-study.toml");
    sandbox.townlet(&["study", "tiny-study.toml", "--out", "a", "--seeds", "1"]).assert().success();
    for other in [
        text.replace("steps = 400", "steps = 500"),
        text.replace("seeds = [1, 2]", "seeds = [1, 2]\nlevel = \"temporal\""),
        text.replace("seeds = [1, 2]", "seeds = [1, 2]\nrecipe = \"r2d2\""),
    ] {
        sandbox.write("other.toml", other);
        sandbox
            .townlet(&["study", "other.toml", "--out", "a"])
            .assert()
            .failure()
            .stderr(contains("of a study with other settings"));
    }
}
