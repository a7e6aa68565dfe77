//! Finished runs of a folder into packs: a million runs are some thousand files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::record::Record;
use crate::error::{LabError, RunDirProblem};
use crate::store::{Lock, Manifest, RunDir, files, pack};

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
    /// Damaged runs, which stay as they are, and why.
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
    let _lock = RunDir::new(folder.join(pack::FOLDER)).lock()?;
    let mut packed = Packed::default();
    let mut chunk = Chunk::default();
    for run_dir in record.run_dirs(folder) {
        if stop() {
            packed.was_stopped = true;
            break;
        }
        let is_on_disk = run_dir.manifest_path().is_file();
        if pack::of_run(run_dir.root()).is_some() {
            // An earlier packing was interrupted before it had removed the directory.
            if is_on_disk && is_same(&run_dir)? {
                remove(&run_dir)?;
            }
            packed.n_before += 1;
            continue;
        }
        let lock = if is_on_disk { run_dir.lock().ok() } else { None };
        let Some(lock) = lock else {
            packed.n_not_ended += 1;
            continue;
        };
        match contents(&run_dir) {
            Ok(contents) => {
                let bytes = contents.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
                if chunk.runs.len() >= RUNS_MAX || (!chunk.runs.is_empty() && chunk.bytes + bytes > BYTES_MAX) {
                    std::mem::take(&mut chunk).write(folder, &mut packed)?;
                }
                chunk.add(run_dir, lock, &contents, bytes)?;
            }
            Err(e) if e.is_damage() => packed.damaged.push(e.to_string()),
            Err(e) => return Err(e),
        }
    }
    chunk.write(folder, &mut packed)?;
    Ok(packed)
}

/// Runs on their way into one pack.
#[derive(Default)]
struct Chunk {
    builder: pack::Builder,
    runs: Vec<(RunDir, Lock)>,
    bytes: u64,
}

impl Chunk {
    fn add(&mut self, run_dir: RunDir, lock: Lock, contents: &[(String, Vec<u8>)], bytes: u64) -> Result<(), LabError> {
        let run = run_dir.root().file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (name, bytes) in contents {
            self.builder.add(&format!("{run}/{name}"), bytes).map_err(LabError::io("pack", run_dir.root()))?;
        }
        self.runs.push((run_dir, lock));
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
        for (run_dir, lock) in self.runs {
            // Nothing is removed that cannot be read back.
            if !is_same(&run_dir)? {
                return Err(LabError::run_dir(&path, RunDirProblem::OtherContent));
            }
            remove(&run_dir)?;
            drop(lock);
            let _ = fs::remove_file(run_dir.root().join("lock"));
            // What someone else put there stays, with the directory.
            let _ = fs::remove_dir(run_dir.root());
            packed.n_packed += 1;
        }
        Ok(())
    }
}

/// The files that the run's manifest vouches for, and the manifest.
fn contents(run_dir: &RunDir) -> Result<Vec<(String, Vec<u8>)>, LabError> {
    let spec = run_dir.spec()?;
    let manifest = run_dir.finished(&spec)?;
    let mut contents = Vec::new();
    for name in manifest.files.keys() {
        let bytes = files::read(&run_dir.root().join(name))?;
        manifest.check_file(run_dir.root(), name, &bytes)?;
        contents.push((name.clone(), bytes));
    }
    contents.push(("manifest.json".to_owned(), files::read(&run_dir.manifest_path())?));
    Ok(contents)
}

/// Whether the pack holds every file of the run that is on the disk.
fn is_same(run_dir: &RunDir) -> Result<bool, LabError> {
    let header = crate::store::spec_text::Header::read(&run_dir.spec_path());
    let Some(header) = header else { return Ok(false) };
    let manifest = Manifest::read(&run_dir.manifest_path(), &header.spec_hash)?;
    for (name, digest) in &manifest.files {
        let packed = pack::read(&run_dir.root().join(name))?;
        if packed.is_none_or(|bytes| crate::store::manifest::digest_of(&bytes) != *digest) {
            return Ok(false);
        }
    }
    let packed = pack::read(&run_dir.manifest_path())?;
    Ok(packed.is_some_and(|bytes| bytes == manifest.to_text().as_bytes()))
}

/// Removes what the run wrote. Whatever is left of it when this is interrupted, the pack has the rest.
fn remove(run_dir: &RunDir) -> Result<(), LabError> {
    let header = crate::store::spec_text::Header::read(&run_dir.spec_path());
    let Some(header) = header else { return Ok(()) };
    let manifest = Manifest::read(&run_dir.manifest_path(), &header.spec_hash)?;
    let mut folders = BTreeSet::new();
    for name in manifest.files.keys().map(String::as_str).chain(["manifest.json"]) {
        let path = run_dir.root().join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(LabError::io("remove", &path)(e)),
            _ => {}
        }
        folders.extend(path.parent().map(Path::to_owned));
    }
    folders.insert(run_dir.checkpoints());
    for folder in folders.iter().rev().filter(|folder| *folder != run_dir.root()) {
        // What someone else put there stays.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}
