//! `precipice figure`: draw a figure of stored runs.

use std::path::{Path, PathBuf};

use anyhow::bail;
use precipice::workers::Sequential;
use precipice_figures::{Figure, Theme};
use precipice_lab::meter::Metered;
use precipice_lab::reports::run::FiguresReport;
use precipice_lab::run_figures::{self, Choice, Kind};
use precipice_lab::runs::threads::Pool;
use precipice_lab::runs::{StoredRun, companion};
use precipice_lab::store::RunDir;
use precipice_lab::whole_run::train_companion;

use crate::args::FigureArgs;
use crate::output::{check_place, is_stdout, put_figure, run_named, say, say_json};
use crate::progress::{Progress, Working};
use crate::{Ending, interrupt};

pub fn figure(args: FigureArgs) -> anyhow::Result<Ending> {
    if let Some(path) = &args.output {
        if args.json && is_stdout(path) {
            bail!("-o - writes the figure to standard output; leave out --json");
        }
        check_place(path)?;
    }
    let mut paths = Vec::new();
    let choice = Choice { heads: args.heads.clone(), steps: args.steps.clone() };
    if args.kind == Kind::Argument && choice != Choice::default() {
        bail!("argument has no choice of heads or steps");
    }
    if args.output.is_none() && (choice != Choice::default() || args.page.theme != Theme::Light) {
        bail!("--head, --step and --theme make another figure than the run's own; say with -o where it goes");
    }
    if args.kind == Kind::Argument {
        let run = open(&args, &args.runs[0])?;
        let figure = argument(&args, &run)?;
        paths.extend(write(&args, &run, &figure)?);
    } else {
        if args.output.is_some() && args.runs.len() > 1 {
            bail!("-o names one file, but there are {} runs; leave it out to write into each run", args.runs.len());
        }
        let pool = Pool::new(args.threads.count())?;
        for root in &args.runs {
            let working = Working::on(args.kind.name(), args.quiet);
            let run = open(&args, root)?;
            let workers = Metered { workers: &pool, meter: working.meter() };
            let figure = run_figures::draw_chosen(args.kind, &run, &choice, &workers)?;
            paths.extend(write(&args, &run, &figure)?);
        }
    }
    let report = FiguresReport::new(&paths);
    if args.json {
        say_json(&report)?;
    } else if !report.figures.is_empty() {
        say(&report.figures.join("\n"))?;
    }
    Ok(Ending::Done)
}

fn open(args: &FigureArgs, root: &Path) -> anyhow::Result<StoredRun> {
    Ok(StoredRun::of(RunDir::new(run_named(root)?).with_items(args.moved.items.clone()))?)
}

/// The file, unless it is standard output.
fn write(args: &FigureArgs, run: &StoredRun, figure: &Figure) -> anyhow::Result<Option<PathBuf>> {
    let Some(path) = &args.output else { return Ok(Some(run_figures::write_own(args.kind, figure, run)?)) };
    put_figure(path, &figure.in_theme(args.page.theme), args.force)?;
    Ok((!is_stdout(path)).then(|| path.clone()))
}

/// A run and its companion with L = N, which is trained if it is not given.
fn argument(args: &FigureArgs, run: &StoredRun) -> anyhow::Result<Figure> {
    let companion = match &args.runs[1..] {
        [] => {
            // A companion is trained only where the upper half can be drawn.
            run_figures::draw(Kind::Landscape, run, &Sequential)?;
            interrupt::listen();
            let spec = companion(run)?.spec;
            let mut watch = Progress::new(&spec.name, &spec, args.quiet);
            train_companion(run, args.threads.count(), &mut watch)?
        }
        [companion] => open(args, companion)?,
        more => bail!("argument takes a run and its companion with L = N, not {} runs", more.len() + 1),
    };
    Ok(run_figures::draw_argument(run, &companion)?)
}
