//! The thread that plays the session, and what it tells everybody.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use tokio::sync::{broadcast, oneshot};

use super::shares::Share;
use crate::message::{Certificates, ErrorMessage, Hello, Message};
use crate::pace::Pace;
use crate::reference::{ReferenceMessage, Translator};
use crate::session::{Catalogue, Status};
use crate::{Command, Session, SessionError};

/// How many events wait for a slow client before it loses the oldest.
const QUEUE: usize = 128;
/// How many requests wait for the session.
const REQUESTS: usize = 256;
/// How often the source is asked what is new.
const POLL: Duration = Duration::from_secs(1);

/// What is asked of the session.
#[derive(Debug)]
pub(super) enum Order {
    Command(Command),
    RefreshCheckpoint,
    ToggleFollow,
    /// Somebody has come; the session may go on.
    Wake,
}

struct Request {
    order: Order,
    reply: oneshot::Sender<Result<(), String>>,
}

/// Something that everybody is told, in the words of each protocol.
#[derive(Debug, Default)]
pub(super) struct Event {
    pub(super) stream: Option<Utf8Bytes>,
    pub(super) reference: Vec<Utf8Bytes>,
}

/// What a client that comes now is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) catalogue: Utf8Bytes,
    pub(super) scene: Utf8Bytes,
    pub(super) status: Utf8Bytes,
    pub(super) certificates: Utf8Bytes,
    pub(super) frame: Utf8Bytes,
    pub(super) connected: Utf8Bytes,
    pub(super) metrics: Utf8Bytes,
}

/// How clients reach the session. The session ends when the last one of these is gone.
#[derive(Clone)]
pub(super) struct Hub {
    requests: SyncSender<Request>,
    events: broadcast::Sender<Arc<Event>>,
    snapshot: Arc<Mutex<Snapshot>>,
    clients: Arc<AtomicUsize>,
}

impl Hub {
    /// Starts a thread that plays `session`.
    pub(super) fn start(session: Session) -> std::io::Result<Self> {
        let (requests, incoming) = mpsc::sync_channel(REQUESTS);
        let (events, _) = broadcast::channel(QUEUE);
        let snapshot = Arc::new(Mutex::new(Snapshot::default()));
        let clients = Arc::new(AtomicUsize::new(0));
        let hub = Self { requests, events: events.clone(), snapshot: snapshot.clone(), clients };
        let mut runner = Runner {
            session,
            events,
            snapshot,
            clients: hub.clients.clone(),
            translator: Translator::default(),
            told: Told::default(),
        };
        runner.publish();
        thread::Builder::new().name("townlet-viewer".to_owned()).spawn(move || runner.run(&incoming))?;
        Ok(hub)
    }

    /// Everything from here on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        lock(&self.snapshot).clone()
    }

    /// Asks the session; the answer comes in its own time.
    ///
    /// # Errors
    ///
    /// A sentence, where too much has been asked already.
    pub(super) fn ask(&self, order: Order) -> Result<oneshot::Receiver<Result<(), String>>, String> {
        let (reply, answer) = oneshot::channel();
        match self.requests.try_send(Request { order, reply }) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err("the session is busy; try again".to_owned()),
            Err(TrySendError::Disconnected(_)) => {
                Err("the session has ended; start the program again".to_owned())
            }
        }
    }

    /// Counts a client in that has found a place.
    pub(super) fn enter(&self, place: Share) -> Seat {
        self.clients.fetch_add(1, Ordering::AcqRel);
        Seat { clients: self.clients.clone(), _place: place }
    }
}

/// A client that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Arc<AtomicUsize>,
    _place: Share,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Another thread's panic leaves a snapshot that is whole.
fn lock(snapshot: &Mutex<Snapshot>) -> MutexGuard<'_, Snapshot> {
    snapshot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What everybody has been told.
#[derive(Default)]
struct Told {
    catalogue: Option<Catalogue>,
    scene: u64,
    status: Option<Status>,
    certificates: Option<u64>,
}

struct Runner {
    session: Session,
    events: broadcast::Sender<Arc<Event>>,
    snapshot: Arc<Mutex<Snapshot>>,
    clients: Arc<AtomicUsize>,
    translator: Translator,
    told: Told,
}

