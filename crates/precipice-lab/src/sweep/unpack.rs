//! Packs of a folder into directories again.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::pack::{SPEC, contents, lock_packs};
use super::record::Record;
use crate::error::{LabError, RunDirProblem};
use crate::store::{RunDir, atomic, pack};

/// What was unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unpacked {
    /// Runs that have directories again.
    pub n_unpacked: usize,
    /// Runs of the same packs that had one, which stays as it is.
    pub n_before: usize,
    /// The packs, which are gone.
    pub files: Vec<String>,
    /// Packs that cannot be read, and runs in packs that are damaged; their packs stay.
    pub damaged: Vec<String>,
    /// Whether it was stopped before all were unpacked.
    pub was_stopped: bool,
}

/// Makes the directories of packed runs again, checking every file by its digest, and removes a pack once all of its runs
/// have theirs on the disk. Where runs are named, by their directories, it is their packs alone. Interrupted, it can be
/// begun again: a run is in its directory, in a pack, or both.
///
/// # Errors
/// If the folder is not that of a sweep, a run is not packed or is being written, another process is packing the folder,
/// or the system refuses.
pub fn unpack(folder: &Path, runs: &[PathBuf], stop: &dyn Fn() -> bool) -> Result<Unpacked, LabError> {
    Record::read(folder)?;
    let named: HashSet<&OsStr> = runs.iter().filter_map(|run| run.file_name()).collect();
    if let Some(other) = named.iter().map(|run| folder.join(run)).find(|root| pack::holder(root).is_none()) {
        return Err(LabError::run_dir(&other, RunDirProblem::NotPacked));
    }
    let _lock = lock_packs(folder)?;
    let mut unpacked = Unpacked::default();
    if named.is_empty() {
        unpacked.damaged = pack::damaged(folder).iter().map(LabError::to_string).collect();
    }
    let is_asked = |runs: &[PathBuf]| {
        named.is_empty() || runs.iter().filter_map(|run| run.file_name()).any(|run| named.contains(run))
    };
    for (path, runs) in pack::all(folder).into_iter().filter(|(_, runs)| is_asked(runs)) {
        let n_damaged = unpacked.damaged.len();
        for run in runs {
            if stop() {
                unpacked.was_stopped = true;
                return Ok(unpacked);
            }
            match make(&RunDir::new(run)) {
                Ok(true) => unpacked.n_unpacked += 1,
                Ok(false) => unpacked.n_before += 1,
                Err(e) if e.is_damage() => unpacked.damaged.push(e.to_string()),
                Err(e) => return Err(e),
            }
        }
        if unpacked.damaged.len() > n_damaged {
            continue;
        }
        sync(folder)?;
        fs::remove_file(&path).map_err(LabError::io("remove", &path))?;
        sync(&folder.join(pack::FOLDER))?;
        unpacked.files.push(path.display().to_string());
    }
    Ok(unpacked)
}

/// Makes the directory of a run, whose spec comes last: from then on the directory counts. Tells whether there was none.
fn make(run_dir: &RunDir) -> Result<bool, LabError> {
    if run_dir.spec_path().is_file() {
        return Ok(false);
    }
    let (_, mut contents) = contents(run_dir)?;
    let _lock = run_dir.lock()?;
    run_dir.make_folders()?;
    contents.sort_by_key(|(name, _)| name == SPEC);
    for (name, bytes) in contents {
        let path = run_dir.root().join(name);
        let folder = path.parent().unwrap_or(run_dir.root());
        fs::create_dir_all(folder).map_err(LabError::io("create", folder))?;
        atomic::write(&path, &bytes)?;
    }
    Ok(true)
}

/// Sees to it that what was made or removed in a folder is on the disk.
fn sync(folder: &Path) -> Result<(), LabError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(LabError::io("write", folder))
}
