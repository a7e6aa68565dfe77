//! Ctrl-C asks a run to stop after the current step.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Milliseconds since [`listen`]; 0 is never.
static REQUESTED_AT: AtomicU64 = AtomicU64::new(0);
/// How often somebody asked, when last, and the longest time between two questions.
static N_QUESTIONS: AtomicU64 = AtomicU64::new(0);
static ASKED_AT: AtomicU64 = AtomicU64::new(0);
static LONGEST: AtomicU64 = AtomicU64::new(0);
static BEGIN: OnceLock<Instant> = OnceLock::new();

/// How long work that nobody asks about may go on after a request, at least.
const GRACE: Duration = Duration::from_secs(5);
/// As shells have it for a program that Ctrl-C ended.
const ENDED: i32 = 130;

/// Whether Ctrl-C was pressed; asked after every step.
pub fn requested() -> bool {
    N_QUESTIONS.fetch_add(1, Ordering::Relaxed);
    let now = now();
    let before = ASKED_AT.swap(now, Ordering::Relaxed);
    if before != 0 {
        LONGEST.fetch_max(now - before.min(now), Ordering::Relaxed);
    }
    REQUESTED_AT.load(Ordering::Relaxed) != 0
}

/// From now on the first Ctrl-C (or a polite kill) is a request, which whoever trains sees. Where nobody does, as while
/// figures are drawn, it ends the program after some seconds: three times as long as the slowest step took. The second one
/// ends it at once.
pub fn listen() {
    BEGIN.get_or_init(|| {
        let handler = || {
            if REQUESTED_AT.swap(now(), Ordering::Relaxed) != 0 {
                std::process::exit(ENDED);
            }
            thread::spawn(end_if_nobody_asks);
        };
        // Without a handler Ctrl-C kills, which a run survives too.
        let _ = ctrlc::set_handler(handler);
        Instant::now()
    });
}

fn end_if_nobody_asks() {
    let n_before = N_QUESTIONS.load(Ordering::Relaxed);
    let patience = Duration::from_millis(3 * LONGEST.load(Ordering::Relaxed)).max(GRACE);
    thread::sleep(patience);
    if N_QUESTIONS.load(Ordering::Relaxed) == n_before {
        std::process::exit(ENDED);
    }
}

/// Milliseconds since [`listen`], at least 1.
fn now() -> u64 {
    BEGIN.get().map_or(1, |begin| begin.elapsed().as_millis() as u64 + 1)
}
