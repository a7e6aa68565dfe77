//! The rows of a run as they come: server-sent events.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use precipice::record::Row;
use precipice::spec::RunSpec;
use precipice_lab::error::LabError;
use precipice_lab::store::tail::Tail;
use precipice_lab::store::{RunDir, log};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::limits::Limits;
use crate::refusal::told;
use crate::standing::{Other, Standing};

/// Bytes of a log that are read at a time.
const AT_A_TIME: u64 = 1 << 20;
/// Messages that wait for a reader.
const WAITING: usize = 4;

/// A run that is followed.
pub struct Followed {
    /// The folder of all runs.
    pub root: PathBuf,
    /// The run.
    pub run_dir: RunDir,
    /// What is run.
    pub spec: RunSpec,
    /// The last step that the reader has.
    pub after: Option<u64>,
}

/// What is looked at again and again.
struct Looking {
    followed: Followed,
    tail: Tail,
    last_row: Option<Instant>,
}

/// What a look finds.
struct Seen {
    rows: Vec<Row>,
    /// How the run stands, where it does not go on.
    end: Option<Standing>,
}

/// The body of an answer that goes on until the run is over, or nobody reads any more; the permit is held so long.
pub fn body(followed: Followed, limits: Limits, permit: OwnedSemaphorePermit) -> Body {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(follow(followed, limits, sender));
    Body::new(Messages { receiver, _permit: permit })
}

struct Messages {
    receiver: mpsc::Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for Messages {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.receiver.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

async fn follow(followed: Followed, limits: Limits, sender: mpsc::Sender<Bytes>) {
    let root = followed.root.clone();
    let tail = Tail::new(&followed.run_dir.log_path(), &followed.spec.hash());
    let mut looking = Looking { followed, tail, last_row: None };
    let mut said = Instant::now();
    loop {
        // A look that panicked is told by the end of the stream.
        let Ok((next, seen)) = spawn_blocking(move || look(looking, &limits)).await else { return };
        looking = next;
        let (mut text, is_over) = match seen {
            Ok(Seen { rows, end }) => {
                let rows: String = rows.iter().map(row).collect();
                (rows + &end.map_or(String::new(), |end| message("end", &json!({ "outcome": end }))), end.is_some())
            }
            Err(error) => (message("problem", &json!({ "error": told(&error, &root) })), true),
        };
        let is_full = !text.is_empty();
        if text.is_empty() && said.elapsed() >= limits.keep_alive {
            ":\n\n".clone_into(&mut text);
        }
        if !text.is_empty() {
            if sender.send(text.into()).await.is_err() {
                return;
            }
            said = Instant::now();
        }
        // Where there was something there may be more.
        let reader_is_gone = !is_full && timeout(limits.look_every, sender.closed()).await.is_ok();
        if is_over || reader_is_gone {
            return;
        }
    }
}

/// Reads what is new.
fn look(mut looking: Looking, limits: &Limits) -> (Looking, Result<Seen, LabError>) {
    let seen = looking.look(limits);
    (looking, seen)
}

impl Looking {
    fn look(&mut self, limits: &Limits) -> Result<Seen, LabError> {
        let (run_dir, spec) = (&self.followed.run_dir, &self.followed.spec);
        // Looked at first: what is written before the end is read then.
        let end = match run_dir.manifest(spec)? {
            Some(manifest) => Some(Standing::Ended(manifest.outcome)),
            // A run that is just begun must not find its lock taken by who looks whether it is.
            None if self.last_row.is_some_and(|time| time.elapsed() < limits.patience) => None,
            None => Some(Standing::unfinished(run_dir)).filter(|end| *end != Standing::Other(Other::Training)),
        };
        let mut rows = self.tail.more(AT_A_TIME)?;
        if !rows.is_empty() {
            self.last_row = Some(Instant::now());
        }
        let is_all = rows.is_empty();
        rows.retain(|row| self.followed.after.is_none_or(|after| row.step > after));
        Ok(Seen { rows, end: end.filter(|_| is_all) })
    }
}

fn row(row: &Row) -> String {
    format!("id: {}\ndata: {}\n\n", row.step, Value::Object(log::to_object(row)))
}

fn message(event: &str, data: &Value) -> String {
    format!("event: {event}\ndata: {data}\n\n")
}
