//! How a server listens, and what it bears.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

/// The fewest and the most characters of a token.
pub(super) const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 8..=200;

/// Whether those who connect must show a token, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Token {
    /// A random one where other machines can connect, none on a loopback address.
    #[default]
    BeyondLoopback,
    /// A random one.
    Random,
    /// This one: 8 to 200 letters, digits and `-._~`.
    Given(String),
    /// None: whoever can connect may watch and steer.
    None,
}

/// How a server listens, and what it bears.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerOptions {
    /// The address to listen on; anything but a loopback address lets other machines in.
    pub host: IpAddr,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// The path below which everything is served, such as `/user/ada/proxy/absolute/8766`: for a proxy that
    /// passes on paths as it gets them. Behind one that takes its prefix off, and without a proxy, it is empty.
    pub base_path: String,
    /// Who has to show a token.
    pub token: Token,
    /// Names, beside `localhost`, that the server may be called by. Any other name in a request is refused,
    /// so that no foreign site can reach it by a name of its own (DNS rebinding). Addresses are always
    /// allowed where the server listens on more than loopback.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages from elsewhere that may connect, as `http://localhost:5173`.
    pub allowed_origins: Vec<String>,
    /// How many clients may be connected at once. One address gets at most eight ninths of the places.
    pub max_clients: usize,
    /// Messages a second that a client may send, on average, pings included; twice as many at once.
    pub messages_per_second: u32,
    /// How often a client is asked whether it is still there.
    pub ping_every: Duration,
    /// After how long a client that does not answer is dropped.
    pub patience: Duration,
    /// After how long a connection is dropped that takes nothing of what it is sent.
    pub write_timeout: Duration,
    /// How long the head of a request may take to arrive, counted from when the connection is free for it.
    pub head_timeout: Duration,
    /// How long a connection may be used for requests, before it is closed and another one has to be opened.
    /// Clients on `/stream` and its like are not meant.
    pub connection_life: Duration,
}

impl Default for ServerOptions {
    /// Port 8766 of the loopback interface, for 64 clients.
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 8766,
            base_path: String::new(),
            token: Token::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_clients: 64,
            messages_per_second: 40,
            ping_every: Duration::from_secs(10),
            patience: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            connection_life: Duration::from_mins(1),
        }
    }
}

/// A base path as routes need it: empty, or with a slash before and none after.
///
/// # Errors
///
/// Returns an error where it does not begin with a slash, or has characters that no path has.
pub(super) fn base_path(given: &str) -> Result<String, ServerError> {
    let path = given.trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%@+=,".contains(&byte);
    let segments_are_whole = path.split('/').skip(1).all(|it| !matches!(it, "" | "." | ".."));
    if path.is_empty() || (path.starts_with('/') && path.bytes().all(plain) && segments_are_whole) {
        Ok(path.to_owned())
    } else {
        Err(ServerError::BasePath { found: given.to_owned() })
    }
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
    /// A base path that is no path.
    #[error("base path: expected a path such as /user/ada/proxy/absolute/8766, found {found:?}")]
    BasePath {
        /// What was given.
        found: String,
    },
    /// A token that does not fit into an address, or that could be guessed.
    #[error(
        "token: expected {} to {} letters, digits and `-._~`, found {found}",
        TOKEN_LENGTH.start(),
        TOKEN_LENGTH.end()
    )]
    Token {
        /// What is wrong with it, without saying it.
        found: String,
    },
    /// The system has no random numbers.
    #[error("cannot draw a token: {0}; give one, or do without")]
    Randomness(#[source] getrandom::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_has_a_slash_before_and_none_after() {
        for (given, expected) in [("", ""), ("/", ""), ("/a", "/a"), ("/user/a@b.c/", "/user/a@b.c")] {
            assert_eq!(base_path(given).unwrap(), expected);
        }
        for wrong in ["a", "a/b", "/{x}", "/a//b", "/../a", "/a b", "/a?b", "http://a/b", "/*x"] {
            let error = base_path(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
