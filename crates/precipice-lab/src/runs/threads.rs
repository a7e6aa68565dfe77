//! Threads lent to a run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Runs `work` on one of the threads, while the others stay awake: a stage of a step is over sooner than a thread is
    /// woken.
    pub fn with<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            None => work(),
            Some(pool) => pool.install(|| {
                let _awake = Awake::keep(pool);
                work()
            }),
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

/// Keeps the other threads of a pool awake until it is dropped.
struct Awake(Arc<AtomicBool>);

impl Awake {
    /// Looks for work before a thread gives way to other programs; some microseconds in all.
    const LOOKS: u32 = 1000;

    fn keep(pool: &rayon::ThreadPool) -> Self {
        let (caller, is_over) = (rayon::current_thread_index(), Arc::new(AtomicBool::new(false)));
        let awake = Self(Arc::clone(&is_over));
        pool.spawn_broadcast(move |context| {
            let mut idle = 0;
            while Some(context.index()) != caller && !is_over.load(Ordering::Relaxed) {
                idle = if rayon::yield_now() == Some(rayon::Yield::Executed) { 0 } else { idle + 1 };
                if idle < Self::LOOKS { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        });
        awake
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Workers for Pool {
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        match &self.0 {
            None => Sequential.run(n_jobs, job),
            Some(pool) => pool.install(|| (0..n_jobs).into_par_iter().with_max_len(1).for_each(job)),
        }
    }

    fn n_threads(&self) -> usize {
        self.0.as_ref().map_or(1, rayon::ThreadPool::current_num_threads)
    }
}

/// Threads of this machine that a run can use.
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get()).min(THREADS_MAX)
}
