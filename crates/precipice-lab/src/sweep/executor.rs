//! The runs of a sweep, made by workers that take one after the other.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::spec::RunSpec;
use precipice::train::Trainer;

use super::grid::Job;
use super::report::{FailedRun, SweepReport, SweepRow};
use crate::error::LabError;
use crate::runs::threads::THREADS_MAX;
use crate::runs::{Keep, Options, Training, memory, train};
use crate::store::RunOutcome;

/// Someone who is told of every run that ends, and may stop the sweep.
pub trait SweepWatcher: Send {
    /// A run ended; `was_stored` if it was there already.
    fn ended(&mut self, run: &Result<SweepRow, FailedRun>, was_stored: bool);
}

/// Makes all runs, `workers` at a time. `stop` ends the sweep after the current step of each.
///
/// # Errors
/// If the folder cannot be used. A run that fails is reported, and the others go on.
///
/// ```
/// use precipice_lab::sweep::{Axis, FailedRun, Plan, SweepRow, SweepWatcher, summarize, sweep};
/// struct Quiet;
/// impl SweepWatcher for Quiet {
///     fn ended(&mut self, _: &Result<SweepRow, FailedRun>, _: bool) {}
/// }
/// # let folder = tempfile::tempdir()?;
/// let mut plan = Plan::load("copying-small", false)?;
/// plan.changes.overrides = ["train.steps=2", "eval.sequences=64", "probes.sequences=16"].map(str::to_owned).to_vec();
/// plan.set_axis(Axis::of("train.batch_size", [8, 16]));
/// plan.seeds = vec![0];
/// let report = sweep(plan.jobs()?, folder.path(), 1, &|| false, &mut Quiet)?;
/// assert_eq!(summarize(&report).len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sweep(
    jobs: Vec<Job>,
    folder: &Path,
    workers: usize,
    stop: &(dyn Fn() -> bool + Sync),
    watcher: &mut dyn SweepWatcher,
) -> Result<SweepReport, LabError> {
    check_memory(&jobs, workers)?;
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

/// Refuses more workers than there is memory for: the largest runs may be made at one time.
fn check_memory(jobs: &[Job], workers: usize) -> Result<(), LabError> {
    let (mut needs, mut before): (Vec<f64>, Option<&Job>) = (Vec::with_capacity(jobs.len()), None);
    for job in jobs {
        // Seeds need nothing.
        let need = match (needs.last(), before.filter(|other| other.swept == job.swept)) {
            (Some(&need), Some(_)) => need,
            _ => memory::need(&job.spec, false)?,
        };
        needs.push(need);
        before = Some(job);
    }
    needs.sort_by(|a, b| b.total_cmp(a));
    needs.truncate(workers.max(1));
    let name = jobs.first().map_or("", |job| &job.spec.name);
    memory::check(name, needs.iter().sum(), needs.len())
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
    match train(spec, &options, &mut Stop(stop)).and_then(Training::seal) {
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

/// Watches one run for the request to stop.
struct Stop<'a>(&'a (dyn Fn() -> bool + Sync));

impl Recorder for Stop<'_> {
    fn row(&mut self, _: &Row) -> Result<(), RecordError> {
        Ok(())
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, _: u64, _: f64) -> Next {
        if (self.0)() { Next::Stop } else { Next::Continue }
    }
}
