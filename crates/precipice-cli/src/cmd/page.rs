//! `precipice serve` and `precipice page`: the page, with the runs of a folder or on its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use precipice_lab::store::names;
use precipice_page::{Limits, Options, Server};

use crate::args::{PageArgs, ServeArgs};
use crate::output::{note, say};
use crate::{Ending, interrupt};

pub fn serve(args: ServeArgs) -> anyhow::Result<Ending> {
    interrupt::listen();
    let may_be_missing = args.dir.is_none();
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(names::RUNS));
    let server =
        Server::bind(Options { dir, may_be_missing, host: args.host, port: args.port, limits: Limits::default() })?;
    let address = server.address();
    if !address.ip().is_loopback() {
        note(&format!(
            "warning: whoever reaches {address} sees all runs in this folder; nobody is asked for a password"
        ));
    }
    let url = server.url();
    say(&url)?;
    note("Ctrl-C ends it");
    if args.open && !open(&url) {
        note(&format!("warning: no browser could be opened; open {url} in one"));
    }
    server.run(interrupt::requested)?;
    Ok(Ending::Done)
}

pub fn page(args: PageArgs) -> anyhow::Result<Ending> {
    precipice_page::write(&args.output, args.force)?;
    say(&args.output.display().to_string())?;
    Ok(Ending::Done)
}

/// Whether the system has something that opens a page.
fn open(url: &str) -> bool {
    let program = match std::env::consts::OS {
        "windows" => "explorer",
        "macos" => "open",
        _ => "xdg-open",
    };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
}
