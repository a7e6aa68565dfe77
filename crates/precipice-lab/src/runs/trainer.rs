//! A trainer, or the reason why there is none.

use precipice::run::RunError;
use precipice::spec::RunSpec;
use precipice::task::{ItemBank, Task};
use precipice::train::Trainer;
use precipice_num::Kernels;

use crate::error::LabError;

/// A trainer at step 0, or the reason why the spec cannot be run.
///
/// # Errors
/// As [`precipice::run::run`].
pub fn new_trainer(spec: &RunSpec, bank: Option<ItemBank>, kernels: Kernels) -> Result<Trainer, LabError> {
    let task = Task::new(spec, bank).map_err(|e| match spec.task.items() {
        Some(items) => LabError::Items { path: items.file.clone(), problem: e.into() },
        None => LabError::Run(RunError::Items(e)),
    })?;
    Trainer::new(spec, task, kernels).map_err(|e| LabError::Run(RunError::Spec(e)))
}
