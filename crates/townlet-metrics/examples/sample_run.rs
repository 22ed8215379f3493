//! Records a made-up run: `cargo run -p townlet-metrics --example sample_run -- FOLDER`.

mod made_up;

use std::path::PathBuf;

use townlet_metrics::{Options, Recorder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map(PathBuf::from).ok_or("expected a folder to record into")?;
    let recorder = Recorder::create(&folder, Options::default())?;
    made_up::Run { seed: 1, episodes: 2_000, reaches: 330.0 }.record(&recorder)?;
    recorder.finish()?;
    println!("recorded into {}", folder.display());
    Ok(())
}
