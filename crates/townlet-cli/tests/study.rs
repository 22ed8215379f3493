//! `townlet study`: every arm with every seed, once.

mod common;

use std::fs;

use common::{Sandbox, TINY};
use predicates::prelude::*;
use predicates::str::contains;

/// Two arms of two tiny runs each.
fn study() -> Sandbox {
    let sandbox = Sandbox::new();
    let settings = TINY
        .replace("[evaluation]", "[settings.evaluation]")
        .replace("[learner]", "[settings.learner]")
        .replace("[network]", "[settings.network]");
    let text = format!(
        "name = \"tiny\"\nseeds = [1, 2]\n\n[evaluation]\nepisodes = 4\nepsilons = [0.0, 1.0]\n\n\
         [settings]\nagents = 4\nsteps = 400\n\n{settings}\n\
         [[arms]]\nname = \"carried\"\n\n\
         [[arms]]\nname = \"reset\"\nsettings = {{ learner = {{ memory = \"reset-each-step\" }} }}\n"
    );
    sandbox.write("tiny-study.toml", text);
    sandbox
}

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
        .stderr(contains("reset-2: survives"));
    let settings: toml::Table = sandbox.read("studies/tiny/reset-2/run.toml").parse().unwrap();
    assert_eq!(settings["learner"]["memory"].as_str(), Some("reset-each-step"));
    assert_eq!(settings["learner"]["batch_size"].as_integer(), Some(2), "all arms have what is said for all");
    assert_eq!(settings["seed"].as_integer(), Some(2));

    let results: serde_json::Value =
        serde_json::from_str(&sandbox.read("studies/tiny/results.json")).unwrap();
    assert_eq!(results["results"].as_array().unwrap().len(), 4, "two arms at two epsilons");
    let rows = sandbox.read("studies/tiny/results.csv");
    assert_eq!(rows.lines().count(), 1 + 8, "{rows}");

    // Whatever is done is not done again; what was lost is.
    let weights = |arm: &str| sandbox.path(format!("studies/tiny/{arm}/weights.safetensors"));
    let written = |arm: &str| fs::metadata(weights(arm)).unwrap().modified().unwrap();
    let (before, lost) = (written("carried-1"), fs::read(weights("reset-1")).unwrap());
    fs::rename(sandbox.path("studies/tiny/reset-1"), sandbox.path("studies/tiny/reset-1.unfinished"))
        .unwrap();
    run(&[]);
    assert_eq!(written("carried-1"), before);
    assert!(fs::read(weights("reset-1")).unwrap() == lost, "the same seed gives the same network");

    // In parts, the same comes out.
    for part in ["1/3", "2/3", "3/3"] {
        run(&["--out", "parts", "--part", part]);
    }
    assert_eq!(sandbox.read("parts/results.csv"), rows);
}

#[test]
fn mistakes_in_a_study_are_found() {
    let sandbox = study();
    let text = sandbox.read("tiny-study.toml");
    let fails = |text: &str, message: &str| {
        sandbox.write("wrong.toml", text);
        sandbox.townlet(&["study", "wrong.toml"]).assert().failure().stderr(contains(message.to_owned()));
    };
    fails(&text.replace("seeds = [1, 2]", "seeds = []"), "wrong.toml:2: seeds: expected at least one seed");
    fails(&text.replace("\"reset\"", "\"carried\""), "there are two arms called carried");
    fails(&text.replace("seeds", "sedes"), "wrong.toml:2: sedes: unknown field `sedes`");
    fails(&text.replace("memory =", "memroy ="), "unknown field `memroy`");
    sandbox
        .townlet(&["study", "tiny-study.toml", "--part", "4/3"])
        .assert()
        .code(2)
        .stderr(contains("expected I/N with I from 1 to N"));

    // The results of one study are not mixed with another's.
    sandbox.townlet(&["study", "tiny-study.toml", "--out", "a"]).assert().success();
    sandbox.write("other.toml", text.replace("steps = 400", "steps = 500"));
    sandbox
        .townlet(&["study", "other.toml", "--out", "a"])
        .assert()
        .failure()
        .stderr(contains("of a study with other settings"));
}
