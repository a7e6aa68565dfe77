//! How the reference run learns: accuracies and progress measures over time.

use precipice::measure::rank_test::p_value;
use precipice::measure::survival::Survival;
use precipice::measure::{Column, metric};
use precipice::record::Row;
use precipice_figures::{BandPanel, Bands, bands};

use super::swept::{abruptness, case, last, log, speaking, swept};
use crate::claims::claim::{CaseRow, Evidence, Lookout, Settings, summary};
use crate::error::LabError;
use crate::sweep::{SweepRow, aligned_curves, observations};

/// What curves of seeds that jump at different times are drawn over.
pub(super) const OVER: &str = "step / t50 of the run";

/// Of the evaluation sets beside the trained distribution.
const PREFIXES: [&str; 3] = ["ic_", "ic_swap_", "iw_"];

/// t50 of 12 seeds of an independent implementation in JAX at rate .2; those that were silent, or had not jumped by step
/// 6,000, are infinite.
const INDEPENDENT: [f64; 12] = [
    1_894.0,
    1_822.0,
    f64::INFINITY,
    2_175.0,
    f64::INFINITY,
    2_554.0,
    2_315.0,
    2_149.0,
    5_058.0,
    f64::INFINITY,
    2_213.0,
    2_064.0,
];

/// The shape of every seed; at rate .2 also when the jumps come, and that frozen biases silence none.
pub(super) fn reference(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let swept = swept(settings, watcher, "reddy-reference")?;
    let all: Vec<&SweepRow> = swept.report.runs.iter().collect();
    let (runs, silent) = speaking(&all)?;
    let mut cases = Vec::new();
    for run in &runs {
        let (is_abrupt, [t50, width]) = abruptness(run);
        let [ic, swap, iw] = PREFIXES.map(|prefix| last(run, &metric::ACCURACY.on(prefix)));
        let holds = is_abrupt && ic > 0.95 && swap > 0.95 && iw < 0.2;
        cases.push(case(run, "", holds, &[t50, width, ("ic", ic), ("ic_swap", swap), ("iw", iw)]));
    }
    if settings.fast {
        let times: Vec<f64> = all.iter().map(|run| run.t50.unwrap_or(f64::INFINITY)).collect();
        let (p, n_silent) = (p_value(&times, &INDEPENDENT), all.len() - runs.len());
        let median = Survival::new(&observations(&all)).median().unwrap_or(f64::INFINITY);
        let values = [("median t50", median), ("p", p), ("silent", n_silent as f64)];
        let words = "all seeds against the independent ones".to_owned();
        cases.push(CaseRow::new(words, None, p > 0.01 && n_silent <= 5, &values));
        cases.extend(frozen_biases(settings, watcher)?);
    }
    let over = |prefix: &str| runs.iter().map(|run| last(run, &metric::ACCURACY.on(prefix))).collect::<Vec<_>>();
    let times: Vec<f64> = runs.iter().map(|run| run.t50.unwrap_or(f64::NAN)).collect();
    let parts = PREFIXES.iter().map(|prefix| summary(prefix.trim_end_matches('_'), &over(prefix)));
    let mut measured: Vec<String> = parts.collect();
    measured.insert(0, summary("t50", &times));
    if !has_jump(&all) {
        return Ok(Evidence { measured: measured.join("; ") + &silent, cases, figure: None });
    }
    let words = ["novel classes (ic)", "labels swapped (ic_swap)", "by heart (iw)"];
    let named: Vec<_> = words.into_iter().zip(PREFIXES.map(|prefix| metric::ACCURACY.on(prefix))).collect();
    let panel = BandPanel {
        heading: String::new(),
        y_name: "accuracy".to_owned(),
        series: aligned_curves(&all, &named)?,
        references: guesses(&all)?,
        marks: Vec::new(),
        mark_words: String::new(),
    };
    let title = "In-context classification · median and range of the seeds that jump".to_owned();
    let figure = swept.draw("reddy-1", bands(&Bands { title, x_name: Some(OVER.to_owned()), panels: vec![panel] }))?;
    Ok(Evidence { measured: measured.join("; ") + &silent, cases, figure: Some(figure) })
}

