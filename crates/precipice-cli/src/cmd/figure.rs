//! `precipice figure`: draw a figure of stored runs, or of a stored sweep.

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
use precipice_lab::sweep::{self, Record, SweepKind};
use precipice_lab::whole_run::train_companion;

use crate::args::{Drawn, FigureArgs};
use crate::output::{check_place, is_stdout, note, put_figure, run_named, say, say_json};
use crate::progress::{Progress, Working};
use crate::{Ending, interrupt};

pub fn figure(args: FigureArgs) -> anyhow::Result<Ending> {
    if let Some(path) = &args.output {
        if args.said.json && is_stdout(path) {
            bail!("-o - writes the figure to standard output; leave out --json");
        }
        check_place(path)?;
    }
    let choice = Choice { heads: args.heads.clone(), steps: args.steps.clone() };
    let has_choice = choice != Choice::default();
    if args.output.is_none() && (has_choice || args.page.theme != Theme::Light) {
        bail!("--head, --step and --theme make another figure than the run's own; say with -o where it goes");
    }
    let paths = match args.kind {
        Drawn::Sweep(kind) if has_choice => bail!("{} has no choice of heads or steps", kind.name()),
        Drawn::Sweep(kind) => of_sweeps(&args, kind)?,
        Drawn::Twins if has_choice => bail!("{} has no choice of heads or steps", sweep::TWINS),
        Drawn::Twins => of_two_runs(&args)?,
        Drawn::Run(Kind::Argument) if has_choice => bail!("argument has no choice of heads or steps"),
        Drawn::Run(kind) => of_runs(&args, kind, &choice)?,
    };
    let report = FiguresReport::new(&paths);
    if args.said.json {
        say_json(&report)?;
    } else if !report.figures.is_empty() {
        say(&report.figures.join("\n"))?;
    }
    Ok(Ending::Done)
}

fn of_runs(args: &FigureArgs, kind: Kind, choice: &Choice) -> anyhow::Result<Vec<PathBuf>> {
    if kind == Kind::Argument {
        let run = open(args, kind.name(), &args.runs[0])?;
        let figure = argument(args, &run)?;
        return Ok(write(args, kind, &run, &figure)?.into_iter().collect());
    }
    if let (Some(path), true) = (&args.output, args.runs.len() > 1) {
        let n = args.runs.len();
        if kind != Kind::LearningCurve {
            bail!(
                "-o names one file, but there are {n} runs, and only learning-curve draws several in one figure; leave \
                 it out to write into each run"
            );
        }
        if choice != &Choice::default() {
            bail!("learning-curve has no choice of heads or steps");
        }
        // Before any log is read: there may be thousands.
        if n > sweep::OVERLAY_MAX {
            bail!(
                "one figure tells at most {} runs apart, here are {n}; sweep the field in which they differ, and draw \
                 the sweep's ensemble",
                sweep::OVERLAY_MAX
            );
        }
        let runs = args.runs.iter().map(|root| open(args, kind.name(), root)).collect::<anyhow::Result<Vec<_>>>()?;
        return Ok(put(args, path, &sweep::draw_overlay(&runs)?)?.into_iter().collect());
    }
    let pool = Pool::new(args.threads.count())?;
    let mut paths = Vec::new();
    for root in &args.runs {
        let working = Working::on(kind.name(), args.said.quiet);
        let run = open(args, kind.name(), root)?;
        let workers = Metered { workers: &pool, meter: working.meter() };
        let figure = pool.with(|| run_figures::draw_chosen(kind, &run, choice, &workers))?;
        paths.extend(write(args, kind, &run, &figure)?);
    }
    Ok(paths)
}

/// Both curves and their difference belong to neither of the two.
fn of_two_runs(args: &FigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    let [a, b] = &args.runs[..] else { bail!("{} takes two runs, not {}", sweep::TWINS, args.runs.len()) };
    let Some(path) = &args.output else { bail!("{} is of two runs; say with -o where it goes", sweep::TWINS) };
    let [a, b] = [open(args, sweep::TWINS, a)?, open(args, sweep::TWINS, b)?];
    Ok(put(args, path, &sweep::draw_twins(&a, &b)?)?.into_iter().collect())
}

