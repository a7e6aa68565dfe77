//! From the runs of a sweep to its figures.

use precipice::measure::survival::{Observation, Survival};
use precipice::measure::transition::median;
use precipice::measure::{Column, metric};
use precipice::record::Row;
use precipice::task::{Facts, Set};
use precipice_figures::{
    BandPanel, BandSeries, Bands, Ensemble, EnsembleMember, Figure, FigureError, PhaseCell, PhaseDiagram, PhaseMap,
    PhaseUnit, bands, ensemble, phase_diagram,
};
use serde_json::Value;

use super::grid::{as_json, as_typed};
use super::plan::Axis;
use super::report::{SweepReport, SweepRow};
use super::summary::{by_point, observations, quantile, summarize};
use crate::error::{FigureProblem, LabError, excerpt};
use crate::store::RunDir;

/// A figure and the stem of its file.
pub struct SweepFigure {
    /// `ensemble`, `phase-diagram`, `dependence`.
    pub name: &'static str,
    /// The page.
    pub figure: Figure,
}

/// What is drawn, and what is not.
pub struct SweepFigures {
    /// Figures.
    pub figures: Vec<SweepFigure>,
    /// Points of the grid that have no place on the learning curves.
    pub n_left_out: usize,
}

/// Points of a grid whose learning curves one figure shows.
const MEMBERS_MAX: usize = 6;

/// Draws learning curves with their spread over seeds; for two swept fields heat maps, for one that
/// is a number curves over it.
///
/// # Errors
/// If there are no runs, the log of a run cannot be read, or a figure cannot be drawn.
pub fn draw(title: &str, axes: &[Axis], report: &SweepReport) -> Result<SweepFigures, LabError> {
    let problem = |e: FigureError| LabError::figure("sweep", e);
    let facts = facts_of(report)?;
    let (curves, n_left_out) = learning_curves(title, report, &facts)?;
    let mut figures = vec![SweepFigure { name: "ensemble", figure: ensemble(&curves).map_err(problem)? }];
    let is_swept = |axis: &&Axis| axis.points.len() > 1;
    match axes.iter().filter(is_swept).collect::<Vec<_>>()[..] {
        [y, x] => {
            let figure = phase_diagram(&phase_data(title, x, y, report, &facts)).map_err(problem)?;
            figures.push(SweepFigure { name: "phase-diagram", figure });
        }
        [x] if numbers(x).is_some() => {
            let figure = bands(&dependence(title, x, report, &facts)).map_err(problem)?;
            figures.push(SweepFigure { name: "dependence", figure });
        }
        _ => {}
    }
    Ok(SweepFigures { figures, n_left_out })
}

/// What success is called, and the column of it: in context and by heart, or the progress of the task.
fn measured(facts: &Facts) -> Vec<(String, Column)> {
    let in_context = facts.novel_set.map(|set| ("in context", set));
    let named = in_context.into_iter().chain(facts.by_heart.map(|set| ("by heart", set)));
    let column = |(words, set): (&str, Set)| (words.to_owned(), metric::ACCURACY.on(facts.prefix(set)));
    let named: Vec<_> = named.map(column).collect();
    if named.is_empty() { vec![(facts.progress.words.clone(), Column::of_progress(facts))] } else { named }
}

/// What the task of a sweep's runs says of itself.
///
/// # Errors
/// If there are no runs, or the first cannot be read.
pub fn facts_of(report: &SweepReport) -> Result<Facts, LabError> {
    let first = report.runs.first().ok_or_else(|| LabError::figure("sweep", FigureProblem::NoRuns))?;
    Ok(RunDir::new(&first.run_dir).spec()?.facts())
}

