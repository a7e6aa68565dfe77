//! Whoever asks for too much, or takes too long, is stopped, and the others are answered.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use precipice::record::Row;
use precipice_page::Limits;

use crate::common::{Served, Writing, finished, limits};

const SOON: Duration = Duration::from_millis(200);

#[test]
fn a_head_that_is_too_long_is_refused() {
    let served = Served::empty(Limits { header_bytes: 8192, ..limits() });
    let with = |n_bytes| served.say(&format!("{}\r\nX-Long: {}", served.head("/"), "x".repeat(n_bytes)));
    assert_eq!(with(4000).status, 200);
    assert_eq!(with(9000).status, 431);
    let many = "\r\nX: y".repeat(300);
    assert_eq!(served.say(&(served.head("/") + &many)).status, 431);
}

/// The one place that there is becomes free for the second only when the first is cut off.
#[test]
fn who_sends_slowly_is_cut_off() {
    let served = Served::empty(Limits { connections: 1, header_time: SOON, ..limits() });
    // One says nothing, one stops within its head.
    for head in ["", "GET / HTTP/1.1\r\nHost: "] {
        let mut slow = served.connect();
        slow.write_all(head.as_bytes()).unwrap();
        assert_eq!(served.get("/").status, 200);
        let mut rest = Vec::new();
        let _ = slow.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
    // One never stops, and never comes to an end.
    let mut slow = served.connect();
    let endless = thread::spawn(move || {
        let mut n_bytes = 0;
        slow.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
        while slow.write_all(b"x").is_ok() {
            n_bytes += 1;
            thread::sleep(Duration::from_millis(10));
        }
        n_bytes
    });
    assert_eq!(served.get("/").status, 200);
    assert!(endless.join().unwrap() < 8000, "it was cut off by time, not by length");
    // One was answered, and keeps the connection.
    let mut idle = served.connect();
    idle.write_all(format!("{}\r\n\r\n", served.head("/config.json")).as_bytes()).unwrap();
    assert_eq!(served.get("/").status, 200);
    let mut all = String::new();
    idle.read_to_string(&mut all).unwrap();
    assert!(all.starts_with("HTTP/1.1 200"));
}

/// A run with so many rows of 64 kB each.
fn long_run(root: &Path, n_rows: u64) -> Writing {
    let mut writing = Writing::new(root);
    let name = "x".repeat(1 << 16);
    for step in 0..n_rows {
        let columns = vec![(name.clone(), 0.5)];
        writing.log.append(&Row { step, sequences: 0, columns }).unwrap();
    }
    writing
}

#[test]
fn who_reads_slowly_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    // More than the system takes for a reader who does not read.
    let n_rows = 200;
    let _writing = long_run(&folder.path().join("long"), n_rows);
    let limits = Limits { connections: 1, send_time: SOON, send_rate: 1e12, ..limits() };
    let served = Served::new(folder.path(), limits);
    let mut slow = served.connect();
    slow.write_all(format!("{}\r\n\r\n", served.head("/api/rows?path=long")).as_bytes()).unwrap();
    assert_eq!(served.get("/").status, 200);
    let mut bytes = Vec::new();
    let _ = slow.read_to_end(&mut bytes);
    assert!(bytes.starts_with(b"HTTP/1.1 200"));
    assert!(bytes.len() < (n_rows as usize) << 16, "{} bytes were sent to who did not read", bytes.len());
}

#[test]
fn so_many_runs_are_followed_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut writing = Writing::new(&folder.path().join("run"));
    writing.row(0);
    let served = Served::new(folder.path(), Limits { streams: 2, ..limits() });
    let follow = || {
        let mut stream = served.connect();
        stream.write_all(format!("{}\r\n\r\n", served.head("/api/rows?path=run")).as_bytes()).unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    let (first, _second) = (follow(), follow());
    let (status, text) = served.refused("/api/rows?path=run");
    assert!(status == 503 && text.contains("2 runs are followed already"), "{status} {text}");
    assert_eq!(served.get("/api/run?path=run").status, 200, "others are answered");
    // Its place is free as soon as the server notices that it is gone.
    drop(first);
    while served.get_status_of_stream() == 503 {
        thread::sleep(Duration::from_millis(10));
    }
}

impl Served {
    /// Of a run that is followed for as long as it takes to see the status.
    fn get_status_of_stream(&self) -> u16 {
        let mut stream = self.connect();
        stream.write_all(format!("{}\r\n\r\n", self.head("/api/rows?path=run")).as_bytes()).unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        std::str::from_utf8(&first[9..]).unwrap().parse().unwrap()
    }
}

#[test]
fn so_much_is_read_for_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let run = finished(&folder.path().join("run"), 0);
    let bytes = |name: &str| fs::metadata(run.root().join(name)).unwrap().len();
    let [small, log] = [bytes("spec.toml") + bytes("manifest.json"), bytes("log.jsonl")];
    let saved = bytes("checkpoints/step-00000008.safetensors");
    assert!(saved > log);
    let status = |read_bytes, question: &str| {
        let served = Served::new(folder.path(), Limits { read_bytes, ..limits() });
        let reply = served.get(&format!("/api/{question}?path=run&step=8"));
        assert!(reply.status == 200 || reply.refusal().1.contains("bytes"));
        reply.status
    };
    assert_eq!([status(small + log, "run"), status(small + log - 1, "run")], [200, 413]);
    assert_eq!([status(small + saved, "checkpoint"), status(small + saved - 1, "checkpoint")], [200, 413]);
    assert_eq!([status(small, "rows"), status(small - 1, "rows")], [200, 413]);
    let served = Served::new(folder.path(), Limits { read_bytes: 10, ..limits() });
    let listed = served.json("/api/runs");
    assert_eq!(listed["entries"][0]["outcome"], "damaged");
    assert!(listed["entries"][0]["problem"].as_str().unwrap().contains("at most 10 are read"));
}

#[test]
fn a_list_says_when_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "in/side", "far/far/away"] {
        finished(&folder.path().join(name), 0);
    }
    let listed = |limits| {
        let listed = Served::new(folder.path(), limits).json("/api/runs");
        (listed["entries"].as_array().unwrap().len(), listed["cut"].as_bool().unwrap())
    };
    assert_eq!(listed(limits()), (4, false));
    assert_eq!(listed(Limits { entries: 4, ..limits() }), (4, false));
    assert_eq!(listed(Limits { entries: 3, ..limits() }), (3, true));
    assert!(listed(Limits { folders: 3, ..limits() }).1);
    assert_eq!(listed(Limits { depth: 2, ..limits() }), (3, true));
    // What is not read now is read when it is asked for again.
    let log = fs::metadata(folder.path().join("a/log.jsonl")).unwrap().len();
    let served = Served::new(folder.path(), Limits { list_bytes: 2 * log, ..limits() });
    let n_curves = || {
        let listed = served.json("/api/runs");
        listed["entries"].as_array().unwrap().iter().filter(|entry| !entry["sparkline"].is_null()).count()
    };
    assert_eq!([n_curves(), n_curves()], [2, 4]);
}

#[test]
fn what_takes_too_long_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let _writing = long_run(&folder.path().join("long"), 20);
    let served = Served::new(folder.path(), Limits { answer_time: Duration::from_millis(1), ..limits() });
    let (status, text) = served.refused("/api/run?path=long");
    assert!(status == 503 && text.contains("ask again"), "{status} {text}");
}
