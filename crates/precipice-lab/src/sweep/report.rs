//! What became of the runs of a sweep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::store::{Manifest, RunOutcome};

/// One run of a sweep that ended.
#[derive(Clone, Debug, Serialize)]
pub struct SweepRow {
    /// Address of the spec.
    pub spec_hash: String,
    /// Where the run is.
    pub run_dir: String,
    /// Address of the spec without its seeds, which all runs of a point share.
    #[serde(skip)]
    pub point: String,
    /// The swept fields, in the order of the grid.
    #[serde(flatten)]
    pub swept: Map<String, Value>,
    /// Of all four.
    pub seed: u64,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Updates done.
    pub steps: u64,
    /// The jump; null where there was none.
    pub t50: Option<f64>,
    /// End of the plateau.
    pub onset_step: Option<f64>,
    /// Steps from 10 % to 90 %.
    pub width_10_90: Option<f64>,
    /// Accuracy on the plateau.
    pub plateau_accuracy: Option<f64>,
    /// Columns of the last row.
    #[serde(flatten)]
    pub final_row: Map<String, Value>,
}

/// One run of a sweep that could not be made.
#[derive(Clone, Debug, Serialize)]
pub struct FailedRun {
    /// Address of the spec.
    pub spec_hash: String,
    /// The swept fields.
    #[serde(flatten)]
    pub swept: Map<String, Value>,
    /// Of all four.
    pub seed: u64,
    /// Why.
    pub problem: String,
}

/// What became of a sweep.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SweepReport {
    /// Runs that ended, in the order of grid and seeds.
    pub runs: Vec<SweepRow>,
    /// How many of them were there already.
    pub skipped: usize,
    /// Runs that could not be made.
    pub failed: Vec<FailedRun>,
    /// Whether it was stopped before all runs were made.
    #[serde(rename = "stopped")]
    pub was_stopped: bool,
}

impl SweepRow {
    /// What the manifest of a run says of it.
    pub(super) fn new(manifest: Manifest, run_dir: &Path, point: String, swept: Map<String, Value>, seed: u64) -> Self {
        let jump = manifest.transition;
        Self {
            spec_hash: manifest.spec_hash,
            run_dir: run_dir.display().to_string(),
            point,
            swept,
            seed,
            outcome: manifest.outcome,
            steps: manifest.steps,
            t50: jump.and_then(|jump| jump.t50),
            onset_step: jump.and_then(|jump| jump.onset_step),
            width_10_90: jump.and_then(|jump| jump.width_10_90),
            plateau_accuracy: jump.and_then(|jump| jump.plateau_accuracy),
            final_row: manifest.final_row,
        }
    }
}

impl SweepReport {
    /// The same points with all their runs among `all`: those of this sweep, then those of others that differ from them
    /// in nothing but their seeds.
    pub fn with_more_seeds(&self, all: Vec<SweepRow>) -> Self {
        let mut points: Vec<Vec<SweepRow>> = Vec::new();
        let mut place = BTreeMap::new();
        let mut known = BTreeSet::new();
        for row in &self.runs {
            known.insert(row.spec_hash.as_str());
            let at = *place.entry(row.point.as_str()).or_insert(points.len());
            if at == points.len() {
                points.push(Vec::new());
            }
            points[at].push(row.clone());
        }
        for row in all.into_iter().filter(|row| !known.contains(row.spec_hash.as_str())) {
            if let Some(&at) = place.get(row.point.as_str()) {
                let swept = points[at][0].swept.clone();
                points[at].push(SweepRow { swept, ..row });
            }
        }
        let runs = points.into_iter().flatten().collect();
        Self { runs, skipped: self.skipped, failed: self.failed.clone(), was_stopped: self.was_stopped }
    }
}
