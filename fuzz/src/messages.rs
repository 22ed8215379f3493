//! What a viewer's clients send.

use std::str;
use std::sync::{Arc, LazyLock};

use townlet_env::trace::TraceWriter;
use townlet_env::{Level, Town, VectorEnv};
use townlet_viewer::reference::ReferenceRequest;
use townlet_viewer::{Command, Recording, Session, SessionOptions, UntrainedSource};

/// The most messages of an input that are obeyed.
const MOST_MESSAGES: usize = 24;
/// How far a session goes on after each of them.
const STEPS: usize = 3;

/// A recording of two short episodes.
static RECORDING: LazyLock<Recording> = LazyLock::new(|| {
    let level = Level { step_limit: 9, ..Level::builtin("pomdp").expect("built in") };
    let mut town = Town::new(level, 1).expect("a valid level");
    let mut trace = TraceWriter::new(Vec::new(), town.level(), "a fuzz target").expect("written to memory");
    for episode in ["first", "second"] {
        trace.begin(episode, &town, 0).expect("written to memory");
        for action in (0..9).map(|step| step % 4) {
            town.step(&[action]).expect("an action");
            trace.step(&town, action).expect("written to memory");
        }
    }
    Recording::read(&trace.into_inner().expect("written to memory")[..], "trace").expect("as it was recorded")
});

/// Obeys a client's messages, one a line, in a session of the mode that the first line names: `watch`, `play` or
/// `replay`.
///
/// # Panics
///
/// If a session does, or what it says cannot be sent.
pub fn messages(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (mode, messages) = text.split_once('\n').unwrap_or(("watch", text));
    let options = SessionOptions { speed: 200, ..SessionOptions::default() };
    let source = || Arc::new(UntrainedSource::demo(0));
    let session = match mode {
        "play" => Session::play(source(), &options, Some(Box::new(std::io::sink()))),
        "replay" => Session::replay(RECORDING.clone(), &options),
        _ => Session::watch(source(), options),
    };
    let mut session = session.expect("the options are in their ranges");
    for message in messages.lines().take(MOST_MESSAGES) {
        // The other protocol's messages need no session.
        drop(serde_json::from_str::<ReferenceRequest>(message));
        match serde_json::from_str::<Command>(message) {
            Ok(command) => drop(session.apply(&command).map_err(|error| error.to_string())),
            Err(error) => drop(error.to_string()),
        }
        for _ in 0..STEPS {
            drop(session.advance().map_err(|error| error.to_string()));
        }
        serde_json::to_string(&session.frame()).expect("a frame can be sent");
        serde_json::to_string(&session.status()).expect("a status can be sent");
        serde_json::to_string(&**session.scene()).expect("a scene can be sent");
        serde_json::to_string(session.catalogue()).expect("a catalogue can be sent");
        for certificate in session.certificates() {
            serde_json::to_string(certificate).expect("a certificate can be sent");
        }
    }
}
