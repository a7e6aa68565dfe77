//! `precipice runs rm` and `precipice runs gc`: what goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use precipice_lab::inventory::{Removal, Thinned, remove, thin};
use serde::Serialize;

use super::chosen;
use crate::Ending;
use crate::args::{GcArgs, RmArgs};
use crate::numbers::{commas, size};
use crate::output::{note, run_named, say, say_json};

/// What `rm` and `gc` say.
#[derive(Serialize)]
struct Gone<T> {
    dry_run: bool,
    bytes: u64,
    runs: Vec<T>,
}

pub fn rm(args: RmArgs) -> anyhow::Result<Ending> {
    let roots: Vec<PathBuf> = if args.chosen.conditions.is_empty() {
        let mut named = args.runs.iter().map(|run| run_named(run)).collect::<Result<Vec<_>, _>>()?;
        named.dedup();
        named
    } else {
        chosen(args.runs, args.chosen.conditions)?.into_iter().map(|run| run.path.into()).collect()
    };
    let mut gone: Vec<Removal> = Vec::new();
    let mut told = |removal: &Removal| {
        if !args.json {
            let Removal { run_dir, files, bytes, left } = removal;
            let stays = if left.is_empty() { String::new() } else { format!("; {} stays", left.join(", ")) };
            let verb = if args.dry_run { "would go" } else { "removed" };
            // Where nobody reads it, what is gone is gone.
            let _ = say(&format!("{run_dir}: {verb}, {files} files, {}{stays}", size(*bytes)));
        }
        gone.push(removal.clone());
    };
    remove(&roots, args.force, args.dry_run, &mut told)?;
    end(gone, |removal| removal.bytes, args.dry_run, args.json)
}

pub fn gc(args: GcArgs) -> anyhow::Result<Ending> {
    let mut gone: Vec<Thinned> = Vec::new();
    let mut n_packed = BTreeMap::<PathBuf, usize>::new();
    for run in chosen(args.runs, args.chosen.conditions)? {
        let thinned = thin(run.path.as_ref(), args.dry_run)?;
        match &thinned.reason {
            _ if args.json => {}
            _ if thinned.pack.is_some() => {
                let folder = Path::new(&thinned.run_dir).parent().unwrap_or(Path::new(".")).to_owned();
                *n_packed.entry(folder).or_default() += 1;
            }
            Some(reason) => note(&format!("{}: left as it is: {reason}", thinned.run_dir)),
            None if thinned.bytes == 0 && thinned.removed.is_empty() => {}
            None => {
                let verb = if args.dry_run { "would go" } else { "removed" };
                let (n, bytes) = (thinned.removed.len(), size(thinned.bytes));
                let word = if n == 1 { "checkpoint" } else { "checkpoints" };
                let kept: Vec<String> = thinned.kept.iter().map(u64::to_string).collect();
                say(&format!("{}: {n} {word} {verb}, {bytes}; kept {}", thinned.run_dir, kept.join(", ")))?;
            }
        }
        gone.push(thinned);
    }
    for (folder, n) in n_packed {
        let (folder, n, runs) = (folder.display(), commas(n as u64), if n == 1 { "run" } else { "runs" });
        note(&format!("{folder}: {n} packed {runs} left; `precipice sweep unpack {folder}` makes directories again"));
    }
    end(gone, |thinned| thinned.bytes, args.dry_run, args.json)
}

fn end<T: Serialize>(runs: Vec<T>, bytes: impl Fn(&T) -> u64, dry_run: bool, as_json: bool) -> anyhow::Result<Ending> {
    let bytes = runs.iter().map(bytes).sum();
    if as_json {
        say_json(&Gone { dry_run, bytes, runs })?;
    } else if dry_run {
        say(&format!("{} would be freed; nothing was removed", size(bytes)))?;
    } else {
        say(&format!("{} freed", size(bytes)))?;
    }
    Ok(Ending::Done)
}
