//! Threads lent to a run.

use precipice::workers::{Sequential, Workers};
use rayon::prelude::*;

/// A pool of its own for each run, so that nothing else shares its threads.
pub struct Pool(Option<rayon::ThreadPool>);

/// More threads than shards of a batch have nothing to do.
pub const THREADS_MAX: usize = precipice::train::N_SHARDS;

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
