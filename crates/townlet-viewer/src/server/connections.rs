//! Connections: accepted, bounded in number, and given little time to say what they want.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long a request may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How many connections beside those of clients: browsers open several for a page.
const BESIDE_CLIENTS: usize = 64;
/// How long to wait where the system has no more sockets.
const BREATH: Duration = Duration::from_millis(100);

/// Serves `app` until `shutdown` is done, then closes what is open.
pub(super) async fn serve(
    listener: &TcpListener,
    app: Router,
    most_clients: usize,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let places = Arc::new(Semaphore::new(most_clients + BESIDE_CLIENTS));
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        while open.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        // One too many is hung up on.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        // Frames are small and should not wait for each other.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(app.clone());
        open.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A connection that breaks concerns nobody else.
            let _ = connection.await;
            drop(place);
        });
    }
}
