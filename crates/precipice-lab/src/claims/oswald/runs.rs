//! The runs of these claims, and what is asked of each.

use precipice::measure::descent::closed_forms;
use precipice::measure::metric;
use precipice::spec::RunSpec;
use precipice::theory::regression::White;
use precipice::train::Trainer;

use crate::claims::claim::Settings;
use crate::claims::seeds::Finished;
use crate::error::LabError;
use crate::runs::at_step;
use crate::runs::threads::Pool;

/// The spec that most of them vary.
pub(super) const SPEC: &str = "regression";

pub(super) fn n_seeds(settings: &Settings) -> u64 {
    if settings.fast { 3 } else { 8 }
}

pub(super) fn overrides(changes: &[&str]) -> Vec<String> {
    changes.iter().map(|change| (*change).to_owned()).collect()
}

/// The network that a run ended with.
pub(super) fn trained(run: &Finished) -> Result<Trainer, LabError> {
    at_step(&run.run_dir, &run.spec, run.spec.train.steps)
}

pub(super) fn pool(settings: &Settings) -> Result<Pool, LabError> {
    Pool::for_work_at(settings.threads, &settings.out)
}

pub(super) fn white(spec: &RunSpec) -> White {
    spec.task.regression().and_then(closed_forms::white).expect("a spec with white inputs")
}

/// Runs that left the saddle, and in words how many did not.
pub(super) fn free(runs: Vec<Finished>) -> (Vec<Finished>, String) {
    let n = runs.len();
    let kept: Vec<Finished> = runs.into_iter().filter(|run| run.last(&metric::GD_SHARE.main()) > 0.5).collect();
    let words =
        if kept.len() < n { format!("; on the saddle, not judged: {} of {n}", n - kept.len()) } else { String::new() };
    (kept, words)
}
