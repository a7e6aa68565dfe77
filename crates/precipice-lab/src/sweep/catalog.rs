//! All that is built in: specs and sweeps.

use serde::Serialize;

use super::plan::{BUILT_IN_SWEEPS, Plan};
use crate::error::LabError;
use crate::input::spec_file::{self, BUILT_INS, Changes};

/// A built-in experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Experiment {
    /// As on the command line.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// One run or many.
    pub kind: ExperimentKind,
}

/// What an experiment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentKind {
    /// One run.
    Spec,
    /// A grid of runs.
    Sweep,
}

/// Specs, then sweeps.
///
/// # Errors
/// If one of them cannot be read, which a test would have shown.
///
/// ```
/// let all = precipice_lab::sweep::catalog()?;
/// assert!(all.iter().any(|experiment| experiment.name == "copying"));
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn catalog() -> Result<Vec<Experiment>, LabError> {
    let mut all = Vec::new();
    for (name, _) in BUILT_INS {
        let spec = spec_file::load(name, &Changes::default())?;
        all.push(Experiment { name: spec.name, description: spec.description, kind: ExperimentKind::Spec });
    }
    for (name, _) in BUILT_IN_SWEEPS {
        let plan = Plan::load(name, false)?;
        all.push(Experiment { name: plan.name, description: plan.description, kind: ExperimentKind::Sweep });
    }
    Ok(all)
}
