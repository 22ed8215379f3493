//! Serves an untrained agent, to try the page out: `cargo run -p townlet-viewer --example demo_server`.
//!
//! `demo_server [PORT] [watch|play|TRACE]`

use std::env;
use std::error::Error;
use std::sync::Arc;

use townlet_viewer::server::{ServerOptions, serve};
use townlet_viewer::{Recording, Session, SessionOptions, UntrainedSource};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let port = arguments.next().map_or(Ok(8766), |port| port.parse())?;
    let source = Arc::new(UntrainedSource::demo(0));
    let options = SessionOptions { epsilon: 0.2, ..SessionOptions::default() };
    let session = match arguments.next().as_deref() {
        None | Some("watch") => Session::watch(source, options)?,
        Some("play") => Session::play(source, &options, None)?,
        Some(trace) => Session::replay(Recording::load(trace)?, &options)?,
    };
    serve(session, ServerOptions { port, ..ServerOptions::default() }, |server| {
        println!("watch at {}", server.url());
    })?;
    Ok(())
}
