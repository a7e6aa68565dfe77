//! The storing half of a run: log, checkpoints and table, and what the manifest vouches for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parquet::errors::ParquetError;
use precipice::model::Layout;
use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::run::{Outcome, checkpoints_due};
use precipice::spec::RunSpec;
use precipice::train::{TrainState, Trainer};
use precipice_num::Kernels;

use super::options::{Keep, Options};
use super::resume::{self, Kept};
use crate::error::{LabError, RunDirProblem};
use crate::store::log::Log;
use crate::store::tables::Table;
use crate::store::{Lock, RunDir, Standing, atomic, checkpoint, manifest, spec_text};

/// Writes the directory of a run, and holds its lock.
#[derive(Debug)]
pub(super) struct Writer {
    pub run_dir: RunDir,
    pub spec: RunSpec,
    spec_hash: String,
    log: Log,
    pub rows: Vec<Row>,
    pub start: Option<TrainState>,
    /// Of the arithmetic that the run began with.
    pub kernels: Kernels,
    pub warnings: Vec<String>,
    keep: Keep,
    rolling: Option<Rolling>,
    lock: Lock,
}

/// Time between states of a run of a sweep that is gone on with by itself.
const ONE_OF_MANY: Duration = Duration::from_secs(60);

/// States that are saved by the clock, of which the newest stays.
#[derive(Debug)]
struct Rolling {
    every: Duration,
    last: Instant,
    /// Whether the state of this step is to be saved.
    is_due: bool,
}

impl Writer {
    /// Takes what stands in a directory that is locked, or begins anew.
    ///
    /// # Errors
    /// If the directory may not be written.
    pub fn begin(
        run_dir: &RunDir,
        spec: &RunSpec,
        layout: &Arc<Layout>,
        options: &Options,
        lock: Lock,
    ) -> Result<Self, LabError> {
        // Another process may have written between the first look and the lock.
        let standing = run_dir.standing(spec)?;
        let mut keep = options.keep;
        let kept = match standing {
            Standing::Empty => {
                run_dir.write_spec(spec)?;
                Kept::default()
            }
            _ if options.force => {
                run_dir.check_unpacked()?;
                run_dir.clear(spec)?;
                Kept::default()
            }
            Standing::Unreadable(e) => return Err(e),
            Standing::Finished => {
                return Err(LabError::run_dir(run_dir.root(), RunDirProblem::FinishedMeanwhile));
            }
            Standing::Unfinished if !options.resume => {
                return Err(LabError::run_dir(run_dir.root(), RunDirProblem::BegunMeanwhile));
            }
            Standing::Unfinished => {
                // What was begun as one of many goes on so: its earlier states are gone, and its newest is what it has.
                if keep == Keep::All && run_dir.is_one_of_many(spec)? {
                    keep = Keep::Rolling { every: ONE_OF_MANY, is_alone: false };
                }
                let kept = resume::kept(run_dir, spec, layout, keep)?;
                let stored = kept.saved.as_ref().map_or(Ok(()), |saved| options.agrees(saved.arithmetic.name()));
                stored.map_err(|problem| LabError::run_dir(run_dir.root(), problem))?;
                // The same run, whose items may lie elsewhere now.
                run_dir.write_spec(spec)?;
                kept
            }
        };
        run_dir.make_folders()?;
        let Kept { saved, entries, warnings } = kept;
        let spec_hash = spec.hash();
        let log = Log::open(&run_dir.log_path(), entries.last(), &spec_hash)?;
        let kernels = saved.as_ref().map_or(options.kernels(), |saved| Kernels::with_arithmetic(saved.arithmetic));
        let (start, rows) = (saved.map(|saved| saved.state), entries.into_iter().map(|entry| entry.row).collect());
        let (run_dir, spec) = (run_dir.clone(), spec.clone());
        let rolling = match keep {
            Keep::Rolling { every, .. } => Some(Rolling { every, last: Instant::now(), is_due: false }),
            Keep::All | Keep::Results => None,
        };
        Ok(Self { run_dir, spec, spec_hash, log, rows, start, kernels, warnings, keep, rolling, lock })
    }

    /// What is written of a run that came to its end, besides figures and the manifest.
    ///
    /// # Errors
    /// If the system refuses, or the log is no longer what was written.
    pub fn end(&mut self, outcome: Outcome, trainer: &Trainer) -> Result<(), LabError> {
        // The manifest vouches for the log.
        self.log.sync_and_read(&self.spec_hash)?;
        let is_stopped = matches!(outcome, Outcome::Stopped { .. });
        match self.keep {
            Keep::All if !is_stopped => atomic::write(&self.run_dir.parquet_path(), &self.table()?),
            // Whoever takes the run over goes on from here.
            Keep::Rolling { .. } if is_stopped => self.save(trainer),
            Keep::Rolling { .. } => self.keep_only(Some(trainer.state().step).filter(|&step| self.keeps(step))),
            Keep::All | Keep::Results => Ok(()),
        }
    }

