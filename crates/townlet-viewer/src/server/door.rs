//! The lock of a server that asks for a token, in the manner of notebook servers.
//!
//! The token stands in the address that is printed. Whoever opens that gets a cookie for it, and is sent on to the
//! address without it, so that it stays in no history and on no projector. The cookie is not the token but a
//! random pass that is drawn when the server starts: it cannot be guessed, however short the token is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Shared;
use super::connections::Peer;
use super::options::{ServerError, TOKEN_LENGTH, Token};
use super::shares::neighbourhood;

/// Bytes of a token and of a pass that are drawn.
const DRAWN: usize = 24;
/// After so many wrong tokens from one address, no further one is looked at.
const WRONG_TOKENS: u32 = 30;
/// For so long, counted from the first of them.
const WRONG_FOR: Duration = Duration::from_mins(1);
/// How many addresses are remembered that sent wrong tokens.
const MOST_ADDRESSES: usize = 1024;

/// What a page without scripts and pictures may do: have a style of its own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The lock.
pub(crate) struct Door {
    token: String,
    /// What the cookie holds.
    pass: String,
    /// What it is called. Cookies do not know ports, and there may be two servers.
    cookie: String,
    /// The path of the page.
    page: String,
    wrong: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

/// What a request shows.
enum Shown<'a> {
    Nothing,
    /// In the query of its address, or as `Authorization: Bearer`.
    Token(&'a str),
}

impl Door {
    /// The lock of a server that listens on `address`, if it has one.
    ///
    /// # Errors
    ///
    /// Returns an error where the given token does not fit, or the system has no random numbers.
    pub(super) fn new(
        token: &Token,
        address: SocketAddr,
        base_path: &str,
    ) -> Result<Option<Self>, ServerError> {
        let token = match token {
            Token::None => return Ok(None),
            Token::BeyondLoopback if address.ip().is_loopback() => return Ok(None),
            Token::BeyondLoopback | Token::Random => draw()?,
            Token::Given(token) => checked(token)?.to_owned(),
        };
        Ok(Some(Self {
            token,
            pass: draw()?,
            cookie: format!("townlet-{}", address.port()),
            page: format!("{base_path}/"),
            wrong: Mutex::default(),
        }))
    }

