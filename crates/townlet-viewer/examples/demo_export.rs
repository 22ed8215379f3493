//! Writes an episode of an untrained agent in every form: `demo_export FOLDER`.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use townlet_env::trace::TraceWriter;
use townlet_env::{Level, Town, VectorEnv};
use townlet_viewer::export::{Film, gif, html, png};
use townlet_viewer::{Beside, Brain, RandomBrain, Session, SessionOptions, UntrainedSource};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args().nth(1).ok_or("expected a folder to write to")?);
    fs::create_dir_all(&folder)?;
    let options =
        SessionOptions { beside: Beside::MemoryWiped {}, epsilon: 0.2, ..SessionOptions::default() };
    let mut session = Session::watch(Arc::new(UntrainedSource::demo(0)), options)?;
    let film = Film::of_session(&mut session)?;
    fs::write(folder.join("episode.html"), html(&film))?;
    gif(&film, 10, BufWriter::new(File::create(folder.join("episode.gif"))?))?;
    png(&film, 40, BufWriter::new(File::create(folder.join("step-40.png"))?))?;
    record(&folder.join("episode.jsonl"))?;
    println!("{} frames in {}", film.frames.len(), folder.display());
    Ok(())
}

/// A trace of an agent that acts at random.
fn record(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut town = Town::new(Level::builtin("temporal")?, 1)?;
    let mut brain = RandomBrain::new(0);
    let file = BufWriter::new(File::create(path)?);
    let mut trace = TraceWriter::new(file, town.level(), "a random agent")?;
    trace.begin("episode 0", &town, 0)?;
    loop {
        let action = brain.act(town.observations(), town.action_masks()).action;
        town.step(&[action])?;
        if trace.step(&town, action)? {
            break;
        }
    }
    trace.into_inner()?;
    Ok(())
}
