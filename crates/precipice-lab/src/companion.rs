//! The companion of a run: the same with as many labels as the context holds, so that nothing is
//! gained by guessing among the context's labels.

use precipice::record::Recorder;
use precipice::spec::{RunSpec, TaskSpec};

use crate::error::LabError;
use crate::run_figures::StoredRun;
use crate::session::{self, Keep, Options};
use crate::store::RunOutcome;

/// The companion's spec.
///
/// # Errors
/// If the run has L = N itself.
pub fn companion_spec(run: &StoredRun) -> Result<RunSpec, LabError> {
    let mut spec = run.spec.clone();
    if !matches!(spec.task, TaskSpec::Copying(_)) {
        let problem =
            format!("is a {} run, whose companion is another task; name two copying runs", spec.task.family());
        return Err(LabError::run_dir(run.run_dir.root(), problem));
    }
    if spec.task.n_labels() == spec.task.n_exemplars() {
        let problem =
            "has L = N itself; name a run with more labels, and this one as the second if it is its companion";
        return Err(LabError::run_dir(run.run_dir.root(), problem));
    }
    let n_exemplars = spec.task.n_exemplars();
    spec.task.n_labels_mut().into_iter().for_each(|n_labels| *n_labels = n_exemplars);
    spec.name += "-l-equals-n";
    Ok(spec)
}

/// Trains the companion into a directory beside the run's, or finds it there; an interrupted one
/// goes on.
///
/// # Errors
/// As [`session::train`]; if it is stopped, it can be called again.
pub fn train_companion(run: &StoredRun, threads: usize, watch: &mut dyn Recorder) -> Result<StoredRun, LabError> {
    let spec = companion_spec(run)?;
    let root = run.run_dir.root();
    let whole = root.canonicalize().map_err(LabError::io("find", root))?;
    let mut name = whole.file_name().unwrap_or_default().to_owned();
    name.push("-l-equals-n");
    let options =
        Options { out: Some(whole.with_file_name(name)), threads, resume: true, force: false, keep: Keep::All };
    let report = session::train(spec, &options, watch)?;
    if report.manifest.outcome == RunOutcome::Stopped {
        return Err(LabError::Stopped { path: report.run_dir.root().to_owned() });
    }
    StoredRun::open(report.run_dir.root())
}
