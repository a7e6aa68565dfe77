//! Runs that go: what they wrote, and nothing else.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::walk::{is_run, sweep_around};
use crate::error::{LabError, RunDirProblem};
use crate::store::RunDir;
use crate::sweep::Record;

/// What goes with a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// The run directory.
    pub run_dir: String,
    /// Files that the run wrote.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files in the directory that no run wrote, which stay.
    pub left: Vec<String>,
}

/// Removes runs, or only says what would go. Nothing is removed where one of them may not be. `told` hears of each
/// when it is gone.
///
/// # Errors
/// If one of them is no run, a link to one, is being written, or is part of a sweep and `is_forced` is not set; or the system refuses.
///
/// ```
/// use precipice::{record::MemoryRecorder, spec::RunSpec};
/// use precipice_lab::inventory::remove;
/// use precipice_lab::store::RunDir;
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// let run = RunDir::new(&root);
/// run.make_folders()?;
/// run.write_spec(&RunSpec { name: "mine".to_owned(), ..RunSpec::default() })?;
/// let mut n_files = 0;
/// remove(&[root.clone()], false, false, &mut |removal| n_files += removal.files)?;
/// assert!(n_files == 1 && !root.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn remove(
    roots: &[PathBuf],
    is_forced: bool,
    is_dry: bool,
    told: &mut dyn FnMut(&Removal),
) -> Result<(), LabError> {
    let mut records = HashMap::new();
    let mut removals = Vec::with_capacity(roots.len());
    for root in roots {
        let problem = |problem| Err(LabError::run_dir(root, problem));
        let run_dir = RunDir::new(root);
        if Record::is_in(root) {
            return problem(RunDirProblem::RunsOfASweep);
        }
        if !is_run(root) {
            return problem(RunDirProblem::NotARunDirectory);
        }
        run_dir.check_in_no_pack()?;
        // Behind a slash a link is what it leads to.
        let plain: PathBuf = root.components().collect();
        if let Some(link) = [plain, run_dir.checkpoints(), run_dir.figures()].iter().find(|folder| folder.is_symlink())
        {
            return Err(LabError::run_dir(link, RunDirProblem::IsALink));
        }
        if run_dir.is_being_written() {
            return problem(RunDirProblem::BeingWritten);
        }
        if let Some(sweep) = sweep_of(root, &mut records).filter(|_| !is_forced) {
            return problem(RunDirProblem::OfASweep { sweep });
        }
        removals.push((removal(&run_dir)?, run_dir));
    }
    for (removal, run_dir) in removals {
        if !is_dry {
            run_dir.remove()?;
        }
        told(&removal);
    }
    Ok(())
}

/// The sweep that a run was asked for by. One whose record cannot be read may have.
fn sweep_of(root: &Path, records: &mut HashMap<PathBuf, Option<HashSet<OsString>>>) -> Option<PathBuf> {
    let (folder, name) = (sweep_around(root)?, std::path::absolute(root).ok()?.file_name()?.to_owned());
    let names = records.entry(folder.clone()).or_insert_with(|| {
        let record = Record::read(&folder).ok()?;
        Some(record.run_dirs(&folder).filter_map(|run| run.root().file_name().map(OsString::from)).collect())
    });
    names.as_ref().is_none_or(|names| names.contains(&name)).then_some(folder)
}

fn removal(run_dir: &RunDir) -> Result<Removal, LabError> {
    let own = run_dir.own_files()?;
    let bytes = own.iter().filter_map(|path| fs::symlink_metadata(path).ok()).map(|file| file.len()).sum();
    let lock = run_dir.root().join("lock");
    let mut left = Vec::new();
    files_in(run_dir.root(), &mut left);
    left.retain(|path| !own.contains(path) && *path != lock);
    left.sort();
    let below = |path: PathBuf| path.strip_prefix(run_dir.root()).unwrap_or(&path).display().to_string();
    let left = left.into_iter().map(below).collect();
    Ok(Removal { run_dir: run_dir.root().display().to_string(), files: own.len(), bytes, left })
}

fn files_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_in(&entry.path(), found),
            _ => found.push(entry.path()),
        }
    }
}
