//! Files of the page as answers: compressed once, and not sent again to who has them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::OnceLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::built::{self, BuiltFile, INDEX};
use crate::refusal::Refusal;

/// All files of the page.
#[derive(Debug)]
pub struct Files(HashMap<String, File>);

#[derive(Debug)]
struct File {
    built: BuiltFile,
    /// None where it becomes no smaller.
    compressed: OnceLock<Option<Bytes>>,
}

impl Files {
    /// Those that are embedded.
    pub fn new() -> Self {
        let file = |name: String| {
            let built = built::file(&name)?;
            Some((name, File { built, compressed: OnceLock::new() }))
        };
        Self(built::names().into_iter().filter_map(file).collect())
    }

    /// What is answered to who asks for a path.
    pub fn answer(&self, path: &str, asked: &HeaderMap) -> Response {
        let name = match path.trim_start_matches('/') {
            "" => INDEX,
            name => name,
        };
        let Some(file) = self.0.get(name) else {
            return Refusal::new(StatusCode::NOT_FOUND, "no such file; the page begins at /").into_response();
        };
        let compressed = Some(asked).filter(|asked| accepts_gzip(asked)).and_then(|_| file.compressed());
        let tag = format!("\"{}{}\"", file.built.digest, if compressed.is_some() { "-gzip" } else { "" });
        let kept = if built::is_hashed(name) { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        };
        set(header::ETAG, &tag);
        set(header::CACHE_CONTROL, kept);
        set(header::VARY, "accept-encoding");
        if is_known(asked, &tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        set(header::CONTENT_TYPE, built::media_type(name));
        let bytes = match compressed {
            Some(bytes) => {
                set(header::CONTENT_ENCODING, "gzip");
                bytes
            }
            None => file.plain(),
        };
        (headers, Body::from(bytes)).into_response()
    }
}

impl File {
    fn plain(&self) -> Bytes {
        match &self.built.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::copy_from_slice(bytes),
        }
    }

    fn compressed(&self) -> Option<Bytes> {
        let compress = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&self.built.bytes).ok()?;
            let bytes = encoder.finish().ok()?;
            (bytes.len() < self.built.bytes.len()).then(|| bytes.into())
        };
        self.compressed.get_or_init(compress).clone()
    }
}

/// The values of a header that is a list.
fn listed(asked: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = asked.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Whether gzip is named, or everything is, and not with a weight of zero.
fn accepts_gzip(asked: &HeaderMap) -> bool {
    let weight = |coding: &str| {
        let found = listed(asked, header::ACCEPT_ENCODING).map(|value| value.split(';').map(str::trim));
        found.into_iter().find_map(|mut parts| {
            let is_this = parts.next()?.eq_ignore_ascii_case(coding);
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            is_this.then_some(weight)
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight: f64| weight > 0.0)
}

/// Whether who asks has this content already.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    listed(asked, header::IF_NONE_MATCH).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_encodings_are_respected() {
        let accepts = |text: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]))
        };
        for text in ["gzip", "br, GZIP;q=0.5", "*", "deflate, *;q=0.1", "gzip;q=1.0"] {
            assert!(accepts(text), "{text}");
        }
        for text in ["", "br", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "gzipped", "gzip;q=x"] {
            assert!(!accepts(text), "{text}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
