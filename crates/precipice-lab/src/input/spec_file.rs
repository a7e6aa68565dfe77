//! Specs from built-ins, TOML files and `key=value` overrides.

use std::path::Path;

use precipice::spec::RunSpec;
use toml::{Table, Value};

pub use super::built_in::{BUILT_IN_SWEEPS, BUILT_INS};
use super::change::Assignment;
use super::told::{deserialize, problem_of, table_of};
pub use super::told::{nearest, nearest_beside};
use super::{built_in, fields, file};
use crate::error::{LabError, SpecProblem, excerpt};

/// What the command line changes in a spec. Where two name one field, an override counts, and the later of two.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// `key.sub=value`, in order.
    pub overrides: Vec<String>,
    /// All four seeds.
    pub seed: Option<u64>,
    /// `train.steps`.
    pub steps: Option<u64>,
}

impl Changes {
    /// The options that stand for fields, then the overrides, which count more.
    pub(crate) fn assignments(&self) -> Result<Vec<Assignment>, LabError> {
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let seeds = self.seed.map(|seed| {
            let all = ["world", "init", "data", "eval"].map(|name| (name.to_owned(), number(seed)));
            Assignment::of(format!("--seed {seed}"), &["seeds"], Table::from_iter(all))
        });
        let steps =
            self.steps.map(|steps| Assignment::of(format!("--steps {steps}"), &["train", "steps"], number(steps)));
        let options = seeds.into_iter().chain(steps).map(Ok);
        options.chain(self.overrides.iter().map(|text| Assignment::parse("-s", text))).collect()
    }
}

/// Reads a built-in or a file, applies the changes, and validates.
///
/// # Errors
/// Naming the file and line, or the override, that cannot be used.
///
/// ```
/// use precipice_lab::input::spec_file::{Changes, load};
/// let overrides = vec!["task.copying.n_labels=16".to_owned(), "seeds.data=3".to_owned()];
/// let spec = load("copying-small", &Changes { overrides, seed: Some(7), steps: Some(2) })?;
/// assert_eq!((spec.facts().n_labels(), spec.train.steps), (16, 2));
/// assert_eq!((spec.seeds.init, spec.seeds.data), (7, 3), "what is set counts more than what is short for it");
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn load(name_or_path: &str, changes: &Changes) -> Result<RunSpec, LabError> {
    load_with(name_or_path, &changes.assignments()?)
}

/// The same with fields that were set here and there; later ones count.
pub(crate) fn load_with(name_or_path: &str, assignments: &[Assignment]) -> Result<RunSpec, LabError> {
    let built_in = BUILT_INS.iter().find(|(name, _)| *name == name_or_path);
    let (text, folder) = match built_in {
        Some((_, text)) => ((*text).to_owned(), None),
        None => (read(name_or_path)?, Path::new(name_or_path).parent().map(Path::to_owned)),
    };
    load_text(name_or_path, &text, folder.as_deref(), assignments)
}

/// The same of a text that stands in a file of a folder, or in none.
pub(crate) fn load_text(
    origin: &str,
    text: &str,
    folder: Option<&Path>,
    assignments: &[Assignment],
) -> Result<RunSpec, LabError> {
    let mut spec = changed(origin, text, assignments)?;
    anchor_items(&mut spec, folder, assignments)?;
    usable(origin, spec)
}

/// The spec of a text that was read elsewhere, with the changes, validated; `origin` is what errors call it. Where it
/// takes items from a file, their path is left as it is.
///
/// # Errors
/// As [`load`].
///
/// ```
/// use precipice_lab::input::spec_file::{Changes, of_text, to_toml};
/// let changes = Changes { seed: Some(3), ..Changes::default() };
/// let spec = of_text("typed", "name = 'mine'\n[task.copying]\nn_labels = 16", &changes)?;
/// assert_eq!((spec.facts().n_labels(), spec.seeds.init), (16, 3));
/// assert!(of_text("typed", "name = 'mine'\n[task.copying]\nlabels = 16", &changes).is_err());
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn of_text(origin: &str, text: &str, changes: &Changes) -> Result<RunSpec, LabError> {
    usable(origin, changed(origin, text, &changes.assignments()?)?)
}

