//! The manifest: written last, so that its presence means "finished". It names every file of the run with a digest,
//! and ends with a check of itself. Also the report of a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use precipice::measure::Metric;
use precipice::measure::transition::{Learned, Transition};
use precipice::record::Row;
use precipice::run::{Outcome, Run};
use precipice_num::Arithmetic;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::spec_text::FORMAT;
use super::{atomic, checkpoint, files, seal};
use crate::error::{LabError, RunDirProblem};

/// How a run ended, as reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It learned in context and still does.
    Transition,
    /// It learned in context, and knows labels by heart too.
    Both,
    /// It knows labels by heart, and did not learn in context: censored.
    Iw,
    /// It did not learn by the end: censored.
    None,
    /// It learned and forgot.
    Lost,
    /// The loss was no longer finite.
    Diverged,
    /// It was interrupted and can be resumed.
    Stopped,
}

impl RunOutcome {
    /// As in manifests and tables.
    pub fn name(self) -> &'static str {
        match self {
            RunOutcome::Transition => "transition",
            RunOutcome::Both => "both",
            RunOutcome::Iw => "iw",
            RunOutcome::None => "none",
            RunOutcome::Lost => "lost",
            RunOutcome::Diverged => "diverged",
            RunOutcome::Stopped => "stopped",
        }
    }

    /// Of a run that ended so, and what its rows say of it.
    pub fn of(outcome: Outcome, learned: Learned) -> Self {
        match (outcome, learned) {
            (Outcome::Diverged { .. }, _) => RunOutcome::Diverged,
            (Outcome::Stopped { .. }, _) => RunOutcome::Stopped,
            (Outcome::Finished, Learned::Ic) => RunOutcome::Transition,
            (Outcome::Finished, Learned::Lost) => RunOutcome::Lost,
            (Outcome::Finished, Learned::None) => RunOutcome::None,
            (Outcome::Finished, Learned::Iw) => RunOutcome::Iw,
            (Outcome::Finished, Learned::Both) => RunOutcome::Both,
        }
    }
}

/// What is known of a run when it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the run directory.
    pub format: u32,
    /// Name in the spec.
    pub name: String,
    /// Address of the resolved spec.
    pub spec_hash: String,
    /// Version of the program.
    pub version: String,
    /// `fused` or `portable`.
    pub arithmetic: String,
    /// Instruction set; does not change bits.
    pub simd: String,
    /// Processor, cores and system.
    pub machine: BTreeMap<String, String>,
    /// Threads of the last session; does not change bits.
    pub threads: usize,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339.
    pub ended: String,
    /// Of the last session.
    pub seconds: f64,
    /// Of the last session.
    pub steps_per_s: f64,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Updates done.
    pub steps: u64,
    /// BLAKE3 of the final parameters' bits.
    pub digest: String,
    /// Columns of the last row; null where undefined.
    #[serde(rename = "final")]
    pub final_row: Map<String, Value>,
    /// The jump, or null.
    pub transition: Option<StoredTransition>,
    /// Files of the run, relative to its directory, and the BLAKE3 digest of each.
    pub files: BTreeMap<String, String>,
    /// What the columns of a program's own probes mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_metrics: Vec<Metric>,
}

/// [`Transition`] as stored; null where undefined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredTransition {
    /// End of the plateau.
    pub onset_step: Option<f64>,
    /// Half way.
    pub t50: Option<f64>,
    /// Steps from 10 % to 90 %.
    pub width_10_90: Option<f64>,
    /// Accuracy on the plateau.
    pub plateau_accuracy: Option<f64>,
    /// Loss on the plateau.
    pub plateau_loss: Option<f64>,
}

impl From<StoredTransition> for Transition {
    fn from(t: StoredTransition) -> Self {
        let number = |x: Option<f64>| x.unwrap_or(f64::NAN);
        Self {
            onset_step: number(t.onset_step),
            t50: number(t.t50),
            width_10_90: number(t.width_10_90),
            plateau_accuracy: number(t.plateau_accuracy),
            plateau_loss: number(t.plateau_loss),
        }
    }
}

impl From<Transition> for StoredTransition {
    fn from(t: Transition) -> Self {
        let finite = |x: f64| x.is_finite().then_some(x);
        Self {
            onset_step: finite(t.onset_step),
            t50: finite(t.t50),
            width_10_90: finite(t.width_10_90),
            plateau_accuracy: finite(t.plateau_accuracy),
            plateau_loss: finite(t.plateau_loss),
        }
    }
}

/// A number for JSON; null where it is undefined.
fn number(value: f64) -> Value {
    if value.is_finite() { Value::from(value) } else { Value::Null }
}

/// Columns of a row for JSON.
pub fn columns_of(row: &Row) -> Map<String, Value> {
    row.columns.iter().map(|(name, value)| (name.clone(), number(*value))).collect()
}

/// Where and when the last session of a run was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Processor, cores and system.
    pub machine: BTreeMap<String, String>,
    /// Threads.
    pub threads: usize,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339.
    pub ended: String,
    /// How long it took.
    pub seconds: f64,
    /// Updates done before it.
    pub first_step: u64,
}

