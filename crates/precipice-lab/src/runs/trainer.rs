//! A run or a trainer at step 0, or the reason why there is none.

use precipice::run::{Run, RunError};
use precipice::spec::RunSpec;
use precipice::task::{ItemBank, TaskError};
use precipice::train::Trainer;
use precipice_num::Kernels;

use crate::error::LabError;

/// How the run of a spec is made, with the items that the spec takes from a file: [`Run::new`] for built-in tasks. A
/// program with a task or with probes of its own says it with [`Run::with_task`] and [`Run::observe`].
pub type Build<'a> = dyn Fn(&RunSpec, Option<ItemBank>, Kernels) -> Result<Run, RunError> + Sync + 'a;

/// Names the file of items that do not fit.
pub(super) fn explained(spec: &RunSpec, error: RunError) -> LabError {
    match (error, spec.task.family().items()) {
        (RunError::Task(TaskError::Items(problem)), Some(items)) => {
            LabError::Items { path: items.file.clone(), problem: problem.into() }
        }
        (error, _) => LabError::Run(error),
    }
}

/// A trainer at step 0, or the reason why the spec cannot be run.
///
/// # Errors
/// As [`Run::new`].
pub fn new_trainer(spec: &RunSpec, bank: Option<ItemBank>, kernels: Kernels) -> Result<Trainer, LabError> {
    let task = spec.build_task(bank).map_err(|e| explained(spec, e.into()))?;
    Trainer::new(spec, task, kernels).map_err(|e| LabError::Run(RunError::Spec(e)))
}
