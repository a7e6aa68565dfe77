//! What is said of a run: read off its manifest and the first line of its spec, both checked.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use precipice::spec::RunSpec;
use serde::Serialize;
use serde_json::{Map, Value};

use super::walk::Found;
use crate::error::{LabError, RunDirProblem};
use crate::input::fields;
use crate::store::spec_text::{self, Header};
use crate::store::{Manifest, RunDir, RunOutcome, checkpoint, files, pack};

/// A run in a list. What is not known is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunEntry {
    /// Its directory.
    pub path: String,
    /// Name in the spec.
    pub name: Option<String>,
    /// Address of the resolved spec.
    pub hash: Option<String>,
    /// How it ended, or what it is instead.
    pub outcome: Standing,
    /// Half way up the jump.
    pub t50: Option<f64>,
    /// End of the plateau.
    pub onset_step: Option<f64>,
    /// Steps from 10 % to 90 %.
    pub width_10_90: Option<f64>,
    /// Accuracy on the plateau.
    pub plateau_accuracy: Option<f64>,
    /// Updates done; of an unfinished run those of its last checkpoint.
    pub steps: Option<u64>,
    /// BLAKE3 of the final parameters' bits.
    pub digest: Option<String>,
    /// Of a branch the run that it began as.
    pub parent: Option<Parent>,
    /// Bytes of all that lies in the directory.
    pub size: u64,
    /// Seconds since it ended, or was last written.
    pub age: Option<f64>,
    /// When that was, RFC 3339.
    pub written: Option<String>,
    /// How long the last session took, in seconds.
    pub seconds: Option<f64>,
    /// `fused` or `portable`.
    pub arithmetic: Option<String>,
    /// Version of the program.
    pub version: Option<String>,
    /// The folder of the sweep that it lies in.
    pub sweep: Option<String>,
    /// Columns of the last row.
    #[serde(rename = "final")]
    pub final_row: Map<String, Value>,
    /// Fields of the spec that were asked for, by their paths.
    pub spec: Map<String, Value>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// The outcome of a run that has ended, or what it is instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Standing {
    /// It has ended.
    Ended(RunOutcome),
    /// It has not.
    Other(Other),
}

/// What a run is that has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Other {
    /// Somebody is writing it.
    Training,
    /// Nobody is: it was interrupted.
    Stopped,
    /// It is not as it was written.
    Damaged,
}

impl Standing {
    /// In one word.
    pub fn word(self) -> String {
        let text = serde_json::to_value(self).expect("a word is plain data");
        text.as_str().unwrap_or_default().to_owned()
    }
}

/// The run that a branch began as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parent {
    /// Address of its spec; none where this version cannot read it.
    pub hash: Option<String>,
    /// The step at which the branch leaves it.
    pub step: u64,
}

impl RunEntry {
    /// Reads a run, and of its spec the fields at these paths. The size is found by [`RunEntry::measure`].
    pub(super) fn read(found: &Found, of_spec: &[Vec<String>], now: SystemTime) -> Self {
        let run_dir = RunDir::new(&found.root);
        let mut entry = Self::unknown(found);
        if found.problem.is_some() {
            entry.outcome = Standing::Other(Other::Damaged);
            return Self { problem: found.problem.clone(), ..entry };
        }
        if let Err(error) = entry.fill(&run_dir, of_spec) {
            (entry.outcome, entry.problem) = (Standing::Other(Other::Damaged), Some(error.to_string()));
        }
        let ended = entry.written.as_deref().and_then(|text| humantime::parse_rfc3339(text).ok());
        let written = ended.or_else(|| last_write(&run_dir));
        entry.written = written.map(|time| humantime::format_rfc3339_seconds(time).to_string());
        // A clock that was set back has made no run young.
        entry.age = written.map(|time| now.duration_since(time).map_or(0.0, |age| age.as_secs_f64().floor()));
        entry
    }

    fn unknown(found: &Found) -> Self {
        // Of the current folder nobody types the name.
        let root = found.root.strip_prefix(".").ok().filter(|root| *root != Path::new("")).unwrap_or(&found.root);
        Self {
            path: root.display().to_string(),
            name: None,
            hash: None,
            outcome: Standing::Other(Other::Stopped),
            t50: None,
            onset_step: None,
            width_10_90: None,
            plateau_accuracy: None,
            steps: None,
            digest: None,
            parent: None,
            size: 0,
            age: None,
            written: None,
            seconds: None,
            arithmetic: None,
            version: None,
            sweep: found.sweep.as_ref().map(|folder| folder.display().to_string()),
            final_row: Map::new(),
            spec: Map::new(),
            problem: None,
        }
    }

