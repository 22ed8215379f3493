//! Serves an untrained agent, to try the page out: `cargo run -p townlet-viewer --example demo_server`.
//!
//! `demo_server [PORT] [watch|play|TRACE] [--token TOKEN] [--base-path PATH]`

use std::env;
use std::error::Error;
use std::sync::Arc;

use townlet_viewer::server::{ServerOptions, Token, serve};
use townlet_viewer::{Recording, Session, SessionOptions, UntrainedSource};

fn main() -> Result<(), Box<dyn Error>> {
    let mut server = ServerOptions::default();
    let mut positional = Vec::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--token" => server.token = Token::Given(value()?),
            "--base-path" => server.base_path = value()?,
            _ => positional.push(argument),
        }
    }
    if let Some(port) = positional.first() {
        server.port = port.parse()?;
    }
    let source = Arc::new(UntrainedSource::demo(0));
    let options = SessionOptions { epsilon: 0.2, ..SessionOptions::default() };
    let session = match positional.get(1).map(String::as_str) {
        None | Some("watch") => Session::watch(source, options)?,
        Some("play") => Session::play(source, &options, None)?,
        Some(trace) => Session::replay(Recording::load(trace)?, &options)?,
    };
    serve(session, server, |server| println!("watch at {}", server.url()))?;
    Ok(())
}