    /// What has to be shown.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether the request has the cookie of this server.
    fn has_pass(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
        let ours = cookies.flat_map(|it| it.split(';')).filter_map(|it| {
            let (name, value) = it.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        // All of them are compared: one of an older server may stand before ours.
        ours.fold(false, |found, value| found | equal(value, &self.pass))
    }

    /// Whether the token is right; none where there were too many wrong ones.
    fn try_token(&self, token: &str, from: IpAddr, now: Instant) -> Option<bool> {
        // A panic of another thread leaves counts that are whole.
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let from = neighbourhood(from);
        wrong.retain(|_, (since, _)| now.saturating_duration_since(*since) < WRONG_FOR);
        let tried = wrong.get(&from).map_or(0, |&(_, count)| count);
        if tried >= WRONG_TOKENS || (tried == 0 && wrong.len() >= MOST_ADDRESSES) {
            return None;
        }
        let right = equal(token, &self.token);
        if !right {
            wrong.entry(from).or_insert((now, 0)).1 += 1;
        }
        Some(right)
    }

    /// Lets a browser keep the pass.
    fn set_cookie(&self, response: &mut Response) {
        // Without a path, it is for where it was set: behind a proxy nobody here knows what that is called.
        let cookie = format!("{}={}; HttpOnly; SameSite=Strict", self.cookie, self.pass);
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
}

/// Answers a request that may come in, and asks any other for the token.
pub(super) async fn check(State(state): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Some(door) = &state.door else { return next.run(request).await };
    let from = request.extensions().get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0);
    let wants_page = wants_page(request.headers());
    let (page, in_query) = (request.uri().path() == door.page, query_token(&request).is_some());
    if door.has_pass(request.headers()) {
        return if page && in_query { onwards(wants_page) } else { next.run(request).await };
    }
    let tried = match shown(&request) {
        Shown::Nothing => {
            return refused(StatusCode::UNAUTHORIZED, "This viewer asks for a token.", wants_page);
        }
        Shown::Token(token) => door.try_token(token, from, Instant::now()),
    };
    match tried {
        Some(true) if page && in_query => {
            let mut response = onwards(wants_page);
            door.set_cookie(&mut response);
            response
        }
        Some(true) => next.run(request).await,
        Some(false) => {
            refused(StatusCode::UNAUTHORIZED, "That token is not the one of this viewer.", wants_page)
        }
        None => {
            let reason = "There were too many wrong tokens from your address; wait a minute.";
            refused(StatusCode::TOO_MANY_REQUESTS, reason, wants_page)
        }
    }
}

fn query_token(request: &Request) -> Option<&str> {
    request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

fn shown(request: &Request) -> Shown<'_> {
    let bearer = || {
        let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
        let (kind, token) = value.split_once(' ')?;
        kind.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    query_token(request).or_else(bearer).map_or(Shown::Nothing, Shown::Token)
}

/// Whether a browser asks for a page, and not a program or a page for one of its parts.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// To the same address without the token.
fn onwards(wants_page: bool) -> Response {
    if wants_page {
        // A browser that came by a link from another site would not send a strict cookie along a redirect.
        let body = document(
            "Welcome to Townlet",
            "<meta http-equiv=\"refresh\" content=\"0;url=./\">",
            "<p><a href=\"./\">On to the viewer</a></p>",
        );
        return with_policy(Html(body).into_response());
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, "./")]).into_response()
}

fn refused(status: StatusCode, reason: &'static str, wants_page: bool) -> Response {
    let advice =
        "Open the address that the program printed when it started; it ends in ?token= and the token.";
    let mut response = if wants_page {
        let body = format!("<h1>Townlet</h1><p>{reason} {advice}</p>");
        with_policy((status, Html(document("Townlet asks for a token", "", &body))).into_response())
    } else {
        (status, format!("{reason} {advice}\n")).into_response()
    };
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn with_policy(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// A page that asks for nothing, not even for its style: that is behind the door.
fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">{head}\n\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1.5rem}}\
         h1{{font-size:1.5rem}}</style></head>\n<body><main>{body}</main></body></html>\n"
    )
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn equal(given: &str, expected: &str) -> bool {
    given.as_bytes().ct_eq(expected.as_bytes()).into()
}

/// Random bytes of the operating system, as hexadecimal digits.
fn draw() -> Result<String, ServerError> {
    let mut bytes = [0; DRAWN];
    getrandom::fill(&mut bytes).map_err(ServerError::Randomness)?;
    Ok(bytes.iter().fold(String::with_capacity(2 * DRAWN), |text, byte| text + &format!("{byte:02x}")))
}

/// A token that can stand in an address as it is.
fn checked(token: &str) -> Result<&str, ServerError> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-._~".contains(it);
    if let Some(other) = token.chars().find(|&it| !plain(it)) {
        return Err(ServerError::Token { found: format!("the character {other:?}") });
    }
    if !TOKEN_LENGTH.contains(&token.len()) {
        return Err(ServerError::Token { found: format!("{} of them", token.len()) });
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(token: &Token, address: &str) -> Option<Door> {
        Door::new(token, address.parse().unwrap(), "").unwrap()
    }

    #[test]
    fn a_token_is_asked_for_beyond_loopback_and_where_it_is_wanted() {
        assert!(door(&Token::BeyondLoopback, "127.0.0.1:80").is_none());
        assert!(door(&Token::BeyondLoopback, "[::1]:80").is_none());
        for address in ["0.0.0.0:80", "192.168.0.7:80", "[::]:80"] {
            assert!(door(&Token::BeyondLoopback, address).is_some(), "{address}");
            assert!(door(&Token::None, address).is_none(), "{address}");
        }
        let (one, other) = [(); 2].map(|()| door(&Token::Random, "127.0.0.1:80").unwrap()).into();
        assert_ne!(one.token(), other.token());
        assert_ne!(one.token(), one.pass);
        assert_eq!(one.token().len(), 2 * DRAWN);
        assert_eq!(door(&Token::Given("swordfish".into()), "127.0.0.1:80").unwrap().token(), "swordfish");
    }

    #[test]
    fn a_token_that_can_be_guessed_or_does_not_fit_into_an_address_is_refused() {
        for (token, expected) in
            [("", "0 of them"), ("short", "5 of them"), ("two words", "' '"), ("a&b=c#dé", "'&'")]
        {
            let token = Token::Given(token.to_owned());
            let error = Door::new(&token, "127.0.0.1:80".parse().unwrap(), "").err().unwrap().to_string();
            assert!(error.contains(expected) && error.contains("8 to 200"), "{error}");
        }
    }

    #[test]
    fn after_many_wrong_tokens_not_even_the_right_one_is_looked_at_for_a_while() {
        let door = door(&Token::Given("swordfish".into()), "127.0.0.1:80").unwrap();
        let (here, there) = ("192.168.0.7".parse().unwrap(), "192.168.0.8".parse().unwrap());
        let start = Instant::now();
        for _ in 0..WRONG_TOKENS {
            assert_eq!(door.try_token("swordfisk", here, start), Some(false));
        }
        assert_eq!(door.try_token("swordfish", here, start), None);
        assert_eq!(door.try_token("swordfish", there, start), Some(true), "others are not kept waiting");
        assert_eq!(door.try_token("swordfish", here, start + WRONG_FOR), Some(true));
    }

    #[test]
    fn only_the_pass_of_this_server_is_a_pass() {
        let door = door(&Token::Random, "127.0.0.1:8766").unwrap();
        let admits = |cookie: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
            door.has_pass(&headers)
        };
        let pass = &door.pass;
        assert!(admits(&format!("townlet-8766={pass}")));
        assert!(admits(&format!("a=b; townlet-8766=old; townlet-8766={pass}")));
        for wrong in [
            "townlet-8766=",
            "townlet-8766",
            &format!("townlet-8767={pass}"),
            &format!("townlet-8766={pass}0"),
        ] {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!admits(&format!("townlet-8766={}", door.token())), "the token is no pass");
    }
}