impl Runner {
    fn run(mut self, incoming: &mpsc::Receiver<Request>) {
        let mut pace = Pace::new(Instant::now());
        let mut polled = Instant::now();
        loop {
            let now = Instant::now();
            // Nobody watches, so nothing needs to be played.
            let watched = self.clients.load(Ordering::Acquire) > 0;
            let step = if watched { pace.wait(&self.session, now) } else { None };
            let poll = POLL.saturating_sub(now - polled);
            match incoming.recv_timeout(step.map_or(poll, |step| step.min(poll))) {
                Ok(Request { order, reply }) => {
                    let answer = self.obey(order);
                    pace.interrupted(&self.session, Instant::now());
                    // Whoever asked may be gone.
                    let _ = reply.send(answer);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            if now - polled >= POLL {
                polled = now;
                self.session.poll();
                self.publish_changes();
            }
            if watched && pace.wait(&self.session, now) == Some(Duration::ZERO) {
                let stepped = self.session.advance();
                pace.stepped(&self.session, now);
                self.publish();
                if let Err(error) = stepped {
                    self.complain(&error);
                }
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Wake => return Ok(()),
            Order::Command(command) => {
                self.session.apply(&command).map_err(|error| error.to_string())?;
            }
            Order::RefreshCheckpoint => self.session.refresh_checkpoint(),
            Order::ToggleFollow => {
                let enabled = !self.session.status().follow;
                self.session.apply(&Command::Follow { enabled }).map_err(|error| error.to_string())?;
            }
        }
        self.publish();
        Ok(())
    }

    /// Tells everybody what went wrong, and stops where it would go wrong again.
    fn complain(&mut self, error: &SessionError) {
        let passing = matches!(error, SessionError::Source(_) | SessionError::DoesNotFit { .. });
        if !passing {
            // A session that cannot be paused does not go on by itself.
            let _ = self.session.apply(&Command::Pause {});
        }
        let message = error.to_string();
        self.send(Event {
            stream: Some(json(&Message::Error(ErrorMessage { message: message.clone() }))),
            reference: vec![json(&ReferenceMessage::Error { message })],
        });
        self.publish_changes();
    }

    /// Tells everybody what has changed, and shows the frame.
    fn publish(&mut self) {
        self.publish_changes();
        let frame = self.session.frame();
        let status = self.session.status();
        let told = self.translator.frame(self.session.scene(), &frame, &status, self.session.catalogue());
        let stream = json(&Message::Frame(frame));
        lock(&self.snapshot).frame = stream.clone();
        self.send(Event { stream: Some(stream), reference: told.iter().map(json).collect() });
    }

    fn publish_changes(&mut self) {
        let catalogue = self.session.catalogue();
        if self.told.catalogue.as_ref() != Some(catalogue) {
            let message = json(&Message::Catalogue(catalogue.clone()));
            let metrics = json(&catalogue.run);
            self.told.catalogue = Some(catalogue.clone());
            {
                let mut snapshot = lock(&self.snapshot);
                snapshot.catalogue = message.clone();
                snapshot.metrics = metrics;
            }
            self.send(Event { stream: Some(message), reference: Vec::new() });
        }
        if self.told.scene != self.session.scene().id {
            self.told.scene = self.session.scene().id;
            let message = json(&Message::Scene(self.session.scene().as_ref().clone()));
            lock(&self.snapshot).scene = message.clone();
            self.send(Event { stream: Some(message), reference: Vec::new() });
        }
        let status = self.session.status();
        if self.told.status.as_ref() != Some(&status) {
            let message = json(&Message::Status(status.clone()));
            let told = self.translator.status(&status, self.session.catalogue());
            {
                let mut snapshot = lock(&self.snapshot);
                snapshot.status = message.clone();
                snapshot.connected = json(&Translator::connected(&status, self.session.catalogue()));
            }
            self.told.status = Some(status);
            self.send(Event { stream: Some(message), reference: told.iter().map(json).collect() });
        }
        let certified = Some(self.session.certified());
        if self.told.certificates != certified {
            self.told.certificates = certified;
            let certificates = self.session.certificates().cloned().collect();
            let message = json(&Message::Certificates(Certificates { certificates }));
            lock(&self.snapshot).certificates = message.clone();
            self.send(Event { stream: Some(message), reference: Vec::new() });
        }
    }

    fn send(&self, event: Event) {
        // Fails where nobody listens, which is no failure.
        let _ = self.events.send(Arc::new(event));
    }
}

/// The first message on `/stream`.
pub(super) fn hello() -> Utf8Bytes {
    json(&Message::Hello(Hello::new()))
}

/// What a client is told where something is refused.
pub(super) fn error(protocol: super::Protocol, message: String) -> Utf8Bytes {
    match protocol {
        super::Protocol::Stream => json(&Message::Error(ErrorMessage { message })),
        super::Protocol::Reference => json(&ReferenceMessage::Error { message }),
    }
}

fn json(value: &impl Serialize) -> Utf8Bytes {
    // Messages have string keys and plain values only, so this cannot fail.
    serde_json::to_string(value).unwrap_or_default().into()
}
