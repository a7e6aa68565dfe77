//! Words and JSON on the screen. Data go to standard output, everything else to standard error.

use std::io::Write;

use anyhow::Context;
use serde::Serialize;

/// Data to stdout. A reader that has gone away is no error.
pub fn say(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// One JSON value to stdout.
pub fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?)
}

/// A line to stderr. Nobody reading it is no reason to stop.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
