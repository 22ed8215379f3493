//! The terminal viewer in a real pseudo-terminal: it draws, obeys keys, and gives the terminal back on every
//! way out.

#![cfg(unix)]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

/// Longer than anything here takes, even on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);
/// What leaves the alternate screen, and what shows the cursor.
const RESTORED: [&str; 2] = ["\x1b[?1049l", "\x1b[?25h"];

/// The example, which cargo builds beside the tests.
fn program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/demo_terminal");
    assert!(path.is_file(), "build it: cargo build -p townlet-viewer --example demo_terminal");
    path
}

struct Session {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    screen: vt100::Parser,
    pty: Box<dyn portable_pty::MasterPty + Send>,
}

impl Session {
    fn start(argument: &str) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program());
        command.arg(argument);
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        let child = pty.slave.spawn_command(command).unwrap();
        // Held open, it would keep the output from ending.
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pty.master.take_writer().unwrap();
        let screen = vt100::Parser::new(24, 80, 0);
        Self { child, keys, output, seen: Vec::new(), screen, pty: pty.master }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen shows a text.
    fn expect(&mut self, text: &str) {
        let start = Instant::now();
        while !self.screen.screen().contents().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no `{text}` on:\n{}", self.screen.screen().contents());
            match self.output.recv_timeout(Duration::from_millis(100)) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without `{text}`:\n{}", self.screen.screen().contents())
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(bytes);
        self.screen.process(bytes);
    }

    /// Waits for the end: its exit code, and all that came after the screen was left.
    fn end(mut self) -> (u32, String) {
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.take(&bytes);
        }
        let code = self.child.wait().unwrap().exit_code();
        let seen = String::from_utf8_lossy(&self.seen).into_owned();
        for sequence in RESTORED {
            assert!(seen.contains(sequence), "the terminal is not restored: no {sequence:?}");
        }
        let after = seen.rsplit_once(RESTORED[0]).map(|(_, after)| after.to_owned());
        (code, after.unwrap_or_default())
    }
}

#[test]
fn it_draws_obeys_and_quits() {
    let mut session = Session::start("watch");
    session.expect("step 0 of 500");
    session.expect("paused");
    session.press("s");
    session.expect("step 1 of 500");
    session.press("\x1b[C");
    session.expect("step 2 of 500");
    session.press("m");
    session.expect("memory wiped every step");
    session.press("m");
    session.expect("Memory ±");
    session.press("q");
    assert_eq!(session.end().0, 0);
}

#[test]
fn a_person_plays_with_the_arrow_keys() {
    let mut session = Session::start("play");
    session.expect("you, step 0 of 500");
    session.press("\x1b[A");
    session.expect("you, step 1 of 500");
    session.press(" ");
    session.expect("you, step 2 of 500");
    session.press("\x03");
    assert_eq!(session.end().0, 0);
}

#[test]
fn the_terminal_comes_back_after_a_panic() {
    let mut session = Session::start("panic");
    session.expect("step 0 of 500");
    session.press("sss");
    let (code, after) = session.end();
    assert_ne!(code, 0);
    assert!(after.contains("a brain that fails on purpose"), "the message is readable: {after}");
}

#[test]
fn the_terminal_comes_back_after_a_signal() {
    let mut session = Session::start("watch");
    session.expect("step 0 of 500");
    let id = session.child.process_id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    session.end();
}

#[test]
fn the_program_ends_with_its_terminal() {
    let mut session = Session::start("watch");
    session.expect("step 0 of 500");
    let Session { mut child, mut keys, output, pty, .. } = session;
    // Whoever reads its output stops at the next picture, and nobody holds the terminal any more.
    drop(output);
    keys.write_all(b"s").unwrap();
    drop((keys, pty));
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "it goes on without a terminal");
        thread::sleep(Duration::from_millis(20));
    }
}
