//! `townlet trace`: what is recorded replays, and what was changed does not.

mod common;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};

#[test]
fn a_random_agent_is_recorded_and_replayed() {
    let sandbox = Sandbox::new();
    for level in ["full", "pomdp", "temporal", "pomdp-shuffled"] {
        let file = format!("{level}.jsonl");
        sandbox
            .townlet(&["trace", "record", level, "--out", &file, "--episodes", "3", "--seed", "4"])
            .assert()
            .success()
            .stdout(contains("3 episodes, ").and(contains(format!("See it: townlet replay {file}"))));
    }
    sandbox
        .townlet(&["trace", "verify", "full.jsonl", "pomdp.jsonl", "temporal.jsonl", "pomdp-shuffled.jsonl"])
        .assert()
        .success()
        .stdout(predicates::str::is_match(r"(?m)^temporal\.jsonl: 3 episodes, \d+ steps equal$").unwrap());
    sandbox.townlet(&["trace", "verify", "pomdp.jsonl", "--level", "pomdp"]).assert().success();
    sandbox.townlet(&["trace", "verify", "pomdp.jsonl", "--level", "temporal"]).assert().code(1);
}

#[test]
fn a_trained_agent_is_recorded_and_replayed() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "200"]).assert().success();
    let record = |policy: &str, out: &str| {
        let arguments = ["trace", "record", "run", "--policy", policy, "--seed", "2", "--out", out];
        sandbox.townlet(&arguments).assert().success();
        sandbox.townlet(&["trace", "verify", out]).assert().success();
        sandbox.read(out)
    };
    let greedy = record("greedy", "greedy.jsonl");
    assert!(greedy.contains("greedy policy, seed 2"));
    assert_eq!(greedy, record("greedy", "again.jsonl"));
    let steps = |trace: &str| trace.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_ne!(steps(&greedy), steps(&record("random", "random.jsonl")));

    let arguments = ["trace", "record", "run", "--seed", "2", "--out", "default.jsonl"];
    sandbox.townlet(&arguments).assert().success();
    assert_eq!(sandbox.read("default.jsonl"), greedy, "a run is played greedily");
}

#[test]
fn a_changed_digit_is_found() {
    let sandbox = Sandbox::new();
    sandbox.townlet(&["trace", "record", "pomdp", "--out", "a.jsonl"]).assert().success();
    let trace = sandbox.read("a.jsonl");
    sandbox.write("changed.jsonl", trace.replacen("\"reward\":5.5", "\"reward\":5.6", 1));
    sandbox
        .townlet(&["trace", "verify", "changed.jsonl"])
        .assert()
        .code(1)
        .stdout(contains(
            "changed.jsonl: differs after 1 episode, 1 step: line 3, episode `episode 0`, step 0: ",
        ))
        .stdout(contains("reward is 5.6 in the trace and 5.5 in the replay"))
        .stderr(contains("error: the trace does not replay"));
}

#[test]
fn a_trace_cut_at_a_line_does_not_verify() {
    let sandbox = Sandbox::new();
    sandbox.townlet(&["record", "pomdp", "--episodes", "2", "--out", "two.jsonl"]).assert().success();
    let trace = sandbox.read("two.jsonl");
    let lines: Vec<&str> = trace.lines().collect();
    for kept in [1, 2, lines.len() / 2, lines.len() - 1] {
        sandbox.write("cut.jsonl", lines[..kept].join("\n") + "\n");
        sandbox
            .townlet(&["trace", "verify", "cut.jsonl"])
            .assert()
            .code(1)
            .stderr(contains(format!("cut.jsonl:{kept}: the trace ends after this line")));
    }
}

#[test]
fn an_older_trace_verifies_with_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("old.jsonl", include_str!("../../../tests/data/traces/partial_instant_random.jsonl"));
    sandbox
        .townlet(&["trace", "verify", "old.jsonl"])
        .assert()
        .success()
        .stdout(contains("old.jsonl: 2 episodes, 98 steps equal"))
        .stderr(contains("warning: old.jsonl is of the format townlet-trace/1"));
}

#[test]
fn what_a_trace_says_cannot_control_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.townlet(&["record", "pomdp", "--out", "a.jsonl"]).assert().success();
    let trace = sandbox.read("a.jsonl");
    let named = trace.replacen(r#""episode":"episode 0""#, r#""episode":"\u001b]0;x\u0007""#, 1);
    sandbox.write("named.jsonl", named.replacen(r#""reward":5.5"#, r#""reward":7"#, 1));
    sandbox.write("key.jsonl", trace.replacen(r#""reward""#, r#""\u001b[31m""#, 1));
    for files in [&["named.jsonl"][..], &["key.jsonl"], &["named.jsonl", "key.jsonl"]] {
        let output = sandbox.townlet(&[&["trace", "verify"], files].concat()).assert().code(1);
        let output = output.get_output();
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{output:?}");
    }
}

#[test]
fn one_bad_trace_does_not_hide_the_others() {
    let sandbox = Sandbox::new();
    sandbox.townlet(&["trace", "record", "pomdp", "--out", "good.jsonl"]).assert().success();
    let trace = sandbox.read("good.jsonl");
    sandbox.write("cut.jsonl", &trace[..trace.len() - 10]);
    sandbox
        .townlet(&["trace", "verify", "cut.jsonl", "good.jsonl", "none.jsonl"])
        .assert()
        .code(1)
        .stdout(contains("the trace is cut off").and(contains("good.jsonl: 1 episode, ")))
        .stdout(contains("cannot read the trace none.jsonl"))
        .stderr(contains("error: 2 of 3 traces do not replay"));
    sandbox
        .townlet(&["trace", "verify", "cut.jsonl"])
        .assert()
        .code(1)
        .stdout(is_empty())
        .stderr(contains("the trace is cut off"));
}

#[test]
fn what_cannot_be_recorded_is_said() {
    let sandbox = Sandbox::new();
    sandbox
        .townlet(&["trace", "record", "pomdp", "--policy", "greedy", "--out", "a.jsonl"])
        .assert()
        .code(1)
        .stderr(contains("error: a greedy agent needs a trained network, and pomdp is not a run directory"));
    sandbox
        .townlet(&["trace", "record", "moonbase", "--out", "a.jsonl"])
        .assert()
        .code(1)
        .stderr(contains("there is no built-in level `moonbase`"));
    assert!(!sandbox.path("a.jsonl").exists());
    sandbox
        .townlet(&["trace", "record", "pomdp", "--out", "no/such/folder.jsonl"])
        .assert()
        .code(1)
        .stderr(contains("error: cannot write no/such/folder.jsonl"));
    sandbox.townlet(&["trace", "record", "pomdp"]).assert().code(2);
    sandbox.townlet(&["trace", "verify"]).assert().code(2);
}
