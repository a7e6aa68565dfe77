//! Where the time of a thread goes: by stage and kernel, on a clock that the caller lends.
//!
//! Off, a kernel pays one load for it. What is measured never enters a result.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_ON: AtomicBool = AtomicBool::new(false);
static CLOCK: OnceLock<fn() -> u64> = OnceLock::new();

/// What was measured of a kernel in a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The stage, as [`stage`] named it.
    pub stage: &'static str,
    /// The kernel; none for the stage as a whole.
    pub kernel: Option<&'static str>,
    /// M, N and K of products; else zeros.
    pub shape: [usize; 3],
    /// How often.
    pub calls: u64,
    /// Ticks of the clock, the clock's own among them.
    pub ticks: u64,
}

/// Stage, kernel and shape.
type Place = (&'static str, Option<&'static str>, [usize; 3]);

#[derive(Default)]
struct Table {
    stage: &'static str,
    since: u64,
    /// Calls and ticks.
    entries: HashMap<Place, (u64, u64)>,
}

impl Table {
    fn add(&mut self, kernel: Option<&'static str>, shape: [usize; 3], ticks: u64) {
        let (calls, sum) = self.entries.entry((self.stage, kernel, shape)).or_default();
        *calls += 1;
        *sum += ticks;
    }
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
}

fn now() -> u64 {
    CLOCK.get().map_or(0, |clock| clock())
}

/// Begins to measure; the first clock that was ever lent is read.
pub fn start(clock: fn() -> u64) {
    CLOCK.get_or_init(|| clock);
    TABLE.set(Table { since: now(), ..Table::default() });
    IS_ON.store(true, Ordering::Relaxed);
}

/// Ends it: what this thread did, in no order.
pub fn stop() -> Vec<Entry> {
    stage("");
    IS_ON.store(false, Ordering::Relaxed);
    let entries = TABLE.take().entries.into_iter().filter(|((stage, ..), _)| !stage.is_empty());
    let entry = |((stage, kernel, shape), (calls, ticks))| Entry { stage, kernel, shape, calls, ticks };
    entries.map(entry).collect()
}

/// Says what the thread does from now on.
pub fn stage(name: &'static str) {
    if IS_ON.load(Ordering::Relaxed) {
        TABLE.with_borrow_mut(|table| {
            let now = now();
            let ticks = now.saturating_sub(table.since);
            table.add(None, [0; 3], ticks);
            (table.stage, table.since) = (name, now);
        });
    }
}

/// Does the work of a kernel.
#[inline(always)]
pub(crate) fn kernel<R>(name: &'static str, shape: [usize; 3], work: impl FnOnce() -> R) -> R {
    if !IS_ON.load(Ordering::Relaxed) {
        return work();
    }
    let before = now();
    let result = work();
    let ticks = now().saturating_sub(before);
    TABLE.with_borrow_mut(|table| table.add(Some(name), shape, ticks));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn ticks_are_told_by_stage_and_kernel() {
        static TICKS: AtomicU64 = AtomicU64::new(0);
        assert_eq!(kernel("product", [1, 2, 3], || 7), 7);
        start(|| TICKS.fetch_add(1, Ordering::Relaxed));
        stage("forward");
        (0..3).for_each(|_| kernel("product", [1, 2, 3], || ()));
        stage("backward");
        let mut entries = stop();
        entries.sort_by_key(|entry| (entry.stage, entry.kernel));
        let told: Vec<_> = entries.iter().map(|e| (e.stage, e.kernel, e.calls, e.ticks)).collect();
        assert_eq!(told, [("backward", None, 1, 1), ("forward", None, 1, 7), ("forward", Some("product"), 3, 3)]);
    }
}