fn of_sweeps(args: &FigureArgs, kind: SweepKind) -> anyhow::Result<Vec<PathBuf>> {
    if args.output.is_some() && args.runs.len() > 1 {
        bail!("-o names one file, but there are {} sweeps; leave it out to write into each", args.runs.len());
    }
    let mut paths = Vec::new();
    for name in &args.runs {
        let folder = &run_named(name)?;
        if !Record::is_in(folder) {
            let is_run = RunDir::new(folder).spec_path().is_file();
            let found = if is_run { "this is a run" } else { "this has no sweep.json" };
            bail!(
                "{}: {} is drawn of the folder of a sweep, and {found}; of single runs draw {}",
                folder.display(),
                kind.name(),
                Kind::ALL.map(Kind::name).join(", ")
            );
        }
        let working = Working::on(kind.name(), args.said.quiet);
        let drawn = sweep::draw_stored(kind, folder)?;
        drop(working);
        if drawn.n_missing > 0 {
            note(&format!("{} runs of {} have not ended and are not shown", drawn.n_missing, folder.display()));
        }
        if drawn.n_left_out > 0 {
            note(&format!("the figure shows the first points of the grid, not the last {}", drawn.n_left_out));
        }
        match &args.output {
            Some(path) => paths.extend(put(args, path, &drawn.figure)?),
            None => {
                let path = folder.join(format!("{}.svg", kind.name()));
                let _lock = sweep::lock(folder, true)?;
                run_figures::write(&drawn.figure, &path)?;
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

fn open(args: &FigureArgs, kind: &str, name: &Path) -> anyhow::Result<StoredRun> {
    let root = run_named(name)?;
    if Record::is_in(&root) {
        bail!(
            "{}: {kind} is drawn of a run, and this is the folder of a sweep; name one of the runs in it, or draw {}",
            root.display(),
            SweepKind::ALL.map(SweepKind::name).join(", ")
        );
    }
    Ok(StoredRun::of(RunDir::new(root).with_items(args.moved.items.clone()))?)
}

/// The file that -o names, or none where that is standard output.
fn put(args: &FigureArgs, path: &Path, figure: &Figure) -> anyhow::Result<Option<PathBuf>> {
    put_figure(path, &figure.in_theme(args.page.theme), args.force)?;
    Ok((!is_stdout(path)).then(|| path.to_owned()))
}

/// Where the figure of one run goes.
fn write(args: &FigureArgs, kind: Kind, run: &StoredRun, figure: &Figure) -> anyhow::Result<Option<PathBuf>> {
    match &args.output {
        Some(path) => put(args, path, figure),
        None => Ok(Some(run_figures::write_own(kind, figure, run)?)),
    }
}

/// A run and its companion with L = N, which is trained if it is not given.
fn argument(args: &FigureArgs, run: &StoredRun) -> anyhow::Result<Figure> {
    let companion = match &args.runs[1..] {
        [] => {
            // What an unfinished run will come to is not known, so that nothing can be said beside it.
            run.run_dir.finished(&run.spec)?;
            // A companion is trained only where the upper half can be drawn.
            run_figures::draw(Kind::Landscape, run, &Sequential)?;
            interrupt::listen();
            let spec = companion(run)?.spec;
            let mut watch = Progress::new(&spec.name, &spec, args.said.quiet);
            let companion = train_companion(run, args.threads.count(), &mut watch)?;
            drop(watch);
            note(&format!("companion with L = N: {}", companion.run_dir.root().display()));
            companion
        }
        [companion] => open(args, Kind::Argument.name(), companion)?,
        more => bail!("argument takes a run and its companion with L = N, not {} runs", more.len() + 1),
    };
    Ok(run_figures::draw_argument(run, &companion)?)
}
