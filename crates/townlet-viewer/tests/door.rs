//! Who comes in: tokens, names, and paths below a prefix.

mod common;

use std::collections::BTreeSet;

use common::{Client, get, options, serve, session};
use tokio_tungstenite::tungstenite::Error;
use townlet_viewer::server::{Server, ServerOptions, Token};

const TOKEN: &str = "correct-horse";

fn locked() -> ServerOptions {
    ServerOptions { token: Token::Given(TOKEN.to_owned()), ..options() }
}

/// The page, and all that it asks for.
async fn assets(port: u16, headers: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from(["/".to_owned(), "/metrics.json".to_owned()]);
    let mut looked_at = BTreeSet::new();
    while let Some(path) = found.difference(&looked_at).next().cloned() {
        let text = get(port, &path, headers).await;
        assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        for (before, name) in text.split('"').zip(text.split('"').skip(1)) {
            if before.ends_with("src=") || before.ends_with("href=") && !name.starts_with('#') {
                found.insert(format!("/{name}"));
            } else if before.ends_with("from ") {
                found.insert(format!("/js/{}", name.trim_start_matches("./")));
            }
        }
        looked_at.insert(path);
    }
    found
}

/// The value of a header of an answer.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn status_of(result: Result<Client, Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("expected a refusal over HTTP, found {error}"),
        Ok(_) => 101,
    }
}

