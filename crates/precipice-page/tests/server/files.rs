//! The files of the page.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::common::{Served, limits};

#[test]
fn files_are_compressed_once_and_not_sent_again() {
    let served = Served::empty(limits());
    let plain = served.get("/");
    assert_eq!((plain.status, &*plain.headers["content-type"]), (200, "text/html; charset=utf-8"));
    assert!(plain.text().starts_with("<!doctype html>"));
    assert_eq!(plain.headers["vary"], "accept-encoding");
    assert_eq!(plain.headers["cache-control"], "no-cache");
    assert!(!plain.headers.contains_key("content-encoding"));
    let with = |header: &str| served.say(&format!("{}\r\n{header}", served.head("/index.html")));
    let zipped = with("Accept-Encoding: br, gzip");
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    assert!(zipped.body.len() < plain.body.len());
    let mut text = Vec::new();
    GzDecoder::new(&*zipped.body).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    assert_eq!(with("Accept-Encoding: gzip;q=0").body, plain.body);
    // The two forms are two contents.
    let [tag, zipped_tag] = [&plain, &zipped].map(|reply| reply.headers["etag"].clone());
    assert_ne!(tag, zipped_tag);
    for (tag, encoding) in [(&tag, ""), (&zipped_tag, "\r\nAccept-Encoding: gzip")] {
        let known = with(&format!("If-None-Match: \"other\", W/{tag}{encoding}"));
        assert_eq!((known.status, known.body.len(), &known.headers["etag"]), (304, 0, tag));
        assert!(known.headers.contains_key("content-security-policy"));
    }
    assert_eq!(with(&format!("If-None-Match: {zipped_tag}")).status, 200);
}

#[test]
fn a_head_is_an_answer_without_its_body() {
    let served = Served::empty(limits());
    for path in ["/", "/config.json", "/api/runs", "/nothing"] {
        let get = served.get(path);
        let head = served.say(&served.head(path).replacen("GET", "HEAD", 1));
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.headers["content-length"], get.body.len().to_string(), "{path}");
        assert_eq!(head.headers["content-type"], get.headers["content-type"], "{path}");
    }
}

#[test]
fn the_page_is_told_where_it_is() {
    let served = Served::empty(limits());
    let config = served.json("/config.json");
    assert_eq!((&config["serve"], &config["version"]), (&true.into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(config["dir"], served.json("/api/runs")["dir"]);
    assert!(served.url.starts_with("http://127.0.0.1:"));
}

/// What the build has is served, each under its name, as what it is.
#[test]
fn every_file_is_served_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page");
    let files = precipice_page::write(&page, false).unwrap();
    let served = Served::empty(limits());
    for file in files.iter().filter(|file| !file.ends_with("config.json")) {
        let name = file.strip_prefix(&page).unwrap().to_str().unwrap().replace('\\', "/");
        let reply = served.get(&format!("/{name}"));
        assert_eq!((reply.status, &reply.body), (200, &std::fs::read(file).unwrap()), "{name}");
        let kinds = [
            ("html", "text/html; charset=utf-8"),
            ("js", "text/javascript; charset=utf-8"),
            ("css", "text/css; charset=utf-8"),
            ("wasm", "application/wasm"),
            ("woff2", "font/woff2"),
            ("json", "application/json"),
        ];
        let end = name.rsplit('.').next().unwrap();
        if let Some((_, kind)) = kinds.iter().find(|(known, _)| *known == end) {
            assert_eq!(reply.headers["content-type"], *kind, "{name}");
        }
        let is_kept = reply.headers["cache-control"].contains("immutable");
        assert!(!is_kept || name.starts_with("assets/"), "{name}: its name does not change with its content");
    }
}