/// A spec that is made of another one, with the changes, validated. Items that are named anew are found from the current
/// folder, and are not held against the digest of those that were there.
///
/// # Errors
/// As [`load`].
///
/// ```
/// use precipice_lab::input::spec_file::{Changes, load, of_spec};
/// let spec = load("copying-small", &Changes::default())?;
/// let changes = Changes { overrides: vec!["train.batch_size=32".to_owned()], ..Changes::default() };
/// assert_eq!(of_spec(&spec, &changes)?.train.batch_size, 32);
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn of_spec(spec: &RunSpec, changes: &Changes) -> Result<RunSpec, LabError> {
    let (assignments, before) = (changes.assignments()?, spec.task.family().items().map(|items| items.file.clone()));
    let mut spec = changed(&spec.name, &to_toml(spec), &assignments)?;
    if let Some(items) = spec.task.family_mut().items_mut().filter(|items| before != Some(items.file.clone())) {
        let is_digest = |assignment: &Assignment| assignment.path.last().is_some_and(|name| name == "digest");
        items.digest = items.digest.take().filter(|_| assignments.iter().any(is_digest));
        anchor_items(&mut spec, None, &assignments)?;
    }
    let name = spec.name.clone();
    usable(&name, spec)
}

/// The same of a spec as JSON has it.
///
/// # Errors
/// As [`load`], or if there is a null, which TOML does not have.
///
/// ```
/// use precipice_lab::input::spec_file::{Changes, of_json};
/// let spec = serde_json::json!({ "name": "mine", "task": { "copying": { "n_labels": 16 } } });
/// assert_eq!(of_json("a dict", &spec, &Changes::default())?.facts().n_labels(), 16);
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn of_json(origin: &str, spec: &serde_json::Value, changes: &Changes) -> Result<RunSpec, LabError> {
    let text =
        toml::to_string(spec).map_err(|e| LabError::spec(origin, SpecProblem::Syntax { message: e.to_string() }))?;
    of_text(origin, &text, changes)
}

/// `key.sub=value` as it is typed, of a value as JSON has it.
///
/// # Errors
/// If there is a null, which TOML does not have.
///
/// ```
/// use precipice_lab::input::spec_file::override_of;
/// let clamps = serde_json::json!([{ "layer": 0, "pattern": "previous-token" }]);
/// assert_eq!(override_of("model.clamps", &clamps)?, r#"model.clamps=[{ layer = 0, pattern = "previous-token" }]"#);
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn override_of(key: &str, value: &serde_json::Value) -> Result<String, LabError> {
    let syntax = |e: toml::ser::Error| LabError::spec(key, SpecProblem::Syntax { message: e.to_string() });
    Value::try_from(value).map(|value| format!("{key}={value}")).map_err(syntax)
}

fn changed(origin: &str, text: &str, assignments: &[Assignment]) -> Result<RunSpec, LabError> {
    let table = table_of(origin, text)?;
    if is_sweep(&table) {
        return Err(LabError::spec(origin, SpecProblem::IsASweep { name: excerpt(origin) }));
    }
    if let Some(Assignment { origin, .. }) = assignments.iter().find(|assignment| assignment.path[0] == "branch") {
        return Err(LabError::spec(origin, SpecProblem::BeginningIsFixed));
    }
    let spec = deserialize(origin, text, table.clone())?;
    if assignments.is_empty() { Ok(spec) } else { apply(table, assignments) }
}

fn usable(origin: &str, spec: RunSpec) -> Result<RunSpec, LabError> {
    let spec = finish(origin, spec)?;
    spec.validate_use().map_err(|e| LabError::spec(origin, e.into()))?;
    Ok(spec)
}

/// Whether a TOML file is a sweep and not a spec.
pub(crate) fn is_sweep(table: &Table) -> bool {
    table.contains_key("grid") || table.contains_key("spec")
}

/// The resolved spec that a run directory holds; `origin` is where the text stands.
///
/// # Errors
/// If it is no spec.
pub fn parse_stored(origin: &str, text: &str) -> Result<RunSpec, LabError> {
    finish(origin, deserialize(origin, text, table_of(origin, text)?)?)
}

/// The TOML of a spec with every default filled in.
///
/// ```
/// use precipice_lab::input::spec_file::{Changes, load, to_toml};
/// let spec = load("copying-small", &Changes::default())?;
/// assert!(to_toml(&spec).contains("n_exemplars = 4"));
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn to_toml(spec: &RunSpec) -> String {
    let mut spec = spec.clone();
    spec.resolve();
    toml::to_string(&spec).expect("a spec is plain data")
}

fn finish(origin: &str, mut spec: RunSpec) -> Result<RunSpec, LabError> {
    spec.validate().map_err(|e| LabError::spec(origin, e.into()))?;
    spec.resolve();
    Ok(spec)
}

fn read(path: &str) -> Result<String, LabError> {
    let error = |problem| LabError::spec(path, problem);
    let place = Path::new(path);
    if !place.exists() {
        if built_in::sweep(path).is_some() {
            return Err(error(SpecProblem::IsASweep { name: path.to_owned() }));
        }
        let there_are = BUILT_INS.map(|(name, _)| name).to_vec();
        let beside = nearest_beside(place).map(|path| path.display().to_string());
        let names = there_are.iter().copied().chain(beside.as_deref());
        let nearest = nearest(path, names).map(str::to_owned);
        return Err(error(SpecProblem::Unknown { nearest, there_are }));
    }
    // The directory of a run stands for what was run.
    let of_run = place.join("spec.toml");
    let text = if of_run.is_file() { text_of(&of_run.display().to_string())? } else { text_of(path)? };
    if text.starts_with('{') { of_certificate(path, &text) } else { Ok(text) }
}

