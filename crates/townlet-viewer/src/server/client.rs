//! One client, from the moment it is connected until it is gone.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::rate::{Rate, Verdict};
use super::runner::{Order, Seat, error, hello};
use super::{Protocol, Shared};
use crate::Command;
use crate::reference::{ReferenceCommand, ReferenceRequest};

/// How many answers of the session wait for a client.
const ANSWERS: usize = 64;

/// Why a client is let go.
enum Gone {
    /// It went, or the connection broke.
    Left,
    /// It does not take what it is sent.
    Stalled,
    /// It broke a rule, or the server stops: a code for closing, and a sentence.
    Dismissed(u16, &'static str),
}

/// Serves a client. Holds its seat meanwhile.
pub(super) async fn run(mut socket: WebSocket, state: Arc<Shared>, protocol: Protocol, seat: Seat) {
    let patience = state.options.patience;
    if let Err(Gone::Dismissed(code, reason)) = talk(&mut socket, &state, protocol).await {
        let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // It is let go whether it takes this or not.
        let _ = timeout(patience, socket.send(Message::Close(Some(close)))).await;
    }
    drop(seat);
}

async fn talk(socket: &mut WebSocket, state: &Shared, protocol: Protocol) -> Result<(), Gone> {
    let patience = state.options.patience;
    // Before the snapshot, so that nothing falls between the two.
    let mut events = state.hub.subscribe();
    if protocol == Protocol::Stream {
        send(socket, hello(), patience).await?;
    }
    introduce(socket, state, protocol).await?;

    let (answers, mut answered) = mpsc::channel(ANSWERS);
    let mut rate = Rate::new(state.options.messages_per_second, Instant::now());
    let mut ping = interval(state.options.ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut closing = state.closing.subscribe();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) if protocol == Protocol::Stream => {
                    if let Some(text) = &event.stream {
                        send(socket, text.clone(), patience).await?;
                    }
                }
                Ok(event) => {
                    for text in &event.reference {
                        send(socket, text.clone(), patience).await?;
                    }
                }
                // The oldest events are lost; what they said, apart from frames, is said again.
                Err(RecvError::Lagged(_)) => introduce(socket, state, protocol).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            message = socket.recv() => {
                let Some(Ok(message)) = message else { return Err(Gone::Left) };
                heard = Instant::now();
                let complaint = match message {
                    Message::Close(_) => return Err(Gone::Left),
                    Message::Ping(_) | Message::Pong(_) => None,
                    Message::Text(_) | Message::Binary(_) => match rate.count(heard) {
                        Verdict::Fine => obey(&message, state, protocol, &answers).err(),
                        Verdict::TooFast => Some(rate.complaint()),
                        Verdict::Ignored => None,
                        Verdict::Flood => {
                            return Err(Gone::Dismissed(close_code::POLICY, "far too many messages"));
                        }
                    },
                };
                if let Some(complaint) = complaint {
                    send(socket, error(protocol, complaint), patience).await?;
                }
            },
            Some(complaint) = answered.recv() => {
                send(socket, error(protocol, complaint), patience).await?;
            }
            _ = closing.changed() => {
                return Err(Gone::Dismissed(close_code::AWAY, "the server stops"));
            }
            _ = ping.tick() => {
                if heard.elapsed() > patience {
                    return Err(Gone::Dismissed(close_code::POLICY, "nothing heard for too long"));
                }
                within(patience, socket.send(Message::Ping(Bytes::new()))).await?;
            }
        }
    }
}

/// Tells a client how things are.
async fn introduce(socket: &mut WebSocket, state: &Shared, protocol: Protocol) -> Result<(), Gone> {
    let snapshot = state.hub.snapshot();
    let patience = state.options.patience;
    match protocol {
        Protocol::Reference => send(socket, snapshot.connected, patience).await,
        Protocol::Stream => {
            for text in
                [snapshot.catalogue, snapshot.scene, snapshot.status, snapshot.certificates, snapshot.frame]
            {
                send(socket, text, patience).await?;
            }
            Ok(())
        }
    }
}

/// Passes a message on to the session, whose complaint comes back through `answers`.
///
/// # Errors
///
/// A sentence, where the message cannot be passed on.
fn obey(
    message: &Message,
    state: &Shared,
    protocol: Protocol,
    answers: &mpsc::Sender<String>,
) -> Result<(), String> {
    let Message::Text(text) = message else {
        return Err("expected a text message with JSON, found a binary one".to_owned());
    };
    let order = match protocol {
        Protocol::Stream => serde_json::from_str::<Command>(text).map(Order::Command),
        Protocol::Reference => {
            serde_json::from_str(text).map(|request: ReferenceRequest| match request.command {
                ReferenceCommand::Play => Order::Command(Command::Play {}),
                ReferenceCommand::Pause => Order::Command(Command::Pause {}),
                ReferenceCommand::Step => Order::Command(Command::FinishEpisode {}),
                ReferenceCommand::Reset => Order::Command(Command::Restart {}),
                ReferenceCommand::RefreshCheckpoint => Order::RefreshCheckpoint,
                ReferenceCommand::ToggleAutoCheckpoint => Order::ToggleFollow,
            })
        }
    }
    .map_err(|error| format!("not a command: {error}"))?;
    let answer = state.hub.ask(order)?;
    let answers = answers.clone();
    tokio::spawn(async move {
        if let Ok(Err(complaint)) = answer.await {
            // Where the client is gone, or takes no answers, the answer is lost.
            let _ = answers.try_send(complaint);
        }
    });
    Ok(())
}

async fn send(socket: &mut WebSocket, text: Utf8Bytes, patience: Duration) -> Result<(), Gone> {
    within(patience, socket.send(Message::Text(text))).await
}

async fn within<E>(patience: Duration, sent: impl Future<Output = Result<(), E>>) -> Result<(), Gone> {
    match timeout(patience, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Gone::Left),
        Err(_) => Err(Gone::Stalled),
    }
}
