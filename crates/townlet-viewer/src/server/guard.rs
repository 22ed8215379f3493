//! Which requests are answered at all, and the headers that every answer has.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{ServerOptions, Shared};

/// What a page from here may do: nothing but talk to here.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      object-src 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Which names and origins are allowed.
///
/// A browser sends the name that it was given and the origin of the page that asks. A foreign page has
/// another origin. A foreign site that lets its own name point here (DNS rebinding) has another name; an
/// address cannot be rebound, so addresses are allowed.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    loopback_only: bool,
    names: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    pub(super) fn new(options: &ServerOptions) -> Self {
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self {
            loopback_only: options.host.is_loopback(),
            names: lower(&options.allowed_hosts),
            origins: lower(&options.allowed_origins),
        }
    }

    /// Whether a request with these headers is answered.
    ///
    /// # Errors
    ///
    /// Returns a sentence that says why not, and what to do.
    fn admit(&self, headers: &HeaderMap) -> Result<(), String> {
        let host = single(headers, &header::HOST)?.ok_or("the request has no Host")?;
        if !self.knows(&host) {
            let name = printable(name_of(&host), "NAME");
            return Err(format!(
                "this server does not answer to that name; use localhost or an address, or start it with \
                 --allow-host {name}"
            ));
        }
        match single(headers, &header::ORIGIN)? {
            // A program, or a page of a browser that navigates.
            None => Ok(()),
            Some(origin) if self.origins.contains(&origin) => Ok(()),
            Some(origin) => {
                let from_here = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                if from_here == Some(&host) {
                    return Ok(());
                }
                let origin = printable(&origin, "ORIGIN");
                Err(format!(
                    "the request comes from a page of another origin; if that page may use this server, start \
                     it with --allow-origin {origin}"
                ))
            }
        }
    }

    /// Whether `host`, a name or an address and perhaps a port, means this server.
    fn knows(&self, host: &str) -> bool {
        let name = name_of(host);
        if name == "localhost" || self.names.iter().any(|known| known == name) {
            return true;
        }
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        address.parse::<IpAddr>().is_ok_and(|ip| !self.loopback_only || ip.is_loopback())
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// What somebody has sent, where it can be said back to them as it is; otherwise `placeholder`.
fn printable<'a>(text: &'a str, placeholder: &'static str) -> &'a str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/[]".contains(&byte);
    if (1..=253).contains(&text.len()) && text.bytes().all(plain) { text } else { placeholder }
}

/// The value of a header in lower case, which may be there once.
fn single(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err("a header stands in the request twice");
    }
    let text = first.map(HeaderValue::to_str).transpose().map_err(|_| "a header is not text")?;
    Ok(text.map(str::to_ascii_lowercase))
}

/// Answers a request that is admitted, and refuses any other with 403.
pub(super) async fn check(State(state): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match state.guard.admit(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response(),
    };
    for (name, value) in HEADERS {
        // A page may have a policy of its own.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(host: &str, names: &[&str]) -> Guard {
        Guard::new(&ServerOptions {
            host: host.parse().unwrap(),
            allowed_hosts: names.iter().map(|&name| name.to_owned()).collect(),
            ..ServerOptions::default()
        })
    }

    #[test]
    fn only_names_of_this_server_are_known() {
        let loopback = guard("127.0.0.1", &[]);
        for known in ["localhost", "localhost:9", "127.0.0.1:8766", "[::1]:80", "127.3.2.1"] {
            assert!(loopback.knows(known), "{known}");
        }
        for foreign in
            ["evil.example", "localhost.evil.example", "192.168.0.7:80", "", ":80", "localhost:80:80", "::1"]
        {
            assert!(!loopback.knows(foreign), "{foreign}");
        }
        let open = guard("0.0.0.0", &["Lab.example"]);
        for known in ["lab.example:80", "192.168.0.7:80", "[fe80::1]:80", "localhost"] {
            assert!(open.knows(known), "{known}");
        }
        assert!(!open.knows("evil.example"));
    }

    #[test]
    fn who_is_refused_is_told_the_flag_that_lets_them_in() {
        let guard = guard("0.0.0.0", &[]);
        let refusal = |host: &str, origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            guard.admit(&headers).unwrap_err()
        };
        let refused = refusal("MyBox.local:8766", "http://mybox.local:8766");
        assert!(refused.ends_with("--allow-host mybox.local"), "{refused}");
        let refused = refusal("localhost:8766", "https://hub.example");
        assert!(refused.ends_with("--allow-origin https://hub.example"), "{refused}");
        // Nothing is said back that could be markup.
        let refused = refusal("<b>", "http://x");
        assert!(refused.ends_with("--allow-host NAME"), "{refused}");
    }

    #[test]
    fn an_origin_must_be_the_page_of_this_server() {
        let guard = guard("127.0.0.1", &[]);
        let admit = |host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            guard.admit(&headers).is_ok()
        };
        assert!(admit("localhost:8766", None));
        assert!(admit("localhost:8766", Some("http://localhost:8766")));
        assert!(!admit("localhost:8766", Some("http://localhost:5173")));
        assert!(!admit("localhost:8766", Some("http://evil.example")));
        assert!(!admit("localhost:8766", Some("null")));
        assert!(guard.admit(&HeaderMap::new()).is_err());
    }
}
