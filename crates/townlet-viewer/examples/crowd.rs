//! Fifty clients of a viewer, five of whom take nothing: what they get, and what the server needs for it.
//!
//! `cargo run --release -p townlet-viewer --example crowd -- PORT [PID [SECONDS]]`
//!
//! PORT is that of a viewer on this machine, such as `townlet watch RUN`, PID its process, whose resident memory
//! is read on Linux.

use std::env;
use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const CLIENTS: u64 = 50;
const STALLED: u64 = 5;
const EVERY: Duration = Duration::from_secs(30);

/// Resident memory of a process in MiB.
fn resident(pid: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let port: u16 = arguments.next().ok_or("usage: crowd PORT [PID [SECONDS]]")?.parse()?;
    let pid = arguments.next();
    let seconds = arguments.next().map_or(Ok(600), |seconds| seconds.parse())?;

    let mut stalled = Vec::new();
    let frames = Arc::new(AtomicU64::new(0));
    for client in 0..CLIENTS {
        let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{port}/stream")).await?;
        if client < STALLED {
            stalled.push(socket);
            continue;
        }
        socket.send(Message::text(r#"{"command":"play"}"#)).await?;
        let frames = frames.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                let is_frame = matches!(&message, Message::Text(text) if text.contains(r#""type":"frame""#));
                frames.fetch_add(is_frame.into(), Ordering::Relaxed);
            }
            eprintln!("client {client} was dropped");
        });
    }
    println!("seconds  frames/s of a client  MiB");
    let mut before = 0;
    let watch = async {
        for round in 1_u64.. {
            sleep(EVERY).await;
            let now = frames.load(Ordering::Relaxed);
            let rate = (now - before) as f64 / EVERY.as_secs_f64() / (CLIENTS - STALLED) as f64;
            let memory = pid.as_deref().and_then(resident).map_or(String::new(), |mib| format!("{mib:.1}"));
            println!("{:7}  {rate:20.2}  {memory}", round * EVERY.as_secs());
            before = now;
        }
    };
    // Until the time is up.
    let _ = timeout(Duration::from_secs(seconds) + EVERY / 2, watch).await;
    drop(stalled);
    Ok(())
}
