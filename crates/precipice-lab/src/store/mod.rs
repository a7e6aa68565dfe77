//! The run directory: one folder a run, whole after any interruption.
//!
//! ```text
//! runs/<name>-<hash8>/
//!   spec.toml        resolved spec                                  written first
//!   lock             held while the run is written
//!   log.jsonl        one row an evaluation, flushed as it comes
//!   checkpoints/     step-00000000.safetensors ...
//!   metrics.parquet  the log as a table                             at the end
//!   figures/
//!   manifest.json    outcome, digest, transition, machine           written last
//! ```

pub mod atomic;
pub mod checkpoint;
pub mod log;
pub mod manifest;
pub mod tables;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use precipice::record::Row;
use precipice::spec::RunSpec;

use crate::error::{LabError, RunDirProblem};
use crate::input::spec_file;
pub use manifest::{Manifest, RunOutcome};

/// Places in a run directory.
///
/// ```
/// use precipice::spec::RunSpec;
/// use precipice_lab::store::{RunDir, Standing};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// let spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
/// let run_dir = RunDir::new(root);
/// assert!(matches!(run_dir.standing(&spec)?, Standing::Empty));
/// run_dir.make_folders()?;
/// run_dir.write_spec(&spec)?;
/// assert!(matches!(run_dir.standing(&spec)?, Standing::Unfinished));
/// assert_eq!(run_dir.spec()?.hash(), spec.hash());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
}

/// What stands in a directory that a run is to be written to.
#[derive(Debug)]
pub enum Standing {
    /// Nothing.
    Empty,
    /// An unfinished run of the same spec.
    Unfinished,
    /// The finished run of the same spec.
    Finished,
}

/// Names that a run directory may hold, in the order in which `clear` removes them: without a
/// manifest it is an unfinished run, and without a spec it must hold nothing else.
const KNOWN: [&str; 7] =
    ["manifest.json", "metrics.parquet", "figures", "checkpoints", "log.jsonl", "spec.toml", "lock"];

impl RunDir {
    /// The directory at a path, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `runs/<name>-<hash8>`.
    pub fn default_for(spec: &RunSpec) -> Self {
        Self::new(Path::new("runs").join(format!("{}-{}", spec.name, &spec.hash()[..8])))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Resolved spec.
    pub fn spec_path(&self) -> PathBuf {
        self.root.join("spec.toml")
    }

    /// Rows.
    pub fn log_path(&self) -> PathBuf {
        self.root.join("log.jsonl")
    }

    /// Rows as a table.
    pub fn parquet_path(&self) -> PathBuf {
        self.root.join("metrics.parquet")
    }

    /// Outcome.
    pub fn manifest_path(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// Saved states.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Figures.
    pub fn figures(&self) -> PathBuf {
        self.root.join("figures")
    }

    /// The spec of the run that stands here.
    ///
    /// # Errors
    /// If there is none, saying so.
    pub fn spec(&self) -> Result<RunSpec, LabError> {
        if !self.spec_path().is_file() {
            return Err(LabError::run_dir(&self.root, RunDirProblem::NotARunDirectory));
        }
        spec_file::load_stored(&self.spec_path())
    }

    /// All whole rows.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn rows(&self) -> Result<Vec<Row>, LabError> {
        Ok(log::read(&self.log_path())?.into_iter().map(|(row, _)| row).collect())
    }

    /// What stands here, as seen by a run of `spec`.
    ///
    /// # Errors
    /// If the directory holds anything that a run of this spec must not touch.
    pub fn standing(&self, spec: &RunSpec) -> Result<Standing, LabError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Standing::Empty),
            Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(LabError::run_dir(&self.root, RunDirProblem::IsAFile));
            }
            Err(e) => return Err(LabError::io("read", &self.root)(e)),
        };
        let name = |entry: std::io::Result<fs::DirEntry>| entry.map(|e| e.file_name().to_string_lossy().into_owned());
        let names: Result<Vec<String>, _> = entries.map(name).collect();
        let mut names = names.map_err(LabError::io("read", &self.root))?;
        names.retain(|name| !name.starts_with(atomic::TEMPORARY));
        if names.iter().all(|name| name == "lock") {
            return Ok(Standing::Empty);
        }
        let foreign = names.iter().find(|name| !KNOWN.contains(&name.as_str()));
        if foreign.is_some() || !self.spec_path().is_file() {
            return Err(LabError::run_dir(&self.root, RunDirProblem::ForeignContent { name: foreign.cloned() }));
        }
        let stored = self.spec()?;
        if stored.hash() != spec.hash() {
            let [stored, asked] = [&stored, spec].map(|spec| format!("{}-{}", spec.name, &spec.hash()[..8]));
            return Err(LabError::run_dir(&self.root, RunDirProblem::AnotherSpec { stored, asked }));
        }
        if self.manifest_path().is_file() {
            return Ok(Standing::Finished);
        }
        Ok(Standing::Unfinished)
    }

    /// Creates the directory and takes its lock, which is held while the value lives.
    ///
    /// # Errors
    /// If another process holds it, or the system refuses.
    pub fn lock(&self) -> Result<Lock, LabError> {
        fs::create_dir_all(&self.root).map_err(LabError::io("create", &self.root))?;
        let path = self.root.join("lock");
        let open = File::options().create(true).write(true).truncate(false).open(&path);
        let mut file = open.map_err(LabError::io("write", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(LabError::run_dir(&self.root, RunDirProblem::LockedByAnother));
            }
            Err(fs::TryLockError::Error(e)) => return Err(LabError::io("lock", &path)(e)),
        }
        // For a person who wonders; nothing reads it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Lock { _file: file })
    }

    /// Removes everything that a run wrote, the lock excepted.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn clear(&self) -> Result<(), LabError> {
        for name in KNOWN.iter().filter(|name| **name != "lock") {
            let path = self.root.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(LabError::io("remove", &path)(e)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the folders that are written to during a run, and removes what a crash left half-written.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn make_folders(&self) -> Result<(), LabError> {
        fs::create_dir_all(self.checkpoints()).map_err(LabError::io("create", &self.checkpoints()))?;
        atomic::sweep(&self.root)?;
        atomic::sweep(&self.checkpoints())
    }

    /// Writes the spec that the rest belongs to.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_spec(&self, spec: &RunSpec) -> Result<(), LabError> {
        let header = format!("# precipice run, format {}, spec {}\n", manifest::FORMAT, spec.hash());
        atomic::write(&self.spec_path(), (header + &spec_file::to_toml(spec)).as_bytes())
    }
}

