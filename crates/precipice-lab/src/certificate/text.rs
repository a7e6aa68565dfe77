//! The file: one JSON object with a check of itself, the same bytes for the same runs.

use std::path::Path;

use precipice::model::Params;
use precipice::spec::RunSpec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{CertificateProblem, LabError};
use crate::input::file;
use crate::input::items::BUILT_IN_PREFIX;
use crate::input::spec_file::{self, Changes};
use crate::store::{RunOutcome, seal};

/// Version of the format.
pub const FORMAT: u32 = 1;

/// Hexadecimal digits of parameters' digests: as many as checks have.
pub const N_DIGITS: usize = 32;

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
    /// BLAKE3 of the parameters' bits: the first [`N_DIGITS`] digits.
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
        // Wider margins would take a quarter of the file.
        let mut text = Vec::new();
        let narrow = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, narrow);
        self.serialize(&mut serializer).expect("a certificate is plain data");
        seal::seal(&String::from_utf8(text).expect("JSON is text"), KIND).0 + "\n"
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

impl State {
    /// Of parameters, and the check of the rows before them.
    pub(super) fn of(step: u64, params: &Params<f32>, log: String) -> Self {
        let mut params = params.digest();
        params.truncate(N_DIGITS);
        Self { step, params, log }
    }
}

impl Certified {
    /// The spec that the run had, which must have its address still.
    ///
    /// # Errors
    /// If it cannot be read here, or means something else.
    pub fn spec(&self, path: &Path) -> Result<RunSpec, LabError> {
        let origin = format!("{}: {}", path.display(), self.name);
        let spec = spec_file::of_json(&origin, &self.spec, &Changes::default())?;
        let found = spec.hash();
        if found != self.spec_hash {
            let (name, certified, version) = (self.name.clone(), self.spec_hash.clone(), self.version.clone());
            let problem = CertificateProblem::OtherMeaning { name, found, certified, version };
            return Err(LabError::certificate(path, problem));
        }
        Ok(spec)
    }
}

/// What of a spec, and of those that a branch begins with, is not as it is by default, fields that follow from others
/// left out. Items of a file are known by their digest; those that are built in by their name, too.
pub(super) fn of_spec(spec: &RunSpec) -> Value {
    let mut spec = spec.clone();
    spec.unresolve();
    spec.description.clear();
    let items = spec.task.family_mut().items_mut().filter(|items| items.digest.is_some());
    if let Some(items) = items.filter(|items| !items.file.starts_with(BUILT_IN_PREFIX)) {
        items.file.clear();
    }
    let json = |spec: &RunSpec| serde_json::to_value(spec).expect("a spec is plain data");
    let mut default = RunSpec::default();
    if let Some(task) = spec.task.default_of_family() {
        default.task = task;
    }
    let mut value = json(&spec);
    let is_of_another_family = json(&default)["task"] == value["task"] && default.task != RunSpec::default().task;
    drop_defaults(&mut value, &json(&default));
    if is_of_another_family {
        // Which task it is would be lost with its fields.
        let family = spec.facts().family;
        value["task"] = Value::Object([(family, Value::Object(Map::new()))].into_iter().collect());
    }
    if let Some(branch) = &spec.branch {
        value["branch"]["parent"] = of_spec(&branch.parent);
        for (idx, graft) in branch.graft.iter().enumerate() {
            value["branch"]["graft"][idx]["run"] = of_spec(&graft.run);
        }
    }
    value
}

/// The digest of the items of a file that a run takes, or that those take that a branch begins with; all must take the same.
///
/// # Errors
/// If several files would have to be named.
pub(super) fn items_of_a_file(path: &Path, spec: &RunSpec) -> Result<Option<String>, LabError> {
    let mut digests = Vec::new();
    collect_digests(spec, &mut digests);
    digests.sort();
    digests.dedup();
    if digests.len() > 1 {
        let (name, n_files) = (spec.name.clone(), digests.len());
        return Err(LabError::certificate(path, CertificateProblem::SeveralItems { name, n_files }));
    }
    Ok(digests.pop())
}

fn collect_digests(spec: &RunSpec, digests: &mut Vec<String>) {
    let of_file = spec.task.family().items().filter(|items| !items.file.starts_with(BUILT_IN_PREFIX));
    digests.extend(of_file.map(|items| items.digest.clone().unwrap_or_default()));
    let origins = spec.branch.iter().flat_map(|branch| branch.origins());
    origins.for_each(|(origin, _)| collect_digests(origin, digests));
}

/// Removes what is absent or equal to the default's.
fn drop_defaults(value: &mut Value, default: &Value) {
    let Some(fields) = value.as_object_mut() else { return };
    fields.retain(|name, field| !field.is_null() && default.get(name) != Some(field));
    // Of an optimizer not every field has a default.
    for (name, field) in fields.iter_mut().filter(|(name, _)| *name != "optimizer") {
        drop_defaults(field, default.get(name).unwrap_or(&Value::Null));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::spec_file::{BUILT_INS, load};

    fn certified(spec: &RunSpec) -> Certified {
        Certified {
            name: spec.name.clone(),
            spec_hash: spec.hash(),
            spec: of_spec(spec),
            arithmetic: "portable".to_owned(),
            version: "0".to_owned(),
            outcome: RunOutcome::None,
            t50: None,
            steps: 0,
            rows: 0,
            states: Vec::new(),
        }
    }

    /// Fields that are left out, those that follow from others among them, come back as they were.
    #[test]
    fn every_built_in_spec_is_found_again() {
        let path = Path::new("certificate");
        for (name, _) in BUILT_INS {
            let spec = load(name, &Changes::default()).unwrap();
            let again = certified(&spec);
            let length = again.spec.to_string().len();
            assert!(length < 900, "{name}: {length}");
            assert_eq!(again.spec(path).unwrap_or_else(|e| panic!("{e}: {}", again.spec)).hash(), spec.hash());
        }
        for task in ["copying", "classification", "regression", "relation"] {
            let text = format!("name = 'default'\n[task.{task}]\n[probes]\nenabled = false");
            let text = if task == "regression" {
                text + "\n[model]\nattention = ['linear']\nd_buffer = 0\noutput_projection = true"
            } else {
                text
            };
            let spec = spec_file::of_text("default", &text, &Changes::default()).unwrap();
            assert_eq!(certified(&spec).spec(path).unwrap().hash(), spec.hash(), "{task}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
        let certificate = Certificate::of(vec![certified(&spec)]);
        let (path, text) = (Path::new("certificate"), certificate.to_text());
        assert_eq!(Certificate::parse(path, &text).unwrap(), certificate);
        // A file that went through a mail or another system's editor.
        assert_eq!(Certificate::parse(path, &(text.trim_end().to_owned() + "\r\n")).unwrap(), certificate);
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Certificate::parse(path, &String::from_utf8(bytes).unwrap()).is_err(), "byte {at}");
        }
        let told = |certified: Certified| certified.spec(path).unwrap_err().to_string();
        assert!(
            told(Certified { spec_hash: "0".repeat(64), ..certified(&spec) }).contains("has changed since version 0")
        );
        let unknown = serde_json::json!({ "name": "mine", "task": { "reading": {} } });
        assert!(told(Certified { spec: unknown, ..certified(&spec) }).contains("certificate: mine"));
    }
}
