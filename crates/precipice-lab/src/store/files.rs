//! Files of runs, wherever they are: in the run's directory, or in a pack beside it.

use std::io;
use std::path::Path;

use super::{atomic, pack};
use crate::error::LabError;

/// Reads a file of a run.
///
/// # Errors
/// If it is nowhere, cannot be read, or is in a damaged pack.
pub fn read(path: &Path) -> Result<Vec<u8>, LabError> {
    match atomic::read(path) {
        Err(missing @ LabError::Io { .. }) if is_not_there(&missing) => pack::read(path)?.ok_or(missing),
        read => read,
    }
}

fn is_not_there(error: &LabError) -> bool {
    let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    matches!(error, LabError::Io { cause, .. } if absent.contains(&cause.kind()))
}

/// Whether there is such a file.
pub fn is_file(path: &Path) -> bool {
    path.is_file() || pack::has_file(path)
}
