//! Specs from built-ins, TOML files and `key=value` overrides.

use std::fs;
use std::path::{Path, PathBuf};

use precipice::spec::{RunSpec, Seeds, TaskSpec};
use toml::{Table, Value};

use crate::error::LabError;

/// A built-in experiment: its name and its TOML.
pub const BUILT_INS: [(&str, &str); 5] = [
    ("copying", include_str!("../../../specs/copying.toml")),
    ("copying-small", include_str!("../../../specs/copying-small.toml")),
    ("copying-no-curriculum", include_str!("../../../specs/copying-no-curriculum.toml")),
    ("han", include_str!("../../../specs/han.toml")),
    ("han-small", include_str!("../../../specs/han-small.toml")),
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
    if let Some(folder) = folder {
        anchor_items(&mut spec, &folder, changes);
    }
    if let Some(seed) = changes.seed {
        spec.seeds = Seeds::all(seed);
    }
    if let Some(steps) = changes.steps {
        spec.train.steps = steps;
    }
    finish(name_or_path, spec)
}

/// Reads the resolved spec of a run directory.
///
/// # Errors
/// If it is missing or damaged.
pub fn load_stored(path: &Path) -> Result<RunSpec, LabError> {
    let text = fs::read_to_string(path).map_err(LabError::io("read", path))?;
    let origin = path.display().to_string();
    finish(&origin, parse(&origin, &text)?)
}

/// The TOML of a spec with every default filled in.
pub fn to_toml(spec: &RunSpec) -> String {
    let mut spec = spec.clone();
    spec.resolve();
    toml::to_string(&spec).expect("a spec is plain data")
}

fn finish(origin: &str, mut spec: RunSpec) -> Result<RunSpec, LabError> {
    spec.validate().map_err(|e| LabError::Spec { origin: origin.to_owned(), problem: e.to_string() })?;
    check_memory(origin, &spec)?;
    spec.resolve();
    Ok(spec)
}

fn read(path: &str) -> Result<String, LabError> {
    let error = |problem: String| LabError::Spec { origin: path.to_owned(), problem };
    let file = Path::new(path);
    if file.is_dir() {
        return Err(error("is a directory; expected a TOML file or a built-in spec".to_owned()));
    }
    if !file.exists() {
        let names = BUILT_INS.map(|(name, _)| name);
        let hint = nearest(path, names.into_iter()).map_or(String::new(), |name| format!("; did you mean {name:?}?"));
        return Err(error(format!("no such built-in spec or file{hint} Built-in specs: {}", names.join(", "))));
    }
    let bytes = fs::read(file).map_err(LabError::io("read", file))?;
    let text = String::from_utf8(bytes).map_err(|_| error("is not a text file; expected TOML".to_owned()))?;
    if text.trim().is_empty() {
        return Err(error(
            "is empty; expected a TOML spec like the one that `precipice show copying` prints".to_owned(),
        ));
    }
    Ok(text)
}

fn parse(origin: &str, text: &str) -> Result<RunSpec, LabError> {
    toml::from_str(text).map_err(|e| toml_error(origin, &e))
}

fn toml_error(origin: &str, error: &toml::de::Error) -> LabError {
    let text = error.to_string();
    let hint = suggestion(error.message());
    LabError::Spec { origin: origin.to_owned(), problem: format!("{}{hint}", text.trim_end()) }
}

/// The nearest of the names that serde says it expected.
fn suggestion(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let [found, expected @ ..] = &quoted[..] else { return String::new() };
    match nearest(found, expected.iter().copied()) {
        Some(name) if message.starts_with("unknown") => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}

/// The most similar name, if any is similar.
pub fn nearest<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.map(|name| (strsim::jaro_winkler(found, name), name));
    scored.filter(|(score, _)| *score > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

fn apply(mut table: Table, overrides: &[String]) -> Result<RunSpec, LabError> {
    for text in overrides {
        let error = |problem: &str| LabError::Spec { origin: format!("-s {text}"), problem: problem.to_owned() };
        let (key, value) = text.split_once('=').ok_or_else(|| error("expected key.sub=value"))?;
        let path: Vec<&str> = key.trim().split('.').collect();
        if path.iter().any(|part| part.is_empty()) {
            return Err(error("expected key.sub=value with no empty part in the key"));
        }
        set(&mut table, &path, parse_value(value.trim())).map_err(|problem| error(&problem))?;
        // Checked one by one, so that the error names the override at fault.
        from_table(&table).map_err(|problem| error(&problem))?;
    }
    from_table(&table).map_err(|problem| LabError::Spec { origin: "-s".to_owned(), problem })
}

fn from_table(table: &Table) -> Result<RunSpec, String> {
    serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|e| {
        let message = e.inner().message().to_owned();
        let hint = suggestion(&message);
        format!("{}: {message}{hint}", e.path())
    })
}

/// A TOML value, or else a string, so that `model.readout=mlp` needs no quotes.
fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, path: &[&str], value: Value) -> Result<(), String> {
    let [head, rest @ ..] = path else { return Err("expected a key".to_owned()) };
    if rest.is_empty() {
        table.insert((*head).to_owned(), value);
        return Ok(());
    }
    let entry = table.entry((*head).to_owned()).or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(inner) = entry else { return Err(format!("{head} is a value, not a table")) };
    // A choice holds one variant: naming another one replaces it.
    if *head == "optimizer" && !inner.contains_key(rest[0]) {
        inner.clear();
    }
    set(inner, rest, value)
}

/// Paths in a spec file are relative to the file; paths on the command line to the current folder.
fn anchor_items(spec: &mut RunSpec, folder: &Path, changes: &Changes) {
    let from_command_line = changes.overrides.iter().any(|text| text.starts_with("task.copying.items"));
    let TaskSpec::Copying(copying) = &mut spec.task;
    let Some(items) = &mut copying.items else { return };
    let is_relative = !items.file.starts_with(crate::items::BUILT_IN_PREFIX) && Path::new(&items.file).is_relative();
    if is_relative && !from_command_line {
        let path: PathBuf = folder.join(&items.file);
        items.file = path.display().to_string();
    }
}

fn check_memory(origin: &str, spec: &RunSpec) -> Result<(), LabError> {
    let (need, have) = (spec.memory_bytes(), memory_of_machine());
    if need <= have {
        return Ok(());
    }
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    let problem = format!(
        "the run would need about {:.1} GiB of memory, and this machine has {:.1} GiB; \
         make d_item, d_pos, n_layers, n_exemplars or n_labels smaller",
        gib(need),
        gib(have)
    );
    Err(LabError::Spec { origin: origin.to_owned(), problem })
}

/// Bytes of main memory, or 64 GiB where the system does not say.
fn memory_of_machine() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map_or(64.0 * f64::from(1 << 30), |kib| kib * 1024.0)
}
