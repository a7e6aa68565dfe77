//! The runs of a sweep, made by workers that take one after the other.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::train::Trainer;

use super::apart::point_of;
use super::grid::Job;
use super::record::{Record, name_of};
use super::report::{FailedRun, SweepReport, SweepRow};
use crate::error::{LabError, RunDirProblem};
use crate::runs::threads::THREADS_MAX;
use crate::runs::{Keep, Options, Training, memory, train};
use crate::store::RunOutcome;

/// Someone who is told of every run that ends, and may stop the sweep.
pub trait SweepWatcher: Send {
    /// Before anything is made: the runs, whose places in this list are their numbers, and how many are made at a time.
    fn planned(&mut self, _jobs: &[Job], _n_workers: usize) {}

    /// A run begins, or is looked for.
    fn begins(&mut self, _run: usize) {}

    /// A run has made a step.
    fn at(&mut self, _run: usize, _step: u64) {}

    /// A run turned out to be made by another process, and waits.
    fn is_held(&mut self, _run: usize) {}

    /// A run ended; `was_stored` if it was there already.
    fn ended(&mut self, run: usize, ending: &Result<SweepRow, FailedRun>, was_stored: bool);

    /// All that is left is being made by other processes, and is waited for.
    fn waits(&mut self) {}
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
///     fn ended(&mut self, _: usize, _: &Result<SweepRow, FailedRun>, _: bool) {}
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
    // Few runs leave threads over, which then share each run.
    let threads = (workers / jobs.len().max(1)).clamp(1, THREADS_MAX);
    check_memory(&jobs, workers, threads)?;
    Record::enter(folder, &jobs)?;
    let n_workers = workers.min(jobs.len()).max(1);
    let n_jobs = jobs.len();
    watcher.planned(&jobs, n_workers);
    let queue: Mutex<VecDeque<(usize, Job)>> = Mutex::new(jobs.into_iter().enumerate().collect());
    let done = Mutex::new((Vec::with_capacity(n_jobs), watcher));
    let was_stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n_spawned in 0..n_workers {
            let work = || {
                // Runs in a row that others hold.
                let mut n_held = 0;
                let tell = |what: &dyn Fn(&mut dyn SweepWatcher)| what(&mut *locked(&done).1);
                while let Some((idx, job)) = next(&queue) {
                    tell(&|watcher| watcher.begins(idx));
                    let mut watch = Watch { stop, at: &|step| tell(&|watcher| watcher.at(idx, step)) };
                    let ending = if stop() { Ending::Stopped } else { run_one(&job, folder, threads, &mut watch) };
                    match ending {
                        Ending::Stopped => {
                            was_stopped.store(true, Ordering::Relaxed);
                            return;
                        }
                        Ending::Held => {
                            tell(&|watcher| watcher.is_held(idx));
                            let mut queue = locked(&queue);
                            queue.push_back((idx, job));
                            n_held += 1;
                            let is_all = n_held >= queue.len();
                            drop(queue);
                            if is_all {
                                tell(&|watcher| watcher.waits());
                                std::thread::sleep(UNTIL_NEXT_LOOK);
                            }
                        }
                        Ending::Ended(run, was_stored) => {
                            n_held = 0;
                            let mut done = locked(&done);
                            done.1.ended(idx, &run, was_stored);
                            done.0.push((idx, *run, was_stored));
                        }
                    }
                }
            };
            // Where the system gives no more threads, those there are do all the work.
            match std::thread::Builder::new().spawn_scoped(scope, work) {
                Err(_) if n_spawned > 0 => break,
                spawned => drop(spawned.expect("a system that runs programs gives one thread")),
            }
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
fn check_memory(jobs: &[Job], workers: usize, threads: usize) -> Result<(), LabError> {
    let (mut needs, mut before): (Vec<(f64, &Job)>, Option<&Job>) = (Vec::with_capacity(jobs.len()), None);
    for job in jobs {
        // Seeds need nothing.
        let need = match (needs.last(), before.filter(|other| other.swept == job.swept)) {
            (Some(&(need, _)), Some(_)) => need,
            _ => memory::need(&job.spec, false, threads)?,
        };
        needs.push((need, job));
        before = Some(job);
    }
    needs.sort_by(|a, b| b.0.total_cmp(&a.0));
    needs.truncate(workers.max(1));
    let Some((_, largest)) = needs.first() else { return Ok(()) };
    memory::check(&largest.spec, needs.iter().map(|(need, _)| need).sum(), needs.len())
}

fn next(queue: &Mutex<VecDeque<(usize, Job)>>) -> Option<(usize, Job)> {
    locked(queue).pop_front()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of one run.
enum Ending {
    /// Its result, and whether it was there already.
    Ended(Box<Result<SweepRow, FailedRun>>, bool),
    /// Another process is making it.
    Held,
    /// It was stopped.
    Stopped,
}

/// Time after which a run that another process holds is looked at again, if there is nothing else to do.
const UNTIL_NEXT_LOOK: Duration = Duration::from_millis(200);

fn run_one(job: &Job, folder: &Path, threads: usize, watch: &mut Watch<'_>) -> Ending {
    let Job { spec, swept, seed, arithmetic } = job.clone();
    let (spec_hash, point) = (spec.hash(), point_of(&spec));
    let out = Some(folder.join(name_of(&spec)));
    let options = Options { out, threads, resume: true, force: false, keep: Keep::Results, arithmetic };
    match train(spec, &options, watch).and_then(Training::seal) {
        Ok(report) if report.manifest.outcome == RunOutcome::Stopped => Ending::Stopped,
        Ok(report) => {
            let row = SweepRow::new(report.manifest, report.run_dir.root(), point, swept, seed);
            Ending::Ended(Box::new(Ok(row)), report.was_stored)
        }
        Err(LabError::RunDir {
            problem: RunDirProblem::LockedByAnother | RunDirProblem::FinishedMeanwhile | RunDirProblem::BegunMeanwhile,
            ..
        }) => Ending::Held,
        Err(e) => Ending::Ended(Box::new(Err(FailedRun { spec_hash, swept, seed, problem: e.to_string() })), false),
    }
}

/// Tells of the steps of one run, and watches for the request to stop.
struct Watch<'a> {
    stop: &'a (dyn Fn() -> bool + Sync),
    at: &'a (dyn Fn(u64) + Sync),
}

impl Recorder for Watch<'_> {
    fn row(&mut self, _: &Row) -> Result<(), RecordError> {
        Ok(())
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, step: u64, _: f64) -> Next {
        (self.at)(step);
        if (self.stop)() { Next::Stop } else { Next::Continue }
    }
}
