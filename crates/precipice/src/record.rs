//! Where a run's results go. Push style: the run calls, the recorder keeps.

use std::error::Error;

pub use crate::measure::Row;
use crate::train::{TrainState, Trainer};

/// Whether the run should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// Save the state at this step, and go on.
    Save,
    /// Save and stop after this step.
    Stop,
}

/// An error of a recorder, passed through the run unchanged.
pub type RecordError = Box<dyn Error + Send + Sync>;

/// Receives what a run produces, in order of steps.
///
/// A run that was resumed repeats the evaluation of the step it resumes from; a recorder that
/// already holds a row or a checkpoint of that step drops the second one, which is the same.
pub trait Recorder: Send {
    /// A row was measured.
    ///
    /// # Errors
    /// Whatever keeps the recorder from keeping it; the run ends.
    fn row(&mut self, row: &Row) -> Result<(), RecordError>;

    /// A state is due to be saved.
    ///
    /// # Errors
    /// As for `row`.
    fn checkpoint(&mut self, trainer: &Trainer) -> Result<(), RecordError>;

    /// A step was made, with this training loss.
    fn step(&mut self, _step: u64, _loss: f64) -> Next {
        Next::Continue
    }
}

/// Keeps rows and the last state in memory.
#[derive(Debug, Default)]
pub struct MemoryRecorder {
    /// All rows.
    pub rows: Vec<Row>,
    /// The latest state.
    pub state: Option<TrainState>,
}

impl Recorder for MemoryRecorder {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        if self.rows.last().is_none_or(|last| last.step < row.step) {
            self.rows.push(row.clone());
        }
        Ok(())
    }

    fn checkpoint(&mut self, trainer: &Trainer) -> Result<(), RecordError> {
        self.state = Some(trainer.state().clone());
        Ok(())
    }
}
