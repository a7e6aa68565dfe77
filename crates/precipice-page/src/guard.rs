//! Who may ask: a page of this server, and no other page that a browser shows.
//!
//! A name that its owner points to this machine (DNS rebinding) is told by `Host`, a foreign page by `Origin` and
//! `Sec-Fetch-Site`.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use crate::refusal::Refusal;

/// What a page of ours may do: load and ask this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'";

/// Headers of every answer.
pub const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Names under which this server is asked.
#[derive(Clone, Debug)]
pub struct Guard {
    /// As `--host` has it.
    pub named: String,
    /// Where it listens.
    pub port: u16,
}

impl Guard {
    /// Whether a request that came to this address is answered.
    ///
    /// # Errors
    /// Saying why not.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap, local: IpAddr) -> Result<(), Refusal> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let text = format!("{method} is not answered here; runs are only shown, by GET");
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, text));
        }
        let forbidden = |text: String| Err(Refusal::new(StatusCode::FORBIDDEN, text));
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_one = hosts.next().is_none() && uri.authority().is_none_or(|other| *other == *host);
        if !is_one || !self.is_own(host, local) {
            let expected = format!("localhost:{0} or 127.0.0.1:{0}", self.port);
            return forbidden(format!("Host {host:?} is not this server; ask for http://{expected} (the same port)"));
        }
        if !uri.path().starts_with("/api/") {
            return Ok(());
        }
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
        match text(header::ORIGIN) {
            Some(origin) if !origin.eq_ignore_ascii_case(&format!("http://{host}")) => {
                return forbidden(format!("Origin {origin:?} is another page; only this server's may ask"));
            }
            _ => {}
        }
        match text(HeaderName::from_static("sec-fetch-site")).as_deref() {
            None | Some("same-origin" | "none") => Ok(()),
            Some(site) => forbidden(format!("Sec-Fetch-Site {site:?}: another page asks; only this server's may")),
        }
    }

    fn is_own(&self, host: &str, local: IpAddr) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let local = match local.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let is_named = |name: &str| authority.host().eq_ignore_ascii_case(name);
        let names = ["localhost", "127.0.0.1", "[::1]", &self.named, &format!("[{}]", self.named), &local];
        !host.contains('@') && authority.port_u16().unwrap_or(80) == self.port && names.into_iter().any(is_named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(local: &str, headers: &[(&'static str, &'static str)], uri: &'static str) -> Option<u16> {
        let guard = Guard { named: "box.lan".to_owned(), port: 8431 };
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers = headers.fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        });
        let checked = guard.check(&Method::GET, &Uri::from_static(uri), &headers, local.parse().unwrap());
        checked.err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let host = |host| check("192.168.1.5", &[("host", host)], "/");
        for own in
            ["localhost:8431", "LOCALHOST:8431", "127.0.0.1:8431", "[::1]:8431", "box.lan:8431", "192.168.1.5:8431"]
        {
            assert_eq!(host(own), None, "{own}");
        }
        let foreign =
            ["", "evil.example:8431", "localhost", "localhost:80", "127.0.0.1.evil.example:8431", "localhost.:8431"];
        for foreign in foreign.into_iter().chain(["x@localhost:8431", "192.168.1.6:8431", "localhost:8431:8431", "::1"])
        {
            assert_eq!(host(foreign), Some(403), "{foreign}");
        }
        assert_eq!(check("127.0.0.1", &[], "/"), Some(403));
        assert_eq!(check("127.0.0.1", &[("host", "localhost:8431"), ("host", "evil.example")], "/"), Some(403));
        assert_eq!(check("127.0.0.1", &[("host", "localhost:8431")], "http://evil.example/"), Some(403));
        assert_eq!(check("::ffff:10.0.0.1", &[("host", "10.0.0.1:8431")], "/"), None);
        assert_eq!(check("fd00::1", &[("host", "[fd00::1]:8431")], "/"), None);
    }

    #[test]
    fn runs_are_told_to_pages_of_this_server_alone() {
        let api = |name, value| check("127.0.0.1", &[("host", "localhost:8431"), (name, value)], "/api/runs");
        assert_eq!(api("origin", "http://localhost:8431"), None);
        for origin in
            ["http://evil.example", "null", "http://localhost:3000", "https://localhost:8431", "http://127.0.0.1:8431"]
        {
            assert_eq!(api("origin", origin), Some(403), "{origin}");
        }
        assert_eq!([api("sec-fetch-site", "same-origin"), api("sec-fetch-site", "none")], [None, None]);
        assert_eq!([api("sec-fetch-site", "cross-site"), api("sec-fetch-site", "same-site")], [Some(403); 2]);
        // A link from elsewhere may open the page.
        assert_eq!(check("127.0.0.1", &[("host", "localhost:8431"), ("sec-fetch-site", "cross-site")], "/"), None);
    }
}
