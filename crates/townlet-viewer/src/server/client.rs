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
/// How long a client that is let go may take to hear why, at most.
const GOODBYE: Duration = Duration::from_secs(1);

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
    let gone = talk(&mut socket, &state, protocol).await;
    // Somebody else may have it while this one is told goodbye.
    drop(seat);
    if let Err(Gone::Dismissed(code, reason)) = gone {
        let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // It is let go whether it takes this or not.
        let goodbye = state.options.write_timeout.min(GOODBYE);
        let _ = timeout(goodbye, socket.send(Message::Close(Some(close)))).await;
    }
}

async fn talk(socket: &mut WebSocket, state: &Shared, protocol: Protocol) -> Result<(), Gone> {
    let (patience, stall) = (state.options.patience, state.options.write_timeout);
    // Before the snapshot, so that nothing falls between the two.
    let mut events = state.hub.subscribe();
    if protocol == Protocol::Stream {
        send(socket, hello(), stall).await?;
    }
    introduce(socket, state, protocol).await?;

    let (answers, mut answered) = mpsc::channel(ANSWERS);
    let mut rate = Rate::new(state.options.messages_per_second, Instant::now());
    let mut ping = interval(state.options.ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered_ping = Instant::now();
    let mut closing = state.closing.subscribe();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) if protocol == Protocol::Stream => {
                    if let Some(text) = &event.stream {
                        send(socket, text.clone(), stall).await?;
                    }
                }
                Ok(event) => {
                    for text in &event.reference {
                        send(socket, text.clone(), stall).await?;
                    }
                }
                // The oldest events are lost; what they said, apart from frames, is said again.
                Err(RecvError::Lagged(_)) => introduce(socket, state, protocol).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            message = socket.recv() => {
                let Some(Ok(message)) = message else { return Err(Gone::Left) };
                let now = Instant::now();
                match message {
                    Message::Close(_) => return Err(Gone::Left),
                    // Nothing else shows that a client reads what it is sent.
                    Message::Pong(_) => answered_ping = now,
                    _ => {}
                }
                // Pings and pongs cost as much as anything else.
                let complaint = match rate.count(now) {
                    Verdict::Fine => match message {
                        Message::Text(_) | Message::Binary(_) => {
                            obey(&message, state, protocol, &answers).err()
                        }
                        _ => None,
                    },
                    Verdict::TooFast => Some(rate.complaint()),
                    Verdict::Ignored => None,
                    Verdict::Flood => {
                        return Err(Gone::Dismissed(close_code::POLICY, "far too many messages"));
                    }
                };
                if let Some(complaint) = complaint {
                    send(socket, error(protocol, complaint), stall).await?;
                }
            },
            Some(complaint) = answered.recv() => {
                send(socket, error(protocol, complaint), stall).await?;
            }
            _ = closing.changed() => {
                return Err(Gone::Dismissed(close_code::AWAY, "the server stops"));
            }
            _ = ping.tick() => {
                if answered_ping.elapsed() > patience {
                    return Err(Gone::Dismissed(close_code::POLICY, "no answer to a ping for too long"));
                }
                within(stall, socket.send(Message::Ping(Bytes::new()))).await?;
            }
        }
    }
}

/// Tells a client how things are.
async fn introduce(socket: &mut WebSocket, state: &Shared, protocol: Protocol) -> Result<(), Gone> {
    let snapshot = state.hub.snapshot();
    let stall = state.options.write_timeout;
    match protocol {
        Protocol::Reference => send(socket, snapshot.connected, stall).await,
        Protocol::Stream => {
            for text in
                [snapshot.catalogue, snapshot.scene, snapshot.status, snapshot.certificates, snapshot.frame]
            {
                send(socket, text, stall).await?;
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

async fn send(socket: &mut WebSocket, text: Utf8Bytes, stall: Duration) -> Result<(), Gone> {
    within(stall, socket.send(Message::Text(text))).await
}

async fn within<E>(stall: Duration, sent: impl Future<Output = Result<(), E>>) -> Result<(), Gone> {
    match timeout(stall, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Gone::Left),
        Err(_) => Err(Gone::Stalled),
    }
}
