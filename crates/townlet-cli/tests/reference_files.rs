//! Training files of the Python implementation: they train, and what is misspelt in them is refused.

mod common;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;

const FULL: &str = include_str!("data/full.yaml");
const POMDP: &str = include_str!("data/pomdp.yaml");
const TEMPORAL: &str = include_str!("data/temporal.yaml");
const SPARSE: &str = include_str!("data/sparse-adaptive.yaml");

/// A run with the settings of a file, so short that it takes no time, and its run.toml.
fn trained(sandbox: &Sandbox, name: &str, text: &str) -> toml::Table {
    let file = format!("{name}.yaml");
    sandbox.write(&file, text);
    let run = format!("runs/{name}");
    let small = ["--set", "network.hidden=8", "--set", "network.vision_features=8", "--evaluate-every", "0"];
    let mut arguments = vec!["train", "--config", &file, "--steps", "400", "--out", &run];
    arguments.extend(small);
    sandbox.townlet(&arguments).assert().success().stdout(contains("Trained for 400 steps"));
    sandbox.townlet(&["eval", &run, "--episodes", "2"]).assert().success();
    sandbox.read(&format!("{run}/run.toml")).parse().unwrap()
}

#[test]
fn every_kind_of_file_trains() {
    let sandbox = Sandbox::new();
    for (name, text, level, core) in [
        ("full", FULL, "full", "none"),
        ("pomdp", POMDP, "pomdp", "lstm"),
        ("temporal", TEMPORAL, "temporal", "lstm"),
        ("sparse", SPARSE, "full", "none"),
    ] {
        let run = trained(&sandbox, name, text);
        assert_eq!(run["level"]["name"].as_str(), Some(level), "{name}");
        assert_eq!(run["network"]["core"]["kind"].as_str(), Some(core), "{name}");
        assert_eq!(run["learner"]["curriculum"]["kind"].as_str(), Some("adversarial"), "{name}");
        assert_eq!(run["learner"]["intrinsic"]["kind"].as_str(), Some("rnd"), "{name}");
        let window = run["learner"]["annealing"]["variance_threshold"].as_float();
        assert_eq!(window, Some(if name == "sparse" { 10.0 } else { 100.0 }));
        let agents = run["agents"].as_integer();
        assert_eq!(agents, Some(if name == "sparse" { 10 } else { 1 }));
    }
    let run = sandbox.read("runs/pomdp/run.toml").parse::<toml::Table>().unwrap();
    assert_eq!(run["learner"]["epsilon"]["kind"].as_str(), Some("exponential"));
}

#[test]
fn what_a_file_says_in_vain_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("sparse.yaml", SPARSE);
    sandbox
        .townlet(&[
            "train",
            "--config",
            "sparse.yaml",
            "--steps",
            "10",
            "--out",
            "run",
            "--set",
            "network.hidden=8",
        ])
        .assert()
        .success()
        .stderr(contains("note: sparse.yaml: visualization.enabled, visualization.websocket_host"))
        .stderr(contains("note: sparse.yaml:17: exploration.obs_dim is not used: it is 70"))
        .stderr(contains("note: sparse.yaml:32: population.state_dim is not used: it is 70"))
        .stderr(contains("note: sparse.yaml:13: curriculum.device is not used"));
}

#[test]
fn a_misspelt_key_is_refused_by_name() {
    let sandbox = Sandbox::new();
    let refused = |text: String, message: &str| {
        sandbox.write("wrong.yaml", text);
        sandbox
            .townlet(&["train", "--config", "wrong.yaml", "--out", "run"])
            .assert()
            .code(1)
            .stderr(contains(message.to_owned()));
        assert!(!sandbox.path("run").exists(), "nothing is written before everything is checked");
    };
    refused(
        POMDP.replace("vision_range", "vison_range"),
        "error: wrong.yaml:5: environment.vison_range: unknown key `vison_range`; did you mean `vision_range`?",
    );
    refused(
        POMDP.replace("gamma: 0.99", "gamma: 1.5"),
        "error: wrong.yaml:10: population.gamma: learner.discount: expected a number from 0 to 1, found 1.5",
    );
    refused(
        POMDP.replace("num_agents: 1", "num_agents: [1]"),
        "wrong.yaml:8: population.num_agents: expected one value",
    );
    refused(POMDP.replace("grid_size: 8", "grid_size: {"), "error: wrong.yaml:");
}

#[test]
fn a_file_is_held_against_a_level_that_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("pomdp.yaml", POMDP);
    sandbox
        .townlet(&["train", "--config", "pomdp.yaml", "--level", "full", "--out", "run"])
        .assert()
        .code(1)
        .stderr(contains("pomdp.yaml:4: environment.partial_observability: is true, and the level full shows the whole grid"));
    sandbox
        .townlet(&["config", "show", "--config", "pomdp.yaml", "--level", "pomdp-shuffled"])
        .assert()
        .success()
        .stdout(contains("name = \"pomdp-shuffled\"").and(contains("# pomdp.yaml:10 population.gamma")));
}