/// The right to write a run directory.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use precipice::train::Trainer;
    use precipice_num::Kernels;

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: manifest::FORMAT,
            name: "format".to_owned(),
            spec_hash: "0123".to_owned(),
            version: "0".to_owned(),
            arithmetic: "fused".to_owned(),
            simd: "avx2".to_owned(),
            machine: BTreeMap::new(),
            threads: 1,
            started: "1970-01-01T00:00:00Z".to_owned(),
            ended: "1970-01-01T00:00:01Z".to_owned(),
            seconds: 1.0,
            steps_per_s: 1.0,
            outcome: RunOutcome::None,
            steps: 1,
            digest: "4567".to_owned(),
            final_row: serde_json::Map::new(),
            transition: None,
            files: Vec::new(),
            own_metrics: Vec::new(),
        }
    }

    #[test]
    fn another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        fs::write(&path, r#"{"format": 1}"#).unwrap();
        assert!(Manifest::read(&path).unwrap_err().to_string().contains("damaged manifest"));
        manifest().write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest());
        Manifest { format: 9, ..manifest() }.write(&path).unwrap();
        let error = Manifest::read(&path).unwrap_err().to_string();
        assert!(error.contains("format 9; this version reads format 1"), "{error}");
    }

    #[test]
    fn a_checkpoint_of_another_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let spec = RunSpec { name: "own".to_owned(), ..RunSpec::default() };
        let trainer = Trainer::new(&spec, spec.build_task(None).unwrap(), Kernels::detect()).unwrap();
        checkpoint::write(folder.path(), &trainer, &spec.hash()).unwrap();
        let path = folder.path().join(checkpoint::file_name(0));
        let layout = trainer.model().layout();
        assert_eq!(checkpoint::read(&path, layout, &spec.hash()).unwrap().state, *trainer.state());
        let bytes = fs::read(&path).unwrap();
        checkpoint::write(folder.path(), &trainer, &spec.hash()).unwrap();
        assert!(fs::read(&path).unwrap() == bytes, "same state, same bytes");
        let error = checkpoint::read(&path, layout, "0123").unwrap_err().to_string();
        assert!(error.contains("belongs to another spec"), "{error}");
    }
}
