//! Specs: all settings of a run.

use std::collections::BTreeMap;

use precipice::spec::{RunSpec, TaskSpec};
use precipice::task::{Facts, OwnSpec};
use precipice_lab::input::spec_file::{self, BUILT_INS, Changes};
use pyo3::prelude::*;
use serde_json::Value;

use crate::error;

/// All settings of a run, resolved and valid.
#[pyclass(frozen, module = "precipice._native")]
#[derive(Clone)]
pub(crate) struct Spec(pub(crate) RunSpec);

#[pymethods]
impl Spec {
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    #[getter]
    fn hash(&self) -> String {
        self.0.hash()
    }

    #[getter]
    fn steps(&self) -> u64 {
        self.0.train.steps
    }

    #[getter]
    fn toml(&self) -> String {
        spec_file::to_toml(&self.0)
    }

    /// All fields, as JSON.
    #[getter]
    fn json(&self) -> String {
        let mut spec = self.0.clone();
        spec.resolve();
        serde_json::to_string(&spec).expect("a spec is plain data")
    }

    /// What its task says of itself, as JSON.
    #[getter]
    fn facts(&self) -> String {
        serde_json::to_string(&self.0.facts()).expect("facts are plain data")
    }

    /// The same with changes: `[(key, value as JSON)]`.
    fn changed(&self, changes: Vec<(String, String)>) -> PyResult<Spec> {
        let changes = Changes { overrides: overrides(changes)?, ..Changes::default() };
        // Widths that were left to be filled in follow what is changed.
        let mut spec = self.0.clone();
        spec.unresolve();
        let spec = serde_json::to_value(&spec).expect("a spec is plain data");
        spec_file::of_json(&self.0.name, &spec, &changes).map(Spec).map_err(error::lab)
    }

    /// The same network and training on a task that is written in Python: facts and parameters as JSON.
    fn with_task(&self, facts: &str, parameters: &str) -> PyResult<Spec> {
        let facts: Facts = serde_json::from_str(facts).map_err(|e| error::other(format!("facts of the task: {e}")))?;
        let parameters: BTreeMap<_, _> = serde_json::from_str(parameters).map_err(|e| {
            error::value("parameters", parameters, format!("each must be a bool, a number or a str: {e}"))
        })?;
        let task = TaskSpec::Own(OwnSpec { parameters, facts });
        let mut spec = RunSpec { task, ..self.0.clone() };
        // The same here: the widths of the old task must not stay.
        spec.unresolve();
        spec.validate().map_err(error::told)?;
        spec.resolve();
        spec.validate_use().map_err(error::told)?;
        Ok(Spec(spec))
    }

    fn __eq__(&self, other: &Spec) -> bool {
        self.0.hash() == other.0.hash()
    }

    fn __hash__(&self) -> u64 {
        u64::from_str_radix(&self.0.hash()[..16], 16).unwrap_or_default()
    }
}

/// Names and descriptions of the built-in specs.
#[pyfunction]
pub(crate) fn specs() -> Vec<(&'static str, String)> {
    let described = |(name, _): &(&'static str, _)| {
        let spec = spec_file::load(name, &Changes::default()).expect("built-in specs are valid");
        (*name, spec.description)
    };
    BUILT_INS.iter().map(described).collect()
}

/// A spec by its built-in name, the path of a file or a run directory, or its text, as TOML or JSON; with changes.
#[pyfunction]
#[pyo3(signature = (source, is_text, changes, seed, steps))]
pub(crate) fn resolve(
    source: &str,
    is_text: bool,
    changes: Vec<(String, String)>,
    seed: Option<u64>,
    steps: Option<u64>,
) -> PyResult<Spec> {
    let changes = Changes { overrides: overrides(changes)?, seed, steps };
    let spec = match serde_json::from_str::<Value>(source) {
        Ok(spec @ Value::Object(_)) if is_text => spec_file::of_json("the spec", &spec, &changes),
        _ if is_text => spec_file::of_text("the spec", source, &changes),
        _ => spec_file::load(source, &changes),
    };
    spec.map(Spec).map_err(error::lab)
}

/// `key=value` as the command line takes it.
pub(crate) fn overrides(changes: Vec<(String, String)>) -> PyResult<Vec<String>> {
    let of = |(key, value): (String, String)| {
        let value: Value = serde_json::from_str(&value).map_err(error::other)?;
        spec_file::override_of(&key, &value).map_err(error::lab)
    };
    changes.into_iter().map(of).collect()
}
