//! `townlet doctor`, and what holds for the program as a whole.

mod common;

use std::process::{Command, Stdio};

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

#[test]
fn the_doctor_knows_this_build() {
    let sandbox = Sandbox::new();
    sandbox
        .townlet(&["doctor"])
        .assert()
        .success()
        .stdout(contains(concat!("townlet ", env!("CARGO_PKG_VERSION"), ", Burn 0.22.1, ")))
        .stdout(contains("  flex     works\n").and(contains("graphics adapters\n")));

    let output = sandbox.townlet(&["doctor", "--json"]).assert().success().get_output().stdout.clone();
    let findings: Value = serde_json::from_slice(&output).unwrap();
    assert!(findings["cpu_cores"].as_u64().unwrap() >= 1);
    assert_eq!(findings["os"], std::env::consts::OS);
    let backends = findings["backends"].as_array().unwrap();
    let compiled = [true, cfg!(feature = "ndarray"), cfg!(feature = "wgpu")];
    for ((backend, name), compiled) in backends.iter().zip(["flex", "ndarray", "wgpu"]).zip(compiled) {
        assert_eq!((&backend["name"], &backend["feature"]), (&name.into(), &name.into()));
        assert_eq!(backend["compiled"], compiled);
        assert_eq!(backend["works"].as_bool().unwrap(), backend["error"].is_null());
        assert!(compiled || backend["works"] == false);
    }
    assert!(findings["adapters"].is_array());
}

#[test]
fn help_and_version() {
    let sandbox = Sandbox::new();
    sandbox.townlet(&["--version"]).assert().success().stdout(contains(env!("CARGO_PKG_VERSION")));
    sandbox.townlet(&["train", "--help"]).assert().success().stdout(contains("Examples:"));
    sandbox.townlet(&[]).assert().code(2);
    sandbox.townlet(&["fly"]).assert().code(2);
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let sandbox = Sandbox::new();
    for arguments in [["levels", "full"], ["doctor", "--json"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_townlet"))
            .args(arguments)
            .current_dir(sandbox.path("."))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{arguments:?}: {stderr}");
    }
}
