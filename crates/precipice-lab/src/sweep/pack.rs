//! Finished runs of a folder into packs: a million runs are some thousand files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::record::Record;
use crate::error::{LabError, RunDirProblem};
use crate::store::spec_text::Header;
use crate::store::{Lock, Manifest, RunDir, atomic, files, manifest, pack};

/// What was packed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// Runs that are packed now.
    pub n_packed: usize,
    /// Runs that were packed before.
    pub n_before: usize,
    /// Runs that have not ended, or that someone is writing.
    pub n_not_ended: usize,
    /// The new packs.
    pub files: Vec<String>,
    /// Their size.
    pub bytes: u64,
    /// Size of the runs in them, as files of their own.
    pub bytes_before: u64,
    /// Runs that a pack holds as they were before their directories were changed; both stay, and the directory counts.
    pub changed: Vec<String>,
    /// Damaged runs and packs, which stay as they are, and why.
    pub damaged: Vec<String>,
    /// Whether it was stopped before all were packed.
    pub was_stopped: bool,
}

/// Runs of a pack, and their bytes, at most; a larger run has a pack of its own.
const RUNS_MAX: usize = 1000;
const BYTES_MAX: u64 = 256 << 20;

/// Packs the runs of a sweep that have ended, checking every file by its digest, and removes their directories once the
/// pack is on the disk and read back. Interrupted, it can be begun again: a run is in its directory, in a pack, or both.
///
/// # Errors
/// If the folder is not that of a sweep, another process is packing it, or the system refuses.
pub fn pack(folder: &Path, stop: &dyn Fn() -> bool) -> Result<Packed, LabError> {
    let record = Record::read(folder)?;
    let _lock = lock_packs(folder)?;
    let damaged = pack::damaged(folder).iter().map(LabError::to_string).collect();
    let mut packed = Packed { damaged, ..Packed::default() };
    let mut chunk = Chunk::default();
    for run_dir in record.run_dirs(folder) {
        if stop() {
            packed.was_stopped = true;
            break;
        }
        if pack::holder(run_dir.root()).is_some() {
            packed.n_before += 1;
            // An earlier packing was interrupted before it had removed the directory, or someone unpacked it.
            if run_dir.root().is_dir() {
                packed.remove(&run_dir)?;
            }
            continue;
        }
        // Nobody begins a run that has ended. What is written of it all the same is noticed before it is removed.
        if !run_dir.manifest_path().is_file() || lock_ended(&run_dir)?.is_none() {
            packed.n_not_ended += 1;
            continue;
        }
        match contents(&run_dir) {
            Ok((manifest, contents)) => {
                let bytes = contents.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
                if chunk.runs.len() >= RUNS_MAX || (!chunk.runs.is_empty() && chunk.bytes + bytes > BYTES_MAX) {
                    std::mem::take(&mut chunk).write(folder, &mut packed)?;
                }
                chunk.add(run_dir, manifest, &contents, bytes)?;
            }
            Err(e @ LabError::Io { .. }) => return Err(e),
            Err(e) => packed.damaged.push(e.to_string()),
        }
    }
    chunk.write(folder, &mut packed)?;
    Ok(packed)
}

/// The right to add and remove packs. What interrupted writers of packs left is removed.
pub(super) fn lock_packs(folder: &Path) -> Result<Lock, LabError> {
    let packs = RunDir::new(folder.join(pack::FOLDER));
    let lock = match packs.lock() {
        Err(LabError::RunDir { problem: RunDirProblem::LockedByAnother, .. }) => {
            return Err(LabError::run_dir(folder, RunDirProblem::BeingPacked));
        }
        lock => lock?,
    };
    atomic::sweep(packs.root())?;
    Ok(lock)
}

/// The lock of a run; none where someone is writing it.
fn lock_ended(run_dir: &RunDir) -> Result<Option<Lock>, LabError> {
    match run_dir.lock() {
        Err(LabError::RunDir { problem: RunDirProblem::LockedByAnother, .. }) => Ok(None),
        lock => lock.map(Some),
    }
}

/// Runs on their way into one pack. Their locks are not held meanwhile: a thousand open files are more than some systems
/// give.
#[derive(Default)]
struct Chunk {
    builder: pack::Builder,
    runs: Vec<(RunDir, Manifest)>,
    bytes: u64,
}

