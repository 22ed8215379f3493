//! Whoever comes, with whatever: the server says no, and goes on serving the others.

mod common;

use std::time::Duration;

use common::{Client, PATIENCE, assert_serves, get, options, raw, serve, session};
use futures_util::{SinkExt, StreamExt};
use rand::{Rng, RngExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use townlet_env::stream;
use townlet_viewer::server::ServerOptions;

/// The status that refused a client.
fn refused(result: Result<Client, Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("expected a refusal over HTTP, found {error}"),
        Ok(_) => panic!("expected a refusal"),
    }
}

#[tokio::test]
async fn foreign_pages_and_foreign_names_are_refused() {
    let running = serve(session(), options()).await;
    let port = running.port;
    for path in ["/stream", "/ws", "/ws/training"] {
        let foreign = Client::with_headers(port, path, &[("origin", "https://evil.example")]).await;
        assert_eq!(refused(foreign), 403);
        let other_port = Client::with_headers(port, path, &[("origin", "http://127.0.0.1:1")]).await;
        assert_eq!(refused(other_port), 403);
        let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert_eq!(refused(Client::with_headers(port, path, &rebound).await), 403);
        let own = format!("http://127.0.0.1:{port}");
        Client::with_headers(port, path, &[("origin", &own)]).await.unwrap();
    }
    for headers in [
        "Host: evil.example\r\n",
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
    ] {
        let answer = get(port, "/", headers).await;
        assert!(
            answer.starts_with("HTTP/1.1 403") || answer.starts_with("HTTP/1.1 400"),
            "{headers}: {answer}"
        );
        assert!(!answer.contains("<html"));
    }
    let allowed = ServerOptions { allowed_origins: vec!["http://localhost:5173".to_owned()], ..options() };
    let running = serve(session(), allowed).await;
    Client::with_headers(running.port, "/ws", &[("origin", "http://localhost:5173")]).await.unwrap();
}

#[tokio::test]
async fn a_message_of_ten_megabytes_is_refused() {
    let running = serve(session(), options()).await;
    for message in [Message::text("x".repeat(10_000_000)), Message::binary(vec![0; 10_000_000])] {
        let mut client = Client::connect(running.port, "/stream").await;
        // The server may hang up before it is all sent.
        let _ = timeout(PATIENCE, client.0.send(message)).await.expect("an end in time");
        while client.hear().await.is_some() {}
    }
    // And one that is just small enough is read.
    let mut client = Client::connect(running.port, "/stream").await;
    client.say(&"x".repeat(townlet_viewer::server::MAX_MESSAGE)).await;
    client.hear_type("error").await;
    assert_serves(running.port).await;
}

