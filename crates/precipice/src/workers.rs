//! Threads that the caller lends: the science spawns none of its own.

/// Runs jobs 0..n_jobs, each exactly once, in any order and on any thread, and returns when all are done.
pub trait Workers: Sync {
    /// Runs the jobs.
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync));

    /// Cuts `values` at `cuts`, the ascending ends of its parts (the last is its length), and runs the job on
    /// every part once.
    fn run_parts(&self, values: &mut [f32], cuts: &[usize], job: &(dyn Fn(usize, &mut [f32]) + Sync));
}

/// One job after the other on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Workers for Sequential {
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..n_jobs).for_each(job);
    }

    fn run_parts(&self, values: &mut [f32], cuts: &[usize], job: &(dyn Fn(usize, &mut [f32]) + Sync)) {
        each_part(values, cuts, |part, values| job(part, values));
    }
}

/// Runs the job on one part after the other.
///
/// # Panics
/// If a cut lies beyond the values.
pub fn each_part<T>(mut values: &mut [T], cuts: &[usize], mut job: impl FnMut(usize, &mut [T])) {
    let mut start = 0;
    for (part, &end) in cuts.iter().enumerate() {
        let (now, later) = values.split_at_mut(end - start);
        job(part, now);
        (values, start) = (later, end);
    }
}
