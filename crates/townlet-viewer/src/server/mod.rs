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
mod guard;
mod rate;
mod runner;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::{Session, web};
use guard::Guard;
use runner::{Hub, Order};

/// The largest message that a client may send, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// How a server listens, and what it bears.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerOptions {
    /// The address to listen on; anything but a loopback address lets other machines in.
    pub host: IpAddr,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Names, beside `localhost`, that the server may be called by. Any other name in a request is refused,
    /// so that no foreign site can reach it by a name of its own (DNS rebinding). Addresses are always
    /// allowed where the server listens on more than loopback.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages from elsewhere that may connect, as `http://localhost:5173`.
    pub allowed_origins: Vec<String>,
    /// How many clients may be connected at once.
    pub max_clients: usize,
    /// Messages a second that a client may send, on average; twice as many at once.
    pub messages_per_second: u32,
    /// How often a client is asked whether it is still there.
    pub ping_every: Duration,
    /// After how long a client that says nothing, or takes nothing, is dropped.
    pub patience: Duration,
}

impl Default for ServerOptions {
    /// Port 8766 of the loopback interface, for 64 clients.
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 8766,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_clients: 64,
            messages_per_second: 40,
            ping_every: Duration::from_secs(10),
            patience: Duration::from_secs(30),
        }
    }
}

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
    hub: Hub,
    /// True when everybody should go.
    closing: watch::Sender<bool>,
}

impl Server {
    /// Listens, and starts the thread that plays the session.
    ///
    /// # Errors
    ///
    /// Where the address cannot be listened on, or no thread can be started.
    pub async fn bind(session: Session, options: ServerOptions) -> Result<Self, ServerError> {
        let wanted = SocketAddr::new(options.host, options.port);
        let listen = |source| ServerError::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let guard = Guard::new(&options);
        let hub = Hub::start(session).map_err(ServerError::Thread)?;
        let closing = watch::Sender::new(false);
        Ok(Self { listener, address, state: Arc::new(Shared { options, guard, hub, closing }) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to point a browser.
    pub fn url(&self) -> String {
        if self.address.ip().is_unspecified() {
            return format!("http://localhost:{}", self.address.port());
        }
        format!("http://{}", self.address)
    }

    /// What to warn of, where others than this machine can connect.
    pub fn warning(&self) -> Option<String> {
        let ip = self.address.ip();
        (!ip.is_loopback()).then(|| {
            format!(
                "anyone who can reach {ip} can watch and steer this session, without a password and \
                 unencrypted; leave the host out to serve this machine only"
            )
        })
    }

    /// Serves until `shutdown` is done. Connections that are open then are closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let most = self.state.options.max_clients;
        let app = router(self.state.clone());
        connections::serve(&self.listener, app, most, shutdown).await;
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

/// Why there is no server.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any that is free")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start a thread to serve with: {0}")]
    Thread(#[source] io::Error),
}

fn router(state: Arc<Shared>) -> Router {
    let mut router = Router::new()
        .route("/stream", get(stream))
        .route("/ws", get(reference))
        .route("/ws/training", get(reference))
        .route("/metrics.json", get(metrics));
    for file in web::PAGE.iter().chain(web::SHARED_MODULES).chain(web::LIVE_MODULES) {
        router = router.route(file.path, get(|| async { ([(CONTENT_TYPE, file.content_type)], file.body) }));
    }
    router.layer(middleware::from_fn_with_state(state.clone(), guard::check)).with_state(state)
}

async fn stream(state: State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    connect(state.0, upgrade, Protocol::Stream)
}

async fn reference(state: State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    connect(state.0, upgrade, Protocol::Reference)
}

fn connect(state: Arc<Shared>, upgrade: WebSocketUpgrade, protocol: Protocol) -> Response {
    let Some(seat) = state.hub.enter(state.options.max_clients) else {
        let most = state.options.max_clients;
        let message = format!("{most} clients are connected, and that is the most; try again later\n");
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    };
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
