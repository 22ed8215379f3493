//! A server on a free port, and clients of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};
use townlet_viewer::server::{Server, ServerOptions};
use townlet_viewer::{Session, SessionOptions, UntrainedSource};

/// Longer than anything here takes, even on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) port: u16,
    stop: Option<oneshot::Sender<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }
}

/// Any free port.
pub(crate) fn options() -> ServerOptions {
    ServerOptions { port: 0, ..ServerOptions::default() }
}

/// A paused session of the untrained network.
pub(crate) fn session() -> Session {
    let options = SessionOptions {
        checkpoint: Some("echo".to_owned()),
        paused: true,
        speed: 200,
        ..SessionOptions::default()
    };
    Session::watch(Arc::new(UntrainedSource::demo(0)), options).unwrap()
}

pub(crate) async fn serve(session: Session, options: ServerOptions) -> Running {
    let server = Server::bind(session, options).await.unwrap();
    let port = server.address().port();
    assert!(server.warning().is_none(), "loopback needs no warning");
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { port, stop: Some(stop) }
}

pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn connect(port: u16, path: &str) -> Self {
        Self::with_headers(port, path, &[]).await.unwrap()
    }

    pub(crate) async fn with_headers(
        port: u16,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        Ok(Self(connect_async(Self::request(port, path, headers)?).await?.0))
    }

    /// One whose system holds little of what is sent to it.
    #[allow(dead_code, reason = "not every test file asks")]
    pub(crate) async fn with_little_room(port: u16, path: &str) -> Result<Self, Error> {
        let stream = MaybeTlsStream::Plain(little_room(port).await?);
        Ok(Self(client_async(Self::request(port, path, &[])?, stream).await?.0))
    }

    fn request(port: u16, path: &str, headers: &[(&'static str, &str)]) -> Result<Request, Error> {
        let mut request = format!("ws://127.0.0.1:{port}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(request)
    }

    #[allow(dead_code, reason = "not every test file asks")]
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message with JSON; none where the connection is over.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            }
        };
        timeout(PATIENCE, next).await.expect("a message in time")
    }

    #[allow(dead_code, reason = "not every test file asks")]
    /// The next message of this type, and whatever came before it is skipped.
    pub(crate) async fn hear_type(&mut self, wanted: &str) -> Value {
        loop {
            let message = self.hear().await.expect("the server goes on");
            if message["type"] == wanted {
                return message;
            }
        }
    }

    #[allow(dead_code, reason = "not every test file asks")]
    /// The next message for which `is_it` holds.
    pub(crate) async fn hear_until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.hear().await.expect("the server goes on");
            if is_it(&message) {
                return message;
            }
        }
    }
}

/// A connection whose system holds little of what is sent to it.
#[allow(dead_code, reason = "not every test file asks")]
pub(crate) async fn little_room(port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(([127, 0, 0, 1], port).into()).await
}

/// Sends bytes, and returns all that is answered until the server hangs up.
pub(crate) async fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // A server that has heard enough may hang up before everything is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A GET request with these headers.
pub(crate) async fn get(port: u16, path: &str, headers: &str) -> String {
    raw(port, format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").as_bytes()).await
}

/// The server still answers.
#[allow(dead_code, reason = "not every test file asks")]
pub(crate) async fn assert_serves(port: u16) {
    let mut client = Client::connect(port, "/stream").await;
    assert_eq!(client.hear().await.unwrap()["type"], "hello");
    assert!(get(port, "/", "Host: localhost\r\n").await.starts_with("HTTP/1.1 200"));
}
