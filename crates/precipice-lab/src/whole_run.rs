//! A whole run: trained, drawn, and marked as finished last, so that a kill leaves an unfinished run
//! or a whole one.

use precipice::record::Recorder;
use precipice::run::Run;
use precipice::spec::RunSpec;

use crate::error::LabError;
use crate::run_figures;
use crate::runs::threads::Pool;
use crate::runs::{self, Build, Keep, Options, Report, StoredRun, Training, companion};
use crate::store::{RunDir, RunOutcome};

/// Trains the network of a spec into its run directory and draws what the run shows. A figure that
/// cannot be drawn is a warning: it is not worth losing a run for.
///
/// # Errors
/// As [`runs::train`].
///
/// ```
/// use precipice::record::MemoryRecorder;
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::runs::{Keep, Options};
/// use precipice_lab::whole_run::train_and_draw;
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// let overrides = vec!["eval.sequences=64".to_owned(), "probes.enabled=false".to_owned(), "probes.ablations=[]".to_owned()];
/// let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None })?;
/// let options = Options { out: Some(root), threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
/// let report = train_and_draw(spec, &options, &mut MemoryRecorder::default())?;
/// assert!(report.figures.iter().all(|path| path.is_file()));
/// assert!(report.manifest.files.contains_key("figures/learning-curve.svg"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train_and_draw(spec: RunSpec, options: &Options, watch: &mut dyn Recorder) -> Result<Report, LabError> {
    drawn(runs::train(spec, options, watch)?, options)
}

/// The same for a run that is made by the caller, with a task or probes of its own.
///
/// # Errors
/// As [`runs::train_run`].
pub fn train_and_draw_run(
    spec: RunSpec,
    build: &Build<'_>,
    options: &Options,
    watch: &mut dyn Recorder,
) -> Result<Report, LabError> {
    drawn(runs::train_run(spec, build, options, watch)?, options)
}

/// The same for a branch of runs that are at hand.
///
/// # Errors
/// As [`runs::train_near`].
pub fn branch_and_draw(
    spec: RunSpec,
    known: &[RunDir],
    options: &Options,
    watch: &mut dyn Recorder,
) -> Result<Report, LabError> {
    drawn(runs::train_near(spec, &Run::new, known, options, watch)?, options)
}

/// Draws what was trained, and seals it.
fn drawn(training: Training, options: &Options) -> Result<Report, LabError> {
    let mut run = match training {
        Training::Unsealed(run) if options.keep == Keep::All => run,
        training => return training.seal(),
    };
    let stored = run.stored();
    let pool = Pool::for_work_at(options.threads, stored.run_dir.root())?;
    let (figures, problems) = run_figures::draw_all(&stored, &pool);
    run.add_figures(figures, problems);
    run.seal()
}

/// Trains the companion with L = N into a directory beside the run's, or finds it there; an interrupted
/// one goes on.
///
/// # Errors
/// As [`train_and_draw`]; if it is stopped, it can be called again.
pub fn train_companion(run: &StoredRun, threads: usize, watch: &mut dyn Recorder) -> Result<StoredRun, LabError> {
    let companion = companion(run)?;
    let options =
        Options { out: Some(companion.out), threads, resume: true, force: false, keep: Keep::All, arithmetic: None };
    let report = train_and_draw(companion.spec, &options, watch)?;
    if report.manifest.outcome == RunOutcome::Stopped {
        return Err(LabError::Stopped { path: report.run_dir.root().to_owned() });
    }
    StoredRun::open(report.run_dir.root())
}
