//! How far a run is, in one word.

use precipice_lab::store::{Manifest, RunDir, RunOutcome};
use serde::{Deserialize, Serialize};

/// The outcome of a run that has ended, or what it is instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Standing {
    /// It has ended.
    Ended(RunOutcome),
    /// It has not.
    Other(Other),
}

/// What a run is that has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Other {
    /// Somebody is writing it.
    Training,
    /// Nobody is: it was interrupted.
    Stopped,
    /// It was asked for by a sweep, and has not been begun.
    Planned,
    /// It is not as it was written.
    Damaged,
}

impl Standing {
    /// It is not as it was written.
    pub const DAMAGED: Self = Self::Other(Other::Damaged);

    /// Of a run that was read.
    pub fn of(run_dir: &RunDir, manifest: Option<&Manifest>) -> Self {
        manifest.map_or_else(|| Self::unfinished(run_dir), |manifest| Self::Ended(manifest.outcome))
    }

    /// Of a run without a manifest.
    pub fn unfinished(run_dir: &RunDir) -> Self {
        Self::Other(match (run_dir.is_being_written(), run_dir.spec_path().is_file()) {
            (true, _) => Other::Training,
            (false, true) => Other::Stopped,
            (false, false) => Other::Planned,
        })
    }
}
