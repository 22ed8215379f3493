//! Writes an episode of an untrained agent in every form: `demo_export FOLDER`.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use townlet_viewer::export::{Film, gif, html, png};
use townlet_viewer::{Beside, Session, SessionOptions, UntrainedSource};

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
    println!("{} frames in {}", film.frames.len(), folder.display());
    Ok(())
}
