//! How much one server does for whoever asks.

use std::time::Duration;

/// Bounds of a server; [`Limits::default`] has those of `precipice serve`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Connections at a time; whoever comes beyond waits until one ends.
    pub connections: usize,
    /// Runs that are followed at a time.
    pub streams: usize,
    /// Bytes of the head of a request, at least 8,192.
    pub header_bytes: usize,
    /// How long a request may take to arrive, and a connection may be idle.
    pub header_time: Duration,
    /// How long an answer, or one message of a stream, may take to be received, beside what its length allows.
    pub send_time: Duration,
    /// Bytes a second that whoever receives something long must take.
    pub send_rate: f64,
    /// How long an answer may take to be made.
    pub answer_time: Duration,
    /// Bytes that are read from the disk for what is said of one run.
    pub read_bytes: u64,
    /// Bytes of logs that are read for one list or sweep; what is left out then has no curve until it is asked for again.
    pub list_bytes: u64,
    /// Runs and sweeps in a list.
    pub entries: usize,
    /// Folders that are looked into for a list.
    pub folders: usize,
    /// Folders inside each other that are looked into.
    pub depth: usize,
    /// Between two looks at a run that is followed.
    pub look_every: Duration,
    /// After so long without a row it is asked whether anybody still writes the run.
    pub patience: Duration,
    /// Between two messages of a stream that has nothing to say.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            streams: 16,
            header_bytes: 16 << 10,
            header_time: Duration::from_secs(15),
            send_time: Duration::from_secs(30),
            send_rate: 64e3,
            answer_time: Duration::from_secs(60),
            read_bytes: 256 << 20,
            list_bytes: 4 << 30,
            entries: 20_000,
            folders: 200_000,
            depth: 8,
            look_every: Duration::from_millis(500),
            patience: Duration::from_secs(5),
            keep_alive: Duration::from_secs(15),
        }
    }
}