impl Manifest {
    /// Of a run as it stands, without its files.
    pub fn of(run: &Run, outcome: Outcome, session: Session) -> Self {
        let (spec, kernels) = (run.spec(), run.trainer().model().kernels());
        let (learned, transition) = run.transition();
        let Session { machine, threads, started, ended, seconds, first_step } = session;
        Self {
            format: FORMAT,
            name: spec.name.clone(),
            spec_hash: spec.hash(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arithmetic: kernels.arithmetic().name().to_owned(),
            simd: format!("{:?}", kernels.simd()).to_lowercase(),
            machine,
            threads,
            started,
            ended,
            seconds,
            steps_per_s: (run.step() - first_step) as f64 / seconds,
            outcome: RunOutcome::of(outcome, learned),
            steps: run.step(),
            digest: run.state().params.digest(),
            final_row: run.rows().last().map(columns_of).unwrap_or_default(),
            transition: transition.map(Into::into),
            files: BTreeMap::new(),
            own_metrics: run.own_metrics().to_vec(),
        }
    }

    /// Writes the file that marks the run as finished.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self, path: &Path) -> Result<(), LabError> {
        atomic::write(path, self.to_text().as_bytes())
    }

    /// The text of that file.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        seal::seal(&text, &self.spec_hash).0 + "\n"
    }

    /// Reads the manifest of the run of a spec.
    ///
    /// # Errors
    /// If it is missing, damaged, of another format or of another run.
    pub fn read(path: &Path, spec_hash: &str) -> Result<Self, LabError> {
        let error = |problem| LabError::run_dir(path, problem);
        let damaged = |cause: String| error(RunDirProblem::DamagedManifest { cause });
        let text = String::from_utf8(files::read(path)?).map_err(|_| damaged("it is not text".to_owned()))?;
        // What is whole is read once: a list has thousands of them.
        let sealed = text.strip_suffix('\n').and_then(|text| seal::unseal(text, spec_hash));
        let whole = sealed.and_then(|(object, _)| serde_json::from_str::<Self>(&object).ok());
        if let Some(whole) = whole.filter(|whole| whole.format == FORMAT && whole.spec_hash == spec_hash) {
            return Ok(whole);
        }
        let value: Value = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        let format = value.get("format").map_or_else(|| "none".to_owned(), Value::to_string);
        if format != FORMAT.to_string() {
            return Err(error(RunDirProblem::OtherFormat { found: format, expected: FORMAT.to_string() }));
        }
        if value.get("spec_hash").and_then(Value::as_str) != Some(spec_hash) {
            return Err(error(RunDirProblem::ManifestOfAnotherSpec));
        }
        let sealed = text.strip_suffix('\n').and_then(|text| seal::unseal(text, spec_hash));
        let (object, _) = sealed.ok_or_else(|| damaged("its check does not match its content".to_owned()))?;
        serde_json::from_str(&object).map_err(|e| damaged(e.to_string()))
    }

    /// Whether a file of the run has the content that it had when the run ended.
    ///
    /// # Errors
    /// Naming the file that is another, or none of the run's.
    pub fn check_file(&self, root: &Path, name: &str, bytes: &[u8]) -> Result<(), LabError> {
        let error = |problem| LabError::run_dir(&root.join(name), problem);
        let digest = self.files.get(name).ok_or_else(|| error(RunDirProblem::NotOfThisRun))?;
        if *digest == digest_of(bytes) { Ok(()) } else { Err(error(RunDirProblem::OtherContent)) }
    }

    /// Its arithmetic, where this version knows it.
    ///
    /// # Errors
    /// Naming the manifest.
    pub fn known_arithmetic(&self, path: &Path) -> Result<Arithmetic, LabError> {
        let problem = || RunDirProblem::UnknownArithmetic { name: self.arithmetic.clone() };
        let unknown = || LabError::run_dir(path, problem());
        Arithmetic::from_name(&self.arithmetic).ok_or_else(unknown)
    }

    /// Steps that have a checkpoint, rising.
    pub fn checkpoints(&self) -> Vec<u64> {
        let step = |name: &String| checkpoint::step_of(name.strip_prefix("checkpoints/")?);
        let mut steps: Vec<u64> = self.files.keys().filter_map(step).collect();
        steps.sort_unstable();
        steps
    }

    /// Reads every file that the manifest names.
    ///
    /// # Errors
    /// Naming the first that is missing or another.
    pub fn check_all(&self, root: &Path) -> Result<(), LabError> {
        self.check_those(root, |_| true)
    }

    /// The same of the files whose names count.
    ///
    /// # Errors
    /// As [`Manifest::check_all`].
    pub fn check_those(&self, root: &Path, counts: impl Fn(&str) -> bool) -> Result<(), LabError> {
        for name in self.files.keys().filter(|name| counts(name)) {
            self.check_file(root, name, &read_named(root, name)?)?;
        }
        Ok(())
    }
}

/// BLAKE3 in hexadecimal.
pub fn digest_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Reads a file that a manifest names.
pub(super) fn read_named(root: &Path, name: &str) -> Result<Vec<u8>, LabError> {
    let path = root.join(name);
    match files::read(&path) {
        Err(LabError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
            Err(LabError::run_dir(&path, RunDirProblem::MissingFile))
        }
        read => read,
    }
}

/// What the operating system says of this machine.
pub fn machine() -> BTreeMap<String, String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(':').nth(1));
    let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
    BTreeMap::from([
        ("cpu".to_owned(), model.map_or_else(|| std::env::consts::ARCH.to_owned(), |name| name.trim().to_owned())),
        ("cores".to_owned(), cores.to_string()),
        ("os".to_owned(), std::env::consts::OS.to_owned()),
    ])
}