    /// Saves a state, and of a run that keeps the newest removes the others.
    fn save(&mut self, trainer: &Trainer) -> Result<(), LabError> {
        // A checkpoint vouches for the rows before it.
        self.log.sync()?;
        self.check_unchanged()?;
        checkpoint::write(&self.run_dir.checkpoints(), trainer, &self.spec_hash, self.log.check())?;
        if let Some(rolling) = &mut self.rolling {
            (rolling.last, rolling.is_due) = (Instant::now(), false);
            self.keep_only(Some(trainer.state().step))?;
        }
        Ok(())
    }

    fn keep_only(&self, step: Option<u64>) -> Result<(), LabError> {
        let mut others = checkpoint::steps(&self.run_dir.checkpoints())?;
        others.retain(|&other| Some(other) != step);
        others.into_iter().try_for_each(|other| self.run_dir.remove_checkpoint(other))
    }

    fn table(&self) -> Result<Vec<u8>, LabError> {
        let problem = |e: ParquetError| RunDirProblem::Table { cause: e.to_string() };
        Table::of_run(&self.spec, &self.rows)
            .parquet()
            .map_err(|e| LabError::run_dir(&self.run_dir.parquet_path(), problem(e)))
    }

    /// Every file of a run that ended after `n_steps`, and its digest, as they are on the disk now.
    ///
    /// # Errors
    /// If a file was taken away or changed since it was written.
    pub fn files(&self, n_steps: u64, figures: &[PathBuf]) -> Result<BTreeMap<String, String>, LabError> {
        self.check_unchanged()?;
        self.log.sync_and_read(&self.spec_hash)?;
        let (root, folder) = (self.run_dir.root(), self.run_dir.checkpoints());
        let mut saved = checkpoint::steps(&folder)?;
        saved.retain(|&step| step <= n_steps);
        let due = checkpoints_due(&self.spec).take_while(|&step| step <= n_steps).filter(|&step| self.keeps(step));
        let mut needed = due.chain(self.keeps(n_steps).then_some(n_steps));
        if let Some(step) = needed.find(|step| saved.binary_search(step).is_err()) {
            let path = folder.join(checkpoint::file_name(step));
            return Err(LabError::run_dir(&path, RunDirProblem::ChangedWhileWritten));
        }
        let mut paths = vec![self.run_dir.spec_path(), self.run_dir.log_path()];
        paths.extend(saved.into_iter().map(|step| folder.join(checkpoint::file_name(step))));
        paths.extend((self.keep == Keep::All).then(|| self.run_dir.parquet_path()));
        paths.extend(figures.iter().cloned());
        let digest = |path: PathBuf| {
            let name = path.strip_prefix(root).unwrap_or(&path).iter().map(|part| part.to_string_lossy());
            Ok((name.collect::<Vec<_>>().join("/"), manifest::digest_of(&atomic::read(&path)?)))
        };
        paths.into_iter().map(digest).collect()
    }

    /// Whether the state of a step is saved at all.
    fn keeps(&self, step: u64) -> bool {
        self.keep == Keep::All || step == self.spec.train.steps
    }

    /// Whether the directory is still that of this run.
    fn check_unchanged(&self) -> Result<(), LabError> {
        let changed = |path: &PathBuf| LabError::run_dir(path, RunDirProblem::ChangedWhileWritten);
        if !self.lock.is_held() {
            return Err(changed(&self.run_dir.root().join("lock")));
        }
        let path = self.run_dir.spec_path();
        let text = atomic::read(&path).map_err(|_| changed(&path))?;
        if text == spec_text::to_text(&self.spec).as_bytes() { Ok(()) } else { Err(changed(&path)) }
    }
}

impl Recorder for Writer {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        if self.log.append(row)? {
            self.rows.push(row.clone());
        }
        Ok(())
    }

    fn checkpoint(&mut self, trainer: &Trainer) -> Result<(), RecordError> {
        let is_due = self.rolling.as_ref().is_some_and(|rolling| rolling.is_due);
        if is_due || self.keeps(trainer.state().step) {
            self.save(trainer)?;
        }
        Ok(())
    }

    fn step(&mut self, _: u64, _: f64) -> Next {
        let Some(rolling) = &mut self.rolling else { return Next::Continue };
        rolling.is_due = rolling.last.elapsed() >= rolling.every;
        if rolling.is_due { Next::Save } else { Next::Continue }
    }
}
