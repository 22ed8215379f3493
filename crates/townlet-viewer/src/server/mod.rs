//! The server: one session, shown to everybody who comes.
//!
//! All clients share the session, like a class in front of one screen: what one of them asks, all see. The
//! page is at `/`, its messages at `/stream`; `/ws` and `/ws/training` speak the reference implementation's
//! messages ([`reference`](crate::reference)). While nobody is connected, the session waits.
//!
//! A thread of its own plays the session and never waits for a client. Each client has a bounded queue, of
//! which a slow one loses the oldest messages; one that takes nothing, or is not heard of, is dropped.

mod client;
mod connections;
mod door;
mod guard;
mod options;
mod rate;
mod reachable;
mod runner;
mod shares;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::{Session, web};
use connections::Peer;
use door::Door;
use guard::Guard;
pub use options::{ServerError, ServerOptions, Token};
use reachable::reachable;
use runner::{Hub, Order};
use shares::Shares;

/// The largest message that a client may send, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// How many bytes wait in the system for a client that is slow: half a second of the largest town at full speed.
const SEND_BUFFER: u32 = 256 * 1024;
/// How many connections wait to be accepted.
const BACKLOG: u32 = 1024;

/// Which messages a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// [`Message`](crate::message::Message) and [`Command`](crate::Command).
    Stream,
    /// [`ReferenceMessage`](crate::reference::ReferenceMessage) and its commands.
    Reference,
}

/// A server that listens.
///
/// ```no_run
/// use std::sync::Arc;
/// use townlet_viewer::server::{Server, ServerOptions};
/// use townlet_viewer::{Session, SessionOptions, UntrainedSource};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let session = Session::watch(Arc::new(UntrainedSource::demo(0)), SessionOptions::default())?;
/// let server = Server::bind(session, ServerOptions::default()).await?;
/// println!("watch at {}", server.url());
/// server.run(std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<Shared>,
}

/// What every request needs.
pub(crate) struct Shared {
    options: ServerOptions,
    guard: Guard,
    /// None where everybody may come in.
    door: Option<Door>,
    hub: Hub,
    /// The places of clients.
    places: Arc<Shares>,
    /// True when everybody should go.
    closing: watch::Sender<bool>,
}

impl Server {
    /// Listens, and starts the thread that plays the session.
    ///
    /// # Errors
    ///
    /// Returns an error where an option makes no sense, the address cannot be listened on, or no thread can be
    /// started.
    #[expect(clippy::unused_async, reason = "it needs a runtime to be in, and callers await it")]
    pub async fn bind(session: Session, mut options: ServerOptions) -> Result<Self, ServerError> {
        options.base_path = options::base_path(&options.base_path)?;
        let wanted = SocketAddr::new(options.host, options.port);
        let listen = |source| ServerError::Listen { address: wanted, source };
        let listener = listen_on(wanted).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let guard = Guard::new(&options);
        let door = Door::new(&options.token, address, &options.base_path)?;
        let places = Shares::new(options.max_clients);
        let hub = Hub::start(session).map_err(ServerError::Thread)?;
        let closing = watch::Sender::new(false);
        let state = Arc::new(Shared { options, guard, door, hub, places, closing });
        Ok(Self { listener, address, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to point a browser, with the token where one is asked for. Where the server listens on all
    /// addresses, this is the one that other machines reach it by.
    pub fn url(&self) -> String {
        let (address, _) = reachable(self.address);
        let page = format!("http://{address}{}/", self.state.options.base_path);
        match &self.state.door {
            Some(door) => format!("{page}?token={}", door.token()),
            None => page,
        }
    }

    /// Whether other machines can open [`url`](Self::url).
    pub fn is_for_others(&self) -> bool {
        reachable(self.address).1
    }

    /// What to warn of, where others than this machine can connect.
    pub fn warning(&self) -> Option<String> {
        let ip = self.address.ip();
        if ip.is_loopback() {
            return None;
        }
        let who = if ip.is_unspecified() { "this machine".to_owned() } else { ip.to_string() };
        Some(match self.state.door {
            Some(_) => {
                "the connection is not encrypted: whoever can listen to the network on the way can read \
                        along, the token included"
                    .to_owned()
            }
            None => format!(
                "anyone who can reach {who} can watch and steer this session, without a token and unencrypted"
            ),
        })
    }

    /// Serves until `shutdown` is done. Connections that are open then are closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let app = router(self.state.clone());
        connections::serve(&self.listener, app, &self.state.options, shutdown).await;
        self.state.closing.send_replace(true);
    }
}

/// Serves `session` on threads of its own until the process ends, for programs that are not asynchronous.
/// `ready` is called once it listens.
///
/// # Errors
///
/// As [`Server::bind`].
pub fn serve(
    session: Session,
    options: ServerOptions,
    ready: impl FnOnce(&Server),
) -> Result<(), ServerError> {
    // Two are enough for 64 clients, and leave the machine to training.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ServerError::Thread)?;
    runtime.block_on(async {
        let server = Server::bind(session, options).await?;
        ready(&server);
        server.run(std::future::pending()).await;
        Ok(())
    })
}

/// Listens, with little room for what nobody takes.
fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere it would let two programs have the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Connections inherit it. A client that does not read is noticed sooner, and costs the system less.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn router(state: Arc<Shared>) -> Router {
    let base = &state.options.base_path;
    let below = |path: &str| format!("{base}{path}");
    let mut router = Router::new()
        .route(&below("/stream"), get(stream))
        .route(&below("/ws"), get(reference))
        .route(&below("/ws/training"), get(reference))
        .route(&below("/metrics.json"), get(metrics));
    for file in web::PAGE.iter().chain(web::SHARED_MODULES).chain(web::LIVE_MODULES) {
        let serve = || async { ([(CONTENT_TYPE, file.content_type)], file.body) };
        router = router.route(&below(file.path), get(serve));
    }
    if let Some((_, last)) = base.rsplit_once('/') {
        // The page's own addresses are relative to a folder.
        let folder = format!("{last}/");
        router = router.route(base, get(|| async move { (StatusCode::SEE_OTHER, [(LOCATION, folder)]) }));
    }
    // The last layer is the first to see a request.
    router
        .layer(middleware::from_fn_with_state(state.clone(), door::check))
        .layer(middleware::from_fn_with_state(state.clone(), guard::check))
        .with_state(state)
}

async fn stream(state: State<Arc<Shared>>, peer: Extension<Peer>, upgrade: WebSocketUpgrade) -> Response {
    connect(state.0, peer.0, upgrade, Protocol::Stream)
}

async fn reference(state: State<Arc<Shared>>, peer: Extension<Peer>, upgrade: WebSocketUpgrade) -> Response {
    connect(state.0, peer.0, upgrade, Protocol::Reference)
}

fn connect(state: Arc<Shared>, peer: Peer, upgrade: WebSocketUpgrade, protocol: Protocol) -> Response {
    let Some(place) = state.places.take(peer.0) else {
        let message = "as many clients are connected as there is room for; try again later\n";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    };
    let seat = state.hub.enter(place);
    // A session that waited for somebody goes on.
    let _ = state.hub.ask(Order::Wake);
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(4 * 1024 * 1024)
        .on_upgrade(move |socket| client::run(socket, state, protocol, seat))
}

async fn metrics(state: State<Arc<Shared>>) -> Response {
    let body = String::from(state.hub.snapshot().metrics.as_str());
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
