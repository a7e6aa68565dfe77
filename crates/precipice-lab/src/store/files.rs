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
    if let Some(packed) = pack::find(path) {
        return of_pack(path, &packed);
    }
    match atomic::read(path) {
        // It may have been packed since it was looked for.
        Err(missing @ LabError::Io { .. }) if is_not_there(&missing) => {
            pack::find(path).map_or(Err(missing), |packed| of_pack(path, &packed))
        }
        read => read,
    }
}

fn of_pack(path: &Path, packed: &pack::Packed) -> Result<Vec<u8>, LabError> {
    let missing = || LabError::io("read", path)(io::ErrorKind::NotFound.into());
    packed.read()?.ok_or_else(missing)
}

fn is_not_there(error: &LabError) -> bool {
    let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    matches!(error, LabError::Io { cause, .. } if absent.contains(&cause.kind()))
}

/// Whether there is such a file.
pub fn is_file(path: &Path) -> bool {
    let is_packed = || pack::find(path).map(|packed| packed.is_file());
    is_packed().unwrap_or_else(|| path.is_file() || is_packed() == Some(true))
}
