//! Where an unfinished run goes on: at the newest state before which nothing is missing and nothing damaged.

use std::sync::Arc;

use precipice::model::Layout;
use precipice::run;
use precipice::spec::RunSpec;

use super::session::Keep;
use crate::error::{LabError, RunDirProblem};
use crate::store::RunDir;
use crate::store::checkpoint::{self, Saved};
use crate::store::log::{self, Entry};

/// What of an unfinished run is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The state to go on from; none if the run starts again.
    pub saved: Option<Saved>,
    /// Rows up to that state.
    pub entries: Vec<Entry>,
    /// What was passed over.
    pub warnings: Vec<String>,
}

/// Reads what an unfinished run has. Where everything is kept, no checkpoint that was due may be missing before the
/// one that is gone on from, because it would be missing for ever.
pub(super) fn kept(run_dir: &RunDir, spec: &RunSpec, layout: &Arc<Layout>, keep: Keep) -> Result<Kept, LabError> {
    let (spec_hash, folder) = (spec.hash(), run_dir.checkpoints());
    let reading = log::read(&run_dir.log_path(), &spec_hash)?;
    let mut found = Kept { entries: reading.entries, ..Kept::default() };
    if let Some(line) = reading.damaged_line {
        found.warnings.push(LabError::run_dir(&run_dir.log_path(), RunDirProblem::DamagedLog { line }).to_string());
    }
    let mut due = run::checkpoints_due(spec).filter(|_| keep == Keep::All).peekable();
    for step in checkpoint::steps(&folder)? {
        let path = folder.join(checkpoint::file_name(step));
        let is_due = due.next_if_eq(&step).is_some();
        let missing = due.peek().filter(|&&missing| missing < step);
        let read = match missing {
            Some(missing) => {
                let path = folder.join(checkpoint::file_name(*missing));
                Err(LabError::run_dir(&path, RunDirProblem::MissingCheckpoint))
            }
            None if step > spec.train.steps => {
                Err(LabError::run_dir(&path, RunDirProblem::CheckpointBeyondEnd { last: spec.train.steps }))
            }
            None => checkpoint::read(&path, layout, &spec_hash).and_then(|saved| {
                let goes_with_log = saved.log_check == check_until(&found.entries, step, &spec_hash);
                let problem = || LabError::run_dir(&path, RunDirProblem::CheckpointOfAnotherLog);
                if goes_with_log { Ok(saved) } else { Err(problem()) }
            }),
        };
        match read {
            Ok(saved) => found.saved = Some(saved),
            Err(e) => {
                let before = if found.saved.is_some() { "the one before it is used" } else { "none is before it" };
                found.warnings.push(format!("{e}; {before}"));
                if is_due || missing.is_some() {
                    break;
                }
            }
        }
    }
    let last = found.saved.as_ref().map(|saved| saved.state.step);
    found.entries.retain(|entry| last.is_some_and(|last| entry.row.step <= last));
    Ok(found)
}

/// The check of the last row up to a step.
fn check_until<'a>(entries: &'a [Entry], step: u64, spec_hash: &'a str) -> &'a str {
    let last = entries.iter().rfind(|entry| entry.row.step <= step);
    last.map_or(spec_hash, |entry| &entry.check)
}
