//! What the runs say of one swept field: when each jumped, and what it reached.

use precipice::measure::transition::median;
use precipice::measure::{Column, metric};
use precipice::task::{Facts, Set};
use precipice_figures::{Dependence, DependencePanel, DependencePoint, DependenceSeries, thousands};
use serde_json::Value;

use super::grid::as_json;
use super::plan::Axis;
use super::report::{SweepReport, SweepRow};
use super::summary::{SEEDS_OF_INTERVAL, by_point, observations, summarize};
use super::words;
use crate::error::LabError;
use crate::store::RunDir;

/// Seeds from which on an interval of their median is drawn.
const SEEDS_MIN: usize = 3;

/// What success is called, and the column of it: in context and by heart, or the progress of the task.
pub(super) fn measured(facts: &Facts) -> Vec<(String, Column)> {
    let in_context = facts.novel_set.map(|set| ("in context", set));
    let named = in_context.into_iter().chain(facts.by_heart.map(|set| ("by heart", set)));
    let column = |(words, set): (&str, Set)| (words.to_owned(), metric::ACCURACY.on(facts.prefix(set)));
    let named: Vec<_> = named.map(column).collect();
    if named.is_empty() { vec![(facts.progress.words.clone(), Column::of_progress(facts))] } else { named }
}

