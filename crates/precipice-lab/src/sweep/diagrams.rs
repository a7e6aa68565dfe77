//! From the runs of a sweep to its figures.

use precipice::measure::Column;
use precipice::measure::survival::{Observation, Survival};
use precipice::record::Row;
use precipice::task::Facts;
use precipice_figures::{
    BandSeries, Ensemble, EnsembleMember, Figure, dependence as figure_of_dependence, ensemble, phase_diagram,
    thousands,
};

use super::dependence::dependence;
use super::phases::phase_data;
use super::plan::Axis;
use super::report::{SweepReport, SweepRow};
use super::summary::{by_point, observations, quantile};
use super::words;
use crate::error::{FigureProblem, LabError};
use crate::store::RunDir;

/// What can be drawn of sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepKind {
    /// Learning curves with their spread over seeds, and the share that has not jumped.
    Ensemble,
    /// Two swept fields: final accuracies and times of the jump.
    PhaseDiagram,
    /// One swept field: when each seed jumped, and what it reached.
    Dependence,
}

impl SweepKind {
    /// All kinds.
    pub const ALL: [SweepKind; 3] = [SweepKind::Ensemble, SweepKind::PhaseDiagram, SweepKind::Dependence];

    /// The name on the command line and of the file.
    pub fn name(self) -> &'static str {
        ["ensemble", "phase-diagram", "dependence"][self as usize]
    }
}

/// A figure and the stem of its file.
pub struct SweepFigure {
    /// As [`SweepKind::name`].
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

/// Draws learning curves with their spread over seeds; for two swept fields heat maps, for one the jump and what is
/// reached over its values.
///
/// # Errors
/// If there are no runs, the log of a run cannot be read, or a figure cannot be drawn.
pub fn draw(title: &str, axes: &[Axis], report: &SweepReport) -> Result<SweepFigures, LabError> {
    let (figure, n_left_out) = draw_ensemble(title, report)?;
    let mut figures = vec![SweepFigure { name: SweepKind::Ensemble.name(), figure }];
    let kind = match swept(axes).len() {
        1 => Some(SweepKind::Dependence),
        2 => Some(SweepKind::PhaseDiagram),
        _ => None,
    };
    if let Some(kind) = kind {
        figures.push(SweepFigure { name: kind.name(), figure: draw_over(kind, title, axes, report)? });
    }
    Ok(SweepFigures { figures, n_left_out })
}

/// The learning curves, and how many points of the grid have no place there.
pub(super) fn draw_ensemble(title: &str, report: &SweepReport) -> Result<(Figure, usize), LabError> {
    let (curves, n_left_out) = learning_curves(title, report, &facts_of(report)?)?;
    let figure = ensemble(&curves).map_err(|e| LabError::figure("ensemble", e))?;
    Ok((figure, n_left_out))
}

/// Axes along which something differs.
fn swept(axes: &[Axis]) -> Vec<&Axis> {
    axes.iter().filter(|axis| axis.points.len() > 1).collect()
}

/// What is drawn over swept fields.
///
/// # Errors
/// If the sweep has another number of them.
pub(super) fn draw_over(kind: SweepKind, title: &str, axes: &[Axis], report: &SweepReport) -> Result<Figure, LabError> {
    let facts = facts_of(report)?;
    let drawn = match (kind, &swept(axes)[..]) {
        (SweepKind::Dependence, [x]) => figure_of_dependence(&dependence(title, x, report, &facts)?),
        (SweepKind::PhaseDiagram, [y, x]) => phase_diagram(&phase_data(title, x, y, report, &facts)?),
        (_, axes) => {
            let why = other_number(kind, axes);
            return Err(LabError::figure(kind.name(), FigureProblem::NotForThisRun { why }));
        }
    };
    drawn.map_err(|e| LabError::figure(kind.name(), e))
}

/// Which fields are swept, and which figure they have.
fn other_number(kind: SweepKind, axes: &[&Axis]) -> String {
    let names = axes.iter().map(|axis| axis.keys.join(" with ")).collect::<Vec<_>>().join(", ");
    let wanted = if kind == SweepKind::Dependence { "one swept field" } else { "two swept fields" };
    let (found, instead) = match axes.len() {
        0 => ("its runs differ in nothing but their seeds".to_owned(), "draw ensemble"),
        1 => (format!("there is one, {names}"), "draw dependence"),
        2 => (format!("there are two, {names}"), "draw phase-diagram"),
        n => (format!("there are {n}, {names}"), "draw ensemble, or sweep fewer of them into a folder of their own"),
    };
    format!("is drawn over {wanted}, and {found}; {instead}")
}

/// What the task of a sweep's runs says of itself.
///
/// # Errors
/// If there are no runs, or the first cannot be read.
pub fn facts_of(report: &SweepReport) -> Result<Facts, LabError> {
    let first = report.runs.first().ok_or_else(|| LabError::figure("sweep", FigureProblem::NoRuns))?;
    Ok(RunDir::new(&first.run_dir).spec()?.facts())
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
        let label = swept.map(|(key, value)| words::told(key, value)).collect::<Vec<_>>().join(", ");
        let name = if label.is_empty() { format!("{} seeds", thousands(point.len() as f64)) } else { label };
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
