//! A stored run at any step that it made: from the nearest state before it, by the steps that follow.

use precipice::model::Params;
use precipice::run::{Run, is_row_due, pass};
use precipice::spec::RunSpec;
use precipice::task::ItemBank;
use precipice::train::{Diverged, TrainState, Trainer};
use precipice::workers::Workers;
use precipice_num::Kernels;

use super::branch::{Beginning, FROM_SPECS, restored, unbegun};
use super::memory;
use super::resume::check_until;
use super::threads::available;
use super::trainer::Build;
use crate::error::{LabError, RunDirProblem};
use crate::input::items;
use crate::store::{RunDir, checkpoint, log};

/// A stored run that is gone through, upwards best: what lies between two steps is made once.
///
/// ```
/// use precipice::{record::MemoryRecorder, run::Run, workers::Sequential};
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::runs::{Keep, Options, Replay, StoredRun, train};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// # let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// # let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(7), seed: None })?;
/// # let options =
/// #     Options { out: Some(root.clone()), threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
/// # train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
/// let run = StoredRun::open(&root)?;
/// let mut replay = Replay::open(&run.run_dir, &run.spec, &Run::new)?;
/// for step in [3, 5, 6] {
///     println!("{} {}", step, replay.to(step, &Sequential)?.state().params.digest());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Replay<'a> {
    run_dir: &'a RunDir,
    spec: RunSpec,
    bank: Option<ItemBank>,
    build: &'a Build<'a>,
    kernels: Kernels,
    /// Steps of the states that there are, rising.
    stored: Vec<u64>,
    last_step: u64,
    trainer: Option<Trainer>,
}

impl<'a> Replay<'a> {
    /// Looks at what is stored; `build` makes a run of the spec at step 0.
    ///
    /// # Errors
    /// If the run cannot be read or made here, or an unfinished one has no state yet.
    pub fn open(run_dir: &'a RunDir, spec: &RunSpec, build: &'a Build<'a>) -> Result<Self, LabError> {
        let mut spec = spec.clone();
        memory::check_run(&spec, false, available())?;
        let bank = items::load(&mut spec)?;
        let (manifest, stored) = (run_dir.manifest(&spec)?, run_dir.checkpoint_steps(&spec)?);
        let last_step = match &manifest {
            Some(manifest) => manifest.steps,
            None => {
                let entries = log::read(&run_dir.log_path(), &spec.hash())?.entries;
                let measured = entries.last().map_or(0, |entry| entry.row.step);
                stored.last().copied().unwrap_or(0).max(measured)
            }
        };
        let arithmetic = match &manifest {
            Some(manifest) => manifest.known_arithmetic(&run_dir.manifest_path())?,
            None => {
                let no_checkpoints = || LabError::run_dir(&run_dir.checkpoints(), RunDirProblem::NoCheckpoints);
                let first = *stored.first().ok_or_else(no_checkpoints)?;
                let run = unbegun(&spec, bank.clone(), build, Kernels::detect())?;
                run_dir.checkpoint(&spec, first, run.trainer().model().layout())?.1.arithmetic
            }
        };
        let kernels = Kernels::with_arithmetic(arithmetic);
        Ok(Self { run_dir, spec, bank, build, kernels, stored, last_step, trainer: None })
    }

    /// How far the run went.
    pub fn last_step(&self) -> u64 {
        self.last_step
    }

    /// In the arithmetic of the run.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The network as a checkpoint of that step holds it.
    ///
    /// # Errors
    /// If the run did not make that step, or a state before it is damaged.
    pub fn to(&mut self, step: u64, workers: &dyn Workers) -> Result<&Trainer, LabError> {
        self.go(step, workers)?;
        let trainer = self.trainer.as_mut().expect("went there");
        if is_row_due(&self.spec, step) {
            trainer.take_train_loss();
        }
        Ok(trainer)
    }

    /// The same, by value.
    ///
    /// # Errors
    /// As [`Replay::to`].
    pub fn into_trainer(mut self, step: u64, workers: &dyn Workers) -> Result<Trainer, LabError> {
        self.to(step, workers)?;
        Ok(self.trainer.expect("went there"))
    }

    /// The gradient of the step that follows, as its update takes it; where the run ends, that which it would take. It is
    /// gone on to the next step.
    ///
    /// # Errors
    /// As [`Replay::to`].
    pub fn gradient(&mut self, step: u64, workers: &dyn Workers) -> Result<&Params<f32>, LabError> {
        self.to(step, workers)?;
        let trainer = self.trainer.as_mut().expect("went there");
        // Where the loss is not finite the gradient is that, too.
        let _ = trainer.step(workers);
        Ok(trainer.grads())
    }

    /// The state before anything is measured at a step: what a branch begins with.
    pub(super) fn before_the_row(&mut self, step: u64, workers: &dyn Workers) -> Result<TrainState, LabError> {
        let (is_measured, first) = (is_row_due(&self.spec, step), self.spec.first_step());
        if is_measured && step == first {
            self.trainer = Some(self.start(workers)?);
        } else if is_measured {
            // A stored state has the mean of the losses behind it.
            self.go(step - 1, workers)?;
            self.make(step, workers)?;
        } else {
            self.go(step, workers)?;
        }
        Ok(self.trainer.as_ref().expect("went there").state().clone())
    }

    /// Whether the run made a step.
    ///
    /// # Errors
    /// If not, saying how far it went.
    pub fn check(&self, step: u64) -> Result<(), LabError> {
        let (first, last) = (self.spec.first_step(), self.last_step);
        if step > last || step < first {
            return Err(LabError::run_dir(self.run_dir.root(), RunDirProblem::StepNotMade { step, first, last }));
        }
        Ok(())
    }

