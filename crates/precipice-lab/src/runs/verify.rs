//! Reading a finished run whole, running it again and comparing bits.

use std::collections::VecDeque;
use std::sync::Arc;

use precipice::model::{Layout, Params};
use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::run::{Outcome, Run};
use precipice::spec::RunSpec;
use precipice::train::{TrainState, Trainer};
use precipice_num::Kernels;

use super::branch::from_its_spec;
use super::memory;
use super::session::{Both, unwrap_record};
use super::threads::Pool;
use super::trainer::Build;
use crate::error::LabError;
use crate::input::items;
use crate::store::{Manifest, RunDir, RunOutcome, checkpoint, log, manifest};

/// What a repetition of a run came to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// Rows compared.
    pub rows: usize,
    /// Digest that is stored; none if the manifest is damaged.
    pub stored_digest: Option<String>,
    /// Digest of the repetition; none if something stored is damaged, or it differed before the end.
    pub digest: Option<String>,
    /// What differs first, or nothing.
    pub difference: Option<String>,
}

/// Reads every file of a finished run, runs it again from its spec, in memory, and compares bits: every row, every
/// checkpoint, and what the manifest says. Damage is a difference.
///
/// # Errors
/// If the run is not finished or cannot be repeated here.
///
/// ```
/// use precipice::record::MemoryRecorder;
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::runs::{Keep, Options, train, verify};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// # let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// # let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None })?;
/// # let options = Options { out: Some(root), threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
/// let report = train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
/// let again = verify(&report.run_dir, 1, &mut MemoryRecorder::default())?;
/// assert_eq!(again.difference, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(run_dir: &RunDir, threads: usize, watch: &mut dyn Recorder) -> Result<Verification, LabError> {
    verify_run(run_dir, &Run::new, threads, watch)
}

/// The same for a run that is made by the caller, with a task or probes of its own.
///
/// # Errors
/// As [`verify`].
pub fn verify_run(
    run_dir: &RunDir,
    build: &Build<'_>,
    threads: usize,
    watch: &mut dyn Recorder,
) -> Result<Verification, LabError> {
    let mut found = Verification { rows: 0, stored_digest: None, digest: None, difference: None };
    match compare(run_dir, build, threads, watch, &mut found) {
        Err(e) if e.is_damage() => found.difference = Some(e.to_string()),
        compared => compared?,
    }
    Ok(found)
}

fn compare(
    run_dir: &RunDir,
    build: &Build<'_>,
    threads: usize,
    watch: &mut dyn Recorder,
    found: &mut Verification,
) -> Result<(), LabError> {
    let mut spec = run_dir.spec()?;
    memory::check_run(&spec, false, threads)?;
    let manifest = run_dir.finished(&spec)?;
    found.stored_digest = Some(manifest.digest.clone());
    manifest.check_all(run_dir.root())?;
    // The digest of items is part of the address.
    let bank = items::load(&mut spec)?;
    let kernels = Kernels::with_arithmetic(manifest.known_arithmetic(&run_dir.manifest_path())?);
    let pool = Pool::for_work_at(threads, run_dir.root())?;
    let told = &mut |step, loss| watch.step(step, loss);
    let mut run = pool.with(|| from_its_spec(&spec, bank, build, kernels, (&pool, run_dir.root()), told))?;
    let mut beside = Beside::new(run_dir, &spec, &manifest, run.trainer().model().layout())?;
    let mut both = Both { store: &mut beside, watch };
    let outcome = pool.with(|| run.record(&pool, &mut both)).map_err(unwrap_record)?;
    let Beside { n_rows, difference, .. } = beside;
    (found.rows, found.difference) = (n_rows, difference);
    if found.difference.is_none() {
        found.digest = Some(run.state().params.digest());
        found.difference = difference_at_end(&run, outcome, &manifest, n_rows, run_dir.rows()?.len());
    }
    Ok(())
}

