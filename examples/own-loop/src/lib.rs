//! A loop of one's own: the run is a value that is driven step by step, watched, and changed on the way.

use precipice::measure::metric;
use precipice::run::{Event, Outcome, Run, RunError};
use precipice::spec::RunSpec;
use precipice::workers::Sequential;
use precipice_num::Kernels;

/// Share of answers with a label of the context from which on the network knows which labels may be right; which of
/// them is, it learns at the jump.
const ON_PLATEAU: f64 = 0.9;

/// What the loop saw.
#[derive(Debug)]
pub struct Seen {
    /// The run where the loop left it, with all its rows.
    pub run: Run,
    /// Step at which the plateau was reached.
    pub plateau: Option<u64>,
    /// How the run ended, if it did before the jump.
    pub ended: Option<Outcome>,
}

/// Drives a run to its jump. `rate_on_plateau` is the learning rate from the plateau on, if it is to change.
///
/// # Errors
/// If the spec, or that rate, cannot be run.
pub fn drive_to_jump(spec: &RunSpec, rate_on_plateau: Option<f64>) -> Result<Seen, RunError> {
    let mut run = Run::new(spec, None, Kernels::detect())?;
    let mut plateau = None;
    loop {
        // Up to 100 steps, and back earlier for whatever is due.
        match run.advance(100, &Sequential) {
            Event::Row => {}
            // Nothing is saved here; `run.state()` is what a checkpoint would hold.
            Event::Checkpoint | Event::Paused => continue,
            Event::Ended(outcome) => return Ok(Seen { run, plateau, ended: Some(outcome) }),
        }
        let on_labels = run.rows().last().map_or(0.0, |row| row.get(&metric::CONTEXT_LABEL_ACCURACY.main()));
        if plateau.is_none() && on_labels > ON_PLATEAU {
            plateau = Some(run.step());
            if let Some(rate) = rate_on_plateau {
                run.set_learning_rate(rate)?;
            }
        }
        if run.transition().1.is_some() {
            return Ok(Seen { run, plateau, ended: None });
        }
    }
}
