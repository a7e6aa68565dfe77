//! A folder of runs, a server for it, and a client that says what it is told to, byte by byte.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use precipice::record::{MemoryRecorder, Row};
use precipice::spec::RunSpec;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::{Keep, Options as Training, train};
use precipice_lab::store::log::Log;
use precipice_lab::store::{Lock, RunDir};
use precipice_page::{Limits, Options, PageError, Server};
use serde_json::Value;
use tempfile::TempDir;

/// Whoever waits so long waits for ever.
const FOR_EVER: Duration = Duration::from_secs(120);

/// A server that ends with the value.
pub struct Served {
    pub address: SocketAddr,
    pub url: String,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), PageError>>>,
    /// Held so long.
    folder: Option<TempDir>,
}

/// Limits that tests do not wait for.
pub fn limits() -> Limits {
    Limits { look_every: Duration::from_millis(10), patience: Duration::ZERO, ..Limits::default() }
}

impl Served {
    pub fn new(dir: &Path, limits: Limits) -> Self {
        let dir = dir.to_owned();
        let options = Options { dir, may_be_missing: false, host: "127.0.0.1".to_owned(), port: 0, limits };
        Self::of(options)
    }

    pub fn of(options: Options) -> Self {
        let server = Server::bind(options).unwrap();
        let (address, url, is_stopped) = (server.address(), server.url(), Arc::new(AtomicBool::new(false)));
        let stop = is_stopped.clone();
        let thread = thread::spawn(move || server.run(|| stop.load(Ordering::Relaxed)));
        Self { address, url, is_stopped, thread: Some(thread), folder: None }
    }

    /// With no runs.
    pub fn empty(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut served = Self::new(folder.path(), limits);
        served.folder = Some(folder);
        served
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(FOR_EVER)).unwrap();
        stream
    }

    /// What is answered to a head, to which the end and `Connection: close` are added.
    pub fn say(&self, head: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Reply::parse(&bytes)
    }

    /// The first line and the right host.
    pub fn head(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}", self.address)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.say(&self.head(path))
    }

    pub fn json(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.headers["cache-control"], "no-store");
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// The status of a refusal and its words.
    #[track_caller]
    pub fn refused(&self, path: &str) -> (u16, String) {
        self.get(path).refusal()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap().unwrap();
        }
    }
}

pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn refusal(&self) -> (u16, String) {
        assert!(self.status >= 400, "{}", self.text());
        let said: Value = serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()));
        (self.status, said["error"].as_str().unwrap().to_owned())
    }
}

/// A spec whose run takes a moment.
pub fn spec(seed: u64) -> RunSpec {
    let overrides = ["train.batch_size=8", "eval.every=4", "eval.sequences=16", "probes.sequences=8"];
    let overrides = overrides.map(str::to_owned).to_vec();
    spec_file::load("copying-small", &Changes { overrides, steps: Some(8), seed: Some(seed) }).unwrap()
}

/// A run that was trained to its end.
pub fn finished(root: &Path, seed: u64) -> RunDir {
    let out = Some(root.to_owned());
    let options = Training { out, threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
    train(spec(seed), &options, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
    RunDir::new(root)
}

/// A run that is being written.
pub struct Writing {
    pub log: Log,
    pub lock: Option<Lock>,
}

impl Writing {
    pub fn new(root: &Path) -> Self {
        let (run_dir, spec) = (RunDir::new(root), spec(7));
        let lock = Some(run_dir.lock().unwrap());
        run_dir.make_folders().unwrap();
        run_dir.write_spec(&spec).unwrap();
        Self { log: Log::open(&run_dir.log_path(), None, &spec.hash()).unwrap(), lock }
    }

    pub fn row(&mut self, step: u64) {
        let columns = vec![("accuracy".to_owned(), step as f64 / 100.0), ("loss".to_owned(), f64::NAN)];
        self.log.append(&Row { step, sequences: 8 * step, columns }).unwrap();
    }
}

/// Changes one byte in the middle of a file.
pub fn damage(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}
