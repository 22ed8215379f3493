//! `townlet watch`, `record`, `replay` and `export`: a run in a page, and an episode to take home.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;

fn trained() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "400", "--checkpoint-every", "200"]).assert().success();
    sandbox
}

/// A server, ended with the test.
struct Server {
    process: Child,
    address: String,
    /// What it says when it is ready.
    line: String,
}

impl Server {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("townlet"));
        command.args(arguments).args(["--port", "0"]).current_dir(sandbox.path(""));
        let mut process = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(['/', ' ']).next());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        Self { process, address, line }
    }

    /// The whole answer to one request.
    fn get(&self, path: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_run_a_checkpoint_and_a_level_are_served() {
    let sandbox = trained();
    let checkpoint = "run/checkpoints/step-000000000400";
    for arguments in
        [&["watch", "run"][..], &["watch", checkpoint], &["watch", "temporal"], &["play", "pomdp"]]
    {
        let server = Server::start(&sandbox, arguments);
        let page = server.get("/", &server.address);
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("<title>"), "{arguments:?}: {page}");
        let foreign = server.get("/", "example.org");
        assert!(!foreign.starts_with("HTTP/1.1 200"), "{foreign}");
    }
}

#[test]
fn a_name_a_token_and_a_prefix_can_be_given() {
    let sandbox = Sandbox::new();
    let arguments = ["watch", "pomdp", "--host", "localhost", "--allow-host", "mybox.local"];
    let server = Server::start(&sandbox, &arguments);
    for host in ["localhost", "mybox.local:8766", &server.address] {
        assert!(server.get("/", host).starts_with("HTTP/1.1 200"), "{host}");
    }
    let refused = server.get("/", "otherbox.local");
    assert!(refused.contains("--allow-host otherbox.local"), "{refused}");

    let arguments = ["play", "pomdp", "--token", "correct-horse", "--base-path", "/user/ada/proxy"];
    let server = Server::start(&sandbox, &arguments);
    assert!(server.line.contains("/user/ada/proxy/?token=correct-horse "), "{}", server.line);
    assert!(server.get("/user/ada/proxy/", &server.address).starts_with("HTTP/1.1 401"));
    let known = server.get("/user/ada/proxy/metrics.json?token=correct-horse", &server.address);
    assert!(known.starts_with("HTTP/1.1 200"), "{known}");
}

#[test]
fn beyond_this_machine_a_token_is_asked_for_unless_it_is_given_up() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["watch", "pomdp", "--host", "0.0.0.0"]);
    assert!(server.line.contains("/?token="), "{}", server.line);
    assert!(server.get("/", &server.address).starts_with("HTTP/1.1 401"));
    let server = Server::start(&sandbox, &["watch", "pomdp", "--host", "0.0.0.0", "--no-token"]);
    assert!(!server.line.contains("token"), "{}", server.line);
    assert!(server.get("/", &server.address).starts_with("HTTP/1.1 200"));
    sandbox.townlet(&["watch", "pomdp", "--token", "short"]).assert().failure().stderr(contains("8 to 200"));
    sandbox.townlet(&["watch", "pomdp", "--token", "long-enough", "--no-token"]).assert().code(2);
    sandbox.townlet(&["watch", "pomdp", "--allow-origin", "hub.example"]).assert().code(2);
    sandbox
        .townlet(&["watch", "pomdp", "--host", "no such host"])
        .assert()
        .failure()
        .stderr(contains("--host no such host: expected an address of this machine"));
}

#[test]
fn what_cannot_be_watched_is_said() {
    let sandbox = trained();
    sandbox.townlet(&["watch", "moonbase"]).assert().failure().stderr(contains("moonbase"));
    sandbox
        .townlet(&["watch", "run", "--weights", "none"])
        .assert()
        .failure()
        .stderr(contains("there is no checkpoint `none`").and(contains("step-000000000400")));
    sandbox.townlet(&["watch", "run", "--terminal"]).assert().failure().stderr(contains("not a terminal"));
    sandbox.townlet(&["replay", "none.jsonl"]).assert().failure().stderr(contains("none.jsonl"));
    let taken = sandbox.path("mine.jsonl");
    fs::write(&taken, "mine").unwrap();
    sandbox.townlet(&["play", "--record", "mine.jsonl"]).assert().failure().stderr(contains("mine.jsonl"));
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
}

#[test]
fn an_episode_is_recorded_verified_and_exported() {
    let sandbox = trained();
    sandbox.townlet(&["record", "run", "--episodes", "2", "--out", "t.jsonl"]).assert().success();
    sandbox.townlet(&["trace", "verify", "t.jsonl"]).assert().success().stdout(contains("2 episodes"));
    sandbox.townlet(&["export", "t.jsonl", "--gif"]).assert().success().stdout(contains("t.gif"));
    assert!(fs::read(sandbox.path("t.gif")).unwrap().starts_with(b"GIF89a"));
    sandbox.townlet(&["export", "t.jsonl", "--png", "3", "--episode", "1"]).assert().success();
    assert!(fs::read(sandbox.path("t.png")).unwrap().starts_with(b"\x89PNG"));
    sandbox.townlet(&["export", "run", "--html", "--beside-wiped", "--out", "run.html"]).assert().success();
    let page = sandbox.read("run.html");
    assert!(page.starts_with("<!doctype html>") && !page.contains("src=\"http"));
    sandbox.townlet(&["export", "t.jsonl", "--png", "9999"]).assert().failure().stderr(contains("9999"));
    sandbox.townlet(&["export", "t.jsonl"]).assert().code(2);
}
