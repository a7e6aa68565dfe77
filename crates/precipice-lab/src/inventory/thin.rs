//! Checkpoints that replay makes again: of a finished run all but the first and the last.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use precipice::spec::{RunSpec, TaskSpec};
use serde::Serialize;

use crate::error::{LabError, RunDirProblem};
use crate::input::items::BUILT_IN_PREFIX;
use crate::store::{Manifest, RunDir, checkpoint};

/// What was taken from a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thinned {
    /// The run directory.
    pub run_dir: String,
    /// Steps of the checkpoints that went.
    pub removed: Vec<u64>,
    /// Steps of those that stay.
    pub kept: Vec<u64>,
    /// Bytes that were freed, those of files left over by interrupted writes included.
    pub bytes: u64,
    /// Why the run was left as it is.
    pub reason: Option<String>,
    /// The pack that holds it, where that is why.
    pub pack: Option<String>,
}

/// Removes the checkpoints of a finished run between its first and its last, or only says which; the run is whole
/// before and after: first the manifest no longer names them, then they go. A kill in between leaves files that the next
/// call removes.
///
/// # Errors
/// If the system refuses. A run that is damaged, unfinished, being written, or of which replay needs what is not there is
/// left as it is, with the reason.
pub fn thin(root: &Path, is_dry: bool) -> Result<Thinned, LabError> {
    let run_dir = RunDir::new(root);
    let mut thinned = Thinned {
        run_dir: root.display().to_string(),
        removed: Vec::new(),
        kept: Vec::new(),
        bytes: 0,
        reason: None,
        pack: None,
    };
    match thin_run(&run_dir, is_dry, &mut thinned) {
        Ok(reason) => thinned.reason = reason,
        Err(error @ LabError::Io { .. }) => return Err(error),
        Err(error) => {
            thinned.reason = Some(error.to_string());
            if let LabError::RunDir { problem: RunDirProblem::IsPacked { pack, .. }, .. } = error {
                thinned.pack = Some(pack.display().to_string());
            }
        }
    }
    if thinned.reason.is_some() {
        (thinned.removed, thinned.bytes) = (Vec::new(), 0);
    }
    Ok(thinned)
}

fn thin_run(run_dir: &RunDir, is_dry: bool, thinned: &mut Thinned) -> Result<Option<String>, LabError> {
    run_dir.check_in_no_pack()?;
    let spec = run_dir.spec()?;
    run_dir.finished(&spec)?;
    if let Some(reason) = lack_of_replay(&spec) {
        return Ok(Some(reason));
    }
    let being_written = || LabError::run_dir(run_dir.root(), RunDirProblem::BeingWritten);
    let _lock = match run_dir.lock() {
        Err(LabError::RunDir { problem: RunDirProblem::LockedByAnother, .. }) => return Err(being_written()),
        lock => lock?,
    };
    // Another process may have written between the first look and the lock.
    let manifest = run_dir.finished(&spec)?;
    let steps = manifest.checkpoints();
    thinned.kept = match steps[..] {
        [first, .., last] => vec![first, last],
        _ => steps.clone(),
    };
    // What replay begins with must be whole before anything that it makes again goes.
    for &step in &thinned.kept {
        run_dir.checkpoint_bytes(&spec, step)?;
    }
    let there_are = checkpoint::steps(&run_dir.checkpoints())?;
    thinned.removed = there_are.into_iter().filter(|step| !thinned.kept.contains(step)).collect();
    let mut gone: Vec<PathBuf> = thinned.removed.iter().map(|&step| run_dir.checkpoint_path(step)).collect();
    gone.extend(run_dir.left_over());
    thinned.bytes = gone.iter().filter_map(|path| fs::symlink_metadata(path).ok()).map(|file| file.len()).sum();
    if is_dry {
        return Ok(None);
    }
    rewrite(run_dir, manifest, &thinned.kept)?;
    for path in gone {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(LabError::io("remove", &path)(e)),
            _ => {}
        }
    }
    Ok(None)
}

/// Writes the manifest without the other checkpoints. The run is not made later by that: `latest` is another.
fn rewrite(run_dir: &RunDir, mut manifest: Manifest, kept: &[u64]) -> Result<(), LabError> {
    let n_before = manifest.files.len();
    let is_kept = |name: &str| match name.strip_prefix("checkpoints/").and_then(checkpoint::step_of) {
        Some(step) => kept.contains(&step),
        None => true,
    };
    manifest.files.retain(|name, _| is_kept(name));
    if manifest.files.len() == n_before {
        return Ok(());
    }
    let path = run_dir.manifest_path();
    let written = fs::metadata(&path).and_then(|file| file.modified());
    manifest.write(&path)?;
    if let Ok(written) = written {
        // That it is the latest run then is a small matter.
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(written));
    }
    Ok(())
}

/// Why a run cannot be made again here.
fn lack_of_replay(spec: &RunSpec) -> Option<String> {
    if matches!(spec.task, TaskSpec::Own(_)) {
        return Some("its task is another program's, which alone makes checkpoints again".to_owned());
    }
    let items = spec.task.family().items()?;
    let is_there = items.file.starts_with(BUILT_IN_PREFIX) || Path::new(&items.file).is_file();
    (!is_there).then(|| format!("its items, without which nothing is made again, are not at {}", items.file))
}
