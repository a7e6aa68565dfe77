//! Threads that the caller lends: the science spawns none of its own.

use std::sync::{Mutex, PoisonError};

/// Runs jobs 0..n_jobs, each exactly once, in any order and on any thread, and returns when all are done.
///
/// ```
/// use precipice::workers::{Sequential, Workers};
/// let mut squares = [0, 1, 2, 3];
/// let workers: &dyn Workers = &Sequential;
/// workers.run_parts(&mut squares, &[1, 2, 4], &|_, part| part.iter_mut().for_each(|x| *x *= *x));
/// assert_eq!(squares, [0, 1, 4, 9]);
/// ```
pub trait Workers: Sync {
    /// Runs the jobs.
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync));

    /// How many jobs may run at the same time: a hint, by which work may be cut into pieces, never sums.
    fn n_threads(&self) -> usize {
        1
    }

    /// Told of work that is to come, in units of the computation's own, by computations that take long. Whoever lends
    /// threads may show it to who waits.
    fn expect(&self, _units: u64) {}

    /// Told of work that is done, in the same units.
    fn done(&self, _units: u64) {}
}

impl dyn Workers + '_ {
    /// Cuts `values` at `cuts`, the ascending ends of its parts (the last is its length), and runs the job on
    /// every part once.
    pub fn run_parts<T: Send>(&self, values: &mut [T], cuts: &[usize], job: &(dyn Fn(usize, &mut [T]) + Sync)) {
        let parts = Parts::new(values, cuts);
        self.run(cuts.len(), &|idx| parts.with(idx, |part| job(idx, part)));
    }
}

/// A vector in parts, each of which one job at a time may write.
#[derive(Debug)]
pub struct Parts<'a, T>(Vec<Mutex<&'a mut [T]>>);

impl<'a, T> Parts<'a, T> {
    /// Cuts at the ascending ends of the parts.
    pub fn new(values: &'a mut [T], cuts: &[usize]) -> Self {
        let (mut parts, mut rest, mut start) = (Vec::with_capacity(cuts.len()), values, 0);
        for &end in cuts {
            let (now, later) = rest.split_at_mut(end - start);
            parts.push(Mutex::new(now));
            (rest, start) = (later, end);
        }
        Self(parts)
    }

    /// Runs a job on a part.
    pub fn with(&self, idx: usize, job: impl FnOnce(&mut [T])) {
        job(&mut self.0[idx].lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One job after the other on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Workers for Sequential {
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..n_jobs).for_each(job);
    }
}
