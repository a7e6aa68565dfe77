//! The companion of a run: the same with as many labels as the context holds, so that nothing is
//! gained by guessing among the context's labels.

use std::path::PathBuf;

use precipice::spec::{RunSpec, TaskSpec};

use super::stored::StoredRun;
use crate::error::{LabError, RunDirProblem};
use crate::store::names::COMPANION as SUFFIX;

/// What is run beside a run, and where.
#[derive(Clone, Debug)]
pub struct Companion {
    /// The same with L = N.
    pub spec: RunSpec,
    /// The directory beside that of the run.
    pub out: PathBuf,
}

/// The companion of a run, which need not be there yet.
///
/// # Errors
/// If the run has L = N itself, or is of another task.
pub fn companion(run: &StoredRun) -> Result<Companion, LabError> {
    let spec = companion_spec(run)?;
    let root = run.run_dir.root();
    let whole = root.canonicalize().map_err(LabError::io("find", root))?;
    let mut name = whole.file_name().unwrap_or_default().to_owned();
    name.push(SUFFIX);
    Ok(Companion { spec, out: whole.with_file_name(name) })
}

fn companion_spec(run: &StoredRun) -> Result<RunSpec, LabError> {
    let (mut spec, problem) = (run.spec.clone(), |problem| LabError::run_dir(run.run_dir.root(), problem));
    let family = spec.facts().family;
    let TaskSpec::Copying(task) = &mut spec.task else {
        return Err(problem(RunDirProblem::NoCompanion { family }));
    };
    if task.n_labels == task.n_exemplars {
        return Err(problem(RunDirProblem::IsACompanion));
    }
    task.n_labels = task.n_exemplars;
    // A name has 80 letters at most.
    spec.name.truncate(80 - SUFFIX.len());
    spec.name += SUFFIX;
    Ok(spec)
}
