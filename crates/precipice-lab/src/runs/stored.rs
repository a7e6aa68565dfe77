//! A run that is stored: what was measured, and the network at any step.

use std::path::Path;

use precipice::measure::Metric;
use precipice::record::{Next, Row};
use precipice::run::Run;
use precipice::spec::RunSpec;
use precipice::train::Trainer;
use precipice::workers::{Sequential, Workers};
use precipice_num::Kernels;

use super::branch::{Told, from_its_spec, restored, unbegun};
use super::memory;
use super::replay::{Replay, at_step, at_step_with};
use super::threads::available;
use super::trainer::Build;
use crate::error::{LabError, RunDirProblem};
use crate::input::items;
use crate::store::RunDir;

/// A run that stands in a directory, finished or not.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// Where it is.
    pub run_dir: RunDir,
    /// What was run.
    pub spec: RunSpec,
    /// What was measured.
    pub rows: Vec<Row>,
    /// What the columns of a program's own probes mean; known of finished runs.
    pub own_metrics: Vec<Metric>,
}

impl StoredRun {
    /// Reads spec and rows.
    ///
    /// # Errors
    /// If there is no such run, or it cannot be read.
    ///
    /// ```
    /// use precipice::measure::metric;
    /// use precipice::record::MemoryRecorder;
    /// use precipice_lab::input::spec_file::{self, Changes};
    /// use precipice_lab::runs::{Keep, Options, StoredRun, train};
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path().join("run");
    /// # let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
    /// # let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None })?;
    /// # let options =
    /// #     Options { out: Some(root.clone()), threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
    /// # train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
    /// let run = StoredRun::open(&root)?;
    /// println!("{} rows, accuracy {}", run.rows.len(), run.rows[0].get(&metric::ACCURACY.main()));
    /// let network = run.at_step(2)?;
    /// println!("{} parameters", network.state().params.values.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(root: &Path) -> Result<Self, LabError> {
        Self::of(RunDir::new(root))
    }

    /// The same of a directory whose items may have been moved.
    ///
    /// # Errors
    /// As [`StoredRun::open`].
    pub fn of(run_dir: RunDir) -> Result<Self, LabError> {
        let spec = run_dir.spec()?;
        let own_metrics = run_dir.manifest(&spec)?.map_or_else(Vec::new, |manifest| manifest.own_metrics);
        Ok(Self { rows: run_dir.rows()?, spec, own_metrics, run_dir })
    }

    /// Whether the run made a step.
    ///
    /// # Errors
    /// If not, saying how far it went.
    pub fn check_step(&self, step: u64) -> Result<(), LabError> {
        Replay::open(&self.run_dir, &self.spec, &Run::new)?.check(step)
    }

    /// The network at a step that the run made.
    ///
    /// # Errors
    /// As [`at_step`].
    pub fn at_step(&self, step: u64) -> Result<Trainer, LabError> {
        at_step(&self.run_dir, &self.spec, step)
    }

    /// The same with threads that are lent.
    ///
    /// # Errors
    /// As [`at_step`].
    pub fn at_step_with(&self, step: u64, workers: &dyn Workers) -> Result<Trainer, LabError> {
        at_step_with(&self.run_dir, &self.spec, step, workers)
    }

    /// The run at a checkpoint, made by the caller, with a task or probes of its own; it can be driven on from there.
    ///
    /// # Errors
    /// If there is no such checkpoint, listing those there are.
    pub fn run_at(&self, step: u64, build: &Build<'_>) -> Result<Run, LabError> {
        let mut spec = self.spec.clone();
        memory::check_run(&spec, false, available())?;
        // The digest of items is part of the address.
        let bank = items::load(&mut spec)?;
        let make = |kernels| unbegun(&spec, bank.clone(), build, kernels);
        let detected = Kernels::detect();
        let mut run = make(detected)?;
        let (_, saved) = self.run_dir.checkpoint(&spec, step, run.trainer().model().layout())?;
        let kernels = Kernels::with_arithmetic(saved.arithmetic);
        if kernels != detected {
            run = make(kernels)?;
        }
        let rows = self.rows.iter().filter(|row| row.step <= step).cloned().collect();
        Ok(restored(run, &spec, saved.state, rows))
    }
}

