//! How far a folder of runs is, as anyone can see it from outside.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;

use super::collect::TABLE;
use super::record::Record;
use crate::error::LabError;
use crate::runs::threads::{Pool, available};
use crate::store::spec_text::Header;
use crate::store::{BeingWritten, Manifest, RunDir, RunOutcome, files, log, pack};

/// Where a run of a sweep stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunState {
    /// Not begun.
    Waiting,
    /// Begun, and nobody is making it: it is gone on with.
    Left,
    /// Begun, and whether somebody is making it cannot be known: its file system has no locks.
    Unknown,
    /// Being made.
    Running {
        /// Share of its steps that have rows.
        share: f64,
    },
    /// It has ended.
    Ended {
        /// How.
        outcome: RunOutcome,
        /// Whether it jumped.
        has_jumped: bool,
        /// Time that its steps took; of a run that was resumed, at the pace of its last session.
        seconds: f64,
    },
}

impl RunState {
    /// Looks at a run.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn of(run_dir: &RunDir) -> Result<Self, LabError> {
        let Some(header) = Header::read(&run_dir.spec_path()) else { return Ok(Self::Waiting) };
        if files::is_file(&run_dir.manifest_path()) {
            let manifest = Manifest::read(&run_dir.manifest_path(), &header.spec_hash)?;
            let seconds = manifest.steps as f64 / manifest.steps_per_s;
            let has_jumped = manifest.transition.is_some();
            return Ok(Self::Ended { outcome: manifest.outcome, has_jumped, seconds });
        }
        match run_dir.being_written() {
            BeingWritten::Yes => {}
            BeingWritten::No => return Ok(Self::Left),
            BeingWritten::Unknown => return Ok(Self::Unknown),
        }
        let spec = run_dir.spec()?;
        let rows = log::read(&run_dir.log_path(), &header.spec_hash)?.entries;
        let step = rows.last().map_or(0, |entry| entry.row.step);
        Ok(Self::Running { share: step as f64 / spec.train.steps.max(1) as f64 })
    }
}

/// What is said of a whole folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepStatus {
    /// The folder as it was named.
    pub folder: String,
    /// Runs that were asked for.
    pub n_runs: usize,
    /// Runs that have ended.
    pub n_ended: usize,
    /// Of those, how many ended in which way.
    pub outcomes: BTreeMap<String, usize>,
    /// Runs that are being made.
    pub n_running: usize,
    /// Runs that were begun and that nobody is making.
    pub n_left: usize,
    /// Runs that were begun, where there are no locks by which it could be known whether somebody is making them.
    pub n_unknown: usize,
    /// Runs that were not begun.
    pub n_waiting: usize,
    /// Runs that cannot be read, with the reason of the first ones.
    pub damaged: Vec<String>,
    /// How many those are.
    pub n_damaged: usize,
    /// Packs that cannot be read, and why; the runs in them are not among those that have ended.
    pub damaged_packs: Vec<String>,
    /// Mean time of the runs that ended, in seconds; null where none has.
    pub seconds_per_run: Option<f64>,
    /// Seconds until all have ended if as many are made at a time as now; null where nothing is known.
    pub seconds_left: Option<f64>,
    /// Whether the table of all runs is written.
    pub has_table: bool,
}

/// Damaged runs that are named.
const NAMED: usize = 10;

impl SweepStatus {
    /// Looks at all runs of a folder.
    ///
    /// # Errors
    /// If it is not that of a sweep.
    pub fn of(folder: &Path) -> Result<Self, LabError> {
        let runs: Vec<RunDir> = Record::read(folder)?.run_dirs(folder).collect();
        let pool = Pool::for_work_at(available(), folder)?;
        let states: Vec<_> = pool.with(|| runs.into_par_iter().map(|run_dir| RunState::of(&run_dir)).collect());
        let mut status = Self {
            folder: folder.display().to_string(),
            n_runs: states.len(),
            n_ended: 0,
            outcomes: BTreeMap::new(),
            n_running: 0,
            n_left: 0,
            n_unknown: 0,
            n_waiting: 0,
            damaged: Vec::new(),
            n_damaged: 0,
            damaged_packs: pack::damaged(folder).iter().map(LabError::to_string).collect(),
            seconds_per_run: None,
            seconds_left: None,
            has_table: folder.join(TABLE).is_file(),
        };
        let (mut seconds, mut shares) = (0.0, 0.0);
        for state in states {
            match state {
                Ok(RunState::Ended { outcome, seconds: of_run, .. }) => {
                    status.n_ended += 1;
                    *status.outcomes.entry(outcome.name().to_owned()).or_default() += 1;
                    seconds += if of_run.is_finite() { of_run } else { 0.0 };
                }
                Ok(RunState::Running { share }) => (status.n_running, shares) = (status.n_running + 1, shares + share),
                Ok(RunState::Left) => status.n_left += 1,
                Ok(RunState::Unknown) => status.n_unknown += 1,
                Ok(RunState::Waiting) => status.n_waiting += 1,
                Err(problem) => {
                    status.n_damaged += 1;
                    if status.damaged.len() < NAMED {
                        status.damaged.push(problem.to_string());
                    }
                }
            }
        }
        status.seconds_per_run = (status.n_ended > 0).then(|| seconds / status.n_ended as f64);
        let to_make = (status.n_runs - status.n_ended) as f64 - shares;
        status.seconds_left = match status.seconds_per_run {
            _ if status.n_ended == status.n_runs => Some(0.0),
            Some(each) if status.n_running > 0 => Some(each * to_make / status.n_running as f64),
            _ => None,
        };
        Ok(status)
    }
}
