//! How far a long computation is, for whoever waits for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use precipice::workers::Workers;

/// Work that is to come and work that is done, in units of the computation's own. Whoever shows it looks from another
/// thread, as often as they like.
///
/// ```
/// use precipice::workers::{Sequential, Workers};
/// use precipice_lab::meter::{Meter, Metered};
/// let meter = Meter::default();
/// let workers: &dyn Workers = &Metered { workers: &Sequential, meter: &meter };
/// workers.expect(6);
/// workers.run(2, &|_| workers.done(2));
/// assert_eq!(meter.read(), (4, 6));
/// ```
#[derive(Debug, Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
    stop: AtomicBool,
}

impl Meter {
    /// So much more is to come.
    pub fn expect(&self, units: u64) {
        self.total.fetch_add(units, Ordering::Relaxed);
    }

    /// So much more is done.
    pub fn done(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }

    /// Set by whoever no longer waits. What can be stopped looks at it between two of its units.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// Whether nobody waits any more.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What is done, and of how much; of 0 where nobody knows.
    pub fn read(&self) -> (u64, u64) {
        let total = self.total.load(Ordering::Relaxed);
        (self.done.load(Ordering::Relaxed).min(total), total)
    }
}

/// Workers that tell a meter.
pub struct Metered<'a> {
    /// Who works.
    pub workers: &'a dyn Workers,
    /// Who is told.
    pub meter: &'a Meter,
}

impl Workers for Metered<'_> {
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        self.workers.run(n_jobs, job);
    }

    fn n_threads(&self) -> usize {
        self.workers.n_threads()
    }

    fn expect(&self, units: u64) {
        self.meter.expect(units);
    }

    fn done(&self, units: u64) {
        self.meter.done(units);
    }
}
