//! One run from its spec: the loop that everyone reads first.

use precipice_num::Kernels;

use crate::probe::Observer;
use crate::record::{Next, RecordError, Recorder};
use crate::spec::{RunSpec, SpecError};
use crate::task::{ItemBank, ItemBankError, Task};
use crate::train::{Diverged, TrainState, Trainer};
use crate::workers::Workers;

/// What a run needs besides its spec.
pub struct Inputs<'a> {
    /// Real items, where the spec takes them from a file.
    pub items: Option<ItemBank>,
    /// A saved state to go on from.
    pub start: Option<TrainState>,
    /// Threads to compute with; their number never changes the result.
    pub workers: &'a dyn Workers,
    /// Instructions to compute with; their arithmetic decides the last bit.
    pub kernels: Kernels,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were made.
    Finished,
    /// The recorder asked to stop; the state was saved.
    Stopped {
        /// Updates done.
        step: u64,
    },
    /// The loss was no longer finite.
    Diverged {
        /// Updates done when it was seen.
        step: u64,
    },
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The spec cannot be run.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The items do not fit the spec.
    #[error(transparent)]
    Items(#[from] ItemBankError),
    /// The recorder could not keep a result.
    #[error(transparent)]
    Record(RecordError),
}

/// Trains the network of `spec` and pushes rows and checkpoints to `recorder`.
///
/// # Errors
/// If the spec or its items cannot be run, or the recorder fails. Divergence is an [`Outcome`].
pub fn run(spec: &RunSpec, inputs: Inputs<'_>, recorder: &mut dyn Recorder) -> Result<(TrainState, Outcome), RunError> {
    spec.validate()?;
    let task = Task::new(spec, inputs.items)?;
    let mut trainer = Trainer::new(spec, task, inputs.kernels)?;
    if let Some(state) = inputs.start {
        trainer.restore(state);
    }
    let observer = Observer::new(spec, &trainer);
    let mut is_stopping = false;
    loop {
        let step = trainer.state().step;
        if is_row_due(spec, step) {
            let train_loss = trainer.take_train_loss();
            let (row, _) = observer.observe(&trainer, train_loss, inputs.workers);
            recorder.row(&row).map_err(RunError::Record)?;
        }
        // After the row, so that a resume from here finds every row that it needs.
        if is_stopping || is_checkpoint_due(spec, step) {
            recorder.checkpoint(&trainer).map_err(RunError::Record)?;
        }
        if step >= spec.train.steps {
            let outcome = if trainer.is_finite() { Outcome::Finished } else { Outcome::Diverged { step } };
            return Ok((trainer.into_state(), outcome));
        }
        if is_stopping {
            return Ok((trainer.into_state(), Outcome::Stopped { step }));
        }
        match trainer.step(inputs.workers) {
            Err(Diverged { step }) => {
                recorder.checkpoint(&trainer).map_err(RunError::Record)?;
                return Ok((trainer.into_state(), Outcome::Diverged { step }));
            }
            Ok(loss) => is_stopping = recorder.step(step + 1, loss) == Next::Stop,
        }
    }
}

/// Step 0, every `eval.every` steps, and the last.
pub fn is_row_due(spec: &RunSpec, step: u64) -> bool {
    step.is_multiple_of(spec.eval.every) || step == spec.train.steps
}

/// Steps 0, 1, 2, 4 ... 512, then every `checkpoint.every`, and the last.
pub fn is_checkpoint_due(spec: &RunSpec, step: u64) -> bool {
    let early = step == 0 || (step.is_power_of_two() && step <= 512);
    early || (step > 512 && step.is_multiple_of(spec.checkpoint.every)) || step == spec.train.steps
}
