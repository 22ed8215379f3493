//! One side of a race: a program that is asked, works, and answers.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

use super::protocol::{self, Request};

/// A running program that speaks the [protocol]. It is ended when this is dropped.
pub(super) struct Peer {
    name: &'static str,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `command`. Its standard error goes straight through.
    pub(super) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let requests = child.stdin.take().context("the program has no input")?;
        let answers = BufReader::new(child.stdout.take().context("the program has no output")?);
        Ok(Self { name, child, requests, answers })
    }

    /// Has the program do something, and waits for its answer.
    pub(super) fn ask<A: DeserializeOwned>(&mut self, request: &Request) -> Result<A> {
        let request = serde_json::to_string(request)?;
        let mut answer = String::new();
        // A program that has ended shows in the second line or already in the first.
        let told = writeln!(self.requests, "{request}").and_then(|()| self.requests.flush());
        let heard = told.and_then(|()| self.answers.read_line(&mut answer));
        if !matches!(heard, Ok(1..)) {
            bail!("{} ended instead of answering {request}: {}", self.name, self.child.wait()?);
        }
        protocol::parse(answer.trim_end()).with_context(|| format!("{}, asked {request}", self.name))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to end, and nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::bench_peer::protocol::{Pace, Work};

    const REQUEST: Request = Request { work: Work::About, seconds: None };

    fn shell(script: &str) -> Peer {
        Peer::start("Shell", Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_program_is_asked_and_answers_again_and_again() {
        let mut peer =
            shell(r#"while read -r line; do echo '{"steps_per_second": 1, "updates_per_second": 2}'; done"#);
        for _ in 0..3 {
            let pace: Pace = peer.ask(&REQUEST).unwrap();
            assert_eq!(pace.updates_per_second, 2.0);
        }
    }

    #[test]
    fn a_program_that_ends_is_missed() {
        let error = shell("read -r line; exit 3").ask::<Pace>(&REQUEST).unwrap_err().to_string();
        assert!(error.contains("Shell ended") && error.contains('3'), "{error}");
    }

    #[test]
    fn an_error_of_a_program_names_the_program_and_the_request() {
        let mut peer = shell(r#"read -r line; echo '{"error": "no such work"}'; read -r line"#);
        let error = format!("{:#}", peer.ask::<Pace>(&REQUEST).unwrap_err());
        assert_eq!(error, r#"Shell, asked {"work":"about"}: no such work"#);
    }
}
