//! Words and JSON on the screen. Data go to standard output, everything else to standard error.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use precipice_figures::Figure;
use precipice_lab::run_figures;
use precipice_lab::store::{names, output};
use precipice_lab::sweep::FailedRun;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::lines::wrap;
use crate::screen;

/// The directory of a run that was named; which one is said where the name leaves it open.
pub fn run_named(name: &Path) -> anyhow::Result<PathBuf> {
    let found = names::find(name)?;
    if name == Path::new(names::LATEST) && found != name {
        note(&format!("{}: {}", names::LATEST, found.display()));
    }
    Ok(found)
}

/// Data to stdout. A reader that has gone away is no error.
pub fn say(text: &str) -> anyhow::Result<()> {
    match screen::above(|| writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'))) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// The same with lines that are broken between words where they are too long; what hangs over is indented.
pub fn say_text(text: &str) -> anyhow::Result<()> {
    say(&wrap(text, "  ", screen::text_width()))
}

/// One JSON value to stdout.
pub fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?)
}

/// Whether `-o` names standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Refuses a place that nothing may be written to, before the work is done.
pub fn check_place(path: &Path) -> anyhow::Result<()> {
    if is_stdout(path) { Ok(()) } else { Ok(output::check_place(path)?) }
}

/// Writes bytes to the file that `-o` names, or to stdout.
pub fn put(path: &Path, bytes: &[u8], may_replace: bool) -> anyhow::Result<()> {
    if !is_stdout(path) {
        return Ok(output::write(path, bytes, may_replace)?);
    }
    let mut stdout = std::io::stdout();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// The same with a figure, as SVG on stdout.
pub fn put_figure(path: &Path, figure: &Figure, may_replace: bool) -> anyhow::Result<()> {
    let named = if is_stdout(path) { Path::new("figure.svg") } else { path };
    put(path, &run_figures::bytes(figure, named)?, may_replace)
}

/// A line to stderr. Nobody reading it is no reason to stop.
pub fn note(text: &str) {
    // A file has lines of any length.
    let text = if screen::is_live() { wrap(text, "  ", screen::size().width) } else { text.to_owned() };
    screen::above(|| drop(writeln!(std::io::stderr(), "{text}")));
}

/// Characters of an error that are printed, at most: what was wrong may be megabytes.
const ERROR_MAX: usize = 4000;

/// A text, or its beginning and its length.
pub fn bounded(text: &str) -> String {
    match text.char_indices().nth(ERROR_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
    }
}

/// What Rust says of numbers, and what people do.
const NUMBERS: [(&str, &str); 7] = [
    ("invalid digit found in string", "expected a whole number, 0 or more"),
    ("cannot parse integer from empty string", "expected a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("number too small to fit in target type", "the number is too small"),
    ("invalid float literal", "expected a number"),
    ("cannot parse float from empty string", "expected a number"),
    ("provided string was not `true` or `false`", "expected true or false"),
];

/// Help and the version, or what is wrong with the arguments.
pub fn wrong_usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    let told = NUMBERS.iter().fold(text.clone(), |text, (rust, words)| text.replace(rust, words));
    if error.use_stderr() && (told != text || text.len() > ERROR_MAX) {
        note(&bounded(told.trim_end()));
    } else {
        // Nobody reading it is no reason to fail.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Swept fields as on the command line.
pub fn fields(swept: &Map<String, Value>) -> String {
    let text = |(key, value): (&String, &Value)| match value.as_str() {
        Some(text) => format!("{key}={text}"),
        None => format!("{key}={value}"),
    };
    swept.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// A run of a sweep that failed.
pub fn failed_run(failed: &FailedRun) -> String {
    format!("{} seed {}: {}", fields(&failed.swept), failed.seed, failed.problem).trim_start().to_owned()
}
