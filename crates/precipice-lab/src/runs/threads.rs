//! Threads lent to a run.

use std::path::Path;

use precipice::workers::{Sequential, Workers};
use rayon::prelude::*;

use crate::error::LabError;

/// A pool of its own for each run, so that nothing else shares its threads.
///
/// ```
/// use precipice::workers::Workers;
/// use precipice_lab::runs::threads::Pool;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// let (pool, sum) = (Pool::new(2)?, AtomicUsize::new(0));
/// pool.run(8, &|job| {
///     sum.fetch_add(job, Ordering::Relaxed);
/// });
/// assert_eq!(sum.into_inner(), 28);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pool(Option<rayon::ThreadPool>);

/// More threads than shards of a batch have nothing to do.
pub const THREADS_MAX: usize = precipice::sequence::N_SHARDS;

impl Pool {
    /// `threads` of them; 1 means the calling thread.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub fn new(threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        if threads <= 1 {
            return Ok(Self(None));
        }
        Ok(Self(Some(rayon::ThreadPoolBuilder::new().num_threads(threads).build()?)))
    }

    /// The same, with an error that names what they were for.
    ///
    /// # Errors
    /// As [`Pool::new`].
    pub fn for_work_at(threads: usize, path: &Path) -> Result<Self, LabError> {
        Self::new(threads).map_err(|e| LabError::NoThreads { path: path.to_owned(), cause: e.to_string() })
    }

    /// Runs `work` on one of the threads, so that it need not wake the others from outside for every job.
    pub fn with<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            None => work(),
            Some(pool) => pool.install(work),
        }
    }

    /// Runs `work` on every thread at once.
    pub fn on_each<R: Send>(&self, work: impl Fn() -> R + Sync) -> Vec<R> {
        match &self.0 {
            None => vec![work()],
            Some(pool) => pool.broadcast(|_| work()),
        }
    }
}

impl Workers for Pool {
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        match &self.0 {
            None => Sequential.run(n_jobs, job),
            Some(pool) => pool.install(|| (0..n_jobs).into_par_iter().with_max_len(1).for_each(job)),
        }
    }
}

/// Threads of this machine that a run can use.
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get()).min(THREADS_MAX)
}
