//! States that the branches of a sweep begin with, kept in its folder: the way there is gone once, and whoever was
//! stopped on it is followed by another.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use precipice::model::Layout;
use precipice::spec::RunSpec;
use precipice::train::{TrainState, Trainer};
use precipice_num::Kernels;

use super::options::Keep;
use crate::store::{RunDir, atomic, checkpoint};

/// The folder in that of a sweep, which no list of runs looks into.
const FOLDER: &str = ".precipice-parents";

/// Digits of addresses in the names of folders; the files hold all of them.
const N_DIGITS: usize = 12;

/// Where such states are kept, and how often on the way.
#[derive(Debug)]
pub(super) struct Parents {
    folder: PathBuf,
    every: Duration,
}

/// The way of one run to a step, as far as it was gone.
#[derive(Debug)]
pub(super) struct Way {
    /// Of this way alone, with the newest state on it.
    folder: PathBuf,
    spec_hash: String,
    end: u64,
    kernels: Kernels,
    every: Duration,
    last: Instant,
}

impl Parents {
    /// Beside a run that keeps its newest state: those of a sweep do.
    pub fn beside(run_dir: &RunDir, keep: Keep) -> Option<Self> {
        let Keep::Rolling { every, .. } = keep else { return None };
        Some(Self { folder: run_dir.root().parent()?.join(FOLDER), every })
    }

    pub fn way(&self, spec: &RunSpec, end: u64, kernels: Kernels) -> Way {
        let spec_hash = spec.hash();
        let name = format!("{}-{end}-{}", &spec_hash[..N_DIGITS], kernels.arithmetic().name());
        let (folder, every) = (self.folder.join(name), self.every);
        Way { folder, spec_hash, end, kernels, every, last: Instant::now() }
    }
}

impl Way {
    /// The state that is furthest of those that are whole; what is damaged is made again.
    pub fn furthest(&self, layout: &Arc<Layout>) -> Option<TrainState> {
        let steps = checkpoint::steps(&self.folder).unwrap_or_default();
        let read = |step: u64| checkpoint::read(&self.path(step), layout, &self.spec_hash).ok();
        let mut saved = steps.into_iter().rev().filter(|&step| step <= self.end).filter_map(read);
        Some(saved.find(|saved| saved.arithmetic == self.kernels.arithmetic())?.state)
    }

    /// When it is time, saves the state, or goes on from one that another process saved further on.
    pub fn look_around(&mut self, trainer: &mut Trainer) {
        if self.last.elapsed() < self.every {
            return;
        }
        match self.furthest(trainer.model().layout()).filter(|state| state.step > trainer.state().step) {
            Some(state) => trainer.restore(state),
            None => self.keep(trainer),
        }
        self.last = Instant::now();
    }

    /// Saves the state in the place of those before it. Where that fails the way is longer for the next, no more.
    pub fn keep(&self, trainer: &Trainer) {
        let step = trainer.state().step;
        let is_kept = fs::create_dir_all(&self.folder).is_ok()
            && checkpoint::write(&self.folder, trainer, &self.spec_hash, &self.spec_hash).is_ok();
        if is_kept {
            let before = checkpoint::steps(&self.folder).unwrap_or_default().into_iter().filter(|&kept| kept < step);
            before.for_each(|kept| drop(fs::remove_file(self.path(kept))));
            let _ = atomic::sweep(&self.folder);
        }
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(checkpoint::file_name(step))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use precipice::record::{MemoryRecorder, Next, RecordError, Recorder, Row};
    use precipice::spec::BranchSpec;

    use super::*;
    use crate::error::LabError;
    use crate::runs::{Options, train};
    use crate::store::Manifest;

    /// Every step that it was told, up to one at which it stops.
    struct Told(Vec<u64>, u64);

    impl Recorder for Told {
        fn row(&mut self, _: &Row) -> Result<(), RecordError> {
            Ok(())
        }

        fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
            Ok(())
        }

        fn step(&mut self, step: u64, _: f64) -> Next {
            self.0.push(step);
            if step >= self.1 { Next::Stop } else { Next::Continue }
        }
    }

