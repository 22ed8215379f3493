//! Names and paths that others chose: nothing in them stops a command, leaves its folder or reaches a terminal.

mod common;

use std::fs;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;

/// What would change the title of a terminal and then its colour, as TOML and JSON write it.
const ESCAPE: &str = r"\u001b]0;x\u0007\u001b[31m";

fn level(sandbox: &Sandbox, name: &str) -> String {
    let output = sandbox.townlet(&["levels", "pomdp"]).assert().success().get_output().stdout.clone();
    let text = String::from_utf8(output).unwrap();
    text.replacen("name = \"pomdp\"", &format!("name = \"{name}\""), 1)
}

#[test]
fn names_that_would_control_a_terminal_are_refused_by_every_command() {
    let sandbox = Sandbox::new();
    sandbox.write("l.toml", level(&sandbox, ESCAPE));
    sandbox.write("long.toml", level(&sandbox, &"n".repeat(300)));
    for arguments in [
        &["levels", "--check", "l.toml"][..],
        &["config", "check", "l.toml"],
        &["train", "--level", "l.toml", "--out", "run"],
        &["record", "l.toml", "--out", "a.jsonl"],
        &["config", "show", "--set", "level.name=\"\\u001b[31m\""],
    ] {
        let refused = sandbox.townlet(arguments).assert().code(1);
        let refused = refused.stderr(contains("U+001B, which controls terminals")).get_output().clone();
        assert!(!refused.stderr.contains(&0x1b) && refused.stdout.is_empty(), "{arguments:?}");
    }
    sandbox
        .townlet(&["levels", "--check", "long.toml"])
        .assert()
        .code(1)
        .stderr(contains("name: expected at most 100 characters, found 300"));
    assert!(!sandbox.path("run").exists() && !sandbox.path("a.jsonl").exists());
}

#[test]
fn an_evaluation_in_a_level_with_a_slash_in_its_name_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.write("l.toml", level(&sandbox, "mine/v2"));
    sandbox.train("run", &["--level", "l.toml", "--steps", "100"]).assert().success();
    sandbox.townlet(&["eval", "run", "--episodes", "1"]).assert().success().stderr(contains("warning").not());
    let kept: Vec<_> = fs::read_dir(sandbox.path("run/evaluations")).unwrap().map(Result::unwrap).collect();
    assert!(kept[0].file_name().to_string_lossy().contains("mine%2Fv2"), "{kept:?}");
    sandbox.townlet(&["report", "run"]).assert().success();
}

#[test]
fn an_older_run_with_any_name_opens_and_prints_nothing_raw() {
    let sandbox = Sandbox::new();
    sandbox.train("runs/old", &["--steps", "100"]).assert().success();
    let settings = sandbox.read("runs/old/run.toml");
    sandbox
        .write("runs/old/run.toml", settings.replace("name = \"pomdp\"", &format!("name = \"{ESCAPE}\\n\"")));
    for arguments in [
        &["runs"][..],
        &["runs", "--json"],
        &["runs", "show", "runs/old"],
        &["eval", "runs/old", "--episodes", "1"],
        &["eval", "runs/old", "--episodes", "1", "--json"],
        &["eval", "runs/old", "--level", "temporal"],
        &["plot", "runs/old"],
        &["report", "runs/old"],
        &["record", "runs/old", "--out", "a.jsonl"],
        &["trace", "verify", "a.jsonl"],
        &["export", "a.jsonl", "--html"],
    ] {
        let output = sandbox.townlet(arguments).output().unwrap();
        assert_eq!(output.status.success(), !arguments.contains(&"temporal"), "{arguments:?} {output:?}");
        for shown in [&output.stdout, &output.stderr] {
            assert!(!shown.contains(&0x1b) && !shown.contains(&7), "{arguments:?}");
        }
    }
    let report = sandbox.read("runs/old/report.html");
    assert!(report.contains(r"\u001b]0;x\u0007") && !report.contains('\u{1b}'));
    assert!(!sandbox.read("a.html").contains('\u{1b}'));
}

#[test]
fn a_run_of_a_newer_version_with_a_setting_that_is_not_known_says_so() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "100"]).assert().success();
    let settings = sandbox.read("run/run.toml").replacen("\nseed = ", "\ngravity = 9.81\nseed = ", 1);
    sandbox.write("run/run.toml", &settings);
    let refused = |message: &str| {
        sandbox.townlet(&["eval", "run"]).assert().code(1).stderr(
            contains("run.toml")
                .and(contains("gravity: unknown field `gravity`"))
                .and(contains(message.to_owned())),
        );
    };
    refused("error: ");
    let own = concat!("townlet = \"", env!("CARGO_PKG_VERSION"), "\"");
    sandbox.write("run/run.toml", settings.replacen(own, "townlet = \"9.0.0\"", 1));
    refused("townlet 9.0.0 made this run");
}

#[cfg(unix)]
#[test]
fn a_run_in_a_folder_that_is_not_utf_8_can_be_used_for_everything() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let sandbox = Sandbox::new();
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let (run, trace) = (name(b"bad\xffname"), name(b"bad\xfftrace.jsonl"));
    let townlet = |arguments: &[&str], paths: &[&OsStr]| {
        let mut command = sandbox.townlet(arguments);
        command.args(paths);
        command.assert().success()
    };
    let tiny = ["train", "--config", "tiny.toml", "--agents", "4", "--steps", "400", "--out"];
    townlet(&tiny, &[run]).stdout(contains(r"$'bad\xffname'"));
    townlet(&["eval", "--episodes", "1"], &[run]);
    townlet(&["runs", "show"], &[run]);
    townlet(&["runs", "--folder", "."], &[]);
    townlet(&["runs", "export"], &[run]);
    townlet(&["report"], &[run]);
    townlet(&["plot"], &[run]);
    townlet(&["record", "--out"], &[trace, run]);
    townlet(&["trace", "verify"], &[trace]);
    townlet(&["export", "--html", "--out"], &[name(b"bad\xff.html"), run]);
    townlet(&["resume", "--steps", "500"], &[run]);
    fs::copy(sandbox.path("tiny.toml"), sandbox.path(name(b"bad\xff.toml"))).unwrap();
    townlet(&["config", "check"], &[name(b"bad\xff.toml")]);
    townlet(&["config", "show", "--config"], &[name(b"bad\xff.toml")]);
    fs::write(sandbox.path(name(b"level\xff.toml")), level(&sandbox, "mine")).unwrap();
    townlet(&["record", "--out", "a.jsonl"], &[name(b"level\xff.toml")]);
    // A level is a setting, and settings are text.
    let mut command = sandbox.townlet(&["train", "--out", "run", "--level"]);
    command.arg(name(b"level\xff.toml")).assert().code(2).stderr(contains("UTF-8"));
    assert!(!sandbox.path("run").exists());
}
