//! Specs from built-ins, TOML files and `key=value` overrides.

use std::fs;
use std::path::Path;

use precipice::spec::{RunSpec, Seeds};
use toml::{Table, Value};

use crate::error::{LabError, SpecProblem};

/// A built-in experiment: its name and its TOML.
pub const BUILT_INS: [(&str, &str); 18] = [
    ("copying", include_str!("../../../../specs/copying.toml")),
    ("copying-small", include_str!("../../../../specs/copying-small.toml")),
    ("copying-no-curriculum", include_str!("../../../../specs/copying-no-curriculum.toml")),
    ("minimal-head", include_str!("../../../../specs/minimal-head.toml")),
    ("regression", include_str!("../../../../specs/regression.toml")),
    ("regression-two-layers", include_str!("../../../../specs/regression-two-layers.toml")),
    ("regression-rank-one", include_str!("../../../../specs/regression-rank-one.toml")),
    ("regression-stream", include_str!("../../../../specs/regression-stream.toml")),
    ("regression-sine", include_str!("../../../../specs/regression-sine.toml")),
    ("classification", include_str!("../../../../specs/classification.toml")),
    ("classification-fast", include_str!("../../../../specs/classification-fast.toml")),
    ("classification-minimal", include_str!("../../../../specs/classification-minimal.toml")),
    ("classification-han", include_str!("../../../../specs/classification-han.toml")),
    ("relation-marries", include_str!("../../../../specs/relation-marries.toml")),
    ("relation-order", include_str!("../../../../specs/relation-order.toml")),
    ("relation-mixed", include_str!("../../../../specs/relation-mixed.toml")),
    ("han", include_str!("../../../../specs/han.toml")),
    ("han-small", include_str!("../../../../specs/han-small.toml")),
];

/// What the command line changes in a spec.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// `key.sub=value`, in order.
    pub overrides: Vec<String>,
    /// All four seeds.
    pub seed: Option<u64>,
    /// `train.steps`.
    pub steps: Option<u64>,
}

/// Reads a built-in or a file, applies the changes, and validates.
///
/// # Errors
/// Naming the file and line, or the override, that cannot be used.
///
/// ```
/// use precipice_lab::input::spec_file::{Changes, load};
/// let overrides = vec!["task.copying.n_labels=16".to_owned()];
/// let spec = load("copying-small", &Changes { overrides, seed: Some(7), steps: Some(2) })?;
/// assert_eq!((spec.facts().n_labels(), spec.train.steps, spec.seeds.init), (16, 2, 7));
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn load(name_or_path: &str, changes: &Changes) -> Result<RunSpec, LabError> {
    let built_in = BUILT_INS.iter().find(|(name, _)| *name == name_or_path);
    let (text, folder) = match built_in {
        Some((_, text)) => ((*text).to_owned(), None),
        None => (read(name_or_path)?, Path::new(name_or_path).parent().map(Path::to_owned)),
    };
    let mut spec = parse(name_or_path, &text)?;
    if !changes.overrides.is_empty() {
        let table = text.parse::<Table>().map_err(|e| toml_error(name_or_path, &e))?;
        spec = apply(table, &changes.overrides)?;
    }
    anchor_items(&mut spec, folder.as_deref(), changes)?;
    if let Some(seed) = changes.seed {
        spec.seeds = Seeds::all(seed);
    }
    if let Some(steps) = changes.steps {
        spec.train.steps = steps;
    }
    let spec = finish(name_or_path, spec)?;
    check_memory(name_or_path, &spec)?;
    Ok(spec)
}

