//! `precipice runs`: what runs there are, and which of them go.

mod change;
mod table;

use std::path::{Path, PathBuf};

use precipice_lab::inventory::{Asked, Condition, RunEntry, list};
use precipice_lab::store::names;

use crate::Ending;
use crate::args::{ListArgs, RunsArgs, RunsCommand};
use crate::numbers::{commas, size};
use crate::output::{note, run_named, say, say_json};
use crate::screen;

pub fn runs(args: RunsArgs) -> anyhow::Result<Ending> {
    match args.command {
        None => list_runs(args.list),
        Some(RunsCommand::Rm(args)) => change::rm(args),
        Some(RunsCommand::Gc(args)) => change::gc(args),
    }
}

fn list_runs(args: ListArgs) -> anyhow::Result<Ending> {
    let asked = Asked::of(args.chosen.conditions).sorted(args.sort.as_deref(), args.reverse)?;
    let runs = folder_of(args.folder)?.map_or(Ok(Vec::new()), |folder| list(&folder, &asked))?;
    if args.json {
        say_json(&runs)?;
    } else if !runs.is_empty() {
        say(&table::table(&runs, screen::text_width()))?;
        let bytes = runs.iter().map(|run| run.size).sum();
        let n_runs = runs.len() as u64;
        note(&format!("{} run{}, {}", commas(n_runs), if n_runs == 1 { "" } else { "s" }, size(bytes)));
    } else {
        note("no runs");
    }
    Ok(Ending::Done)
}

/// The folder that was named, or that of runs without a name; none while there is none.
fn folder_of(named: Option<PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    let usual = Path::new(names::RUNS);
    match named {
        Some(named) => run_named(&named).map(Some),
        None => Ok(usual.is_dir().then(|| usual.to_owned())),
    }
}

/// The runs below folders, each once, of which all conditions are true.
fn chosen(named: Vec<PathBuf>, conditions: Vec<Condition>) -> anyhow::Result<Vec<RunEntry>> {
    let asked = Asked::of(conditions);
    let named = if named.is_empty() { vec![None] } else { named.into_iter().map(Some).collect() };
    let mut found: Vec<RunEntry> = Vec::new();
    for folder in named {
        let runs = folder_of(folder)?.map_or(Ok(Vec::new()), |folder| list(&folder, &asked))?;
        let is_new = |run: &RunEntry| !found.iter().any(|other| other.path == run.path);
        let new: Vec<RunEntry> = runs.into_iter().filter(is_new).collect();
        found.extend(new);
    }
    Ok(found)
}