/// A certificate of one run stands for what was run, too.
fn of_certificate(path: &str, text: &str) -> Result<String, LabError> {
    let syntax = |message: String| LabError::spec(path, SpecProblem::Syntax { message });
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| syntax(e.to_string()))?;
    let runs = value.get("runs").and_then(serde_json::Value::as_array);
    let spec = match runs.map(Vec::as_slice) {
        Some([run]) => run.get("spec"),
        Some(_) => return Err(syntax("is a certificate of several runs; expected one of a single run".to_owned())),
        None => None,
    };
    let spec = spec.ok_or_else(|| syntax("is JSON; expected TOML, or the certificate of a run".to_owned()))?;
    toml::to_string(spec).map_err(|e| syntax(e.to_string()))
}

/// The text of a spec or a sweep.
pub(crate) fn text_of(path: &str) -> Result<String, LabError> {
    let error = |problem| LabError::spec(path, problem);
    let bytes = file::bytes(Path::new(path), file::TEXT_MAX, "a spec").map_err(|problem| error(problem.into()))?;
    let text = String::from_utf8(bytes).map_err(|_| error(SpecProblem::NotText))?;
    if text.trim().is_empty() {
        return Err(error(SpecProblem::Empty));
    }
    Ok(text)
}

fn apply(table: Table, assignments: &[Assignment]) -> Result<RunSpec, LabError> {
    let (mut changed, mut first_at_fault) = (table, None);
    for Assignment { origin, path, value } in assignments {
        let error = |problem| LabError::spec(origin, problem);
        set(&mut changed, path, value.clone()).map_err(error)?;
        // A field may still be missing here because a later override gives it.
        let problem = from_table(&changed).err().filter(|problem| !matches!(problem, SpecProblem::MissingField { .. }));
        first_at_fault = first_at_fault.or_else(|| problem.map(error));
    }
    match (from_table(&changed), first_at_fault) {
        (Ok(spec), _) => Ok(spec),
        (Err(_), Some(error)) => Err(error),
        (Err(problem), None) => {
            let origins: Vec<&str> = assignments.iter().map(|assignment| assignment.origin.as_str()).collect();
            Err(LabError::spec(&origins.join(" "), problem))
        }
    }
}

fn from_table(table: &Table) -> Result<RunSpec, SpecProblem> {
    fields::read(table.clone()).map_err(|e| problem_of::<RunSpec>(e, table))
}

fn set(table: &mut Table, path: &[String], value: Value) -> Result<(), SpecProblem> {
    let [head, rest @ ..] = path else { return Err(SpecProblem::NoKey) };
    if rest.is_empty() {
        table.insert(head.clone(), value);
        return Ok(());
    }
    let entry = table.entry(head.clone()).or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(inner) = entry else { return Err(SpecProblem::IsAValue { key: head.clone() }) };
    // A choice holds one variant: naming another one replaces it.
    if head == "optimizer" && !inner.contains_key(&rest[0]) {
        inner.clear();
    }
    set(inner, rest, value)
}

/// Makes the path of items absolute, so that the stored spec works from any folder. In a spec file
/// it is relative to the file, on the command line to the current folder.
fn anchor_items(spec: &mut RunSpec, folder: Option<&Path>, assignments: &[Assignment]) -> Result<(), LabError> {
    let family = spec.facts().family;
    let is_items = |assignment: &Assignment| {
        let path: Vec<&str> = assignment.path.iter().map(String::as_str).collect();
        let file = ["task", &family, "items", "file"];
        path[..] == file || path[..] == file[..3] || path[..] == file[..2] || path[..] == file[..1]
    };
    // Runs that a branch begins with are not changed from the command line.
    for origin in spec.branch.iter_mut().flat_map(|branch| branch.origins_mut()) {
        anchor_items(origin, folder, &[])?;
    }
    let Some(items) = spec.task.family_mut().items_mut() else { return Ok(()) };
    if items.file.starts_with(crate::input::items::BUILT_IN_PREFIX) {
        return Ok(());
    }
    let folder = folder.filter(|_| !assignments.iter().any(is_items)).unwrap_or(Path::new(""));
    let path = folder.join(&items.file);
    let absolute = std::path::absolute(&path).map_err(LabError::io("find", &path))?;
    items.file = absolute.display().to_string();
    Ok(())
}
