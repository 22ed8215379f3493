//! `townlet levels`: what is listed, printed and checked.

mod common;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};

#[test]
fn every_level_is_listed_and_printed() {
    let sandbox = Sandbox::new();
    let listed = sandbox.townlet(&["levels"]).assert().success().stderr(is_empty());
    let listed = String::from_utf8(listed.get_output().stdout.clone()).unwrap();
    for name in ["full", "pomdp", "temporal", "pomdp-shuffled"] {
        assert!(listed.lines().any(|line| line == name), "{name} is not in\n{listed}");
        let printed = sandbox.townlet(&["levels", name]).assert().success().stderr(is_empty());
        sandbox.write("mine.toml", &printed.get_output().stdout);
        sandbox
            .townlet(&["levels", "--check", "mine.toml"])
            .assert()
            .success()
            .stdout(contains("mine.toml: fine; 8 x 8 cells, 8 needs, 14 places"));
    }
    assert!(listed.contains("sees 5 x 5 cells (50 features) for at most 500 steps"), "{listed}");
}

#[test]
fn the_printed_source_is_commented() {
    let sandbox = Sandbox::new();
    sandbox.townlet(&["levels", "full"]).assert().success().stdout(predicates::str::starts_with("# "));
}

#[test]
fn mistakes_are_found() {
    let sandbox = Sandbox::new();
    let printed = sandbox.townlet(&["levels", "full"]).assert().success();
    let source = String::from_utf8(printed.get_output().stdout.clone()).unwrap();
    sandbox.write("mine.toml", source.replacen("step_limit", "step_limt", 1));
    sandbox
        .townlet(&["levels", "--check", "mine.toml"])
        .assert()
        .code(1)
        .stdout(is_empty())
        .stderr(predicates::str::is_match(r"^error: mine\.toml:\d+: step_limt: unknown field").unwrap());
    sandbox
        .townlet(&["levels", "moonbase"])
        .assert()
        .code(1)
        .stderr(contains("error: there is no built-in level `moonbase`; expected full, "));
    sandbox
        .townlet(&["levels", "--check", "none.toml"])
        .assert()
        .code(1)
        .stderr(contains("cannot read the level file none.toml").and(contains("No such file").count(1)));
}
