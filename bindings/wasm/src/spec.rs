//! Built-in experiments, and changes to them in the words of the command line.

use precipice::memory::Memory;
use precipice::spec::RunSpec;
use precipice_lab::input::spec_file::{BUILT_INS, Changes, load, of_text, to_toml};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::{json, thrown};

/// Bytes that a run may take: a page shares its memory with others.
const MEMORY_MAX: f64 = 1.5e9;

/// A built-in experiment.
#[derive(Serialize)]
struct BuiltIn {
    name: &'static str,
    description: String,
    family: String,
    steps: u64,
}

/// A spec that can be run, and what a page says of it.
#[derive(Serialize)]
struct Resolved {
    name: String,
    hash: String,
    toml: String,
    spec: RunSpec,
    facts: precipice::task::Facts,
}

/// The built-in experiments, as JSON: `[{name, description, family, steps}]`.
#[wasm_bindgen]
pub fn specs() -> String {
    let built_in = |(name, _): &(&'static str, _)| {
        let spec = load(name, &Changes::default()).expect("built-in specs are valid");
        BuiltIn { name, family: spec.facts().family, steps: spec.train.steps, description: spec.description }
    };
    json(&BUILT_INS.iter().map(built_in).collect::<Vec<_>>())
}

/// A built-in experiment by its name, or the text of a spec, with `key=value` changes (a JSON list) in order. As JSON:
/// `{name, hash, toml, spec, facts}`.
///
/// # Errors
/// As the command line says them: which field, its value, what was expected.
#[wasm_bindgen]
pub fn resolve(name_or_toml: &str, changes: &str) -> Result<String, JsError> {
    let spec = read(name_or_toml, changes).map_err(thrown)?;
    Ok(json(&Resolved { name: spec.name.clone(), hash: spec.hash(), toml: to_toml(&spec), facts: spec.facts(), spec }))
}

/// The spec, if it can be run here.
pub(crate) fn read(name_or_toml: &str, changes: &str) -> Result<RunSpec, String> {
    let overrides: Vec<String> = serde_json::from_str(changes).map_err(|e| format!("changes: {e}"))?;
    let changes = Changes { overrides, ..Changes::default() };
    let is_text = name_or_toml.contains(['\n', '=']);
    let spec = if is_text { of_text("the spec", name_or_toml, &changes) } else { load(name_or_toml, &changes) };
    let spec = spec.map_err(|e| e.to_string())?;
    let bytes = Memory::of(&spec, 1).peak();
    if bytes > MEMORY_MAX {
        let (need, have) = (bytes / 1e9, MEMORY_MAX / 1e9);
        return Err(format!(
            "the run needs {need:.1} GB, and a page gives it at most {have} GB; the command line has no such limit"
        ));
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_is_listed_and_read() {
        let listed: serde_json::Value = serde_json::from_str(&specs()).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), BUILT_INS.len());
        for (name, _) in BUILT_INS {
            assert_eq!(read(name, "[]").unwrap().hash(), load(name, &Changes::default()).unwrap().hash());
        }
    }

    #[test]
    fn changes_count_and_faults_are_said_in_the_command_line_s_words() {
        assert_eq!(read("copying-small", r#"["train.steps=7"]"#).unwrap().train.steps, 7);
        let toml = to_toml(&read("copying-small", "[]").unwrap());
        assert_eq!(read(&toml, r#"["train.steps=7"]"#).unwrap().train.steps, 7);
        assert!(read("copying-small", r#"["train.stebs=7"]"#).unwrap_err().contains("steps"));
        assert!(read("copyin", "[]").unwrap_err().contains("did you mean"));
        assert!(read("copying", r#"["task.copying.n_exemplars=20000","task.copying.n_labels=20000"]"#).is_err());
    }
}