    fn fill(&mut self, run_dir: &RunDir, of_spec: &[Vec<String>]) -> Result<(), LabError> {
        let path = run_dir.spec_path();
        if !files::is_file(&path) {
            return Err(LabError::run_dir(&path, RunDirProblem::MissingFile));
        }
        let (Header { spec_hash, .. }, body) = spec_text::read_sealed(&path)?;
        self.hash = Some(spec_hash.clone());
        let manifest = run_dir.manifest_path();
        let manifest = if files::is_file(&manifest) { Some(Manifest::read(&manifest, &spec_hash)?) } else { None };
        // Few runs need more of their spec than its address.
        let is_branch = body.lines().any(|line| line.starts_with("[branch"));
        if manifest.is_none() || is_branch || !of_spec.is_empty() {
            self.look_into(&path, &body, of_spec)?;
        }
        match manifest {
            Some(manifest) => self.end(manifest),
            None => {
                self.steps = checkpoint::steps(&run_dir.checkpoints())?.last().copied();
                let is_training = run_dir.is_being_written();
                self.outcome = Standing::Other(if is_training { Other::Training } else { Other::Stopped });
            }
        }
        Ok(())
    }

    /// Takes name, parent and fields from the text of a spec, whatever else this version makes of it.
    fn look_into(&mut self, path: &Path, body: &str, of_spec: &[Vec<String>]) -> Result<(), LabError> {
        let damaged = |what: String| LabError::run_dir(path, RunDirProblem::DamagedSpec { what });
        let table: toml::Table = body.parse().map_err(|_| damaged("it is no TOML".to_owned()))?;
        self.name = table.get("name").and_then(toml::Value::as_str).map(str::to_owned);
        self.parent = table.get("branch").and_then(parent);
        for path in of_spec {
            let value = path.iter().skip(1).try_fold(table.get(&path[0]), |at, name| Some(at?.get(name)));
            let value = value.flatten().and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default();
            self.spec.insert(fields::dotted(path), value);
        }
        Ok(())
    }

    fn end(&mut self, manifest: Manifest) {
        let jump = manifest.transition;
        self.name = Some(manifest.name);
        self.outcome = Standing::Ended(manifest.outcome);
        self.t50 = jump.and_then(|jump| jump.t50);
        self.onset_step = jump.and_then(|jump| jump.onset_step);
        self.width_10_90 = jump.and_then(|jump| jump.width_10_90);
        self.plateau_accuracy = jump.and_then(|jump| jump.plateau_accuracy);
        (self.steps, self.digest) = (Some(manifest.steps), Some(manifest.digest));
        (self.written, self.seconds) = (Some(manifest.ended), Some(manifest.seconds));
        (self.arithmetic, self.version) = (Some(manifest.arithmetic), Some(manifest.version));
        self.final_row = manifest.final_row;
    }

    /// Adds up what lies in the directory.
    pub(super) fn measure(&self) -> u64 {
        let root = Path::new(&self.path);
        bytes_in(root) + pack::bytes_of(root)
    }
}

fn parent(branch: &toml::Value) -> Option<Parent> {
    let step = u64::try_from(branch.get("step")?.as_integer()?).ok()?;
    let spec = branch.get("parent").and_then(toml::Value::as_table);
    let spec = spec.and_then(|table| fields::read::<RunSpec>(table.clone()).ok());
    Some(Parent { hash: spec.map(|spec| spec.hash()), step })
}

fn last_write(run_dir: &RunDir) -> Option<SystemTime> {
    let paths = [run_dir.log_path(), run_dir.spec_path(), run_dir.manifest_path()];
    paths.iter().filter_map(|path| fs::metadata(path).and_then(|file| file.modified()).ok()).max()
}

/// Bytes of the files in a folder and below; links count as nothing.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => bytes_in(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |file| file.len()),
        _ => 0,
    };
    entries.map(bytes).sum()
}
