//! What is said of the runs of a sweep.

use std::path::Path;

use precipice_lab::reports::run::texts;
use precipice_lab::sweep::{self, Axis, Look, PointSummary, SEEDS_OF_INTERVAL, Shard, SweepReport, SweepSummary};

use crate::Ending;
use crate::numbers::{commas, step};
use crate::output::{failed_run, fields, note, say, say_json, say_text};

/// A sweep that was asked for.
pub struct Sweep<'a> {
    pub name: &'a str,
    pub axes: &'a [Axis],
    pub folder: &'a Path,
    pub is_json: bool,
}

/// Runs of a list that are named.
const NAMED: usize = 20;

/// What is done about damaged runs of a sweep.
pub const DAMAGED: &str = "`precipice runs rm RUN --force`, then the sweep's command";

/// Names the first runs of a list, if there are any.
fn list(title: &str, runs: &[String]) -> anyhow::Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    say(title)?;
    runs.iter().take(NAMED).try_for_each(|run| say(run))?;
    match runs.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => say(&format!("and {} more", commas(more as u64))),
    }
}

impl Sweep<'_> {
    /// The runs as they were made.
    pub fn made(&self, report: SweepReport, n_runs: usize, shard: Option<Shard>) -> anyhow::Result<Ending> {
        // A table of some of the runs must not replace one of all.
        let is_whole = !report.was_stopped && report.failed.is_empty();
        let look = Look { report, ..Look::default() };
        let summary = self.summary(look, is_whole && shard.is_none(), false)?;
        self.say(&summary)?;
        let report = &summary.report;
        let (was_stopped, n_failed) = (report.was_stopped, report.failed.len());
        if was_stopped {
            // Of a shard nobody has counted the runs that were not reached.
            let left = shard.is_none().then(|| n_runs - report.runs.len() - n_failed);
            let left = left.map_or_else(|| "runs".to_owned(), |left| format!("{} runs", commas(left as u64)));
            note(&format!("stopped with {left} to make; the same command goes on"));
            return Ok(Ending::Stopped);
        }
        if n_failed > 0 {
            note("no table and no figures, which would lack the runs that failed; the same command makes those again");
            return Ok(Ending::Failed);
        }
        if let Some(shard) = shard {
            note(&format!("shard {shard} is made; --collect instead of --shard writes the table when all are"));
        }
        Ok(Ending::Done)
    }

    /// The runs as they stand in the folder, those that do not, and those that cannot be read.
    pub fn collected(&self, look: Look) -> anyhow::Result<Ending> {
        let has_any = !look.report.runs.is_empty();
        let summary = self.summary(look, has_any, true)?;
        self.say(&summary)?;
        let (n_missing, n_damaged) = (summary.missing.len(), summary.damaged.len());
        if n_missing + n_damaged == 0 {
            return Ok(Ending::Done);
        }
        if !self.is_json {
            list(&format!("{} runs are missing:", commas(n_missing as u64)), &summary.missing)?;
            list(&format!("{} are damaged:", commas(n_damaged as u64)), &summary.damaged)?;
        }
        if n_missing > 0 {
            note("the same command without --collect makes the runs that are missing");
        }
        if n_damaged > 0 {
            note(&format!("damaged runs are made again: {DAMAGED}"));
        }
        Ok(Ending::Failed)
    }

    /// With table and figures, if they are to be written.
    fn summary(&self, look: Look, is_written: bool, is_asked_for: bool) -> anyhow::Result<SweepSummary> {
        let Look { report, missing, damaged } = look;
        let points = sweep::summarize(&report);
        let (mut table, mut figures) = (None, Vec::new());
        if is_written {
            let collected = sweep::collect(self.name, self.axes, self.folder, &report, is_asked_for)?;
            collected.notes.iter().for_each(|text| note(text));
            (table, figures) = (Some(collected.table.display().to_string()), texts(&collected.figures));
        }
        Ok(SweepSummary { report, points, table, figures, missing, damaged })
    }

    fn say(&self, summary: &SweepSummary) -> anyhow::Result<()> {
        if self.is_json {
            return say_json(summary);
        }
        let report = &summary.report;
        summary.points.iter().try_for_each(|point| say_text(&line(point)))?;
        report.failed.iter().try_for_each(|failed| say(&format!("failed: {}", failed_run(failed))))?;
        let (ended, stored) = (commas(report.runs.len() as u64), commas(report.skipped as u64));
        say(&format!("{ended} runs, {stored} of them stored before, {} failed", report.failed.len()))?;
        summary.table.iter().chain(&summary.figures).try_for_each(|path| say(path))
    }
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
