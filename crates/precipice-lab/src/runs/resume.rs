//! Where an unfinished run goes on: at the newest state before which nothing is missing and nothing damaged.

use std::path::Path;
use std::sync::Arc;

use precipice::model::Layout;
use precipice::run;
use precipice::spec::RunSpec;

use super::options::Keep;
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
/// one that is gone on from, because it would be missing for ever. A checkpoint that an interruption left and that
/// cannot be used is removed, because nothing would write it again.
pub(super) fn kept(run_dir: &RunDir, spec: &RunSpec, layout: &Arc<Layout>, keep: Keep) -> Result<Kept, LabError> {
    let (spec_hash, folder) = (spec.hash(), run_dir.checkpoints());
    let reading = log::read(&run_dir.log_path(), &spec_hash)?;
    let mut found = Kept { entries: reading.entries, ..Kept::default() };
    if let Some(line) = reading.damaged_line {
        found.warnings.push(LabError::run_dir(&run_dir.log_path(), RunDirProblem::DamagedLog { line }).to_string());
    }
    let path = |step: u64| folder.join(checkpoint::file_name(step));
    let missing = |step: u64| LabError::run_dir(&path(step), RunDirProblem::MissingCheckpoint);
    let mut due = run::checkpoints_due(spec).filter(|_| keep == Keep::All).peekable();
    let mut has_gap = false;
    for step in checkpoint::steps(&folder)?.into_iter().take_while(|&step| step <= spec.train.steps) {
        let is_due = due.next_if_eq(&step).is_some();
        let gap = due.next_if(|&due| due < step && !has_gap);
        let read = match gap {
            _ if has_gap => None,
            Some(gap) => Some(Err(missing(gap))),
            None => Some(usable(&path(step), step, &found.entries, layout, &spec_hash)),
        };
        match read {
            Some(Ok(saved)) => {
                found.saved = Some(saved);
                continue;
            }
            Some(Err(e)) => {
                let before = if found.saved.is_some() { "the one before it is used" } else { "none is before it" };
                found.warnings.push(format!("{e}; {before}"));
                has_gap |= is_due || gap.is_some();
            }
            None => {}
        }
        if !run::is_checkpoint_due(spec, step) {
            run_dir.remove_checkpoint(step)?;
        }
    }
    // A row is measured after the checkpoints before it.
    let measured = found.entries.last().map_or(0, |entry| entry.row.step);
    if let Some(gap) = due.next_if(|&step| step < measured && !has_gap) {
        found.warnings.push(missing(gap).to_string());
    }
    let last = found.saved.as_ref().map(|saved| saved.state.step);
    found.entries.retain(|entry| last.is_some_and(|last| entry.row.step <= last));
    Ok(found)
}

/// A whole checkpoint that goes with the rows of the log.
fn usable(path: &Path, step: u64, entries: &[Entry], layout: &Arc<Layout>, spec_hash: &str) -> Result<Saved, LabError> {
    let saved = checkpoint::read(path, layout, spec_hash)?;
    if saved.log_check == check_until(entries, step, spec_hash) {
        return Ok(saved);
    }
    Err(LabError::run_dir(path, RunDirProblem::CheckpointOfAnotherLog))
}

/// The check of the last row up to a step.
pub(super) fn check_until<'a>(entries: &'a [Entry], step: u64, spec_hash: &'a str) -> &'a str {
    let last = entries.iter().rfind(|entry| entry.row.step <= step);
    last.map_or(spec_hash, |entry| &entry.check)
}