/// What of the manifest is not what the repetition came to.
fn difference_at_end(run: &Run, outcome: Outcome, stored: &Manifest, n_rows: usize, n_stored: usize) -> Option<String> {
    let (learned, jump) = run.transition();
    let last = run.rows().last().map(manifest::columns_of).unwrap_or_default();
    let pairs = [
        ("the log has another number of rows", n_rows == n_stored),
        ("the final parameters", run.state().params.digest() == stored.digest && run.step() == stored.steps),
        ("the outcome in the manifest", RunOutcome::of(outcome, learned) == stored.outcome),
        ("the last row in the manifest", last == stored.final_row),
        ("the jump in the manifest", jump.map(Into::into) == stored.transition),
    ];
    pairs.into_iter().find(|(_, is_same)| !is_same).map(|(what, _)| what.to_owned())
}

/// Holds what a repetition comes to against what is stored, and stops at the first difference.
struct Beside<'a> {
    run_dir: &'a RunDir,
    spec: &'a RunSpec,
    layout: Arc<Layout>,
    /// Steps of checkpoints that are still to be compared.
    saved: VecDeque<u64>,
    stored: VecDeque<log::Entry>,
    check: String,
    n_rows: usize,
    difference: Option<String>,
}

impl<'a> Beside<'a> {
    fn new(
        run_dir: &'a RunDir,
        spec: &'a RunSpec,
        manifest: &Manifest,
        layout: &Arc<Layout>,
    ) -> Result<Self, LabError> {
        let (saved, check, layout) = (manifest.checkpoints().into(), spec.hash(), layout.clone());
        let stored = log::read(&run_dir.log_path(), &check)?.entries.into();
        Ok(Self { run_dir, spec, layout, saved, stored, check, n_rows: 0, difference: None })
    }

    /// A checkpoint that an interruption left lies between those that are due: it is read.
    fn compare_until(&mut self, state: &TrainState) -> Result<(), LabError> {
        while let Some(step) = self.saved.pop_front_if(|step| *step <= state.step) {
            let (_, saved) = self.run_dir.checkpoint(self.spec, step, &self.layout)?;
            if step == state.step && (!is_same(&saved.state, state) || saved.log_check != self.check) {
                let path = self.run_dir.checkpoints().join(checkpoint::file_name(step));
                self.difference = Some(format!("{}: holds another state", path.display()));
            }
        }
        Ok(())
    }
}

impl Recorder for Beside<'_> {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        let (_, check) = log::to_line(row, &self.check);
        let is_stored = self.stored.pop_front().is_some_and(|entry| entry.check == check);
        if !is_stored && self.difference.is_none() {
            self.difference = Some(format!("the log at step {}", row.step));
        }
        (self.check, self.n_rows) = (check, self.n_rows + 1);
        Ok(())
    }

    fn checkpoint(&mut self, trainer: &Trainer) -> Result<(), RecordError> {
        if self.difference.is_none() {
            self.compare_until(trainer.state())?;
        }
        Ok(())
    }

    fn step(&mut self, _: u64, _: f64) -> Next {
        if self.difference.is_some() { Next::Stop } else { Next::Continue }
    }
}

/// Whether every bit is the same: two that are not a number are not equal, and may be the same.
fn is_same(a: &TrainState, b: &TrainState) -> bool {
    let same = |a: &Params<f32>, b: &Params<f32>| {
        a.layout == b.layout && a.values.iter().map(|x| x.to_bits()).eq(b.values.iter().map(|x| x.to_bits()))
    };
    let moments = |a: &Option<Params<f32>>, b: &Option<Params<f32>>| match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    same(&a.params, &b.params)
        && moments(&a.optimizer.first, &b.optimizer.first)
        && moments(&a.optimizer.second, &b.optimizer.second)
        && (a.step, a.loss_count, a.loss_sum.to_bits()) == (b.step, b.loss_count, b.loss_sum.to_bits())
}