    fn branch(name: &str) -> RunSpec {
        let mut parent = RunSpec { name: "parent".to_owned(), ..RunSpec::default() };
        (parent.train.steps, parent.eval.sequences, parent.probes.sequences) = (12, 64, 16);
        parent.eval.every = 3;
        let mut spec = RunSpec { name: name.to_owned(), ..parent.clone() };
        let (reset, zero, graft) = (Vec::new(), Vec::new(), Vec::new());
        spec.branch = Some(Box::new(BranchSpec { step: 9, reset, zero, graft, parent }));
        spec
    }

    fn made(folder: &Path, name: &str, every: Duration, stop_at: u64) -> (Vec<u64>, Result<Manifest, LabError>) {
        let keep = Keep::Rolling { every, is_alone: false };
        let out = Some(folder.join(name));
        let options = Options { out, threads: 1, resume: true, force: false, keep, arithmetic: None };
        let mut told = Told(Vec::new(), stop_at);
        let made = train(branch(name), &options, &mut told).and_then(|training| training.seal());
        (told.0, made.map(|report| report.manifest))
    }

    fn kept(folder: &Path) -> Vec<PathBuf> {
        let ways: Vec<PathBuf> = fs::read_dir(folder.join(FOLDER)).unwrap().map(|way| way.unwrap().path()).collect();
        assert_eq!(ways.len(), 1);
        fs::read_dir(&ways[0]).unwrap().map(|file| file.unwrap().path()).collect()
    }

    #[test]
    fn the_way_to_a_beginning_is_gone_once_whoever_is_stopped_on_it() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (folder, never) = (folder.path(), u64::MAX);
        let whole = Options {
            out: Some(elsewhere.path().join("a")),
            threads: 1,
            resume: false,
            force: false,
            keep: Keep::Results,
            arithmetic: None,
        };
        let whole = train(branch("a"), &whole, &mut MemoryRecorder::default()).unwrap().seal().unwrap().manifest;
        // Nothing is due by this clock: what is kept was saved because it was stopped.
        let hour = Duration::from_secs(3600);
        let (told, stopped) = made(folder, "a", hour, 5);
        assert!(matches!(stopped, Err(LabError::Stopped { .. })) && told == [1, 2, 3, 4, 5], "{told:?}");
        let (told, ended) = made(folder, "a", hour, never);
        assert_eq!(told, (6..=12).collect::<Vec<_>>());
        assert_eq!(ended.unwrap().digest, whole.digest);
        // Another branch of the same parent begins there.
        let (told, _) = made(folder, "b", hour, never);
        assert_eq!(told, [10, 11, 12]);
        let files = kept(folder);
        assert!(files.len() == 1 && files[0].ends_with("step-00000009.safetensors"), "{files:?}");
        // What is damaged is passed over and made again.
        let whole_bytes = fs::read(&files[0]).unwrap();
        let mut bytes = whole_bytes.clone();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&files[0], bytes).unwrap();
        let (told, ended) = made(folder, "c", hour, never);
        assert_eq!((told, ended.unwrap().digest), ((1..=12).collect(), whole.digest));
        assert!(kept(folder) == files && fs::read(&files[0]).unwrap() == whole_bytes);
    }

    /// One that is killed leaves what the clock saved, and one that falls behind goes on from where another is.
    #[test]
    fn states_on_the_way_are_saved_by_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let spec = *branch("a").branch.unwrap();
        let parents = Parents { folder: folder.join(FOLDER), every: Duration::ZERO };
        let trainer = || super::super::new_trainer(&spec.parent, None, Kernels::detect()).unwrap();
        let way = || parents.way(&spec.parent, spec.step, Kernels::detect());
        let (mut first, mut second) = (trainer(), trainer());
        for step in 1..=4 {
            precipice::run::pass(&mut first, &spec.parent, &precipice::workers::Sequential).unwrap();
            way().look_around(&mut first);
            let files = kept(folder);
            assert!(files.len() == 1 && files[0].ends_with(checkpoint::file_name(step)), "{files:?}");
        }
        way().look_around(&mut second);
        assert_eq!(second.state(), first.state());
        let (told, _) = made(folder, "a", Duration::ZERO, u64::MAX);
        assert_eq!(told, (5..=12).collect::<Vec<_>>());
        assert_eq!(kept(folder).len(), 1);
    }
}
