//! What the runs of a sweep say together.

use precipice::measure::survival::{Observation, Survival, median_interval};
use serde::Serialize;
use serde_json::{Map, Value};

use super::report::{SweepReport, SweepRow};
use crate::store::RunOutcome;

/// Seeds from which on 95 % of the medians of seeds drawn again leave out the outermost ones; the interval of fewer
/// is their range.
pub const SEEDS_OF_INTERVAL: usize = 6;

/// The jump over the seeds of one point of the grid.
#[derive(Clone, Debug, Serialize)]
pub struct PointSummary {
    /// The swept fields.
    #[serde(flatten)]
    pub swept: Map<String, Value>,
    /// Runs.
    pub n_runs: usize,
    /// Runs that jumped.
    pub n_jumped: usize,
    /// Runs whose loss was no longer finite; censored there unless they had jumped before.
    pub n_diverged: usize,
    /// Half of the runs have jumped by then (Kaplan-Meier); null where fewer than half were seen to.
    pub t50_median: Option<f64>,
    /// 95 % interval (bootstrap), of fewer than [`SEEDS_OF_INTERVAL`] runs their range; an end is null where it lies
    /// beyond what was seen.
    pub t50_interval: [Option<f64>; 2],
}

/// What `sweep` says.
#[derive(Clone, Debug, Serialize)]
pub struct SweepSummary {
    /// The runs.
    #[serde(flatten)]
    pub report: SweepReport,
    /// The points of the grid.
    pub points: Vec<PointSummary>,
    /// File of the table; null where a run has no outcome.
    pub table: Option<String>,
    /// Files of the figures.
    pub figures: Vec<String>,
    /// Directories of the runs that a collection did not find.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What is wrong with the runs and packs that a collection found damaged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
}

/// Runs by the point of the grid that they belong to, in its order.
pub(super) fn by_point(rows: &[SweepRow]) -> Vec<Vec<&SweepRow>> {
    let mut points: Vec<Vec<&SweepRow>> = Vec::new();
    for row in rows {
        match points.last_mut() {
            Some(point) if point[0].swept == row.swept => point.push(row),
            _ => points.push(vec![row]),
        }
    }
    points
}

/// When each run jumped, or until when it is known not to have.
pub fn observations(point: &[&SweepRow]) -> Vec<Observation> {
    let of = |row: &&SweepRow| match has_jumped(row.outcome, row.t50) {
        true => Observation { time: row.t50.unwrap_or(0.0), has_jumped: true },
        false => Observation { time: row.steps as f64, has_jumped: false },
    };
    point.iter().map(of).collect()
}

/// Whether a run jumped: without a time it had learned before it was first looked at.
pub fn has_jumped(outcome: RunOutcome, t50: Option<f64>) -> bool {
    t50.is_some() || matches!(outcome, RunOutcome::Transition | RunOutcome::Both | RunOutcome::Lost)
}

/// One line a point of the grid.
pub fn summarize(report: &SweepReport) -> Vec<PointSummary> {
    let summary = |point: &Vec<&SweepRow>| {
        let observations = observations(point);
        PointSummary {
            swept: point[0].swept.clone(),
            n_runs: point.len(),
            n_jumped: observations.iter().filter(|observation| observation.has_jumped).count(),
            n_diverged: point.iter().filter(|row| row.outcome == RunOutcome::Diverged).count(),
            t50_median: Survival::new(&observations).median(),
            t50_interval: median_interval(&observations),
        }
    };
    by_point(&report.runs).iter().map(summary).collect()
}

/// Linear between the sorted values.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (at - at.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_between_values() {
        let sorted = [0.0, 1.0, 2.0, 4.0];
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(|q| quantile(&sorted, q)), [0.0, 1.5, 2.5, 4.0]);
        assert_eq!(quantile(&[7.0], 0.9), 7.0);
    }
}