/// The resolved spec that a run directory holds; `origin` is where the text stands.
///
/// # Errors
/// If it is no spec.
pub fn parse_stored(origin: &str, text: &str) -> Result<RunSpec, LabError> {
    finish(origin, parse(origin, text)?)
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

/// Whether a name is that of a spec that is part of the program.
pub fn is_built_in(name: &str) -> bool {
    BUILT_INS.iter().any(|(built_in, _)| *built_in == name)
}

fn read(path: &str) -> Result<String, LabError> {
    let error = |problem| LabError::spec(path, problem);
    let file = Path::new(path);
    if file.is_dir() {
        return Err(error(SpecProblem::IsADirectory));
    }
    if !file.exists() {
        let there_are = BUILT_INS.map(|(name, _)| name).to_vec();
        let nearest = nearest(path, there_are.iter().copied()).map(str::to_owned);
        return Err(error(SpecProblem::Unknown { nearest, there_are }));
    }
    let bytes = fs::read(file).map_err(LabError::io("read", file))?;
    let text = String::from_utf8(bytes).map_err(|_| error(SpecProblem::NotText))?;
    if text.trim().is_empty() {
        return Err(error(SpecProblem::Empty));
    }
    Ok(text)
}

fn parse(origin: &str, text: &str) -> Result<RunSpec, LabError> {
    toml::from_str(text).map_err(|e| toml_error(origin, &e))
}

/// A TOML error with the place, and the nearest of the names that were expected.
pub(crate) fn toml_error(origin: &str, error: &toml::de::Error) -> LabError {
    LabError::spec(origin, parsed(error.message(), error.to_string().trim_end().to_owned()))
}

/// The kind of serde's message; `whole` says the place, too.
fn parsed(message: &str, whole: String) -> SpecProblem {
    if message.contains("wanted exactly 1 element") {
        return SpecProblem::NotOneChoice { message: whole };
    }
    if message.contains("missing field") {
        return SpecProblem::MissingField { message: whole };
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match &quoted[..] {
        [found, expected @ ..] if message.starts_with("unknown") => {
            let nearest = nearest(found, expected.iter().copied()).map(str::to_owned);
            SpecProblem::UnknownField { found: (*found).to_owned(), nearest, message: whole }
        }
        _ => SpecProblem::Syntax { message: whole },
    }
}

/// The most similar name, if any is similar.
pub fn nearest<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.map(|name| (strsim::jaro_winkler(found, name), name));
    scored.filter(|(score, _)| *score > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

fn apply(table: Table, overrides: &[String]) -> Result<RunSpec, LabError> {
    let (mut changed, mut first_at_fault) = (table, None);
    for text in overrides {
        let error = |problem| LabError::spec(&format!("-s {text}"), problem);
        let (path, value) = parse_override(text).map_err(error)?;
        set(&mut changed, &path, value).map_err(error)?;
        // A field may still be missing here because a later override gives it.
        let problem = from_table(&changed).err().filter(|problem| !matches!(problem, SpecProblem::MissingField { .. }));
        first_at_fault = first_at_fault.or_else(|| problem.map(error));
    }
    match (from_table(&changed), first_at_fault) {
        (Ok(spec), _) => Ok(spec),
        (Err(_), Some(error)) => Err(error),
        (Err(problem), None) => Err(LabError::spec(&format!("-s {}", overrides.join(" -s ")), problem)),
    }
}

/// The parts of the key, which may be quoted as in TOML, and the value: TOML, or else a string, so
/// that `model.readout=mlp` needs no quotes.
fn parse_override(text: &str) -> Result<(Vec<String>, Value), SpecProblem> {
    let (key, value) = text.split_once('=').ok_or(SpecProblem::NotAnAssignment)?;
    let parsed = format!("{key} = 0").parse::<Table>();
    let mut table = parsed.map_err(|_| SpecProblem::NotAKey { key: key.to_owned() })?;
    let mut path = Vec::new();
    while let Some((name, inner)) = table.into_iter().next() {
        path.push(name);
        table = match inner {
            Value::Table(inner) => inner,
            _ => Table::new(),
        };
    }
    let toml = format!("value = {}", value.trim()).parse::<Table>();
    let toml = toml.ok().and_then(|mut table| table.remove("value"));
    Ok((path, toml.unwrap_or_else(|| Value::String(value.trim().to_owned()))))
}

fn from_table(table: &Table) -> Result<RunSpec, SpecProblem> {
    serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|e| {
        let message = e.inner().message();
        parsed(message, format!("{}: {message}", e.path()))
    })
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
fn anchor_items(spec: &mut RunSpec, folder: Option<&Path>, changes: &Changes) -> Result<(), LabError> {
    let family = spec.facts().family;
    let is_items = |text: &String| {
        let key = text.split('=').next().unwrap_or_default().trim();
        key == format!("task.{family}.items") || key == format!("task.{family}.items.file")
    };
    let Some(items) = spec.task.family_mut().items_mut() else { return Ok(()) };
    if items.file.starts_with(crate::input::items::BUILT_IN_PREFIX) {
        return Ok(());
    }
    let folder = folder.filter(|_| !changes.overrides.iter().any(is_items)).unwrap_or(Path::new(""));
    let path = folder.join(&items.file);
    let absolute = std::path::absolute(&path).map_err(LabError::io("find", &path))?;
    items.file = absolute.display().to_string();
    Ok(())
}

fn check_memory(origin: &str, spec: &RunSpec) -> Result<(), LabError> {
    let (need_bytes, have_bytes) = (precipice::memory::bytes(spec), memory_of_machine());
    if need_bytes <= have_bytes {
        return Ok(());
    }
    Err(LabError::spec(origin, SpecProblem::TooMuchMemory { need_bytes, have_bytes }))
}

/// Bytes of main memory, or 64 GiB where the system does not say.
fn memory_of_machine() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map_or(64.0 * f64::from(1 << 30), |kib| kib * 1024.0)
}
