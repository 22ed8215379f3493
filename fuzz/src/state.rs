//! Checkpoints in which one file is not what was written, though every checksum is right.
//!
//! The first byte of an input chooses a run, the second what is changed, and the rest is the change: what the file
//! holds instead, or edits of the values in it.

mod base;
mod edits;

use std::fs;

use townlet_drqn::Checkpoint;

use self::base::{BASES, Base};

const STATE: &str = "state.msgpack.zst";
const REPLAY: &str = "replay.msgpack.zst";
/// How many rounds are trained from a checkpoint that was accepted: updates are among them.
const ROUNDS: usize = 12;

/// Changes a checkpoint and, if it is accepted, trains on from it.
///
/// # Panics
///
/// If Townlet does.
pub fn state(data: &[u8]) {
    let [run, change, rest @ ..] = data else { return };
    let bases = BASES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let base = &bases[usize::from(*run) % bases.len()];
    let changed = match change % 10 {
        0 | 1 => base.edited(STATE, rest),
        2 | 3 => base.edited(REPLAY, rest),
        4 => Some((STATE.to_owned(), base::packed(rest))),
        5 => Some((REPLAY.to_owned(), base::packed(rest))),
        6 => base.with_other_numbers(rest),
        7 => Some(("manifest.json".to_owned(), rest.to_vec())),
        8 => Some((STATE.to_owned(), rest.to_vec())),
        _ => Some((REPLAY.to_owned(), rest.to_vec())),
    };
    if let Some((name, contents)) = changed {
        base.with(&name, &contents, || go_on(base));
    }
}

/// Goes on from the checkpoint as it is now, if it is accepted.
fn go_on(base: &Base) {
    let checkpoint = match Checkpoint::open(&base.folder()) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return drop(error.to_string()),
    };
    let Ok(mut trainer) = base.resume(&checkpoint) else { return };
    for _ in 0..ROUNDS {
        if let Err(error) = trainer.round(&mut ()) {
            return drop(error.to_string());
        }
    }
    drop(trainer.finish(&mut ()).map_err(|error| error.to_string()));
}

/// Writes a file, or removes it.
fn put(path: &std::path::Path, contents: Option<&[u8]>) {
    let written = match contents {
        Some(contents) => fs::write(path, contents),
        None => fs::remove_file(path),
    };
    written.expect("the temporary folder can be written to");
}
