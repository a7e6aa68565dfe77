//! A folder of a sweep that is watched.

use std::path::{Path, PathBuf};

use precipice_lab::error::LabError;
use precipice_lab::store::RunDir;
use precipice_lab::sweep::{Record, RunState};

use super::Watched;
use crate::lines::{bar_line, fit, left};
use crate::numbers::commas;
use crate::progress::live::View;
use crate::screen::Size;

/// The runs of a folder.
pub struct Sweep {
    folder: PathBuf,
    /// What is known of each run that was asked for.
    runs: Vec<(RunDir, RunState)>,
}

impl Sweep {
    pub fn new(folder: &Path) -> Result<Self, LabError> {
        let mut sweep = Self { folder: folder.to_owned(), runs: Vec::new() };
        sweep.enter()?;
        Ok(sweep)
    }

    /// Enters runs that were asked for meanwhile.
    fn enter(&mut self) -> Result<(), LabError> {
        let record = Record::read(&self.folder)?;
        let n_known = self.runs.len();
        self.runs.extend(record.run_dirs(&self.folder).skip(n_known).map(|run_dir| (run_dir, RunState::Waiting)));
        Ok(())
    }

    fn parts(&self) -> (f64, Vec<String>) {
        let states = || self.runs.iter().map(|(_, state)| *state);
        let n = self.runs.len();
        let (mut n_ended, mut n_jumped, mut n_running, mut seconds, mut shares) = (0, 0, 0, 0.0, 0.0);
        for state in states() {
            match state {
                RunState::Ended { has_jumped, seconds: of_run, .. } => {
                    n_ended += 1;
                    n_jumped += usize::from(has_jumped);
                    seconds += of_run;
                }
                RunState::Running { share } => {
                    n_running += 1;
                    shares += share;
                }
                RunState::Waiting | RunState::Left | RunState::Unknown => {}
            }
        }
        let to_do = (n - n_ended) as f64 - shares;
        let time = match (n_ended, n_running) {
            (ended, _) if ended == n => "ended".to_owned(),
            (_, 0) => "nobody is making it".to_owned(),
            (0, _) => left(None),
            (ended, running) => left(Some(seconds / ended as f64 * to_do / running as f64)),
        };
        let count = |n: usize, what: &str| format!("{} {what}", commas(n as u64));
        let runs = format!("{}/{} runs", commas(n_ended as u64), commas(n as u64));
        let share = (n_ended as f64 + shares) / n.max(1) as f64;
        (share, vec![runs, time, count(n_jumped, "jumped"), count(n_running, "running")])
    }
}

impl Watched for Sweep {
    fn look(&mut self) -> Result<bool, LabError> {
        self.enter()?;
        for (run_dir, state) in &mut self.runs {
            if !matches!(state, RunState::Ended { .. }) {
                *state = RunState::of(run_dir)?;
            }
        }
        Ok(!self.runs.iter().all(|(_, state)| matches!(state, RunState::Ended { .. })))
    }

    fn ending(&self) -> Vec<String> {
        let is_left = self.runs.iter().all(|(_, state)| !matches!(state, RunState::Running { .. }));
        let is_whole = self.runs.iter().all(|(_, state)| matches!(state, RunState::Ended { .. }));
        match is_left && !is_whole {
            true => vec!["runs are left to make; the command that began the sweep goes on".to_owned()],
            false => Vec::new(),
        }
    }
}

impl View for Sweep {
    fn lines(&self, size: Size) -> Vec<String> {
        let (share, parts) = self.parts();
        let folder = self.folder.display().to_string();
        vec![fit(&[folder], size.width), bar_line(share, &parts, size.width)]
    }

    fn line(&self) -> String {
        fit(&self.parts().1, 80)
    }

    fn remains(&self, size: Size) -> Vec<String> {
        vec![self.folder.display().to_string(), fit(&self.parts().1, size.width)]
    }
}
