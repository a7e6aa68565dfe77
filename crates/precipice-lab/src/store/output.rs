//! What a command writes where the user says: nothing that is there is lost.

use std::path::Path;

use super::atomic;
use super::run_dir::{FIGURES, RECORD_OF_A_SWEEP, RunDir};
use crate::error::{LabError, OutputProblem};

/// Names in the folder of a sweep that are the sweep's own.
pub const OF_SWEEPS: [&str; 5] =
    [RECORD_OF_A_SWEEP, "runs.parquet", "ensemble.svg", "phase-diagram.svg", "dependence.svg"];

/// Writes a file, whole or not at all. One that has this content is left as it is; devices and pipes are written to.
///
/// # Errors
/// If another file is there and `may_replace` is not set, or if the place belongs to a run or a sweep.
///
/// ```
/// use precipice_lab::store::output;
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("table.csv");
/// output::write(&path, b"one", false)?;
/// output::write(&path, b"one", false)?;
/// assert!(output::write(&path, b"two", false).is_err());
/// output::write(&path, b"two", true)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(path: &Path, bytes: &[u8], may_replace: bool) -> Result<(), LabError> {
    check_place(path)?;
    if path.is_file() && atomic::read(path)? == bytes {
        return Ok(());
    }
    check_free(path, may_replace)?;
    atomic::write(path, bytes)
}

/// Whether a file whose content is not known yet may be written there.
///
/// # Errors
/// As [`write()`].
pub fn check_free(path: &Path, may_replace: bool) -> Result<(), LabError> {
    check_place(path)?;
    if path.is_file() && !may_replace { Err(LabError::output(path, OutputProblem::Exists)) } else { Ok(()) }
}

/// Whether a file may be written there at all, which can be asked before the work is done.
///
/// # Errors
/// If the place is a folder, or belongs to a run or a sweep.
pub fn check_place(path: &Path) -> Result<(), LabError> {
    if path.is_dir() {
        return Err(LabError::output(path, OutputProblem::IsAFolder));
    }
    let target = path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    if let Some(run) = RunDir::around(&target) {
        let figures = run.figures();
        let folder = target.parent().and_then(|folder| folder.canonicalize().ok());
        let is_beside_figures = folder.is_some_and(|folder| folder == figures) && !FIGURES.contains(&&*name);
        if !is_beside_figures {
            return Err(LabError::output(path, OutputProblem::InsideARun { run: run.root().to_owned() }));
        }
    }
    let is_of_sweep = || target.with_file_name(OF_SWEEPS[0]).is_file();
    if OF_SWEEPS.contains(&&*name) && is_of_sweep() {
        return Err(LabError::output(path, OutputProblem::OfASweep));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::*;

    /// However old, and whatever its name: the folder is not ours.
    #[test]
    fn nothing_is_removed_from_a_folder_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let names = [".tmp-notes.7.0".to_owned(), format!("{}notes.7.0", atomic::TEMPORARY)];
        let long_ago = SystemTime::now() - Duration::from_secs(30 * 24 * 60 * 60);
        for name in &names {
            File::create(folder.path().join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        for (content, may_replace) in [(b"one", false), (b"two", true)] {
            write(&folder.path().join("table.csv"), content, may_replace).unwrap();
        }
        assert!(names.iter().all(|name| folder.path().join(name).is_file()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len() + 1);
    }
}
