//! `townlet probe`: small memory tasks, learned from nothing.

mod common;

use common::Sandbox;
use predicates::str::{contains, is_empty};
use serde_json::Value;

/// Settings with which an agent takes a fraction of a second.
const QUICK: &str = "\
[evaluation]
every = 100
episodes = 4
[network]
hidden = 8
encoder_features = 4
head_features = 4
[learner]
batch_size = 4
schedule = { learning_starts = 50, update_every = 20 }
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("quick.toml", QUICK);
    sandbox
}

/// The JSON object that `townlet probe` prints with these arguments.
fn probe(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let mut command = sandbox.townlet(&["probe"]);
    let assert = command.args(arguments).args(["--quiet", "--json"]).assert().success().stderr(is_empty());
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

/// The same without what no two runs share.
fn timeless(mut report: Value) -> Value {
    for case in report["cases"].as_array_mut().unwrap() {
        for run in case["runs"].as_array_mut().unwrap() {
            run["seconds"] = Value::Null;
        }
    }
    report
}

#[test]
fn the_built_in_settings_solve_a_short_maze() {
    let report = probe(&sandbox(), &["passive-t-maze", "--length", "2", "--seeds", "2", "--steps", "8000"]);
    let case = &report["cases"][0];
    assert_eq!((&report["task"], &case["length"]), (&"passive-t-maze".into(), &2.into()));
    assert_eq!(case["summary"]["solved"], 2, "{report}");
    for run in case["runs"].as_array().unwrap() {
        let (steps, solved_at) = (run["steps"].as_u64().unwrap(), run["solved_at"].as_u64().unwrap());
        assert!(solved_at < steps && steps < 8_000, "learning ends at the second look: {run}");
        assert_eq!(run["greedy_return"], 1.0);
        assert!(run["updates"].as_u64().unwrap() > 0 && run["seconds"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_bit_in_view_is_answered_and_scored() {
    let sandbox = sandbox();
    sandbox.write("rare.toml", "[learner]\nschedule = { update_every = 50 }\n[evaluation]\nevery = 10_000\n");
    let report =
        probe(&sandbox, &["memory-length", "--length", "1", "--seeds", "1", "--config", "rare.toml"]);
    let run = &report["cases"][0]["runs"][0];
    assert!(run["episodes"].as_u64().unwrap() >= 10_000, "as many as the score rule asks for: {run}");
    assert!(run["regret_ratio"].as_f64().unwrap() < 0.75 && run["solved"] == true, "{run}");
}

#[test]
fn arms_differ_in_nothing_but_their_memory() {
    let arguments = ["delayed-t-maze", "--delay", "0,1", "--memory", "carried,reset-each-step"];
    let more = ["--seeds", "1", "--steps", "300", "--config", "quick.toml", "--csv", "delays.csv"];
    let sandbox = sandbox();
    let report = probe(&sandbox, &[&arguments[..], &more].concat());
    let cases = report["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    let mut settings = cases[1]["settings"].clone();
    assert_eq!(settings["learner"]["memory"], "reset-each-step");
    settings["learner"]["memory"] = "carried".into();
    assert_eq!(settings, cases[0]["settings"]);
    assert_eq!(settings["learner"]["trace_length"], 4, "a whole episode");
    let preference = |case: &Value| case["runs"][0]["preference"].as_f64().unwrap();
    assert_ne!(preference(&cases[0]), preference(&cases[1]));

    let csv = sandbox.read("delays.csv");
    let mut lines = csv.lines();
    let header = "corridor,delay,memory,exact_preference,seed,steps,";
    assert!(lines.next().unwrap().starts_with(header), "{csv}");
    assert!(lines.next().unwrap().starts_with("1,0,carried,"), "{csv}");
    assert_eq!(lines.count(), 3, "{csv}");
}

#[test]
fn the_cart_pole_reports_its_training_episodes() {
    let arguments = ["flickering-cartpole", "--steps", "400", "--seeds", "1", "--config", "quick.toml"];
    let report = probe(&sandbox(), &arguments);
    assert_eq!(report["task"], "flickering-cart-pole");
    let run = &report["cases"][0]["runs"][0];
    assert!(run["training_return"].as_f64().unwrap() >= 8.0, "{run}");
    assert_eq!(run.get("solved"), None, "no rule says when it is solved");
}

#[test]
fn an_agent_that_sees_what_it_did_learns_something_else() {
    let sandbox = sandbox();
    sandbox.write("previous.toml", QUICK.replace("hidden = 8", "hidden = 8\nprevious = true"));
    let learned = |config: &str| {
        let arguments = ["delayed-t-maze", "--delay", "1", "--memory", "carried", "--seeds", "1"];
        let more = ["--steps", "300", "--config", config];
        let report = probe(&sandbox, &[&arguments[..], &more].concat());
        report["cases"][0]["runs"][0]["preference"].as_f64().unwrap()
    };
    assert_ne!(learned("previous.toml"), learned("quick.toml"));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let sandbox = sandbox();
    let arguments = ["passive-t-maze", "--steps", "600", "--config", "quick.toml", "--seed", "3"];
    let two = timeless(probe(&sandbox, &[&arguments[..], &["--seeds", "2"]].concat()));
    let runs = two["cases"][0]["runs"].as_array().unwrap();
    assert_eq!((&runs[0]["seed"], &runs[1]["seed"]), (&3.into(), &4.into()));
    assert_ne!(runs[0]["training_return"], runs[1]["training_return"]);
    let one = timeless(probe(&sandbox, &[&arguments[..], &["--seeds", "1"]].concat()));
    assert_eq!(one["cases"][0]["runs"][0], runs[0]);
}

#[test]
fn a_person_gets_a_table() {
    let arguments = ["probe", "passive-t-maze", "--steps", "600", "--config", "quick.toml", "--seeds", "1"];
    let assert = sandbox().townlet(&arguments).assert().success();
    assert.stdout(contains("solved at")).stdout(contains("length 10: solved on 0 of 1 seeds"));
}

#[test]
fn printed_settings_are_settings() {
    let sandbox = sandbox();
    for task in ["passive-t-maze", "memory-length", "delayed-t-maze", "flickering-cart-pole"] {
        let output = sandbox.townlet(&["probe", task, "--print-config"]).assert().success();
        let printed = output.get_output().stdout.clone();
        assert!(printed.starts_with(b"#"), "{task} explains itself");
        sandbox.write("printed.toml", printed);
        // Refused for the CSV file alone, after the settings were taken.
        let arguments = ["probe", task, "--config", "printed.toml", "--csv", "nowhere/a.csv"];
        sandbox.townlet(&arguments).assert().code(1).stderr(contains("cannot write nowhere"));
    }
}

#[test]
fn mistakes_are_refused_before_anything_is_learned() {
    let sandbox = sandbox();
    sandbox.write("typo.toml", "[learner]\nlerning_rate = 1.0\n");
    let refused = sandbox.townlet(&["probe", "passive-t-maze", "--config", "typo.toml", "--csv", "a.csv"]);
    let mut refused = refused;
    let expected = "error: typo.toml:2: learner.lerning_rate: unknown field";
    refused.assert().code(1).stdout(is_empty()).stderr(contains(expected));
    assert!(!sandbox.path("a.csv").exists());
    let missing = ["probe", "passive-t-maze", "--config", "no.toml"];
    sandbox.townlet(&missing).assert().code(1).stderr(contains("cannot read the configuration file no.toml"));

    for wrong in [
        &["passive-t-mase"][..],
        &["passive-t-maze", "--length", "0"],
        &["passive-t-maze", "--length", "3,x"],
        &["passive-t-maze", "--seeds", "0"],
        &["delayed-t-maze", "--memory", "carried,forgotten"],
        &["flickering-cart-pole", "--flicker", "1"],
        &["memory-length", "--steps", "5"],
        &[],
    ] {
        sandbox.townlet(&["probe"]).args(wrong).assert().code(2);
    }
}
