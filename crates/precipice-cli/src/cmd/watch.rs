//! `precipice watch`: follow a run or a sweep that another process makes, or look at one that has ended.

mod run;
mod sweep;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use precipice_lab::error::LabError;
use precipice_lab::store::{RunDir, names};
use precipice_lab::sweep::Record;

use crate::args::WatchArgs;
use crate::keys::Keys;
use crate::output::{run_named, say, say_text};
use crate::progress::live::{Clock, Live, Mode, View};
use crate::screen::{self, Size};
use crate::{Ending, interrupt};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks in a row that may fail while a run is begun, or begun again.
const FAILED_LOOKS: usize = 8;

/// What is watched.
pub trait Watched: View {
    /// Looks again. Whether there is more to come.
    fn look(&mut self) -> Result<bool, LabError>;

    /// What is said at the end.
    fn ending(&self) -> Vec<String>;
}

pub fn watch(args: &WatchArgs) -> anyhow::Result<Ending> {
    // What is not there yet is waited for.
    let is_begun = args.run == Path::new(names::LATEST) || names::find(&args.run).is_ok();
    let is_once = args.once || !std::io::stdout().is_terminal() || !screen::is_live();
    let folder = &if is_begun || is_once { run_named(&args.run)? } else { args.run.clone() };
    let is_live = !is_once;
    if is_live {
        interrupt::listen();
        if !wait_for(folder)? {
            return Ok(Ending::Done);
        }
    }
    if Record::is_in(folder) && !RunDir::new(folder).spec_path().is_file() {
        follow(sweep::Sweep::new(folder)?, is_live)
    } else {
        follow(run::Run::new(folder)?, is_live)
    }
}

/// Whether anything was begun there before the watcher went away.
fn wait_for(folder: &Path) -> anyhow::Result<bool> {
    if !is_nothing(folder) {
        return Ok(true);
    }
    let keys = Keys::listen();
    let near = names::find(folder).err().and_then(|problem| problem.nearest_run());
    let hint = near.map_or(String::new(), |run| format!(" (did you mean {}?)", run.display()));
    let waiting = format!("{}: nothing here yet{hint}; waiting for it", folder.display());
    let _live = Live::new(Waiting(waiting, Clock::start()), Mode::Live);
    while is_nothing(folder) {
        if keys.wait_for_q(LOOK_EVERY) || interrupt::requested() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether there is nothing yet: what else there is is looked at, and may be refused.
fn is_nothing(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let known = ["lock", "checkpoints"];
            entries.flatten().all(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                known.contains(&name.as_str()) || name.starts_with('.')
            })
        }
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Shows something until it ends or the watcher goes away.
fn follow(mut watched: impl Watched, is_live: bool) -> anyhow::Result<Ending> {
    let mut goes_on = watched.look()?;
    if !is_live {
        let size = Size { width: screen::text_width(), height: 24 };
        say(&watched.remains(size).join("\n"))?;
        return say_ending(&watched.ending());
    }
    let (keys, live) = (Keys::listen(), Live::new(watched, Mode::Live));
    let mut n_failed = 0;
    while goes_on && !keys.wait_for_q(LOOK_EVERY) && !interrupt::requested() {
        match live.view().look() {
            Ok(found) => (goes_on, n_failed) = (found, 0),
            Err(e) if n_failed >= FAILED_LOOKS => return Err(e.into()),
            Err(_) => n_failed += 1,
        }
    }
    let ending = live.view().ending();
    drop(live);
    say_ending(&ending)
}

fn say_ending(lines: &[String]) -> anyhow::Result<Ending> {
    if !lines.is_empty() {
        say_text(&lines.join("\n"))?;
    }
    Ok(Ending::Done)
}

/// For something to begin.
struct Waiting(String, Clock);

impl View for Waiting {
    fn lines(&self, _: Size) -> Vec<String> {
        let seconds = crate::numbers::duration(self.1.seconds());
        vec![format!("{}, {seconds} (q ends)", self.0)]
    }

    fn line(&self) -> String {
        String::new()
    }
}