#[tokio::test]
async fn a_flood_is_told_to_slow_down_and_then_let_go() {
    let running = serve(session(), options()).await;
    let mut other = Client::connect(running.port, "/stream").await;
    let client = Client::connect(running.port, "/stream").await;
    let (mut sink, mut stream) = client.0.split();
    let flood = tokio::spawn(async move {
        for _ in 0..20_000 {
            if sink.send(Message::text(r#"{"command":"step"}"#)).await.is_err() {
                break;
            }
        }
    });
    let (mut told, mut closed) = (false, false);
    while let Some(Ok(message)) = timeout(PATIENCE, stream.next()).await.expect("an end in time") {
        match message {
            Message::Text(text) => told |= text.contains("too many messages"),
            Message::Close(Some(close)) => closed = u16::from(close.code) == 1008,
            _ => {}
        }
    }
    flood.await.unwrap();
    assert!(told, "it is told before it is let go");
    // A connection may be reset under the flood before the last message is read.
    println!("closed with 1008: {closed}");
    other.say(r#"{"command":"seed","seed":77}"#).await;
    other.hear_until(|it| it["seed"] == 77).await;
    assert_serves(running.port).await;
}

#[tokio::test]
async fn random_bytes_are_survived() {
    let running = serve(session(), options()).await;
    let mut random = stream(1, "random-bytes", 0, 0);
    let mut bytes = vec![0; 4096];
    for length in [1, 10, 100, 4096] {
        random.fill_bytes(&mut bytes);
        let mut stream = TcpStream::connect(("127.0.0.1", running.port)).await.unwrap();
        let _ = stream.write_all(&bytes[..length]).await;
    }
    for line in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ] {
        let answer = raw(running.port, line.as_bytes()).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{line:?}: {answer}");
    }
    // Random text and bytes in messages.
    let mut client = Client::connect(running.port, "/stream").await;
    for _ in 0..30 {
        random.fill_bytes(&mut bytes);
        let length = random.random_range(0..bytes.len());
        client.0.send(Message::binary(bytes[..length].to_vec())).await.unwrap();
        client.0.send(Message::text(String::from_utf8_lossy(&bytes[..length]).into_owned())).await.unwrap();
    }
    client.hear_type("error").await;
    // Random bytes where frames should be.
    for seed in 0..10 {
        let mut client = Client::connect(running.port, "/stream").await;
        let mut random = townlet_env::stream(seed, "random-frames", 0, 0);
        random.fill_bytes(&mut bytes);
        if let tokio_tungstenite::MaybeTlsStream::Plain(stream) = client.0.get_mut() {
            let _ = stream.write_all(&bytes).await;
        }
    }
    assert_serves(running.port).await;
}

#[tokio::test]
async fn one_client_too_many_is_refused_until_another_leaves() {
    let running = serve(session(), ServerOptions { max_clients: 2, ..options() }).await;
    let first = Client::connect(running.port, "/stream").await;
    let _second = Client::connect(running.port, "/ws").await;
    assert_eq!(refused(Client::with_headers(running.port, "/stream", &[]).await), 503);
    drop(first);
    let again = async {
        while Client::with_headers(running.port, "/stream", &[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("a seat becomes free");
}

#[tokio::test]
async fn a_silent_client_is_dropped_and_one_that_answers_stays() {
    let quick = ServerOptions {
        ping_every: Duration::from_millis(50),
        patience: Duration::from_millis(400),
        max_clients: 2,
        ..options()
    };
    let running = serve(session(), quick).await;
    // It is never read from, so its pings are not answered.
    let silent = Client::connect(running.port, "/stream").await;
    let mut lively = Client::connect(running.port, "/stream").await;
    let dropped = async {
        loop {
            // Answers pings while it waits.
            let _ = timeout(Duration::from_millis(20), lively.0.next()).await;
            if Client::with_headers(running.port, "/stream", &[]).await.is_ok() {
                break;
            }
        }
    };
    timeout(PATIENCE, dropped).await.expect("the silent one is dropped");
    lively.say(r#"{"command":"seed","seed":8}"#).await;
    lively.hear_until(|it| it["seed"] == 8).await;
    drop(silent);
}

/// Asks until the server answers, as it does when those who hold all places are gone.
async fn serves_again(port: u16) {
    let asked = async {
        loop {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let request = b"GET /metrics.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let mut answer = Vec::new();
            // Whoever is one too many is hung up on.
            let _ = stream.write_all(request).await;
            let _ = stream.read_to_end(&mut answer).await;
            if answer.starts_with(b"HTTP/1.1 200") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("places become free");
}

/// Impatient with connections in one way, and so patient in all others that nothing else frees a place.
fn patient() -> ServerOptions {
    let long = Duration::from_hours(1);
    ServerOptions {
        patience: long,
        write_timeout: long,
        head_timeout: long,
        connection_life: long,
        max_clients: 2,
        ..options()
    }
}

const QUICK: Duration = Duration::from_millis(300);

/// More than there are places for: two clients, and 64 connections beside.
const CROWD: usize = 80;

#[tokio::test]
async fn connections_that_ask_and_never_read_make_room_for_others() {
    let running = serve(session(), ServerOptions { write_timeout: QUICK, ..patient() }).await;
    let one = "GET /js/controls.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let many = one.repeat(1000);
    let mut readers = Vec::new();
    for _ in 0..CROWD {
        let mut stream = common::little_room(running.port).await.unwrap();
        // The server stops reading when its answers are not taken, and hangs up on the last ones.
        let _ = timeout(Duration::from_millis(20), stream.write_all(many.as_bytes())).await;
        readers.push(stream);
    }
    serves_again(running.port).await;
    drop(readers);
}

#[tokio::test]
async fn connections_that_say_nothing_or_half_of_it_make_room_for_others() {
    let running = serve(session(), ServerOptions { head_timeout: QUICK, ..patient() }).await;
    let mut open = Vec::new();
    for index in 0..CROWD {
        let mut stream = TcpStream::connect(("127.0.0.1", running.port)).await.unwrap();
        if index % 2 == 0 {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: loc").await;
        }
        open.push(stream);
    }
    serves_again(running.port).await;
    drop(open);
}

#[tokio::test]
async fn connections_that_go_on_for_ever_make_room_for_others() {
    let running =
        serve(session(), ServerOptions { connection_life: QUICK, write_timeout: QUICK, ..patient() }).await;
    let mut open = Vec::new();
    for _ in 0..CROWD {
        let mut stream = TcpStream::connect(("127.0.0.1", running.port)).await.unwrap();
        // A body that never comes, and nothing that times out but the connection itself.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n").await;
        open.push(stream);
    }
    serves_again(running.port).await;
    drop(open);
}

#[tokio::test]
async fn a_reader_of_the_stream_that_stalls_gives_up_its_seat() {
    let running = serve(session(), ServerOptions { write_timeout: QUICK, ..patient() }).await;
    let stalled = Client::with_little_room(running.port, "/stream").await.unwrap();
    let mut lively = Client::connect(running.port, "/stream").await;
    assert_eq!(refused(Client::with_headers(running.port, "/stream", &[]).await), 503);
    lively.say(r#"{"command":"play"}"#).await;
    let seat = async {
        loop {
            let _ = timeout(Duration::from_millis(20), lively.0.next()).await;
            if Client::with_headers(running.port, "/stream", &[]).await.is_ok() {
                break;
            }
        }
    };
    timeout(PATIENCE, seat).await.expect("the seat becomes free");
    drop(stalled);
}

#[tokio::test]
async fn a_client_that_pings_and_never_answers_gives_up_its_seat() {
    let quick =
        ServerOptions { ping_every: Duration::from_millis(50), patience: QUICK, max_clients: 1, ..patient() };
    let running = serve(session(), quick).await;
    // Answers are sent when a client reads, which this one never does.
    let mut pinging = Client::connect(running.port, "/stream").await;
    let seat = async {
        while Client::with_headers(running.port, "/stream", &[]).await.is_err() {
            let _ = pinging.0.send(Message::Ping(Vec::new().into())).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, seat).await.expect("the seat becomes free");
}

#[tokio::test]
async fn a_flood_of_pings_is_let_go_like_any_other() {
    let running = serve(session(), options()).await;
    let (mut sink, mut stream) = Client::connect(running.port, "/stream").await.0.split();
    let flood = tokio::spawn(async move {
        let mut sent = 0;
        while sent < 200_000 && sink.send(Message::Ping(vec![7; 100].into())).await.is_ok() {
            sent += 1;
        }
        sent
    });
    while let Some(Ok(message)) = timeout(PATIENCE, stream.next()).await.expect("an end in time") {
        if matches!(message, Message::Close(_)) {
            break;
        }
    }
    drop(stream);
    assert!(flood.await.unwrap() < 200_000, "it was let go");
    assert_serves(running.port).await;
}

#[tokio::test]
async fn a_server_on_ipv6_loopback_is_reached_by_address_and_by_name() {
    let host = std::net::Ipv6Addr::LOCALHOST.into();
    let server =
        match townlet_viewer::server::Server::bind(session(), ServerOptions { host, ..options() }).await {
            Ok(server) => server,
            Err(error) => {
                println!("SKIPPED, this machine has no IPv6 loopback: {error}");
                return;
            }
        };
    let address = server.address();
    assert_eq!(server.url(), format!("http://[::1]:{}/", address.port()));
    assert!(server.warning().is_none());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    for host in [format!("[::1]:{}", address.port()), "localhost".to_owned()] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    stop.send(()).unwrap();
    serving.await.unwrap();
}

/// So many that whatever is kept for stalled clients, or for anybody, would show.
const STEPS: usize = 400;

/// Resident memory of this process in KiB.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_of_whom_five_take_nothing() {
    let running = serve(session(), options()).await;
    let mut stalled = Vec::new();
    for _ in 0..5 {
        stalled.push(Client::connect(running.port, "/stream").await);
    }
    let mut lively = Vec::new();
    for index in 0..45 {
        let path = if index % 9 == 0 { "/ws" } else { "/stream" };
        lively.push(Client::connect(running.port, path).await);
    }
    lively[1].say(r#"{"command":"play"}"#).await;
    let listen = |mut client: Client, reference: bool| async move {
        let mut frames = 0;
        while frames < STEPS {
            let message = client.hear().await.expect("the server goes on");
            frames += usize::from(message["type"] == if reference { "state_update" } else { "frame" });
        }
        client
    };
    #[cfg(target_os = "linux")]
    let before = resident();
    let tasks: Vec<_> =
        lively.into_iter().enumerate().map(|(index, it)| tokio::spawn(listen(it, index % 9 == 0))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    #[cfg(target_os = "linux")]
    {
        let grown = resident().saturating_sub(before);
        // 50 clients times 400 frames of about 5 KB are 100 MB.
        assert!(grown < 60_000, "memory grew by {grown} KiB");
    }
    drop(stalled);
    assert_serves(running.port).await;
}
