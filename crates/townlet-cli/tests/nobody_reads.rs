//! Nobody reads what the program prints, or there is no room for it: it does its work all the same, and its exit
//! code says so.
#![cfg(unix)]

mod common;

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use common::{Sandbox, study};

/// Runs the program with its standard output and standard error on these.
fn run(sandbox: &Sandbox, arguments: &[&str], out: Stdio, err: Stdio) -> ExitStatus {
    let program = assert_cmd::cargo::cargo_bin("townlet");
    let mut command = Command::new(program);
    command.current_dir(sandbox.path(".")).args(arguments).env("RUST_LOG", "townlet=info,nonsense=loud");
    command.stdin(Stdio::null()).stdout(out).stderr(err).status().unwrap()
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (_, writer) = io::pipe().unwrap();
    writer.into()
}

/// A disk without room, where the system has one.
fn full() -> Option<Stdio> {
    let path = Path::new("/dev/full");
    if !path.exists() {
        println!("skipped: this system has no /dev/full");
        return None;
    }
    Some(File::options().write(true).open(path).unwrap().into())
}

fn state(sandbox: &Sandbox, run: &str) -> String {
    let status: serde_json::Value =
        serde_json::from_str(&sandbox.read(&format!("{run}/status.json"))).unwrap();
    status["state"].as_str().unwrap().to_owned()
}

#[test]
fn training_goes_on_where_nobody_reads_its_messages() {
    let sandbox = Sandbox::new();
    for (name, err) in [("gone", Some(closed())), ("full", full())] {
        let Some(err) = err else { continue };
        let arguments = ["train", "--config", "tiny.toml", "--agents", "4", "--steps", "400", "--out", name];
        let more = ["--evaluate-every", "100"];
        let ended = run(&sandbox, &[&arguments[..], &more].concat(), Stdio::null(), err);
        assert!(ended.success(), "{name}: {ended}");
        assert_eq!(state(&sandbox, name), "finished");
    }
}

#[test]
fn a_study_goes_on_where_nobody_reads_its_messages() {
    let sandbox = study();
    for (name, err) in [("gone", Some(closed())), ("full", full())] {
        let Some(err) = err else { continue };
        let arguments = ["study", "tiny-study.toml", "--out", name];
        let ended = run(&sandbox, &arguments, Stdio::null(), err);
        assert!(ended.success(), "{name}: {ended}");
        assert!(sandbox.path(name).join("results.json").exists());
    }
}

#[test]
fn errors_and_usage_have_their_exit_codes_where_nobody_reads_them() {
    let sandbox = Sandbox::new();
    for err in [Some(closed()), full()].into_iter().flatten() {
        assert_eq!(run(&sandbox, &["levels", "moonbase"], Stdio::null(), err).code(), Some(1));
    }
    for err in [Some(closed()), full()].into_iter().flatten() {
        assert_eq!(run(&sandbox, &["train", "--no-such-flag"], Stdio::null(), err).code(), Some(2));
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let sandbox = Sandbox::new();
    for arguments in [&["levels", "full"][..], &["--help"], &["config", "schema"]] {
        assert!(run(&sandbox, arguments, closed(), Stdio::null()).success(), "{arguments:?}");
    }
}

#[test]
fn output_without_room_is_an_error_after_the_work_is_done() {
    let sandbox = Sandbox::new();
    let Some(out) = full() else { return };
    let arguments = ["train", "--config", "tiny.toml", "--agents", "4", "--steps", "400", "--out", "run"];
    assert_eq!(run(&sandbox, &arguments, out, Stdio::null()).code(), Some(1));
    assert_eq!(state(&sandbox, "run"), "finished");
    assert_eq!(run(&sandbox, &["--help"], full().unwrap(), Stdio::null()).code(), Some(1));

    // Measured to the end: the table has no room, and the file has.
    let probe = "probe passive-t-maze --length 2 --steps 64 --seeds 2 --quiet --csv probe.csv";
    let arguments: Vec<&str> = probe.split(' ').collect();
    assert_eq!(run(&sandbox, &arguments, full().unwrap(), Stdio::null()).code(), Some(1));
    assert_eq!(sandbox.read("probe.csv").lines().count(), 1 + 2);
}
