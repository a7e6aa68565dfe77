//! Threads that the caller lends: the science spawns none of its own.

/// Runs jobs 0..n_jobs, each exactly once, in any order and on any thread, and returns when all are done.
pub trait Workers: Sync {
    /// Runs the jobs.
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync));
}

/// One job after the other on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Workers for Sequential {
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..n_jobs).for_each(job);
    }
}
