//! The file: one JSON object with a check of itself, the same bytes for the same runs.

use std::path::Path;

use precipice::spec::RunSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{CertificateProblem, LabError};
use crate::input::file;
use crate::input::items::BUILT_IN_PREFIX;
use crate::store::{RunOutcome, seal};

/// Version of the format.
pub const FORMAT: u32 = 1;

/// What the file says that it is.
pub const KIND: &str = "precipice certificate";

/// What runs came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// [`KIND`].
    pub kind: String,
    /// [`FORMAT`].
    pub format: u32,
    /// One by one.
    pub runs: Vec<Certified>,
}

/// What one run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certified {
    /// Name in the spec.
    pub name: String,
    /// Address of the resolved spec, of which fields that are left out are a part.
    pub spec_hash: String,
    /// What of the spec is not as it is by default.
    pub spec: Value,
    /// `fused` or `portable`.
    pub arithmetic: String,
    /// Version of the program that made the run.
    pub version: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Half way up the jump, or null.
    pub t50: Option<f64>,
    /// Updates done.
    pub steps: u64,
    /// Rows measured.
    pub rows: usize,
    /// At chosen steps, rising; the last is the end.
    pub states: Vec<State>,
}

/// A run at a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Updates done.
    pub step: u64,
    /// BLAKE3 of the parameters' bits.
    pub params: String,
    /// Check of all rows up to there, as the log has it.
    pub log: String,
}

impl Certificate {
    /// Of runs.
    pub fn of(runs: Vec<Certified>) -> Self {
        Self { kind: KIND.to_owned(), format: FORMAT, runs }
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a certificate is plain data");
        seal::seal(&text, KIND).0 + "\n"
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it is no certificate, damaged, or of another format.
    pub fn read(path: &Path) -> Result<Self, LabError> {
        let of_file = |problem| LabError::File { path: path.to_owned(), problem };
        let bytes = file::bytes(path, file::TEXT_MAX, "a certificate").map_err(of_file)?;
        Self::parse(path, &String::from_utf8_lossy(&bytes))
    }

    /// The same of a text that was read from there.
    ///
    /// # Errors
    /// As [`Certificate::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, LabError> {
        let problem = |problem| LabError::certificate(path, problem);
        let damaged = |what: &str| problem(CertificateProblem::Damaged { what: what.to_owned() });
        let value: Value = serde_json::from_str(text).map_err(|_| problem(CertificateProblem::NotACertificate))?;
        if value.get("kind").and_then(Value::as_str) != Some(KIND) {
            return Err(problem(CertificateProblem::NotACertificate));
        }
        let found = value.get("format").and_then(Value::as_u64).unwrap_or(0);
        if found != u64::from(FORMAT) {
            return Err(problem(CertificateProblem::OtherFormat { found, expected: FORMAT }));
        }
        let sealed = seal::unseal(text.trim_end_matches(['\n', '\r']), KIND);
        let (object, _) = sealed.ok_or_else(|| damaged("its check does not match its content"))?;
        serde_json::from_str(&object).map_err(|e| damaged(&e.to_string()))
    }
}

impl Certified {
    /// The spec that the run had, which must have its address still.
    ///
    /// # Errors
    /// If it cannot be read here, or means something else.
    pub fn spec(&self, path: &Path) -> Result<RunSpec, LabError> {
        let damaged = |e: serde_json::Error| CertificateProblem::Damaged { what: format!("{}: {e}", self.name) };
        let mut spec: RunSpec =
            serde_json::from_value(self.spec.clone()).map_err(|e| LabError::certificate(path, damaged(e)))?;
        spec.resolve();
        let found = spec.hash();
        if found != self.spec_hash {
            let (name, certified, version) = (self.name.clone(), self.spec_hash.clone(), self.version.clone());
            let problem = CertificateProblem::OtherMeaning { name, found, certified, version };
            return Err(LabError::certificate(path, problem));
        }
        spec.validate().map_err(|e| LabError::spec(&self.name, e.into()))?;
        Ok(spec)
    }
}

/// What of a spec is not as it is by default. Items of a file are known by their digest; those that are built in have
/// their name, too.
pub(super) fn of_spec(spec: &RunSpec) -> Value {
    let mut value: Value = serde_json::from_str(&spec.canonical()).expect("the canonical form is JSON");
    let built_in = spec.task.family().items().filter(|items| items.file.starts_with(BUILT_IN_PREFIX));
    if let Some(items) = built_in {
        value["task"][&spec.facts().family]["items"]["file"] = items.file.clone().into();
    }
    value
}
