//! One file a subcommand.

pub mod bench;
pub mod export;
pub mod figure;
pub mod probe;
pub mod reproduce;
pub mod run;
pub mod specs;
pub mod sweep;
pub mod theory;
pub mod verify;

use anyhow::Context;
use serde::Serialize;
use std::io::Write;

use crate::Ending;

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

/// No arguments.
pub fn welcome() -> anyhow::Result<Ending> {
    say("\
precipice: a laboratory for the abrupt emergence of in-context learning.
Small attention networks sit on a plateau, then jump; here you make the jump, look inside, and check the claims.

  precipice run                     train the default network and watch it jump (about 8 s)
  precipice run copying-small       the same in a second
  precipice reproduce --fast        check the claims of the essay in minutes

`precipice specs` lists the built-in experiments, `precipice --help` all commands.")?;
    Ok(Ending::Done)
}
