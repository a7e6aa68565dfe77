//! Two runs, one step of each at a time.

use precipice::record::Next;
use precipice::run::{Event, Run};
use precipice::train::TrainState;

use crate::error::LabError;
use crate::meter::Meter;
use crate::runs::StoredRun;
use crate::runs::threads::Pool;
use crate::runs::trainer::Build;

/// What two runs came to that were replayed side by side.
pub(super) struct Replayed<T> {
    /// The first step that was looked at.
    pub from: u64,
    /// What was found, and the step before it if that was looked at, too.
    pub found: Option<(T, Option<u64>)>,
    /// Where both are.
    pub runs: [Run; 2],
    /// Which of them ended before it came to the last step, though its stored self did not.
    pub ended: Option<usize>,
}

/// Makes both runs again from the last state at or before `from` that each can be begun at, until `look` finds something,
/// `until` is reached, or one of them ends. None if one of them begins only after that.
///
/// # Errors
/// If a run cannot be made here, what is stored of it is damaged, or nobody waits any more.
pub(super) fn side_by_side<T: Send>(
    stored: [&StoredRun; 2],
    build: &Build<'_>,
    (from, until): (u64, u64),
    (pool, meter): (&Pool, &Meter),
    look: impl Fn(&TrainState, &TrainState) -> Option<T> + Sync,
) -> Result<Option<Replayed<T>>, LabError> {
    let mut told = |_: u64, _: f64| if meter.is_stopped() { Next::Stop } else { Next::Continue };
    let mut begun = |run: &StoredRun| run.run_before_told(from, build, &mut told);
    let mut runs = [begun(stored[0])?, begun(stored[1])?];
    let [earlier, later] = [u64::min, u64::max].map(|of| of(runs[0].step(), runs[1].step()));
    if later > until {
        return Ok(None);
    }
    meter.expect(until - earlier);
    let mut ended = None;
    let found = pool.with(|| {
        // The one that begins later is waited for.
        ended = runs.iter_mut().position(|run| !comes_to(run, later, pool, meter));
        if ended.is_some() {
            return None;
        }
        let mut before = None;
        loop {
            let step = runs[0].step();
            if let Some(found) = look(runs[0].state(), runs[1].state()) {
                return Some((found, before));
            }
            if step >= until || meter.is_stopped() {
                return None;
            }
            ended = runs.iter_mut().position(|run| !makes_a_step(run, pool));
            if ended.is_some() {
                return None;
            }
            before = Some(step);
            meter.done(1);
        }
    });
    if meter.is_stopped() {
        return Err(LabError::Stopped { path: stored[0].run_dir.root().to_owned() });
    }
    Ok(Some(Replayed { from: later, found, runs, ended }))
}

/// Makes all steps before this one, unless the run ends before it.
fn comes_to(run: &mut Run, step: u64, pool: &Pool, meter: &Meter) -> bool {
    while run.step() < step {
        if meter.is_stopped() || !makes_a_step(run, pool) {
            return false;
        }
        meter.done(1);
    }
    true
}

/// Makes one step, unless the run has ended.
fn makes_a_step(run: &mut Run, pool: &Pool) -> bool {
    let before = run.step();
    while run.step() == before {
        if let Event::Ended(_) = run.advance(1, pool) {
            return false;
        }
    }
    true
}
