//! What came of a run, of its repetition, and of what was written.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::runs::{Report, Verification};
use crate::store::manifest::StoredTransition;
use crate::store::{RunDir, RunOutcome};

/// What `run` says.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// The run directory.
    pub run_dir: String,
    /// Address of the resolved spec.
    pub spec_hash: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Updates done.
    pub steps: u64,
    /// Of the last session.
    pub seconds: f64,
    /// Of the last session.
    pub steps_per_s: f64,
    /// BLAKE3 of the final parameters' bits.
    pub digest: String,
    /// `fused` or `portable`.
    pub arithmetic: String,
    /// Whether the result was already there.
    pub stored: bool,
    /// Columns of the last row; null where undefined.
    #[serde(rename = "final")]
    pub final_row: Map<String, Value>,
    /// The jump, or null.
    pub transition: Option<StoredTransition>,
    /// Files of the figures.
    pub figures: Vec<String>,
}

impl From<&Report> for RunReport {
    fn from(report: &Report) -> Self {
        let manifest = &report.manifest;
        Self {
            run_dir: text(report.run_dir.root()),
            spec_hash: manifest.spec_hash.clone(),
            outcome: manifest.outcome,
            steps: manifest.steps,
            seconds: manifest.seconds,
            steps_per_s: manifest.steps_per_s,
            digest: manifest.digest.clone(),
            arithmetic: manifest.arithmetic.clone(),
            stored: report.was_stored,
            final_row: manifest.final_row.clone(),
            transition: manifest.transition,
            figures: texts(&report.figures),
        }
    }
}

/// What `verify` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The run directory.
    pub run_dir: String,
    /// Whether every bit is the same.
    pub same: bool,
    /// Rows compared.
    pub rows: usize,
    /// Digest that is stored, or null where the manifest is damaged.
    pub stored_digest: Option<String>,
    /// Digest of the repetition, or null where it did not come to its end.
    pub digest: Option<String>,
    /// What differs first, or null.
    pub difference: Option<String>,
}

impl VerifyReport {
    /// Of a run and its repetition.
    pub fn new(run_dir: &RunDir, verification: Verification) -> Self {
        let Verification { rows, stored_digest, digest, difference } = verification;
        Self { run_dir: text(run_dir.root()), same: difference.is_none(), rows, stored_digest, digest, difference }
    }
}

/// What `figure` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FiguresReport {
    /// Files that were written.
    pub figures: Vec<String>,
}

impl FiguresReport {
    /// Of files that were written.
    pub fn new(paths: &[PathBuf]) -> Self {
        Self { figures: texts(paths) }
    }
}

/// What `export` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// The file that was written.
    pub file: String,
    /// Its size.
    pub bytes: usize,
}

impl ExportReport {
    /// Of a file and what was written to it.
    pub fn new(path: &Path, bytes: &[u8]) -> Self {
        Self { file: text(path), bytes: bytes.len() }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Paths for JSON, which has no other bytes than text.
pub fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| text(path)).collect()
}