    fn go(&mut self, step: u64, workers: &dyn Workers) -> Result<(), LabError> {
        self.check(step)?;
        let kept = self.stored.iter().copied().rev().find(|&kept| kept <= step);
        let here = self.trainer.as_ref().map(|trainer| trainer.state().step).filter(|&here| here <= step);
        if here.is_none() || kept > here {
            self.trainer = Some(match kept {
                Some(kept) => self.saved(kept)?,
                None => self.start(workers)?,
            });
        }
        self.make(step, workers)
    }

    /// The steps from here.
    fn make(&mut self, step: u64, workers: &dyn Workers) -> Result<(), LabError> {
        let trainer = self.trainer.as_mut().expect("it stands somewhere");
        workers.expect(step - trainer.state().step);
        while trainer.state().step < step {
            pass(trainer, &self.spec, workers).map_err(|Diverged { step }| {
                LabError::run_dir(self.run_dir.root(), RunDirProblem::ReplayDiverged { step })
            })?;
            workers.done(1);
        }
        Ok(())
    }

    fn saved(&mut self, step: u64) -> Result<Trainer, LabError> {
        if let Some(mut trainer) = self.trainer.take() {
            let (_, saved) = self.run_dir.checkpoint(&self.spec, step, trainer.model().layout())?;
            trainer.restore(saved.state);
            return Ok(trainer);
        }
        let run = unbegun(&self.spec, self.bank.clone(), self.build, self.kernels)?;
        let (_, saved) = self.run_dir.checkpoint(&self.spec, step, run.trainer().model().layout())?;
        Ok(restored(run, &self.spec, saved.state, Vec::new()).into_trainer())
    }

    fn start(&self, workers: &dyn Workers) -> Result<Trainer, LabError> {
        let run = unbegun(&self.spec, self.bank.clone(), self.build, self.kernels)?;
        let (build, kernels, root) = (self.build, self.kernels, self.run_dir.root());
        let beginning = Beginning { build, kernels, workers, near: FROM_SPECS, parents: None, root };
        Ok(beginning.of(run, &self.spec, &mut |_, _| precipice::record::Next::Continue)?.into_trainer())
    }
}

/// The state of a run before anything is measured at a step, if it is one of those that are known, made in this
/// arithmetic.
pub(super) fn known_state(
    known: &[RunDir],
    (spec, step): (&RunSpec, u64),
    build: &Build<'_>,
    kernels: Kernels,
    workers: &dyn Workers,
) -> Result<Option<TrainState>, LabError> {
    let hash = spec.hash();
    for run_dir in known.iter().filter(|run_dir| run_dir.spec().is_ok_and(|stored| stored.hash() == hash)) {
        let mut replay = Replay::open(run_dir, spec, build)?;
        if replay.kernels() == kernels && step <= replay.last_step() {
            return replay.before_the_row(step, workers).map(Some);
        }
    }
    Ok(None)
}

/// The network of a stored run at a step, in the arithmetic that it was trained in, on the calling thread: from its
/// checkpoint, or by replay from the nearest one before it.
///
/// # Errors
/// If the run did not make that step, saying how far it went.
pub fn at_step(run_dir: &RunDir, spec: &RunSpec, step: u64) -> Result<Trainer, LabError> {
    at_step_with(run_dir, spec, step, &precipice::workers::Sequential)
}

/// The same with threads that are lent.
///
/// # Errors
/// As [`at_step`].
pub fn at_step_with(run_dir: &RunDir, spec: &RunSpec, step: u64, workers: &dyn Workers) -> Result<Trainer, LabError> {
    if !run_dir.has_checkpoint(spec, step)? {
        return Replay::open(run_dir, spec, &Run::new)?.into_trainer(step, workers);
    }
    let mut spec = spec.clone();
    memory::check_run(&spec, false, available())?;
    let bank = items::load(&mut spec)?;
    let detected = Kernels::detect();
    let mut run = unbegun(&spec, bank.clone(), &Run::new, detected)?;
    let (_, saved) = run_dir.checkpoint(&spec, step, run.trainer().model().layout())?;
    // What another machine began in portable arithmetic is portable for whoever looks at it, too.
    let kernels = Kernels::with_arithmetic(saved.arithmetic);
    if kernels != detected {
        run = unbegun(&spec, bank, &Run::new, kernels)?;
    }
    Ok(restored(run, &spec, saved.state, Vec::new()).into_trainer())
}

/// The bytes of a checkpoint, which other tools read: those that are stored, or those that a run which had stored that
/// step would have.
///
/// # Errors
/// As [`at_step`].
pub fn checkpoint_bytes(
    run_dir: &RunDir,
    spec: &RunSpec,
    step: u64,
    workers: &dyn Workers,
) -> Result<Vec<u8>, LabError> {
    let mut spec = spec.clone();
    if run_dir.has_checkpoint(&spec, step)? {
        let bank = items::load(&mut spec)?;
        let run = unbegun(&spec, bank, &Run::new, Kernels::detect())?;
        return Ok(run_dir.checkpoint(&spec, step, run.trainer().model().layout())?.0);
    }
    let trainer = Replay::open(run_dir, &spec, &Run::new)?.into_trainer(step, workers)?;
    let (entries, spec_hash) = (run_dir.entries(&spec)?, spec.hash());
    Ok(checkpoint::to_bytes(&trainer, &spec_hash, check_until(&entries, step, &spec_hash)))
}
