//! `precipice diff`: hold two runs against each other.

mod text;

use std::path::Path;

use anyhow::bail;
use precipice::run::Run;
use precipice_lab::input::items::BUILT_IN_PREFIX;
use precipice_lab::reports::diff::DiffReport;
use precipice_lab::runs::{self, StoredRun};
use precipice_lab::store::RunDir;
use precipice_lab::sweep::{self, Record};

use crate::Ending;
use crate::args::DiffArgs;
use crate::output::{check_place, is_stdout, put_figure, run_named, say_json, say_text};
use crate::progress::Working;

pub fn diff(args: DiffArgs) -> anyhow::Result<Ending> {
    if let Some(path) = &args.output {
        if is_stdout(path) {
            bail!(
                "-o - would write the figure among the words; `precipice figure {} A B -o -` writes it alone",
                sweep::TWINS
            );
        }
        check_place(path)?;
    }
    let dirs = [run_dir(&args.a)?, run_dir(&args.b)?];
    let takes_items = [takes_items(&dirs[0])?, takes_items(&dirs[1])?];
    // Where neither run has items from a file, the first says so.
    let is_moved = |i: usize| takes_items[i] || takes_items == [false; 2];
    let [a, b] = dirs;
    let items = |i: usize| args.moved.items.clone().filter(|_| is_moved(i));
    let (a, b) = (StoredRun::of(a.with_items(items(0)))?, StoredRun::of(b.with_items(items(1)))?);
    // It shows the logs alone: what cannot be drawn or written is told before the work.
    if let Some(path) = &args.output {
        put_figure(path, &sweep::draw_twins(&a, &b)?, args.force)?;
    }
    let working = Working::on("comparing the runs", args.said.quiet);
    let found = runs::diff([&a, &b], &Run::new, args.threads.count(), working.meter());
    drop(working);
    let mut report = DiffReport::new([&a, &b], found?)?;
    report.figure = args.output.as_ref().map(|path| path.display().to_string());
    if args.said.json {
        say_json(&report)?;
    } else {
        say_text(&text::of(&report))?;
    }
    Ok(if report.same { Ending::Done } else { Ending::Failed })
}

fn run_dir(name: &Path) -> anyhow::Result<RunDir> {
    let root = run_named(name)?;
    if Record::is_in(&root) {
        bail!("{}: is the folder of a sweep; name two of the runs in it", root.display());
    }
    if let Some(run) = root.parent().filter(|_| root.is_file()).map(RunDir::new).filter(|run| run.spec_path().is_file())
    {
        let named = if run.root().as_os_str().is_empty() { Path::new(".") } else { run.root() };
        bail!("{}: is a file of the run {}; name the run", root.display(), named.display());
    }
    Ok(RunDir::new(root))
}

fn takes_items(run_dir: &RunDir) -> anyhow::Result<bool> {
    let spec = run_dir.spec()?;
    Ok(spec.task.family().items().is_some_and(|items| !items.file.starts_with(BUILT_IN_PREFIX)))
}
