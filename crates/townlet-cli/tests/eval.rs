//! `townlet eval`: a trained agent beside a random one.

mod common;

use std::fs;

use common::Sandbox;
use predicates::str::{contains, is_empty};
use serde_json::Value;

fn trained() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "600"]).assert().success();
    sandbox
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let output = sandbox.townlet(arguments).assert().success().stderr(is_empty()).get_output().stdout.clone();
    serde_json::from_slice(&output).unwrap()
}

#[test]
fn json_holds_all_four_agents() {
    let sandbox = trained();
    let arguments = ["eval", "run", "--episodes", "20", "--json"];
    let report = json(&sandbox, &arguments);
    assert_eq!((&report["episodes"], &report["seed"]), (&20.into(), &1.into()));
    assert_eq!((&report["level"], &report["backend"]), (&"pomdp".into(), &"flex".into()));
    for agent in ["trained", "random", "explorer", "scripted"] {
        let result = &report[agent];
        let number = |key: &str| result[key].as_f64().unwrap_or_else(|| panic!("{agent}.{key} in {report}"));
        assert!(number("survival_mean") >= 1.0 && number("survival_median") >= 1.0);
        assert!(number("survival_standard_error") >= 0.0);
        assert!(number("mean_return").is_finite());
        let deaths: u64 = result["deaths"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        let survivors = (number("reached_limit") * 20.0).round() as u64;
        assert_eq!(deaths + survivors, 20, "{report}");
        let interval = &result["survival_interval"];
        assert!(interval[0].as_f64().unwrap() <= number("survival_mean"), "{interval}");
        assert!(interval[1].as_f64().unwrap() >= number("survival_mean"), "{interval}");
        let budget = result["time_budget"].as_object().unwrap();
        let spent: f64 = budget.values().map(|share| share.as_f64().unwrap()).sum();
        assert!((spent - 1.0).abs() < 1e-9, "{budget:?}");
    }
    assert_eq!(report["scripted"]["survival_mean"], 500.0, "it knows the map");
    assert!(report["scripted"]["affordance_use"]["Job"].as_f64().unwrap() > 1.0, "{report}");
    assert_eq!(json(&sandbox, &arguments), report, "the same episodes come out the same");
    let kept = "run/evaluations/last-pomdp-seed1x1-epsilon0.json";
    assert_eq!(serde_json::from_str::<Value>(&sandbox.read(kept)).unwrap(), report);

    let other = json(&sandbox, &["eval", "run", "--episodes", "20", "--seed", "99", "--json"]);
    assert_ne!(other["random"], report["random"]);
}

#[test]
fn both_agents_play_at_random_with_full_epsilon() {
    let sandbox = trained();
    let report = json(&sandbox, &["eval", "run", "--episodes", "64", "--epsilon", "1", "--json"]);
    let mean = |agent: &str| report[agent]["survival_mean"].as_f64().unwrap();
    let error = |agent: &str| report[agent]["survival_standard_error"].as_f64().unwrap();
    let distance = (mean("trained") - mean("random")).abs();
    assert!(distance < 5.0 * (error("trained") + error("random")), "{report}");
}

#[test]
fn on_a_map_that_is_new_every_time_explorers_are_a_scale_for_memory() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "600", "--level", "pomdp-shuffled"]).assert().success();
    let report = json(&sandbox, &["eval", "run", "--episodes", "30", "--json"]);
    let explorers = report["memory_scale"]["explorers"].as_array().unwrap();
    let lived = |memory: u64| {
        let explorer = explorers.iter().find(|it| it[0] == memory).unwrap();
        explorer[1].as_f64().unwrap()
    };
    assert!(lived(0) < lived(8) && lived(8) < lived(64), "{explorers:?}");
    assert_eq!(report["memory_scale"]["unforgetting"], report["explorer"]["survival_mean"]);
    sandbox
        .townlet(&["eval", "run", "--episodes", "30"])
        .assert()
        .success()
        .stdout(contains("Memory: the trained agent lives shorter than an explorer that remembers nothing."));
    // Where the map can be learned by heart, survival says nothing about memory.
    let fixed = json(&sandbox, &["eval", "run", "--episodes", "5", "--level", "pomdp", "--json"]);
    assert_eq!(fixed["memory_scale"], Value::Null);
}