fn last(run: &SweepRow, column: &Column) -> f64 {
    run.final_row.get(column.name()).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// Heat maps over two axes: final accuracies, medians over seeds, and the time of the jump.
pub fn phase_data(title: &str, x: &Axis, y: &Axis, report: &SweepReport, facts: &Facts) -> PhaseDiagram {
    let (points, summaries) = (by_point(&report.runs), summarize(report));
    let at = |i: usize, j: usize| {
        let is_here = |axis: &Axis, k: usize, run: &SweepRow| {
            axis.keys.iter().zip(&axis.points[k]).all(|(key, value)| run.swept.get(key) == Some(&as_json(value)))
        };
        points.iter().position(|runs| is_here(x, i, runs[0]) && is_here(y, j, runs[0]))
    };
    let grid = || (0..y.points.len()).flat_map(|j| (0..x.points.len()).map(move |i| (i, j)));
    let accuracy = |(name, column): (String, Column)| {
        let cell = |(i, j): (usize, usize)| match at(i, j) {
            Some(at) => PhaseCell::Value(median(points[at].iter().map(|run| last(run, &column))), String::new()),
            None => PhaseCell::Absent,
        };
        let name = if name == facts.progress.words { name } else { format!("accuracy {name}") };
        PhaseMap { name, unit: PhaseUnit::Fraction, cells: grid().map(cell).collect() }
    };
    let time = |(i, j): (usize, usize)| {
        let Some(at) = at(i, j) else { return PhaseCell::Absent };
        let summary = &summaries[at];
        let some = summary.n_jumped > 0 && summary.n_jumped < summary.n_runs;
        let below = if some { format!("{}/{}", summary.n_jumped, summary.n_runs) } else { String::new() };
        let longest = points[at].iter().map(|run| run.steps).max().unwrap_or(0) as f64;
        summary.t50_median.map_or(PhaseCell::Censored(longest, below.clone()), |t50| PhaseCell::Value(t50, below))
    };
    let mut maps: Vec<PhaseMap> = measured(facts).into_iter().map(accuracy).collect();
    maps.push(PhaseMap { name: "t50".to_owned(), unit: PhaseUnit::Steps, cells: grid().map(time).collect() });
    let shown = |axis: &Axis| (short_name(axis), axis.points.iter().map(|values| as_shown(values)).collect());
    let seeds = points.iter().map(Vec::len).max().unwrap_or(0);
    let note = format!(
        "Medians of {seeds} seed{} at the end. t50 is the step of the jump to in-context answers (Kaplan–Meier \
         median); gray: half of the runs had not jumped by that step; below, how many did where not all agree.",
        if seeds == 1 { "" } else { "s" }
    );
    PhaseDiagram { title: title.to_owned(), x: shown(x), y: shown(y), maps, note }
}

/// Final accuracies over one axis of numbers: medians and the range of the seeds.
pub fn dependence(title: &str, x: &Axis, report: &SweepReport, facts: &Facts) -> Bands {
    let points = by_point(&report.runs);
    let series = |(name, column): (String, Column)| {
        let at = |runs: &Vec<&SweepRow>| {
            let values = || runs.iter().map(|run| last(run, &column));
            let (low, high) = (values().fold(f64::NAN, f64::min), values().fold(f64::NAN, f64::max));
            let x = runs[0].swept.get(&x.keys[0]).and_then(Value::as_f64).unwrap_or(f64::NAN);
            (x, [low, median(values()), high])
        };
        let mut at: Vec<_> = points.iter().map(at).collect();
        at.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (x, values) = at.into_iter().unzip();
        BandSeries { name, x, values }
    };
    let panel = BandPanel {
        heading: String::new(),
        y_name: format!("final {}", facts.progress.words),
        series: measured(facts).into_iter().map(series).collect(),
        references: Vec::new(),
        marks: Vec::new(),
        mark_words: String::new(),
    };
    Bands { title: title.to_owned(), x_name: Some(short_name(x)), panels: vec![panel] }
}

/// The values of an axis, where all are numbers; of fields that go together those of the first.
pub fn numbers(axis: &Axis) -> Option<Vec<f64>> {
    axis.points.iter().map(|values| as_json(&values[0]).as_f64()).collect()
}

/// Accuracy over training with quantile bands, and the share of runs that have not jumped.
fn learning_curves(title: &str, report: &SweepReport, facts: &Facts) -> Result<(Ensemble, usize), LabError> {
    let points = by_point(&report.runs);
    let n_left_out = points.len().saturating_sub(MEMBERS_MAX);
    let (mut members, column) = (Vec::new(), Column::of_progress(facts));
    for point in points.iter().take(MEMBERS_MAX) {
        let mut curves = Vec::new();
        for run in point {
            // Only what is drawn: a thousand logs would fill the memory.
            let run_dir = RunDir::new(&run.run_dir);
            curves.push(run_dir.rows()?.iter().map(|row| (row.step as f64, row.get(&column))).collect());
        }
        let swept = point[0].swept.iter();
        let label = swept.map(|(key, value)| format!("{} = {}", short_key(key), plain(value)));
        let label = label.collect::<Vec<_>>().join(", ");
        let name = if label.is_empty() { format!("{} seeds", point.len()) } else { label };
        members.push(member(name, &curves, &observations(point)));
    }
    Ok((Ensemble { title: title.to_owned(), y_name: facts.progress.words.clone(), members }, n_left_out))
}

/// Points of an aligned curve, and where it ends at the latest.
const ALIGNED_POINTS: usize = 160;
const ALIGNED_END: f64 = 1.6;

/// Columns of the logs of runs that jumped, each over its own steps divided by its t50: the median, and
/// the lowest and the highest of the runs that came so far. Over steps a median of jumps at different times would not jump.
///
/// # Errors
/// If the log of a run cannot be read.
pub fn aligned_curves(runs: &[&SweepRow], named: &[(&str, Column)]) -> Result<Vec<BandSeries>, LabError> {
    let mut logs = Vec::new();
    for run in runs {
        if let Some(t50) = run.t50 {
            logs.push((t50, RunDir::new(&run.run_dir).rows()?));
        }
    }
    let ends = logs.iter().filter_map(|(t50, rows)| Some(rows.last()?.step as f64 / t50));
    let end = ends.fold(0.0, f64::max).min(ALIGNED_END);
    if logs.is_empty() {
        let why = "no run jumped, so there is nothing to align".to_owned();
        return Err(LabError::figure("aligned curves", FigureProblem::NotForThisRun { why }));
    }
    let x: Vec<f64> = (0..=ALIGNED_POINTS).map(|i| end * i as f64 / ALIGNED_POINTS as f64).collect();
    let series = |(name, column): &(&str, Column)| {
        let at = |x: &f64| {
            let all = logs.iter().map(|(t50, rows)| interpolated(rows, column, x * t50));
            let mut values: Vec<f64> = all.filter(|value| value.is_finite()).collect();
            if values.is_empty() {
                return [f64::NAN; 3];
            }
            values.sort_by(f64::total_cmp);
            [0.0, 0.5, 1.0].map(|q| quantile(&values, q))
        };
        BandSeries { name: (*name).to_owned(), x: x.clone(), values: x.iter().map(at).collect() }
    };
    Ok(named.iter().map(series).collect())
}

/// A column between two rows of the log; NaN beyond the last.
fn interpolated(rows: &[Row], column: &Column, step: f64) -> f64 {
    let after = rows.partition_point(|row| (row.step as f64) < step);
    let Some(b) = rows.get(after) else { return f64::NAN };
    let a = &rows[after.saturating_sub(1)];
    if a.step == b.step {
        return b.get(column);
    }
    let share = (step - a.step as f64) / (b.step - a.step) as f64;
    a.get(column) + share * (b.get(column) - a.get(column))
}

/// Columns of the logs of runs that differ in their seeds: at every step the median, and the lowest
/// and the highest.
///
/// # Errors
/// If the log of a run cannot be read.
pub fn seed_curves(runs: &[&SweepRow], named: &[(&str, Column)]) -> Result<Vec<BandSeries>, LabError> {
    let logs = runs.iter().map(|run| RunDir::new(&run.run_dir).rows()).collect::<Result<Vec<_>, _>>()?;
    let n_rows = logs.iter().map(Vec::len).min().unwrap_or(0);
    let series = |(name, column): &(&str, Column)| {
        let at = |i: usize| {
            let mut values: Vec<f64> = logs.iter().map(|rows| rows[i].get(column)).collect();
            values.sort_by(f64::total_cmp);
            [0.0, 0.5, 1.0].map(|q| quantile(&values, q))
        };
        let x = logs.first().map_or(Vec::new(), |rows| rows[..n_rows].iter().map(|row| row.step as f64).collect());
        BandSeries { name: (*name).to_owned(), x, values: (0..n_rows).map(at).collect() }
    };
    Ok(named.iter().map(series).collect())
}

fn short_key(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The last names of an axis' fields.
fn short_name(axis: &Axis) -> String {
    axis.keys.iter().map(|key| short_key(key)).collect::<Vec<_>>().join(", ")
}

/// The values of a point of an axis.
fn as_shown(values: &[toml::Value]) -> String {
    values.iter().map(|value| excerpt(&as_typed(value))).collect::<Vec<_>>().join(", ")
}

/// Quantiles of the accuracy, at every step over the runs that came so far.
fn member(name: String, curves: &[Vec<(f64, f64)>], observations: &[Observation]) -> EnsembleMember {
    let longest = curves.iter().max_by_key(|rows| rows.len()).map_or(&[][..], |rows| &rows[..]);
    let (n_rows, steps) = (longest.len(), longest.iter().map(|row| row.0).collect());
    let at = |i: usize| {
        let mut values: Vec<f64> = curves.iter().filter_map(|rows| rows.get(i)).map(|row| row.1).collect();
        values.sort_by(f64::total_cmp);
        [0.1, 0.5, 0.9].map(|q| quantile(&values, q))
    };
    let last = observations.iter().map(|observation| observation.time).fold(0.0, f64::max);
    let Survival { times: jump_times, shares: not_jumped } = Survival::new(observations);
    EnsembleMember { name, steps, quantiles: (0..n_rows).map(at).collect(), jump_times, not_jumped, last }
}