/// A column of a run's last row.
pub(super) fn last(run: &SweepRow, column: &Column) -> f64 {
    run.final_row.get(column.name()).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// Whether a run is at a point of an axis.
pub(super) fn is_at(axis: &Axis, k: usize, run: &SweepRow) -> bool {
    axis.keys.iter().zip(&axis.points[k]).all(|(key, value)| run.swept.get(key) == Some(&as_json(value)))
}

/// The values of an axis, where all are numbers; of fields that go together those of the first.
pub fn numbers(axis: &Axis) -> Option<Vec<f64>> {
    axis.points.iter().map(|values| as_json(&values[0]).as_f64()).collect()
}

/// What each point of an axis is called.
pub(super) fn names_of_points(axis: &Axis) -> Vec<String> {
    let name = |values: &Vec<toml::Value>| {
        let each = axis.keys.iter().zip(values).map(|(key, value)| words::value(key, &as_json(value)));
        each.collect::<Vec<_>>().join(", ")
    };
    axis.points.iter().map(name).collect()
}

/// The names of an axis' fields.
pub(super) fn name_of(axis: &Axis) -> String {
    axis.keys.iter().map(|key| words::field(key)).collect::<Vec<_>>().join(", ")
}

/// The figure's data: the jump of every seed and what it ended at, over one swept field, or fields that go together.
///
/// # Errors
/// If the spec of a run cannot be read.
pub fn dependence(title: &str, axis: &Axis, report: &SweepReport, facts: &Facts) -> Result<Dependence, LabError> {
    let axis = ordered(axis);
    let x = numbers(&axis).filter(|x| x.len() > 1 && x.is_sorted_by(|a, b| a < b));
    let (points, summaries) = (by_point(&report.runs), summarize(report));
    let place = |k: usize| points.iter().position(|runs| is_at(&axis, k, runs[0]));
    let nothing = DependencePoint { median: f64::NAN, interval: [f64::NAN; 2], ..DependencePoint::default() };
    let time = |k: usize| {
        let Some(at) = place(k) else { return nothing.clone() };
        let seen = observations(&points[at]);
        let of = |has_jumped| seen.iter().filter(move |one| one.has_jumped == has_jumped).map(|one| one.time);
        let is_many = seen.len() >= SEEDS_MIN && summaries[at].n_jumped > 0;
        let ends = summaries[at].t50_interval.map(|end| end.unwrap_or(f64::INFINITY));
        DependencePoint {
            seeds: of(true).collect(),
            censored: of(false).collect(),
            median: summaries[at].t50_median.unwrap_or(f64::NAN),
            interval: if is_many { ends } else { [f64::NAN; 2] },
        }
    };
    let reached = |column: &Column, k: usize| {
        let Some(at) = place(k) else { return nothing.clone() };
        let seeds: Vec<f64> = points[at].iter().map(|run| last(run, column)).collect();
        DependencePoint { median: median(seeds.iter().copied()), seeds, ..nothing.clone() }
    };
    let all = |of: &dyn Fn(usize) -> DependencePoint| (0..axis.points.len()).map(of).collect::<Vec<_>>();
    let jumps = DependenceSeries { name: "a seed".to_owned(), points: all(&time) };
    let shares = measured(facts).into_iter().map(|(name, column)| {
        let name = if name == facts.progress.words { "a seed".to_owned() } else { name };
        DependenceSeries { name, points: all(&|k| reached(&column, k)) }
    });
    let panel = |y_name: String, is_share, series| DependencePanel {
        y_name,
        is_share,
        interval_name: interval_name(points.iter().map(Vec::len)),
        series,
        references: Vec::new(),
    };
    Ok(Dependence {
        title: title.to_owned(),
        x_name: name_of(&axis),
        x_labels: names_of_points(&axis),
        panels: vec![
            panel("step of the jump (t50)".to_owned(), false, vec![jumps]),
            panel(format!("final {}", facts.progress.words), true, shares.collect()),
        ],
        x,
        note: settings(report)?,
    })
}

/// What the intervals are, of points with so many seeds.
fn interval_name(n_seeds: impl Iterator<Item = usize>) -> String {
    let drawn: Vec<usize> = n_seeds.filter(|n| *n >= SEEDS_MIN).collect();
    let n_few = drawn.iter().filter(|n| **n < SEEDS_OF_INTERVAL).count();
    match n_few {
        0 => "95 % interval".to_owned(),
        n if n == drawn.len() => "range of seeds".to_owned(),
        _ => format!("95 % interval; of fewer than {SEEDS_OF_INTERVAL} seeds their range"),
    }
}

/// Numbers in rising order, words as they were asked for.
fn ordered(axis: &Axis) -> Axis {
    let mut ordered = axis.clone();
    if numbers(axis).is_some() {
        let number = |values: &[toml::Value]| as_json(&values[0]).as_f64().unwrap_or(f64::NAN);
        ordered.points.sort_by(|a, b| number(a).total_cmp(&number(b)));
    }
    ordered
}

/// "N = 8, L = 32, B = 1 · 3 seeds, 4,000 steps": what all points have in common.
pub(super) fn settings(report: &SweepReport) -> Result<String, LabError> {
    let points = by_point(&report.runs);
    let mut sizes: Option<Vec<String>> = None;
    for runs in &points {
        let of_point = RunDir::new(&runs[0].run_dir).spec()?.facts().sizes;
        let of_point: Vec<String> = of_point.split(", ").map(str::to_owned).collect();
        match &mut sizes {
            Some(sizes) => sizes.retain(|size| of_point.contains(size)),
            None => sizes = Some(of_point),
        }
    }
    let range = |values: Vec<u64>| {
        let (least, most) = (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0));
        let most = thousands(most as f64);
        if least == values.iter().max().copied().unwrap_or(0) {
            most
        } else {
            format!("{} to {most}", thousands(least as f64))
        }
    };
    let seeds = range(points.iter().map(|runs| runs.len() as u64).collect());
    let steps = range(report.runs.iter().map(|run| run.steps).collect());
    let plural = if seeds == "1" { "" } else { "s" };
    let sizes = sizes.unwrap_or_default();
    let sizes = if sizes.is_empty() { String::new() } else { format!("{} · ", sizes.join(", ")) };
    Ok(format!("{sizes}{seeds} seed{plural} each, {steps} steps"))
}

#[cfg(test)]
mod tests {
    use precipice::measure::survival::{Observation, median_interval};

    use super::*;

    #[test]
    fn the_interval_of_few_seeds_is_their_range_and_called_so() {
        assert_eq!(interval_name([3, 5, 1].into_iter()), "range of seeds");
        assert_eq!(interval_name([6, 40].into_iter()), "95 % interval");
        assert_eq!(interval_name([3, 6].into_iter()), "95 % interval; of fewer than 6 seeds their range");
        for n in SEEDS_MIN..=8 {
            let seen: Vec<Observation> = (1..=n).map(|i| Observation { time: i as f64, has_jumped: true }).collect();
            let is_range = median_interval(&seen) == [Some(1.0), Some(n as f64)];
            assert_eq!(is_range, n < SEEDS_OF_INTERVAL, "{n}");
        }
    }
}
