//! Two runs, one step of each at a time.

use precipice::run::{Event, Run};
use precipice::train::TrainState;

use crate::error::LabError;
use crate::meter::Meter;
use crate::runs::StoredRun;
use crate::runs::threads::Pool;
use crate::runs::trainer::Build;

/// What two runs came to that were replayed side by side.
pub(super) struct Replayed<T> {
    /// What was found, and the step before it if that was looked at, too.
    pub found: Option<(T, Option<u64>)>,
    /// Where both are.
    pub runs: [Run; 2],
    /// Which of them ended before it came to the last step, though its stored self did not.
    pub ended: Option<usize>,
}

/// Makes both runs again from the last state at or before `from` that each can be begun at, until `look` finds something,
/// `until` is reached, or one of them ends.
///
/// # Errors
/// If a run cannot be made here, or what is stored of it is damaged.
pub(super) fn side_by_side<T: Send>(
    stored: [&StoredRun; 2],
    build: &Build<'_>,
    (from, until): (u64, u64),
    (pool, meter): (&Pool, &Meter),
    look: impl Fn(&TrainState, &TrainState) -> Option<T> + Sync,
) -> Result<Replayed<T>, LabError> {
    let mut runs = [stored[0].run_before(from, build)?, stored[1].run_before(from, build)?];
    // One may begin later than the other.
    let from = runs.iter().map(Run::step).fold(from, u64::max);
    meter.expect(until.saturating_sub(from));
    let mut ended = None;
    let found = pool.with(|| {
        for run in &mut runs {
            while run.step() < from && makes_a_step(run, pool) {}
        }
        let mut before = None;
        loop {
            let step = runs[0].step();
            if let Some(found) = look(runs[0].state(), runs[1].state()) {
                return Some((found, before));
            }
            if step >= until {
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
    Ok(Replayed { found, runs, ended })
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
