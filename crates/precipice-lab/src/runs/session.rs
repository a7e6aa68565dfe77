//! Training into a run directory: start, resume, report.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::run::{Outcome, Run, RunError};
use precipice::spec::RunSpec;
use precipice::train::Trainer;

use super::branch::{Beginning, check_branch, restored, unbegun};
use super::options::{Keep, Options};
use super::parents::Parents;
use super::replay::known_state;
use super::stored::StoredRun;
use super::threads::Pool;
use super::trainer::Build;
use super::writer::Writer;
use super::{extend, memory};
use crate::error::{LabError, RunDirProblem};
use crate::input::items;
use crate::store::{Manifest, RunDir, Standing, files, manifest};

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run directory.
    pub run_dir: RunDir,
    /// Outcome, digest, final row, transition.
    pub manifest: Manifest,
    /// Whether the result was already there.
    pub was_stored: bool,
    /// Damaged files that were passed over, and figures that could not be drawn.
    pub warnings: Vec<String>,
    /// Figures that were drawn.
    pub figures: Vec<PathBuf>,
}

/// What training came to.
#[derive(Debug)]
pub enum Training {
    /// The result was there already, or the run was stopped: nothing is to be added.
    Ended(Box<Report>),
    /// All is measured and nothing says yet that the run is finished.
    Unsealed(Box<Unsealed>),
}

impl Training {
    /// Marks the run as finished, if it is not yet.
    ///
    /// # Errors
    /// If the manifest cannot be written.
    pub fn seal(self) -> Result<Report, LabError> {
        match self {
            Training::Ended(report) => Ok(*report),
            Training::Unsealed(run) => run.seal(),
        }
    }
}

/// A run to which files may be added before its manifest, which lists them, is written. Dropped, it is
/// an unfinished run that can be resumed.
#[derive(Debug)]
pub struct Unsealed {
    writer: Writer,
    manifest: Manifest,
    figures: Vec<PathBuf>,
}

impl Unsealed {
    /// The run as whoever draws it sees it.
    pub fn stored(&self) -> StoredRun {
        let Writer { run_dir, spec, rows, .. } = &self.writer;
        let (run_dir, spec, rows) = (run_dir.clone(), spec.clone(), rows.clone());
        StoredRun { run_dir, spec, rows, own_metrics: self.manifest.own_metrics.clone() }
    }

    /// Lists figures that were drawn, and warns of those that could not be.
    pub fn add_figures(&mut self, figures: Vec<PathBuf>, problems: Vec<String>) {
        self.figures.extend(figures);
        self.writer.warnings.extend(problems);
    }

    /// Writes the manifest, which makes it a finished run, with the digest of every file.
    ///
    /// # Errors
    /// If the system refuses, or a file was taken away or changed since it was written.
    pub fn seal(mut self) -> Result<Report, LabError> {
        self.manifest.files = self.writer.files(self.manifest.steps, &self.figures)?;
        self.manifest.write(&self.writer.run_dir.manifest_path())?;
        Ok(report(self.writer, self.manifest, self.figures))
    }
}

/// Trains the network of a spec into its run directory, up to the manifest. `watch` sees rows and steps
/// as they come.
///
/// # Errors
/// Nothing is written before spec, items and directory are known to be usable.
///
/// ```
/// use precipice::record::MemoryRecorder;
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::runs::{Keep, Options, train};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None })?;
/// let options = Options { out: Some(root), threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
/// let report = train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
/// assert_eq!(report.manifest.steps, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train(spec: RunSpec, options: &Options, watch: &mut dyn Recorder) -> Result<Training, LabError> {
    train_run(spec, &Run::new, options, watch)
}

/// The same for a run that is made by the caller, with a task or probes of its own.
///
/// # Errors
/// As [`train`].
///
/// ```
/// use precipice::measure::{Better, Metric, Probe, Row, Unit};
/// use precipice::{record::MemoryRecorder, run::Run, train::Trainer, workers::Workers};
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::runs::{Keep, Options, train_run};
///
/// const LARGEST: Metric = Metric::new("largest_weight", "largest weight", Unit::Number, Better::Neither);
///
/// #[derive(Debug)]
/// struct Largest;
///
/// impl Probe for Largest {
///     fn metrics(&self) -> Vec<Metric> {
///         vec![LARGEST]
///     }
///
///     fn measure(&mut self, trainer: &Trainer, _: &dyn Workers, row: &mut Row) {
///         let weights = trainer.state().params.values.iter();
///         row.push(LARGEST.main(), weights.fold(0.0, |largest, &w| f64::from(w.abs()).max(largest)));
///     }
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None })?;
/// let options = Options { out: Some(root), threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
/// let build = |spec: &_, bank, kernels| {
///     let mut run = Run::new(spec, bank, kernels)?;
///     run.observe(Box::new(Largest));
///     Ok(run)
/// };
/// let report = train_run(spec, &build, &options, &mut MemoryRecorder::default())?.seal()?;
/// assert!(report.manifest.final_row["largest_weight"].as_f64() > Some(0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train_run(
    spec: RunSpec,
    build: &Build<'_>,
    options: &Options,
    watch: &mut dyn Recorder,
) -> Result<Training, LabError> {
    train_near(spec, build, &[], options, watch)
}

