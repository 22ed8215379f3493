//! Where `watch`, `play` and `replay` show something, and who may see it.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use townlet_viewer::server::{ServerOptions, Token};

use crate::watching::Stage;

/// What `--token` takes for a token that is drawn.
const RANDOM: &str = "random";

/// Where something is shown.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlaceArguments {
    /// Show it in the terminal instead of a page
    #[arg(long)]
    terminal: bool,

    /// The port of the page; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8766)]
    port: u16,

    /// The address or name to serve the page on; 0.0.0.0 lets other machines in, with a token
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,

    /// Also answer to this name, such as mybox.local; may be given several times
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    allow_host: Vec<String>,

    #[arg(
        long,
        value_name = "ORIGIN",
        value_parser = origin,
        help = "Also let pages of this origin connect, such as https://hub.example; may be given several times"
    )]
    allow_origin: Vec<String>,

    /// Serve the page below this path, for a proxy that does not take its prefix off
    #[arg(long, value_name = "PATH", default_value = "")]
    base_path: String,

    /// Ask for this token, of 8 characters or more, or for a `random` one [default: random beyond this machine, none
    /// on it]
    #[arg(long, value_name = "TEXT", conflicts_with = "no_token")]
    token: Option<String>,

    /// Ask for no token: whoever can reach the port can watch and steer, and can play in your place
    #[arg(long)]
    no_token: bool,
}

impl PlaceArguments {
    /// # Errors
    ///
    /// Returns an error where there is no such host.
    pub(crate) fn stage(&self) -> Result<Stage> {
        if self.terminal {
            return Ok(Stage::Terminal);
        }
        let (host, name) = address(&self.host)?;
        let token = match self.token.as_deref() {
            _ if self.no_token => Token::None,
            Some(RANDOM) => Token::Random,
            Some(token) => Token::Given(token.to_owned()),
            None => Token::BeyondLoopback,
        };
        Ok(Stage::Page(Box::new(ServerOptions {
            host,
            port: self.port,
            base_path: self.base_path.clone(),
            token,
            allowed_hosts: self.allow_host.iter().cloned().chain(name).collect(),
            allowed_origins: self.allow_origin.clone(),
            ..ServerOptions::default()
        })))
    }
}

/// The address that `host` means, and the name that it is called by where it is one.
fn address(host: &str) -> Result<(IpAddr, Option<String>)> {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse() {
        return Ok((ip, None));
    }
    let advice = || {
        format!(
            "--host {host}: expected an address of this machine, such as 127.0.0.1, ::1 or 0.0.0.0, or its name"
        )
    };
    let found: Vec<SocketAddr> = (host, 0).to_socket_addrs().with_context(advice)?.collect();
    // Most programs try IPv4 where a name has both.
    let chosen = found.iter().find(|it| it.is_ipv4()).or(found.first()).ok_or_else(|| anyhow!(advice()))?;
    Ok((chosen.ip(), Some(host.to_owned())))
}

/// A name without a port.
fn host_name(given: &str) -> Result<String, String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-._".contains(it);
    if !given.is_empty() && given.chars().all(plain) {
        Ok(given.to_owned())
    } else {
        Err("expected a name such as mybox.local, without http:// and without a port".to_owned())
    }
}

/// A scheme and a host, as browsers write them.
fn origin(given: &str) -> Result<String, String> {
    let origin = given.trim_end_matches('/');
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let plain = |it: char| it.is_ascii_alphanumeric() || "-._:[]".contains(it);
    if host.is_some_and(|host| !host.is_empty() && host.chars().all(plain)) {
        Ok(origin.to_owned())
    } else {
        Err("expected an origin such as https://hub.example or http://localhost:5173, without a path"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name_that_has_one() {
        for (given, expected) in
            [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1"), ("0.0.0.0", "0.0.0.0")]
        {
            assert_eq!(address(given).unwrap(), (expected.parse().unwrap(), None));
        }
        let (ip, name) = address("localhost").unwrap();
        assert!(ip.is_loopback() && name.as_deref() == Some("localhost"));
        let error = format!("{:#}", address("no such host").unwrap_err());
        assert!(error.contains("--host no such host") && error.contains("0.0.0.0"), "{error}");
    }

    #[test]
    fn names_and_origins_are_told_apart() {
        assert!(host_name("mybox.local").is_ok() && host_name("http://mybox").is_err());
        assert!(host_name("mybox:80").is_err() && host_name("").is_err());
        assert_eq!(origin("https://hub.example/").unwrap(), "https://hub.example");
        assert!(origin("hub.example").is_err() && origin("https://hub.example/user").is_err());
        assert!(origin("http://").is_err());
    }
}
