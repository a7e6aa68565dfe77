//! The runs of a sweep, made by workers that take one after the other.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::train::Trainer;

use super::apart::point_of;
use super::grid::Job;
use super::queue::Queue;
use super::record::{Record, name_of};
use super::report::{FailedRun, SweepReport, SweepRow};
use super::shard::Shard;
use crate::error::{LabError, RunDirProblem};
use crate::runs::threads::THREADS_MAX;
use crate::runs::{Keep, Options, Training, memory, train};
use crate::store::spec_text::Header;
use crate::store::{Manifest, RunDir, RunOutcome, pack};

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

/// How a sweep is made.
#[derive(Clone, Copy, Debug)]
pub struct SweepOptions {
    /// Runs at a time.
    pub workers: usize,
    /// Time after which the state of a run is saved, again and again, for whoever takes it over.
    pub checkpoint: Duration,
    /// The part that is made here, where processes cannot hold locks against each other; default all of it.
    pub shard: Option<Shard>,
}

impl SweepOptions {
    /// All runs, so many at a time, of which those that take long are saved once a minute.
    pub fn of(workers: usize) -> Self {
        Self { workers, checkpoint: Duration::from_secs(60), shard: None }
    }
}

/// Makes all runs of a folder that other processes may be making, too: what has ended is read, what is being made comes
/// later. `stop` ends the sweep after the current step of each, whose state is saved.
///
/// # Errors
/// If the folder cannot be used. A run that fails is reported, and the others go on.
///
/// ```
/// use precipice_lab::sweep::{Axis, FailedRun, Plan, SweepOptions, SweepRow, SweepWatcher, summarize, sweep};
/// struct Quiet;
/// impl SweepWatcher for Quiet {
///     fn ended(&mut self, _: usize, _: &Result<SweepRow, FailedRun>, _: bool) {}
/// }
/// # let folder = tempfile::tempdir()?;
/// let mut plan = Plan::load("copying-small", false)?;
/// plan.changes.overrides = ["train.steps=2", "eval.sequences=64", "probes.sequences=16"].map(str::to_owned).to_vec();
/// plan.set_axis(Axis::of("train.batch_size", [8, 16]));
/// plan.seeds = vec![0];
/// let report = sweep(plan.jobs()?, folder.path(), &SweepOptions::of(1), &|| false, &mut Quiet)?;
/// assert_eq!(summarize(&report).len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sweep(
    jobs: Vec<Job>,
    folder: &Path,
    options: &SweepOptions,
    stop: &(dyn Fn() -> bool + Sync),
    watcher: &mut dyn SweepWatcher,
) -> Result<SweepReport, LabError> {
    let SweepOptions { workers, shard, .. } = *options;
    let n_jobs = shard.map_or(jobs.len(), |shard| shard.len_of(jobs.len()));
    // Few runs leave threads over, which then share each run.
    let threads = (workers / n_jobs.max(1)).clamp(1, THREADS_MAX);
    check_memory(&jobs, workers.min(n_jobs), threads)?;
    // Those of other shards stand in the record, too, so that whoever collects knows what is missing.
    Record::enter(folder, &jobs, shard.is_some())?;
    let jobs = match shard {
        Some(shard) => shard.of(jobs),
        None => jobs,
    };
    // Nobody knows which runs are in a pack that cannot be read: they are not to be made again in silence.
    pack::damaged(folder).into_iter().next().map_or(Ok(()), Err)?;
    let n_workers = workers.min(n_jobs).max(1);
    watcher.planned(&jobs, n_workers);
    let (jobs, queue) = (&jobs, Mutex::new(Queue::new(&jobs)));
    let done = Mutex::new((Vec::with_capacity(n_jobs), watcher));
    let was_stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n_spawned in 0..n_workers {
            let work = || {
                // Runs in a row that others hold, and how long the next look at them is put off.
                let (mut n_held, mut pause) = (0, PAUSE_MIN);
                let tell = |what: &dyn Fn(&mut dyn SweepWatcher)| what(&mut *locked(&done).1);
                while let Some(idx) = next(&queue) {
                    tell(&|watcher| watcher.begins(idx));
                    let mut watch = Watch { stop, at: &|step| tell(&|watcher| watcher.at(idx, step)) };
                    let job = &jobs[idx];
                    let ending =
                        if stop() { Ending::Stopped } else { run_one(job, folder, threads, options, &mut watch) };
                    match ending {
                        Ending::Stopped => {
                            was_stopped.store(true, Ordering::Relaxed);
                            return;
                        }
                        Ending::Held => {
                            tell(&|watcher| watcher.is_held(idx));
                            let mut queue = locked(&queue);
                            queue.put_back(idx);
                            n_held += 1;
                            let is_all = n_held >= queue.len();
                            drop(queue);
                            if is_all {
                                tell(&|watcher| watcher.waits());
                                wait(pause, stop);
                                (n_held, pause) = (0, (2 * pause).min(PAUSE_MAX));
                            }
                        }
                        Ending::Ended { run, seconds, was_stored } => {
                            (n_held, pause) = (0, PAUSE_MIN);
                            locked(&queue).took(idx, seconds);
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

fn next(queue: &Mutex<Queue>) -> Option<usize> {
    locked(queue).next()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of one run.
enum Ending {
    /// It has ended, or cannot be made.
    Ended {
        run: Box<Result<SweepRow, FailedRun>>,
        /// Time of all its steps; not a number where it has none.
        seconds: f64,
        was_stored: bool,
    },
    /// Another process is making it.
    Held,
    /// It was stopped.
    Stopped,
}

/// Time after which the runs that other processes hold are looked at again, if there is nothing else to do: twice as long
/// each time, for a thousand workers may wait for the last run.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Waits, and notices a request to stop.
fn wait(pause: Duration, stop: &dyn Fn() -> bool) {
    let clock = Instant::now();
    while clock.elapsed() < pause && !stop() {
        std::thread::sleep(PAUSE_MIN.min(pause));
    }
}

fn run_one(job: &Job, folder: &Path, threads: usize, options: &SweepOptions, watch: &mut Watch<'_>) -> Ending {
    let Job { spec, swept, seed, arithmetic } = job.clone();
    let (spec_hash, point) = (spec.hash(), point_of(&spec));
    let run_dir = RunDir::new(folder.join(name_of(&spec)));
    let ended = |manifest: Manifest, was_stored: bool| {
        let seconds = manifest.steps as f64 / manifest.steps_per_s;
        let row = SweepRow::new(manifest, run_dir.root(), point.clone(), swept.clone(), seed);
        Ending::Ended { run: Box::new(Ok(row)), seconds, was_stored }
    };
    // Most of what is looked at in a folder that many share has ended: that is told without a network.
    let agrees = |manifest: &Manifest| arithmetic.is_none_or(|asked| asked.name() == manifest.arithmetic);
    let is_of_this = || Header::read(&run_dir.spec_path()).is_some_and(|header| header.spec_hash == spec_hash);
    match run_dir.manifest(&spec) {
        Ok(Some(manifest)) if agrees(&manifest) && is_of_this() => return ended(manifest, true),
        _ if run_dir.is_being_written() => return Ending::Held,
        _ => {}
    }
    let keep = Keep::Rolling { every: options.checkpoint, is_alone: options.shard.is_some() };
    let out = Some(run_dir.root().to_owned());
    let how = Options { out, threads, resume: true, force: false, keep, arithmetic };
    match train(spec, &how, watch).and_then(Training::seal) {
        Ok(report) if report.manifest.outcome == RunOutcome::Stopped => Ending::Stopped,
        // In the steps of a parent.
        Err(LabError::Stopped { .. }) => Ending::Stopped,
        Ok(report) => ended(report.manifest, report.was_stored),
        Err(LabError::RunDir {
            problem: RunDirProblem::LockedByAnother | RunDirProblem::FinishedMeanwhile | RunDirProblem::BegunMeanwhile,
            ..
        }) => Ending::Held,
        Err(e) => {
            let failed = FailedRun { spec_hash, swept, seed, problem: e.to_string() };
            Ending::Ended { run: Box::new(Err(failed)), seconds: f64::NAN, was_stored: false }
        }
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
