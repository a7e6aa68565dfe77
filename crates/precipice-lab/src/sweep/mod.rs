//! Many runs: a grid over any fields times seeds, run by run, on all cores.
//!
//! Every run is a spec in a directory of its own, named by its hash. What is finished is not computed
//! again, so that an interrupted sweep goes on where it was, and a larger one begins with the smaller.

mod diagrams;
mod grid;
mod plan;
mod summary;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use precipice::record::{Next, Recorder, Row};
use precipice::spec::RunSpec;
use serde::Serialize;
use serde_json::{Map, Value};

pub use diagrams::{SweepFigure, SweepFigures, aligned_curves, dependence, draw, phase_data, seed_curves};
pub use grid::{Axis, Job};
pub use plan::{BUILT_IN_SWEEPS, Plan, parse_seeds};
pub use summary::{PointSummary, observations, summarize, table};

use crate::error::LabError;
use crate::session::{self, Keep, Options};
use crate::store::{Manifest, RunOutcome};
use crate::threads::THREADS_MAX;

/// One run of a sweep that ended.
#[derive(Clone, Debug, Serialize)]
pub struct SweepRow {
    /// Address of the spec.
    pub spec_hash: String,
    /// Where the run is.
    pub run_dir: String,
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

/// Someone who is told of every run that ends, and may stop the sweep.
pub trait SweepWatcher: Send {
    /// A run ended; `was_stored` if it was there already.
    fn ended(&mut self, run: &Result<SweepRow, FailedRun>, was_stored: bool);
}

/// Makes all runs, `workers` at a time. `stop` ends the sweep after the current step of each.
///
/// # Errors
/// If the folder cannot be used. A run that fails is reported, and the others go on.
pub fn sweep(
    jobs: Vec<Job>,
    folder: &Path,
    workers: usize,
    stop: &(dyn Fn() -> bool + Sync),
    watcher: &mut dyn SweepWatcher,
) -> Result<SweepReport, LabError> {
    std::fs::create_dir_all(folder).map_err(LabError::io("create", folder))?;
    // Few runs leave threads over, which then share each run.
    let threads = (workers / jobs.len().max(1)).clamp(1, THREADS_MAX);
    let n_workers = workers.min(jobs.len()).max(1);
    let n_jobs = jobs.len();
    let queue: Mutex<VecDeque<(usize, Job)>> = Mutex::new(jobs.into_iter().enumerate().collect());
    let done = Mutex::new((Vec::with_capacity(n_jobs), watcher));
    let was_stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..n_workers {
            scope.spawn(|| {
                while let Some((idx, job)) = next(&queue) {
                    if stop() {
                        was_stopped.store(true, Ordering::Relaxed);
                        return;
                    }
                    let Some((run, was_stored)) = run_one(job, folder, threads, stop) else {
                        was_stopped.store(true, Ordering::Relaxed);
                        return;
                    };
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.1.ended(&run, was_stored);
                    done.0.push((idx, run, was_stored));
                }
            });
        }
    });
    let (mut all, _) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_by_key(|(idx, ..)| *idx);
    let mut report = SweepReport { was_stopped: was_stopped.into_inner(), ..SweepReport::default() };
    for (_, run, was_stored) in all {
        match run {
            Ok(row) => {
                report.runs.push(row);
                report.skipped += usize::from(was_stored);
            }
            Err(failed) => report.failed.push(failed),
        }
    }
    Ok(report)
}

fn next(queue: &Mutex<VecDeque<(usize, Job)>>) -> Option<(usize, Job)> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// Its result and whether it was there already; None if it was stopped.
fn run_one(
    job: Job,
    folder: &Path,
    threads: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<(Result<SweepRow, FailedRun>, bool)> {
    let Job { spec, swept, seed } = job;
    let spec_hash = spec.hash();
    let options =
        Options { out: Some(run_dir_of(folder, &spec)), threads, resume: true, force: false, keep: Keep::Results };
    match session::train(spec, &options, &mut Stop(stop)) {
        Ok(report) if report.manifest.outcome == RunOutcome::Stopped => None,
        Ok(report) => {
            let run_dir = report.run_dir.root().display().to_string();
            Some((Ok(SweepRow::new(report.manifest, run_dir, swept, seed)), report.was_stored))
        }
        Err(e) => Some((Err(FailedRun { spec_hash, swept, seed, problem: e.to_string() }), false)),
    }
}

/// `<folder>/<name>-<hash12>`: a million runs share no such name.
fn run_dir_of(folder: &Path, spec: &RunSpec) -> PathBuf {
    folder.join(format!("{}-{}", spec.name, &spec.hash()[..12]))
}

impl SweepRow {
    fn new(manifest: Manifest, run_dir: String, swept: Map<String, Value>, seed: u64) -> Self {
        let jump = manifest.transition;
        Self {
            spec_hash: manifest.spec_hash,
            run_dir,
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

/// Watches one run for the request to stop.
struct Stop<'a>(&'a (dyn Fn() -> bool + Sync));

impl Recorder for Stop<'_> {
    fn row(&mut self, _: &Row) -> Result<(), precipice::record::RecordError> {
        Ok(())
    }

    fn checkpoint(&mut self, _: &precipice::train::Trainer) -> Result<(), precipice::record::RecordError> {
        Ok(())
    }

    fn step(&mut self, _: u64, _: f64) -> Next {
        if (self.0)() { Next::Stop } else { Next::Continue }
    }
}
