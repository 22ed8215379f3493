//! Connections: accepted, bounded in number, and given little time to say what they want and to take what they
//! are sent.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use super::ServerOptions;
use super::shares::Shares;

/// How many connections beside those of clients: browsers open several for a page.
const BESIDE_CLIENTS: usize = 64;
/// How long to wait where the system has no more sockets.
const BREATH: Duration = Duration::from_millis(100);

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Serves `app` until `shutdown` is done, then closes what is open.
///
/// A connection that has become a client's is not counted here any more: clients have places of their own.
pub(super) async fn serve(
    listener: &TcpListener,
    app: Router,
    options: &ServerOptions,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let places = Shares::new(options.max_clients + BESIDE_CLIENTS);
    let &ServerOptions { head_timeout, write_timeout, connection_life, .. } = options;
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        while open.try_join_next().is_some() {}
        let Ok((stream, peer)) = accepted else {
            sleep(BREATH).await;
            continue;
        };
        // One too many is hung up on.
        let Some(place) = places.take(peer.ip()) else { continue };
        // Frames are small and should not wait for each other.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        // Whoever does not read breaks the connection, before and after it has become a client's.
        stream.set_write_timeout(Some(write_timeout));
        let app = TowerToHyperService::new(app.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            app.call(request)
        });
        open.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(head_timeout)
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(Box::pin(stream)), service)
                .with_upgrades();
            let mut connection = pin!(connection);
            // A connection that breaks concerns nobody else.
            tokio::select! {
                _ = connection.as_mut() => {}
                // A browser opens another one. Whoever says or takes a byte now and then would stay for ever.
                () = sleep(connection_life) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(write_timeout, connection).await;
                }
            }
            drop(place);
        });
    }
}