/// One case a seed: it speaks, and jumps in time.
fn frozen_biases(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Vec<CaseRow>, LabError> {
    let swept = swept(settings, watcher, "reddy-frozen-biases")?;
    let all: Vec<&SweepRow> = swept.report.runs.iter().collect();
    let (speaking, _) = speaking(&all)?;
    let judged = all.iter().map(|run| {
        let t50 = run.t50.unwrap_or(f64::INFINITY);
        let speaks = speaking.iter().any(|other| other.seed == run.seed);
        let holds = speaks && (1_500.0..=2_600.0).contains(&t50);
        case(run, "frozen biases", holds, &[("t50", t50), ("speaks", f64::from(u8::from(speaks)))])
    });
    Ok(judged.collect())
}

/// Whether there is anything to align curves at.
pub(super) fn has_jump(runs: &[&SweepRow]) -> bool {
    runs.iter().any(|run| run.t50.is_some())
}

/// Chance and the guess among the context's labels.
pub(super) fn guesses(runs: &[&SweepRow]) -> Result<Vec<(String, f64)>, LabError> {
    let (spec, _) = log(runs[0])?;
    let facts = spec.facts();
    let chance = ("1/L".to_owned(), 1.0 / facts.n_labels() as f64);
    Ok(vec![chance, (facts.progress.floor_words, facts.progress.floor)])
}

/// The progress measures, as named in figures.
pub(super) fn measures() -> [(&'static str, Column); 4] {
    [
        ("CLA: chooses a label of the context", metric::CONTEXT_LABEL_ACCURACY.on("ic_")),
        ("TLA2: query to all labels", metric::TLA2.main()),
        ("ILA1: label to its item", metric::ILA1.main()),
        ("TILA2: query to its label", metric::TILA2.main()),
    ]
}

pub(super) fn progress(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let swept = swept(settings, watcher, "reddy-reference")?;
    let all: Vec<&SweepRow> = swept.report.runs.iter().collect();
    let (runs, silent) = speaking(&all)?;
    let (mut cases, mut halves) = (Vec::new(), Vec::new());
    for run in &runs {
        let Some(t50) = run.t50 else { continue };
        let (_, rows) = log(run)?;
        let half = half_rise(&rows, &metric::TILA2.main()) / t50;
        let [cla, tla2, ila1, tila2] = measures().map(|(_, column)| made_by(&rows, &column, 0.8 * t50));
        let holds = (half - 1.0).abs() <= 0.05 && cla >= 0.5 && tla2 >= 3.0 * tila2 && ila1 <= 0.2 && tila2 <= 0.2;
        let values =
            [("TILA2 half way / t50", half), ("at .8 t50: CLA", cla), ("TLA2", tla2), ("ILA1", ila1), ("TILA2", tila2)];
        cases.push(case(run, "", holds, &values));
        halves.push(half);
    }
    let measured = format!(
        "{} of {} seeds jump; {}; shares of their way at .8 t50 as listed{silent}",
        cases.len(),
        all.len(),
        summary("TILA2 half way / t50", &halves)
    );
    if !has_jump(&all) {
        return Ok(Evidence { measured, cases, figure: None });
    }
    let panel = |heading: &str, y_name: &str, series, references| BandPanel {
        heading: heading.to_owned(),
        y_name: y_name.to_owned(),
        series,
        references,
        marks: Vec::new(),
        mark_words: String::new(),
    };
    let accuracy = aligned_curves(&all, &[("novel classes (ic)", metric::ACCURACY.on("ic_"))])?;
    let panels = vec![
        panel("", "ic accuracy", accuracy, guesses(&all)?),
        panel("", "share", aligned_curves(&all, &measures())?, Vec::new()),
    ];
    let title = "What rises slowly and what jumps · median and range of the seeds that jump".to_owned();
    let figure = swept.draw("reddy-3", bands(&Bands { title, x_name: Some(OVER.to_owned()), panels }))?;
    Ok(Evidence { measured, cases, figure: Some(figure) })
}

/// Step at which a column is half way from its first to its last value, for good.
fn half_rise(rows: &[Row], column: &Column) -> f64 {
    let value = |row: &Row| row.get(column);
    let (Some(first), Some(end)) = (rows.first(), rows.last()) else { return f64::NAN };
    let half = value(first).midpoint(value(end));
    let Some(after) = rows.iter().rposition(|row| value(row) <= half) else { return f64::NAN };
    let Some(next) = rows.get(after + 1) else { return f64::NAN };
    let (a, b) = (&rows[after], next);
    a.step as f64 + (b.step - a.step) as f64 * (half - value(a)) / (value(b) - value(a))
}

/// Share of a column's way from first to last value that it has made by a step.
fn made_by(rows: &[Row], column: &Column, step: f64) -> f64 {
    let (Some(first), Some(end)) = (rows.first(), rows.last()) else { return f64::NAN };
    let at = rows.iter().rev().find(|row| row.step as f64 <= step).map_or(f64::NAN, |row| row.get(column));
    (at - first.get(column)) / (end.get(column) - first.get(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_are_timed_between_rows() {
        let row =
            |(i, x): (usize, &f64)| Row { step: 100 * i as u64, sequences: 0, columns: vec![("loss".to_owned(), *x)] };
        let rows: Vec<Row> = [0.0, 0.1, 0.2, 0.8, 1.0].iter().enumerate().map(row).collect();
        assert!((half_rise(&rows, &metric::LOSS.main()) - 250.0).abs() < 1e-9);
        assert!((made_by(&rows, &metric::LOSS.main(), 250.0) - 0.2).abs() < 1e-12);
        assert!(half_rise(&[], &metric::LOSS.main()).is_nan());
    }
}
