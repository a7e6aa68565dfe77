//! `precipice sweep`: many runs, and what they say together.

use std::path::{Path, PathBuf};

use precipice_lab::reports::run::texts;
use precipice_lab::run_figures::write;
use precipice_lab::store::atomic;
use precipice_lab::sweep::{
    self, Axis, Job, Plan, PointSummary, Record, SEEDS_OF_INTERVAL, SweepFigure, SweepReport, SweepSummary,
};

use crate::args::SweepArgs;
use crate::numbers::{commas, step};
use crate::output::{failed_run, fields, note, say, say_json, say_text};
use crate::progress::SweepProgress;
use crate::{Ending, interrupt};

pub fn sweep(args: SweepArgs) -> anyhow::Result<Ending> {
    let mut plan = Plan::load(&args.spec, args.fast)?;
    plan.changes.overrides.extend(args.set);
    plan.changes.steps = args.steps;
    plan.arithmetic = args.how.arithmetic;
    plan.set_axes(args.grid)?;
    plan.seeds = args.seeds.map_or(plan.seeds, |seeds| seeds.0);
    let jobs = plan.jobs()?;
    // A spec's name may have been changed.
    let name = if plan.is_of_one_spec { jobs[0].spec.name.clone() } else { plan.name.clone() };
    let folder = args.out.unwrap_or_else(|| PathBuf::from("runs").join(format!("sweep-{name}")));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let workers = args.workers.map_or(cores, usize::from);
    sweep::items_warnings(&jobs)?.iter().for_each(|warning| note(&format!("warning: {warning}")));
    interrupt::listen();
    let n_runs = jobs.len();
    if !args.said.quiet {
        note(&title(&name, &plan.seeds, &jobs, &folder));
    }
    let mut screen = SweepProgress::new(n_runs, args.said.quiet);
    let report = sweep::sweep(jobs, &folder, workers, &interrupt::requested, &mut screen)?;
    drop(screen);
    let points = sweep::summarize(&report);
    // A table of some of the runs must not replace one of all.
    let is_whole = !report.was_stopped && report.failed.is_empty();
    let (table, figures) = if is_whole { keep(&name, &plan.axes, &folder, &report)? } else { (None, Vec::new()) };
    let table = table.map(|path| path.display().to_string());
    let summary = SweepSummary { report, points, table, figures: texts(&figures) };
    let report = &summary.report;
    if args.said.json {
        say_json(&summary)?;
    } else {
        summary.points.iter().try_for_each(|point| say_text(&line(point)))?;
        report.failed.iter().try_for_each(|failed| say(&format!("failed: {}", failed_run(failed))))?;
        let (ended, stored) = (commas(report.runs.len() as u64), commas(report.skipped as u64));
        say(&format!("{ended} runs, {stored} of them stored before, {} failed", report.failed.len()))?;
        summary.table.iter().chain(&summary.figures).try_for_each(|path| say(path))?;
    }
    if report.was_stopped {
        let left = n_runs - report.runs.len() - report.failed.len();
        note(&format!("stopped with {} runs to make; the same command goes on", commas(left as u64)));
    }
    if !report.failed.is_empty() && !report.was_stopped {
        note("no table and no figures, which would lack the runs that failed; the same command makes those again");
    }
    Ok(if report.was_stopped || !report.failed.is_empty() { Ending::Failed } else { Ending::Done })
}

/// Writes a table of all runs that have ended in the folder, whichever sweep made them, and figures of those at the
/// points of this sweep; a figure is not worth losing the table for.
fn keep(
    name: &str,
    axes: &[Axis],
    folder: &Path,
    report: &SweepReport,
) -> anyhow::Result<(Option<PathBuf>, Vec<PathBuf>)> {
    let _lock = sweep::lock(folder)?;
    let rows = Record::read(folder)?.ended(folder)?;
    let table = folder.join("runs.parquet");
    atomic::write(&table, &sweep::table(&rows).parquet()?)?;
    let mut paths = Vec::new();
    let shown = report.with_more_seeds(rows);
    let title = format!("{name} · {} runs", commas(shown.runs.len() as u64));
    let drawn = sweep::draw(&title, axes, &shown).and_then(|drawn| {
        for SweepFigure { name, figure } in &drawn.figures {
            let path = folder.join(format!("{name}.svg"));
            write(figure, &path)?;
            paths.push(path);
        }
        if drawn.n_left_out > 0 {
            note(&format!("ensemble.svg shows the first points of the grid, not the last {}", drawn.n_left_out));
        }
        Ok(())
    });
    if let Err(e) = drawn {
        note(&format!("warning: no figure: {e:#}"));
    }
    Ok((Some(table), paths))
}

/// What is going to be made.
fn title(name: &str, seeds: &[u64], jobs: &[Job], folder: &Path) -> String {
    let steps = jobs.iter().map(|job| job.spec.train.steps).max().unwrap_or(0);
    let seeds = match seeds {
        [one] => format!("seed {one}"),
        [first, .., last] if last - first + 1 == seeds.len() as u64 => format!("seeds {first} to {last}"),
        _ => format!("{} seeds", commas(seeds.len() as u64)),
    };
    format!(
        "{name} · {} runs of {} steps, {seeds} · into {}",
        commas(jobs.len() as u64),
        commas(steps),
        folder.display()
    )
}

fn line(point: &PointSummary) -> String {
    let [low, high] = point.t50_interval;
    let end = |end: Option<f64>| end.map_or_else(|| "beyond".to_owned(), |_| step(end));
    let median = match point.t50_median {
        // Of few seeds the interval is their range, and nothing is said of others.
        Some(median) if point.n_runs == 1 => format!("t50 {}", step(Some(median))),
        Some(median) if point.n_runs < SEEDS_OF_INTERVAL => {
            format!("t50 median {}, {} to {}", step(Some(median)), end(low), end(high))
        }
        Some(median) => format!("t50 median {} [{}, {}]", step(Some(median)), end(low), end(high)),
        None => "t50 median beyond the last step".to_owned(),
    };
    let diverged = if point.n_diverged > 0 { format!(", {} diverged", point.n_diverged) } else { String::new() };
    let jumped = format!("{} of {} jumped{diverged}", point.n_jumped, point.n_runs);
    format!("{}  {jumped}; {median}", fields(&point.swept)).trim_start().to_owned()
}
