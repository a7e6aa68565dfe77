//! The runs of a claim, one for each seed.

use std::path::PathBuf;

use precipice::measure::Column;
use precipice::measure::transition::{Transition, transition_of};
use precipice::record::Row;
use precipice::spec::RunSpec;

use super::claim::{CaseRow, Lookout, Settings};
use crate::error::LabError;
use crate::input::spec_file::{self, Changes};
use crate::runs::{Keep, Options};
use crate::store::{RunDir, RunOutcome};
use crate::whole_run::train_and_draw;

/// A finished run of one seed.
pub(super) struct Finished {
    seed: u64,
    pub spec: RunSpec,
    pub rows: Vec<Row>,
    figures: Vec<PathBuf>,
    pub run_dir: RunDir,
}

impl Finished {
    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn jump(&self) -> Option<Transition> {
        transition_of(&self.spec.facts(), &self.rows).1
    }

    pub fn last(&self, column: &Column) -> f64 {
        self.rows.last().map_or(f64::NAN, |row| row.get(column))
    }

    pub fn figure(&self, name: &str) -> Option<PathBuf> {
        self.figures.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name)).cloned()
    }

    pub fn row(&self, holds: bool, values: &[(&str, f64)]) -> CaseRow {
        CaseRow::new(format!("seed {}", self.seed), Some(self.seed), holds, values)
    }
}

/// Trains every seed, or finds it there.
pub(super) fn run_seeds(
    settings: &Settings,
    watcher: &mut Lookout<'_>,
    spec_name: &str,
    overrides: &[String],
    n_seeds: u64,
) -> Result<Vec<Finished>, LabError> {
    let mut finished = Vec::new();
    for seed in 0..n_seeds {
        let changes = Changes { overrides: overrides.to_vec(), seed: Some(seed), steps: None };
        let spec = spec_file::load(spec_name, &changes)?;
        let out = settings.out.join(format!("{}-{}", spec.name, &spec.hash()[..8]));
        // An interrupted check goes on where it stopped.
        let options = Options {
            out: Some(out),
            threads: settings.threads,
            resume: true,
            force: false,
            keep: Keep::All,
            arithmetic: None,
        };
        let mut watch = watcher.begin(&format!("{} seed {} of {n_seeds}", spec.name, seed + 1), &spec);
        let report = train_and_draw(spec.clone(), &options, watch.as_mut())?;
        if report.manifest.outcome == RunOutcome::Stopped {
            return Err(LabError::Stopped { path: report.run_dir.root().to_owned() });
        }
        finished.push(Finished {
            seed,
            spec,
            rows: report.run_dir.rows()?,
            figures: report.figures,
            run_dir: report.run_dir,
        });
    }
    Ok(finished)
}