impl Chunk {
    fn add(
        &mut self,
        run_dir: RunDir,
        manifest: Manifest,
        contents: &[(String, Vec<u8>)],
        bytes: u64,
    ) -> Result<(), LabError> {
        let run = run_dir.root().file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (name, bytes) in contents {
            self.builder.add(&format!("{run}/{name}"), bytes).map_err(LabError::io("pack", run_dir.root()))?;
        }
        self.runs.push((run_dir, manifest));
        self.bytes += bytes;
        Ok(())
    }

    fn write(self, folder: &Path, packed: &mut Packed) -> Result<(), LabError> {
        if self.runs.is_empty() {
            return Ok(());
        }
        let (path, bytes) = self.builder.write(folder)?;
        packed.files.push(path.display().to_string());
        (packed.bytes, packed.bytes_before) = (packed.bytes + bytes, packed.bytes_before + self.bytes);
        for (run_dir, manifest) in self.runs {
            // Nothing is removed that cannot be read back.
            if !is_packed_as(&run_dir, &manifest)? {
                return Err(LabError::run_dir(&path, RunDirProblem::OtherContent));
            }
            packed.n_packed += 1;
            packed.remove(&run_dir)?;
        }
        Ok(())
    }
}

impl Packed {
    /// Removes the directory of a run that a pack holds, if it is the same run, and tells if it is not. One that someone
    /// is writing stays for the next time.
    fn remove(&mut self, run_dir: &RunDir) -> Result<(), LabError> {
        let Some(lock) = lock_ended(run_dir)? else { return Ok(()) };
        // Without a spec it is what an interrupted packing left.
        let is_same = match Header::read(&run_dir.spec_path()).filter(|_| run_dir.spec_path().is_file()) {
            Some(header) => match Manifest::read(&run_dir.manifest_path(), &header.spec_hash) {
                Ok(manifest) => is_packed_as(run_dir, &manifest)?,
                Err(_) => false,
            },
            None => !run_dir.spec_path().exists(),
        };
        if is_same {
            return remove(run_dir, lock);
        }
        self.changed.push(run_dir.root().display().to_string());
        Ok(())
    }
}

/// Files by their names below the run directory.
type Contents = Vec<(String, Vec<u8>)>;

/// The manifest, and the files that it vouches for with itself.
pub(super) fn contents(run_dir: &RunDir) -> Result<(Manifest, Contents), LabError> {
    let spec = run_dir.spec()?;
    let manifest = run_dir.finished(&spec)?;
    let mut contents = Vec::new();
    for name in manifest.files.keys() {
        let bytes = files::read(&run_dir.root().join(name))?;
        manifest.check_file(run_dir.root(), name, &bytes)?;
        contents.push((name.clone(), bytes));
    }
    contents.push((MANIFEST.to_owned(), files::read(&run_dir.manifest_path())?));
    Ok((manifest, contents))
}

const MANIFEST: &str = "manifest.json";
pub(super) const SPEC: &str = "spec.toml";

/// Whether a pack holds the run with this manifest, every file of it.
fn is_packed_as(run_dir: &RunDir, manifest: &Manifest) -> Result<bool, LabError> {
    for (name, digest) in &manifest.files {
        let packed = pack::read(run_dir.root(), name)?;
        if packed.is_none_or(|bytes| manifest::digest_of(&bytes) != *digest) {
            return Ok(false);
        }
    }
    let packed = pack::read(run_dir.root(), MANIFEST)?;
    Ok(packed.is_some_and(|bytes| bytes == manifest.to_text().as_bytes()))
}

/// Removes what a pack has of a run from its directory: the spec first, from when on the pack counts. What is left when
/// this is interrupted is removed by the next call.
fn remove(run_dir: &RunDir, lock: Lock) -> Result<(), LabError> {
    let had_spec = run_dir.spec_path().is_file();
    let mut names = pack::names_of(run_dir.root());
    names.sort_by_key(|name| (name != SPEC, name != MANIFEST));
    let mut folders = BTreeSet::from([run_dir.checkpoints()]);
    for name in &names {
        let path = run_dir.root().join(name);
        // What is left without a spec may be anyone's.
        if had_spec || fs::read(&path).ok() == pack::read(run_dir.root(), name)? {
            gone(&path)?;
        }
        folders.extend(path.parent().map(Path::to_owned));
    }
    run_dir.left_over().iter().try_for_each(|path| gone(path))?;
    gone(&run_dir.root().join("lock"))?;
    drop(lock);
    // What someone else put there stays, with its folder; the deepest first.
    folders.insert(run_dir.root().to_owned());
    folders.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    Ok(())
}

fn gone(path: &Path) -> Result<(), LabError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(LabError::io("remove", path)(e)),
        _ => Ok(()),
    }
}
