//! The page: served with runs, and written as files.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::common::{Scratch, TINY, names};

/// A server, and where it says that it is.
fn serve(scratch: &Scratch, args: &[&str]) -> (Child, String) {
    let args = [&["serve", "--port", "0"], args].concat();
    let mut server = scratch.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (server, url.trim_end().to_owned())
}

/// The body of an answer.
fn get(url: &str, path: &str) -> String {
    let host = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Ends it as Ctrl-C does; its exit code and what it said.
fn end(server: Child) -> (Option<i32>, String) {
    assert!(Command::new("kill").args(["-INT", &server.id().to_string()]).status().unwrap().success());
    let output = server.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn runs_are_served_until_ctrl_c() {
    let scratch = Scratch::new();
    // There need not be any runs yet.
    let (server, url) = serve(&scratch, &[]);
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with('/'), "{url}");
    assert_eq!(get(&url, "/api/runs"), r#"{"dir":"runs","entries":[],"cut":false}"#);
    scratch.run(&TINY).ok();
    let listed: serde_json::Value = serde_json::from_str(&get(&url, "/api/runs")).unwrap();
    assert_eq!((&listed["entries"][0]["name"], &listed["entries"][0]["step"]), (&"copying-small".into(), &60.into()));
    assert!(get(&url, "/").starts_with("<!doctype html>"));
    // Whoever keeps a connection does not keep it from ending.
    let _idle = TcpStream::connect(url.strip_prefix("http://").unwrap().trim_end_matches('/')).unwrap();
    let (code, said) = end(server);
    assert_eq!((code, said.as_str()), (Some(0), "Ctrl-C ends it\n"));
    assert_eq!(names(&scratch.path("runs")).len(), 1, "nothing is written");
}

#[test]
fn who_lets_others_see_the_runs_is_told_so() {
    let scratch = Scratch::new();
    let (server, url) = serve(&scratch, &["--host", "0.0.0.0"]);
    assert!(url.starts_with("http://localhost:"), "{url}");
    get(&url, "/config.json");
    let (code, said) = end(server);
    assert!(code == Some(0) && said.contains("warning: whoever reaches 0.0.0.0:"), "{said}");
}

#[test]
fn what_cannot_be_served_is_one_clear_error() {
    let scratch = Scratch::new();
    scratch.write("file", "");
    fs::create_dir(scratch.path("runs")).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, words) in [
        (&["no-runs"][..], "error: no-runs: there is no such folder; name a folder of runs"),
        (&["file"], "error: file: is a file; name a folder of runs"),
        (&["--port", &port], "another program listens on this port; choose another --port, or 0 for any that is free"),
        (&["--host", "no.such.host.invalid"], "expected an address of this machine"),
        (&["--host", "192.0.2.1"], "it is not an address of this machine"),
        (&["--port", "65536"], "--port"),
        (&["runs", "more"], "unexpected argument"),
    ] {
        let ran = scratch.run(&[&["serve"], args].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn the_page_is_written_whole_and_replaces_only_itself() {
    let scratch = Scratch::new();
    assert_eq!(scratch.run(&["page", "-o", "new/page"]).ok().stdout, "new/page\n");
    assert_eq!(scratch.names(), ["new"]);
    assert_eq!(names(&scratch.path("new")), ["page"], "nothing is left beside it");
    let config = fs::read_to_string(scratch.path("new/page/config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!((&config["serve"], &config["version"]), (&false.into(), &env!("CARGO_PKG_VERSION").into()));
    let index = fs::read(scratch.path("new/page/index.html")).unwrap();
    // What somebody else put there stays.
    scratch.write("new/page/CNAME", "example.org");
    scratch.write("new/page/index.html", "old");
    scratch.run(&["page", "-o", "new/page"]).ok();
    assert_eq!(fs::read(scratch.path("new/page/index.html")).unwrap(), index);
    assert_eq!(fs::read(scratch.path("new/page/CNAME")).unwrap(), b"example.org");
    fs::create_dir(scratch.path("mine")).unwrap();
    scratch.write("mine/index.html", "mine");
    let ran = scratch.run(&["page", "-o", "mine"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("mine: is not empty and no earlier page"), "{}", ran.stderr);
    assert_eq!(
        (names(&scratch.path("mine")), fs::read(scratch.path("mine/index.html")).unwrap()),
        (vec!["index.html".to_owned()], b"mine".to_vec())
    );
    scratch.run(&["page", "-o", "mine", "--force"]).ok();
    assert_eq!(fs::read(scratch.path("mine/index.html")).unwrap(), index);
    // A run holds only what the run wrote.
    scratch.run(&[&TINY[..], &["--out", "run"]].concat()).ok();
    for (place, words) in [("run/page", "lies in the run directory"), ("mine/index.html", "is a file")] {
        let ran = scratch.run(&["page", "-o", place]);
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{place}: {}", ran.stderr);
    }
    assert_eq!(scratch.run(&["page"]).code, Some(2));
}