#[test]
fn one_episode_has_no_standard_error() {
    let sandbox = trained();
    let report = json(&sandbox, &["eval", "run", "--episodes", "1", "--json"]);
    assert_eq!(report["trained"]["survival_standard_error"], Value::Null);
}

#[test]
fn a_person_gets_a_table() {
    let sandbox = trained();
    sandbox
        .townlet(&["eval", "run", "--episodes", "5"])
        .assert()
        .success()
        .stdout(contains(
            "run: last weights, level pomdp, 5 episodes of at most 500 steps with seed 1, epsilon 0, backend flex",
        ))
        .stdout(contains("survival, mean"))
        .stdout(contains("reached the step limit"))
        .stdout(contains("died of "));
}

#[test]
fn a_missing_run_is_one_clear_error() {
    let sandbox = Sandbox::new();
    sandbox
        .townlet(&["eval", "nowhere"])
        .assert()
        .code(1)
        .stdout(is_empty())
        .stderr(contains("error: nowhere is not a run directory: cannot read nowhere"))
        .stderr(contains("`townlet train --out nowhere` makes one"));
}

#[test]
fn damaged_runs_are_refused() {
    let sandbox = trained();
    let weights = fs::read(sandbox.path("run/weights.safetensors")).unwrap();
    let configuration = sandbox.read("run/run.toml");
    let refused = |message: &str| {
        let assert = sandbox.townlet(&["eval", "run", "--json"]).assert().code(1).stdout(is_empty());
        assert.stderr(contains(message));
    };

    for length in [0, 5, weights.len() / 2, weights.len() - 1] {
        sandbox.write("run/weights.safetensors", &weights[..length]);
        refused("weights.safetensors is not a complete safetensors file");
    }
    fs::remove_file(sandbox.path("run/weights.safetensors")).unwrap();
    refused("cannot read weights from run");
    sandbox.write("run/weights.safetensors", &weights);

    sandbox.write("run/run.toml", configuration.replace("hidden = 8", "hidden = 9"));
    refused("the weights do not fit the network: ");
    sandbox.write("run/run.toml", configuration.replace("hidden = 8", "hiden = 8"));
    refused("network.hiden: unknown field `hiden`");
    sandbox.write("run/run.toml", configuration.replace("vision_range = 2", "vision_range = 3"));
    refused("network.layout is not what agents see in this level");
}

#[test]
fn arguments_out_of_range_are_wrong_usage() {
    let sandbox = Sandbox::new();
    for wrong in [["--epsilon", "1.5"], ["--epsilon", "NaN"], ["--episodes", "0"], ["--backend", "cuda"]] {
        sandbox.townlet(&["eval", "run"]).args(wrong).assert().code(2);
    }
}

#[test]
fn checkpoints_seeds_and_levels_can_be_chosen() {
    let sandbox = trained();
    let checkpoint = "run/checkpoints/step-000000000600";
    let of_checkpoint = json(&sandbox, &["eval", checkpoint, "--episodes", "6", "--json"]);
    assert_eq!(of_checkpoint["weights"], "step-000000000600");
    let seeds = |first: &str, seeds: &str| {
        let more = ["--episodes", "6", "--seed", first, "--seeds", seeds, "--json"];
        json(&sandbox, &[&["eval", "run"], &more[..]].concat())["random"]["survival_mean"].as_f64().unwrap()
    };
    let apart = f64::midpoint(seeds("4", "1"), seeds("5", "1"));
    assert!((seeds("4", "2") - apart).abs() < 1e-9, "two seeds are both of them");
    let shuffled = json(&sandbox, &["eval", "run", "--episodes", "6", "--level", "pomdp-shuffled", "--json"]);
    assert_eq!(shuffled["level"], "pomdp-shuffled");
    sandbox
        .townlet(&["eval", "run", "--level", "temporal"])
        .assert()
        .failure()
        .stderr(contains("in the level temporal agents see something else"));
    sandbox
        .townlet(&["eval", checkpoint, "--weights", "best"])
        .assert()
        .failure()
        .stderr(contains("a checkpoint has its own"));
}