#[tokio::test]
async fn everything_asks_for_the_token_and_a_cookie_is_as_good() {
    let running = serve(session(), locked()).await;
    let port = running.port;
    let entered = get(port, &format!("/?token={TOKEN}"), "Host: localhost\r\n").await;
    assert!(entered.starts_with("HTTP/1.1 303"), "{entered}");
    assert_eq!(header(&entered, "location"), Some("./"), "the token leaves the address");
    let cookie = header(&entered, "set-cookie").unwrap();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
    assert!(cookie.starts_with(&format!("townlet-{port}=")) && !cookie.contains(TOKEN), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let with_cookie = format!("Host: localhost\r\nCookie: other=1; {cookie}\r\n");
    let with_bearer = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n");
    let paths = assets(port, &with_cookie).await;
    assert!(
        paths.len() > 20 && paths.contains("/js/controls.js") && paths.contains("/style.css"),
        "{paths:?}"
    );
    for path in &paths {
        let without = get(port, path, "Host: localhost\r\n").await;
        assert!(without.starts_with("HTTP/1.1 401") && without.contains("?token="), "{path}: {without}");
        assert!(get(port, path, &with_bearer).await.starts_with("HTTP/1.1 200"), "{path}");
    }
    // What does not exist is not told to strangers either.
    assert!(get(port, "/nothing", "Host: localhost\r\n").await.starts_with("HTTP/1.1 401"));
    for path in ["/stream", "/ws", "/ws/training"] {
        assert_eq!(status_of(Client::with_headers(port, path, &[]).await), 401, "{path}");
        assert_eq!(status_of(Client::with_headers(port, path, &[("cookie", cookie)]).await), 101, "{path}");
        let by_query = format!("{path}?token={TOKEN}");
        assert_eq!(status_of(Client::with_headers(port, &by_query, &[]).await), 101, "{path}");
    }
    let again = get(port, "/?token=old-and-wrong", &with_cookie).await;
    assert_eq!(header(&again, "location"), Some("./"), "who is in is not asked again: {again}");
}

#[tokio::test]
async fn a_browser_is_sent_on_by_a_page_and_told_what_to_do_by_another() {
    let running = serve(session(), locked()).await;
    let browser = "Host: localhost\r\nAccept: text/html,*/*\r\n";
    let entered = get(running.port, &format!("/?token={TOKEN}"), browser).await;
    assert!(entered.starts_with("HTTP/1.1 200") && header(&entered, "set-cookie").is_some(), "{entered}");
    assert!(entered.contains("http-equiv=\"refresh\" content=\"0;url=./\""), "{entered}");
    let refused = get(running.port, "/", browser).await;
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("text/html"), "{refused}");
    assert!(refused.contains("Open the address that the program printed when it started"), "{refused}");
    assert!(header(&refused, "content-security-policy").unwrap().contains("default-src 'none'"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_after_many_none_is_looked_at() {
    let running = serve(session(), locked()).await;
    let mut answers = BTreeSet::new();
    for attempt in 0..40 {
        let answer = get(running.port, &format!("/?token=wrong-{attempt}"), "Host: localhost\r\n").await;
        assert!(header(&answer, "set-cookie").is_none(), "{answer}");
        answers.insert(answer[9..12].to_owned());
    }
    assert_eq!(answers, BTreeSet::from(["401".to_owned(), "429".to_owned()]));
    let right = get(running.port, &format!("/?token={TOKEN}"), "Host: localhost\r\n").await;
    assert!(right.starts_with("HTTP/1.1 429"), "{right}");
}

#[tokio::test]
async fn beyond_loopback_a_token_is_drawn_and_stands_in_an_address_that_others_reach() {
    let all = ServerOptions { host: "0.0.0.0".parse().unwrap(), ..options() };
    let server = Server::bind(session(), all.clone()).await.unwrap();
    let url = server.url();
    let (address, token) = url.split_once("/?token=").expect("a token");
    assert!(token.len() >= 32 && token.bytes().all(|it| it.is_ascii_hexdigit()), "{url}");
    assert!(!address.contains("0.0.0.0"), "{url}");
    assert_eq!(server.is_for_others(), !address.contains("127.0.0.1"), "{url}");
    assert!(server.warning().unwrap().contains("not encrypted"));
    let other = Server::bind(session(), all.clone()).await.unwrap();
    assert!(!other.url().ends_with(token), "every server draws its own");

    let open = Server::bind(session(), ServerOptions { token: Token::None, ..all }).await.unwrap();
    assert!(!open.url().contains("token"));
    assert!(open.warning().unwrap().contains("without a token"));
}

#[tokio::test]
async fn a_name_that_is_allowed_is_answered_and_any_other_is_told_the_flag() {
    let allowed = ServerOptions { allowed_hosts: vec!["MyBox.local".to_owned()], ..options() };
    let running = serve(session(), allowed).await;
    assert!(get(running.port, "/", "Host: mybox.local:8766\r\n").await.starts_with("HTTP/1.1 200"));
    let refused = get(running.port, "/", "Host: otherbox.local\r\n").await;
    assert!(
        refused.starts_with("HTTP/1.1 403") && refused.contains("--allow-host otherbox.local"),
        "{refused}"
    );
    let foreign = "Host: mybox.local\r\nOrigin: https://hub.example\r\n";
    let refused = get(running.port, "/", foreign).await;
    assert!(refused.contains("--allow-origin https://hub.example"), "{refused}");
}

#[tokio::test]
async fn below_a_base_path_everything_is_served_and_nothing_elsewhere() {
    let below = ServerOptions { base_path: "/user/a@b/proxy/".to_owned(), ..locked() };
    let server = Server::bind(session(), below.clone()).await.unwrap();
    let port = server.address().port();
    assert_eq!(server.url(), format!("http://127.0.0.1:{port}/user/a@b/proxy/?token={TOKEN}"));
    drop(server);
    let running = serve(session(), below).await;
    let port = running.port;
    let bearer = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n");
    for path in ["/", "/style.css", "/js/main.js", "/metrics.json"] {
        let found = get(port, &format!("/user/a@b/proxy{path}"), &bearer).await;
        assert!(found.starts_with("HTTP/1.1 200"), "{path}: {found}");
        assert!(get(port, path, &bearer).await.starts_with("HTTP/1.1 404"), "{path}");
    }
    let folder = get(port, "/user/a@b/proxy", &bearer).await;
    assert_eq!(header(&folder, "location"), Some("proxy/"), "{folder}");
    let stream = format!("/user/a@b/proxy/stream?token={TOKEN}");
    assert_eq!(status_of(Client::with_headers(port, &stream, &[]).await), 101);
    let entered = get(port, &format!("/user/a@b/proxy/?token={TOKEN}"), "Host: localhost\r\n").await;
    assert!(header(&entered, "set-cookie").is_some_and(|it| !it.contains("Path")), "{entered}");
}

#[tokio::test]
async fn an_option_that_makes_no_sense_is_refused_at_the_start() {
    for (wrong, expected) in [
        (ServerOptions { base_path: "nowhere".to_owned(), ..options() }, "expected a path such as"),
        (ServerOptions { token: Token::Given("short".to_owned()), ..options() }, "8 to 200"),
    ] {
        let error = Server::bind(session(), wrong).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
