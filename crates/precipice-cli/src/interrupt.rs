//! Ctrl-C asks a run to stop after the current step.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// Whether somebody goes on asking.
static IS_POLLED: AtomicBool = AtomicBool::new(false);
static INSTALLED: OnceLock<()> = OnceLock::new();

/// How long work that does not ask may go on after a request.
const GRACE: Duration = Duration::from_secs(5);
/// As shells have it for a program that Ctrl-C ended.
const ENDED: i32 = 130;

/// Whether Ctrl-C was pressed. Who asks goes on asking until [`done`].
pub fn requested() -> bool {
    IS_POLLED.store(true, Ordering::Relaxed);
    REQUESTED.load(Ordering::Relaxed)
}

/// From now on nobody asks: all that is left is work that may be cut off at any time.
pub fn done() {
    IS_POLLED.store(false, Ordering::Relaxed);
}

/// From now on the first Ctrl-C (or a polite kill) is a request; where nobody asks it ends the program after
/// some seconds, and the second one ends it at once.
pub fn listen() {
    INSTALLED.get_or_init(|| {
        let handler = || {
            if REQUESTED.swap(true, Ordering::Relaxed) {
                std::process::exit(ENDED);
            }
            thread::spawn(|| {
                thread::sleep(GRACE);
                if !IS_POLLED.load(Ordering::Relaxed) {
                    std::process::exit(ENDED);
                }
            });
        };
        // Without a handler Ctrl-C kills, which a run survives too.
        let _ = ctrlc::set_handler(handler);
    });
}
