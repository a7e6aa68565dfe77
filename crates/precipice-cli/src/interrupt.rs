//! Ctrl-C, and the scheduler of a cluster, ask a run to stop after the current step.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::screen;

/// Milliseconds since [`listen`]; 0 is never.
static REQUESTED_AT: AtomicU64 = AtomicU64::new(0);
/// How often somebody asked, when last, and the longest time between two questions.
static N_QUESTIONS: AtomicU64 = AtomicU64::new(0);
static ASKED_AT: AtomicU64 = AtomicU64::new(0);
static LONGEST: AtomicU64 = AtomicU64::new(0);
/// Whether nobody will ask.
static ENDS_AT_ONCE: AtomicBool = AtomicBool::new(false);
static BEGIN: OnceLock<Instant> = OnceLock::new();

/// How long work that nobody asks about may go on after a request, at least.
const GRACE: Duration = Duration::from_secs(5);
/// As shells have it for a program that Ctrl-C ended.
const ENDED: i32 = 130;
/// Asked to make room, with all kept: the same command goes on (EX_TEMPFAIL of sysexits.h).
const TO_BE_REQUEUED: u8 = 75;
/// Whether a scheduler asked, not a person.
static MAKES_ROOM: AtomicBool = AtomicBool::new(false);

/// The exit code of work that was stopped and goes on by the same command.
pub fn code_of_stopped() -> u8 {
    if MAKES_ROOM.load(Ordering::Relaxed) { TO_BE_REQUEUED } else { 1 }
}

/// Whether Ctrl-C was pressed, for who only tells of it.
pub fn is_requested() -> bool {
    REQUESTED_AT.load(Ordering::Relaxed) != 0
}

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

/// From now on the first Ctrl-C, SIGTERM or SIGUSR1 is a request, which whoever trains sees. Where nobody does, as while
/// figures are drawn, it ends the program after some seconds: three times as long as the slowest step took. A second
/// Ctrl-C ends it at once.
pub fn listen() {
    ENDS_AT_ONCE.store(false, Ordering::Relaxed);
    handle();
}

/// From now on Ctrl-C ends the program at once, and leaves a clean screen: for work that keeps nothing before its end.
pub fn end_at_once() {
    ENDS_AT_ONCE.store(true, Ordering::Relaxed);
    handle();
}

/// Without a handler signals kill, which a run survives too.
fn handle() {
    BEGIN.get_or_init(|| {
        #[cfg(unix)]
        {
            use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
            let signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1]);
            if let Ok(mut signals) = signals {
                thread::spawn(move || signals.forever().for_each(|signal| ask([SIGTERM, SIGUSR1].contains(&signal))));
            }
        }
        #[cfg(not(unix))]
        let _ = ctrlc::set_handler(|| ask(false));
        Instant::now()
    });
}

/// A scheduler says it more than once, and means no more by it; a person does.
fn ask(is_scheduler: bool) {
    let is_second = REQUESTED_AT.swap(now(), Ordering::Relaxed) != 0;
    if is_second && is_scheduler {
        return;
    }
    MAKES_ROOM.store(is_scheduler, Ordering::Relaxed);
    if is_second || ENDS_AT_ONCE.load(Ordering::Relaxed) {
        end();
    }
    thread::spawn(end_if_nobody_asks);
}

/// Nothing half-drawn stays on the screen.
fn end() -> ! {
    let code = if MAKES_ROOM.load(Ordering::Relaxed) { i32::from(TO_BE_REQUEUED) } else { ENDED };
    screen::above(|| std::process::exit(code))
}

fn end_if_nobody_asks() {
    let n_before = N_QUESTIONS.load(Ordering::Relaxed);
    let patience = Duration::from_millis(3 * LONGEST.load(Ordering::Relaxed)).max(GRACE);
    thread::sleep(patience);
    if N_QUESTIONS.load(Ordering::Relaxed) == n_before {
        end();
    }
}

/// Milliseconds since [`listen`], at least 1.
fn now() -> u64 {
    BEGIN.get().map_or(1, |begin| begin.elapsed().as_millis() as u64 + 1)
}