/// The same for a branch of runs that are at hand: where their states are stored, they need not be made again.
///
/// # Errors
/// As [`train`].
pub fn train_near(
    mut spec: RunSpec,
    build: &Build<'_>,
    known: &[RunDir],
    options: &Options,
    watch: &mut dyn Recorder,
) -> Result<Training, LabError> {
    memory::check_run(&spec, options.keep == Keep::All, options.threads)?;
    let bank = items::load(&mut spec)?;
    let make = |kernels| unbegun(&spec, bank.clone(), build, kernels);
    // Shapes and groups are checked here, before anything is created.
    let detected = options.kernels();
    let mut run = make(detected)?;
    check_branch(&run, &spec, build)?;
    let run_dir = options.out.clone().map_or_else(|| RunDir::default_for(&spec), RunDir::new);
    let gap = if options.resume { extend::extend(&run_dir, options, &spec, &make)? } else { None };
    if let Some(report) = stored_or_refused(&run_dir, &spec, options)? {
        return Ok(Training::Ended(Box::new(report)));
    }
    let lock = match options.keep {
        Keep::Rolling { is_alone: true, .. } => run_dir.lock().or_else(|e| run_dir.unlocked(e))?,
        _ => run_dir.lock()?,
    };
    let mut writer = Writer::begin(&run_dir, &spec, run.trainer().model().layout(), options, lock)?;
    writer.warnings.extend(gap.into_iter().chain(items::warning(&spec, bank.as_ref())));
    let kernels = writer.kernels;
    if kernels != detected {
        run = make(kernels)?;
    }
    let pool = Pool::for_work_at(options.threads, run_dir.root())?;
    run = match writer.start.take() {
        Some(state) => restored(run, &spec, state, writer.rows.clone()),
        None => {
            let near = |spec: &RunSpec, step| known_state(known, (spec, step), build, kernels, &pool);
            let (near, parents) = (&near, Parents::beside(&run_dir, options.keep));
            let (parents, root) = (parents.as_ref(), run_dir.root());
            let beginning = Beginning { build, kernels, workers: &pool, near, parents, root };
            pool.with(|| beginning.of(run, &spec, &mut |step, loss| watch.step(step, loss)))?
        }
    };
    let first_step = run.step();
    let (started, clock) = (SystemTime::now(), Instant::now());
    let mut recorder = Both { store: &mut writer, watch };
    let outcome = pool.with(|| run.record(&pool, &mut recorder)).map_err(unwrap_record)?;
    let session = manifest::Session {
        machine: manifest::machine(),
        threads: options.threads,
        started: humantime::format_rfc3339_seconds(started).to_string(),
        ended: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        seconds: clock.elapsed().as_secs_f64(),
        first_step,
    };
    let manifest = Manifest::of(&run, outcome, session);
    writer.end(outcome, run.trainer())?;
    Ok(match outcome {
        Outcome::Stopped { .. } => Training::Ended(Box::new(report(writer, manifest, Vec::new()))),
        _ => Training::Unsealed(Box::new(Unsealed { writer, manifest, figures: Vec::new() })),
    })
}

fn report(writer: Writer, manifest: Manifest, figures: Vec<PathBuf>) -> Report {
    Report { run_dir: writer.run_dir, manifest, was_stored: false, warnings: writer.warnings, figures }
}

/// The stored result of a finished run, or the refusal to touch an unfinished one.
fn stored_or_refused(run_dir: &RunDir, spec: &RunSpec, options: &Options) -> Result<Option<Report>, LabError> {
    match run_dir.standing(spec)? {
        Standing::Unreadable(e) if !options.force => Err(e),
        Standing::Finished if !options.force => {
            // Gone since it was looked for: the run begins again.
            let Some(manifest) = run_dir.manifest(spec)? else { return Ok(None) };
            options.agrees(&manifest.arithmetic).map_err(|problem| LabError::run_dir(run_dir.root(), problem))?;
            let figures = manifest.files.keys().filter(|file| file.starts_with("figures/"));
            let (figures, gone): (Vec<_>, Vec<_>) =
                figures.map(|file| run_dir.root().join(file)).partition(|path| files::is_file(path));
            let told = |path: &PathBuf| format!("{}: is missing; `precipice figure` draws it again", path.display());
            let (run_dir, warnings) = (run_dir.clone(), gone.iter().map(told).collect());
            Ok(Some(Report { run_dir, manifest, was_stored: true, warnings, figures }))
        }
        Standing::Unfinished if !options.resume && !options.force => {
            // Whoever is writing it deserves to be named rather than a resume suggested.
            drop(run_dir.lock()?);
            Err(LabError::run_dir(run_dir.root(), RunDirProblem::UnfinishedRun))
        }
        // Nothing is written beside a pack that has the rest.
        _ => run_dir.check_unpacked().map(|()| None),
    }
}

/// The one that keeps first, then whoever watches.
pub(super) struct Both<'a> {
    pub(super) store: &'a mut dyn Recorder,
    pub(super) watch: &'a mut dyn Recorder,
}

impl Recorder for Both<'_> {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.store.row(row)?;
        self.watch.row(row)
    }

    fn checkpoint(&mut self, trainer: &Trainer) -> Result<(), RecordError> {
        self.store.checkpoint(trainer)?;
        self.watch.checkpoint(trainer)
    }

    fn step(&mut self, step: u64, loss: f64) -> Next {
        let both = [self.store.step(step, loss), self.watch.step(step, loss)];
        [Next::Stop, Next::Save].into_iter().find(|next| both.contains(next)).unwrap_or(Next::Continue)
    }
}

/// The store's own error, without the wrapping that carried it through the run.
pub(super) fn unwrap_record(error: RunError) -> LabError {
    match error {
        RunError::Record(inner) => match inner.downcast::<LabError>() {
            Ok(lab) => *lab,
            Err(other) => LabError::Run(RunError::Record(other)),
        },
        other => LabError::Run(other),
    }
}
