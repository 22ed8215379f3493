//! What a shell and a terminal see of the program: completions, manual pages, colours.

mod common;

use std::fs;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};

#[test]
fn every_shell_has_completions() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.townlet(&["completions", shell]).assert().success().stderr(is_empty());
        let script = String::from_utf8(script.get_output().stdout.clone()).unwrap();
        for word in ["townlet", "train", "evaluate-every", "schema"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    sandbox.townlet(&["completions", "dos"]).assert().code(2).stderr(contains("possible values"));
    sandbox.townlet(&["completions"]).assert().code(2);
}

#[test]
fn every_command_has_a_manual_page() {
    let sandbox = Sandbox::new();
    sandbox
        .townlet(&["man"])
        .assert()
        .success()
        .stdout(contains(".TH townlet 1").and(contains("townlet\\-train(1)")));
    sandbox.townlet(&["man", "--out", "man"]).assert().success().stdout(contains("man holds "));
    let mut pages: Vec<String> = fs::read_dir(sandbox.path("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    for page in ["townlet.1", "townlet-train.1", "townlet-config-show.1", "townlet-probe-passive-t-maze.1"] {
        assert!(pages.iter().any(|found| found == page), "{page} is not in {pages:?}");
    }
    assert!(!pages.iter().any(|page| page.contains("help")), "{pages:?}");
    assert!(sandbox.read("man/townlet-train.1").contains("\\-\\-set"));
    sandbox.write("file", "");
    sandbox.townlet(&["man", "--out", "file"]).assert().code(1).stderr(contains("error: cannot make file"));
}

#[test]
fn colours_are_for_those_who_want_them() {
    let sandbox = Sandbox::new();
    let wrong = ["levels", "moonbase"];
    sandbox.townlet(&wrong).assert().code(1).stderr(contains("\u{1b}").not());
    let forced = || {
        let mut command = sandbox.townlet(&wrong);
        command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
        command
    };
    forced().assert().code(1).stderr(contains("\u{1b}[").and(contains("error:")));
    forced().env("NO_COLOR", "1").assert().code(1).stderr(contains("\u{1b}").not());
    sandbox.townlet(&["train", "--help"]).env("NO_COLOR", "1").assert().stdout(contains("\u{1b}").not());
}
