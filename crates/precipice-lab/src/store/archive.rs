//! The run directory, built in memory: the files that a run on a disk has, but its table and figures.

use std::borrow::Cow;
use std::collections::BTreeMap;

use precipice::record::Row;
use precipice::spec::RunSpec;
use precipice::train::Trainer;

use super::checkpoint::{file_name, to_bytes};
use super::log::to_line;
use super::manifest::{Manifest, digest_of};
use super::{RunDir, Standing, atomic, spec_text};
use crate::error::{LabError, RunDirProblem};

/// What a run directory holds, as it grows.
///
/// ```
/// use precipice::{run::{Event, Run}, spec::RunSpec, workers::Sequential};
/// use precipice_lab::store::archive::Archive;
/// let mut spec = RunSpec { name: "example".to_owned(), ..RunSpec::default() };
/// spec.train.steps = 2;
/// spec.eval.sequences = 64;
/// let (mut run, mut archive) = (Run::new(&spec, None, precipice_num::Kernels::detect())?, Archive::new(&spec, 1 << 30));
/// loop {
///     match run.advance(1, &Sequential) {
///         Event::Row => run.rows().last().into_iter().for_each(|row| archive.row(row)),
///         Event::Checkpoint => archive.checkpoint(run.trainer()),
///         Event::Paused => {}
///         Event::Ended(_) => break,
///     }
/// }
/// assert_eq!(archive.steps().collect::<Vec<_>>(), [0, 1, 2]);
/// assert!(archive.files(&spec, None).contains_key("checkpoints/step-00000002.safetensors"));
/// # Ok::<(), precipice::run::RunError>(())
/// ```
#[derive(Debug)]
pub struct Archive {
    spec_hash: String,
    first_step: u64,
    log: String,
    check: String,
    /// By step.
    checkpoints: BTreeMap<u64, Vec<u8>>,
    n_bytes: usize,
    bytes_max: usize,
    is_whole: bool,
}

impl Archive {
    /// Of a run at its beginning; checkpoints are kept while they take at most so many bytes.
    pub fn new(spec: &RunSpec, bytes_max: usize) -> Self {
        let (spec_hash, log, checkpoints) = (spec.hash(), String::new(), BTreeMap::new());
        let check = spec_hash.clone();
        let first_step = spec.first_step();
        Self { spec_hash, first_step, log, check, checkpoints, n_bytes: 0, bytes_max, is_whole: true }
    }

    /// A row was measured.
    pub fn row(&mut self, row: &Row) {
        let (line, check) = to_line(row, &self.check);
        self.log += &(line + "\n");
        self.check = check;
    }

    /// A state is due to be saved. Where there is no more room, every other one but the first makes way: any step can
    /// still be reached from one before it.
    pub fn checkpoint(&mut self, trainer: &Trainer) {
        self.keep(trainer.state().step, to_bytes(trainer, &self.spec_hash, &self.check));
    }

    /// The same of a state of this run that was saved elsewhere.
    pub fn keep(&mut self, step: u64, bytes: Vec<u8>) {
        self.n_bytes += bytes.len();
        if let Some(same) = self.checkpoints.insert(step, bytes) {
            self.n_bytes -= same.len();
        }
        while self.n_bytes > self.bytes_max && self.checkpoints.len() > 2 {
            self.is_whole = false;
            let last = self.checkpoints.len() - 1;
            let mut idx = 0..;
            self.checkpoints.retain(|_, _| idx.next().is_none_or(|idx| idx % 2 == 0 || idx == last));
            self.n_bytes = self.checkpoints.values().map(Vec::len).sum();
        }
    }

    /// Steps that have a checkpoint, rising.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.checkpoints.keys().copied()
    }

    /// The last checkpoint at or before a step.
    pub fn until(&self, step: u64) -> Option<(u64, &[u8])> {
        self.checkpoints.range(..=step).next_back().map(|(step, bytes)| (*step, bytes.as_slice()))
    }

    /// Whether all checkpoints that were due are there: none made way, and the first is that of the start.
    pub fn is_whole(&self) -> bool {
        self.is_whole && self.steps().next().is_none_or(|first| first == self.first_step)
    }

    /// Writes all files to a directory where no run is yet, the manifest last.
    ///
    /// # Errors
    /// If something stands there, or the system refuses.
    pub fn write_to(&self, run_dir: &RunDir, spec: &RunSpec, manifest: Option<Manifest>) -> Result<(), LabError> {
        let is_empty = || run_dir.standing(spec).map(|standing| matches!(standing, Standing::Empty));
        let taken = || LabError::run_dir(run_dir.root(), RunDirProblem::HoldsTheRun);
        if !is_empty()? {
            return Err(taken());
        }
        let _lock = run_dir.lock()?;
        if !is_empty()? {
            return Err(taken());
        }
        run_dir.make_folders()?;
        let (last, first): (Vec<_>, Vec<_>) =
            self.files(spec, manifest).into_iter().partition(|(name, _)| name == "manifest.json");
        first.iter().chain(&last).try_for_each(|(name, bytes)| atomic::write(&run_dir.root().join(name), bytes))
    }

    /// All files by their names, with the manifest where the run has ended: it names the checkpoints that there are. An
    /// unfinished run is one that can be gone on with only where it is whole.
    pub fn files<'a>(&'a self, spec: &RunSpec, manifest: Option<Manifest>) -> BTreeMap<String, Cow<'a, [u8]>> {
        let mut files: BTreeMap<String, Cow<'a, [u8]>> = BTreeMap::from([
            ("spec.toml".to_owned(), Cow::Owned(spec_text::to_text(spec).into_bytes())),
            ("log.jsonl".to_owned(), Cow::Borrowed(self.log.as_bytes())),
        ]);
        for (step, bytes) in &self.checkpoints {
            files.insert(format!("checkpoints/{}", file_name(*step)), Cow::Borrowed(bytes));
        }
        if let Some(mut manifest) = manifest {
            manifest.files = files.iter().map(|(name, bytes)| (name.clone(), digest_of(bytes))).collect();
            files.insert("manifest.json".to_owned(), Cow::Owned(manifest.to_text().into_bytes()));
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use precipice_num::Kernels;

    use super::*;

    #[test]
    fn checkpoints_make_way_and_the_first_and_the_last_stay() {
        let spec = RunSpec { name: "archive".to_owned(), ..RunSpec::default() };
        let mut trainer = Trainer::new(&spec, spec.build_task(None).unwrap(), Kernels::detect()).unwrap();
        let size = to_bytes(&trainer, &spec.hash(), &spec.hash()).len();
        let mut archive = Archive::new(&spec, 4 * size + size / 2);
        for step in 0..9 {
            let state = precipice::train::TrainState { step, ..trainer.state().clone() };
            trainer.restore(state);
            archive.checkpoint(&trainer);
            assert!(archive.n_bytes <= archive.bytes_max);
        }
        let steps: Vec<u64> = archive.steps().collect();
        assert_eq!((steps[0], steps[steps.len() - 1]), (0, 8));
        assert!(!archive.is_whole() && archive.until(7).unwrap().0 <= 7);
        let names: Vec<String> = archive.files(&spec, None).into_keys().collect();
        assert_eq!(names.len(), steps.len() + 2);
    }
}
