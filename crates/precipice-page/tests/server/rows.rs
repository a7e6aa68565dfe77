//! A run that is followed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use precipice_lab::store::log;
use serde_json::Value;

use crate::common::{Served, Writing, damage, finished, limits};

/// An event: its name, id and data.
type Event = (Option<String>, Option<u64>, Value);

struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(served: &Served, path: &str, header: &str) -> Self {
        let mut stream = served.connect();
        let head = served.head(&format!("/api/rows?path={path}"));
        stream.write_all(format!("{head}{header}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut stream = Self(BufReader::new(stream));
        let head: Vec<String> = std::iter::from_fn(|| stream.line()).take_while(|line| !line.is_empty()).collect();
        assert!(head[0].contains(" 200 ") && head.contains(&"content-type: text/event-stream".to_owned()), "{head:?}");
        stream
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let n_bytes = self.0.read_line(&mut line).unwrap();
        (n_bytes > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; lengths of chunks and what only keeps the connection are passed over.
    fn next(&mut self) -> Option<Event> {
        let (mut name, mut id) = (None, None);
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("event", text)) => name = Some(text.to_owned()),
                Some(("id", text)) => id = Some(text.parse().unwrap()),
                Some(("data", text)) => return Some((name, id, serde_json::from_str(text).unwrap())),
                _ => {}
            }
        }
    }

    /// The ids of the next rows.
    fn steps(&mut self, n: usize) -> Vec<u64> {
        let step = |(name, id, data): Event| {
            assert!(name.is_none() && data["step"] == id.unwrap() && data.get("check").is_none(), "{data}");
            id.unwrap()
        };
        (0..n).map(|_| step(self.next().unwrap())).collect()
    }

    fn end(mut self) -> (String, Value) {
        let (name, id, data) = self.next().unwrap();
        assert_eq!((id, self.next()), (None, None), "nothing comes after the end");
        (name.unwrap(), data)
    }
}

#[test]
fn rows_come_as_they_are_written_and_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let mut writing = Writing::new(&folder.path().join("run"));
    let served = Served::new(folder.path(), limits());
    let mut early = Stream::open(&served, "run", "");
    writing.row(0);
    writing.row(10);
    assert_eq!(early.steps(2), [0, 10]);
    writing.row(20);
    assert_eq!(early.steps(1), [20]);
    drop(early);
    let mut late = Stream::open(&served, "run", "\r\nLast-Event-ID: 10");
    assert_eq!(late.steps(1), [20]);
    writing.row(30);
    let (name, id, row) = late.next().unwrap();
    assert_eq!((name, id), (None, Some(30)));
    assert_eq!(row.to_string(), r#"{"step":30,"sequences":240,"accuracy":0.3,"loss":null}"#);
    assert_eq!(served.json("/api/run?path=run")["is_training"], true);
    // Nobody writes it any more.
    writing.lock = None;
    assert_eq!(late.end(), ("end".to_owned(), serde_json::json!({ "outcome": "stopped" })));
    let mut again = Stream::open(&served, "run", "\r\nLast-Event-ID: 20");
    assert_eq!(again.steps(1), [30]);
    assert_eq!(again.end().0, "end");
}

#[test]
fn a_finished_run_is_sent_whole() {
    let folder = tempfile::tempdir().unwrap();
    let run = finished(&folder.path().join("run"), 0);
    let served = Served::new(folder.path(), limits());
    let mut stream = Stream::open(&served, "run", "");
    for row in run.rows().unwrap() {
        assert_eq!(stream.next().unwrap(), (None, Some(row.step), log::to_object(&row).into()));
    }
    assert_eq!(stream.end(), ("end".to_owned(), serde_json::json!({ "outcome": "none" })));
}

#[test]
fn what_is_damaged_is_said_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("run");
    let mut writing = Writing::new(&root);
    (0..3).for_each(|step| writing.row(step));
    let served = Served::new(folder.path(), limits());
    let mut stream = Stream::open(&served, "run", "");
    assert_eq!(stream.steps(3), [0, 1, 2]);
    // Begun again.
    fs::write(root.join("log.jsonl"), "").unwrap();
    let (name, data) = stream.end();
    assert!(
        name == "problem" && data["error"].as_str().unwrap().contains("run/log.jsonl: has become shorter"),
        "{data}"
    );
    let finished = finished(&folder.path().join("finished"), 0);
    damage(&finished.log_path());
    let (name, data) = Stream::open(&served, "finished", "").end();
    assert!(name == "problem" && data["error"].as_str().unwrap().contains("is damaged"), "{data}");
}

#[test]
fn who_waits_is_told_that_the_connection_holds() {
    let folder = tempfile::tempdir().unwrap();
    let _writing = Writing::new(&folder.path().join("run"));
    let limits = precipice_page::Limits { keep_alive: std::time::Duration::from_millis(20), ..limits() };
    let served = Served::new(folder.path(), limits);
    let mut stream = Stream::open(&served, "run", "");
    let mut n_comments = 0;
    while n_comments < 2 {
        n_comments += usize::from(stream.line().unwrap() == ":");
    }
}