impl StoredRun {
    /// The run at the nearest checkpoint at or before a step, from where it reaches that step with the bits that it had.
    /// Where there is none, as in runs of a sweep, it is at its start.
    ///
    /// # Errors
    /// As [`StoredRun::run_at`], or if the run did not come so far.
    pub fn run_before(&self, step: u64, build: &Build<'_>) -> Result<Run, LabError> {
        self.run_before_told(step, build, &mut |_, _| Next::Continue)
    }

    /// The same, where `told` hears of every step of that from which a branch begins, and may stop it.
    pub(super) fn run_before_told(&self, step: u64, build: &Build<'_>, told: &mut Told<'_>) -> Result<Run, LabError> {
        let there_are = self.run_dir.checkpoint_steps(&self.spec)?;
        let last = there_are.last().copied().unwrap_or(0);
        if step > last {
            return Err(LabError::run_dir(self.run_dir.root(), RunDirProblem::NoCheckpoint { step, there_are }));
        }
        match there_are.iter().rev().find(|&&kept| kept <= step) {
            Some(&kept) => self.run_at(kept, build),
            None => self.at_the_start(last, build, told),
        }
    }

    /// A run at its first step in the arithmetic of the checkpoint that there is.
    fn at_the_start(&self, kept: u64, build: &Build<'_>, told: &mut Told<'_>) -> Result<Run, LabError> {
        let kernels = self.run_at(kept, build)?.trainer().model().kernels();
        let mut spec = self.spec.clone();
        let bank = items::load(&mut spec)?;
        from_its_spec(&spec, bank, build, kernels, (&Sequential, self.run_dir.root()), told)
    }
}

#[cfg(test)]
mod tests {
    use precipice_num::Arithmetic;

    use super::*;
    use crate::runs::new_trainer;
    use crate::store::checkpoint;

    #[test]
    fn any_step_is_reached_with_the_bits_that_it_had() {
        use precipice::record::MemoryRecorder;
        use precipice::run::Event;
        use precipice::workers::Sequential;

        use crate::input::spec_file::{self, Changes};
        use crate::runs::{Keep, Options, train};
        let overrides = ["eval.every=5", "eval.sequences=64", "probes.sequences=16"].map(str::to_owned).to_vec();
        let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(40), seed: None }).unwrap();
        let mut whole = Run::new(&spec, None, Kernels::detect()).unwrap();
        while !matches!(whole.advance(27 - whole.step(), &Sequential), Event::Paused) {}
        for keep in [Keep::All, Keep::Results] {
            let folder = tempfile::tempdir().unwrap();
            let out = Some(folder.path().join("run"));
            let options = Options { out, threads: 1, resume: false, force: false, keep, arithmetic: None };
            let report = train(spec.clone(), &options, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
            let run = StoredRun::open(report.run_dir.root()).unwrap();
            let mut replayed = run.run_before(27, &Run::new).unwrap();
            while !matches!(replayed.advance(27 - replayed.step(), &Sequential), Event::Paused) {}
            assert_eq!(replayed.state(), whole.state());
            assert_eq!(replayed.rows().len(), 6);
            assert!(run.run_before(41, &Run::new).unwrap_err().to_string().contains("41"));
        }
    }

    #[test]
    fn a_network_is_opened_in_the_arithmetic_of_its_run() {
        let folder = tempfile::tempdir().unwrap();
        let spec = RunSpec { name: "arithmetic".to_owned(), ..RunSpec::default() };
        for arithmetic in [Arithmetic::Portable, Arithmetic::Fused] {
            let run_dir = RunDir::new(folder.path().join(arithmetic.name()));
            run_dir.make_folders().unwrap();
            run_dir.write_spec(&spec).unwrap();
            let trainer = new_trainer(&spec, None, Kernels::with_arithmetic(arithmetic)).unwrap();
            checkpoint::write(&run_dir.checkpoints(), &trainer, &spec.hash(), "").unwrap();
            let opened = at_step(&run_dir, &spec, 0).unwrap();
            assert_eq!(opened.model().kernels().arithmetic(), arithmetic);
            assert_eq!(opened.state(), trainer.state());
        }
    }
}
