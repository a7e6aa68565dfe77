//! What tells the runs of several sweeps in one folder apart.

use std::collections::{BTreeMap, BTreeSet};

use precipice::spec::{RunSpec, Seeds};
use serde_json::{Map, Value};
use toml::Table;

use super::grid::as_json;

/// Address of a spec without its seeds: runs that share it differ in nothing else.
pub(super) fn point_of(spec: &RunSpec) -> String {
    RunSpec { seeds: Seeds::default(), ..spec.clone() }.hash()
}

/// The fields of the specs of many runs, each point once.
#[derive(Default)]
pub(super) struct Points {
    fields: BTreeMap<String, Map<String, Value>>,
}

impl Points {
    /// Enters a run's spec; what is returned is its point.
    pub fn enter(&mut self, spec: &RunSpec) -> String {
        let point = point_of(spec);
        self.fields.entry(point.clone()).or_insert_with(|| fields_of(spec));
        point
    }

    /// Adds to the swept fields of each run, beside its point, those in which the specs differ. What a run's own sweep
    /// set stays as it was typed.
    pub fn complete<'a>(&self, runs: impl Iterator<Item = (&'a String, &'a mut Map<String, Value>)>) {
        let differing = self.differing();
        for (point, swept) in runs {
            // Of a table that was swept as a whole the fields stand in its text.
            let is_told = |name: &str| swept.keys().any(|key| name.strip_prefix(key).is_some_and(is_inside));
            let untold: Vec<&String> = differing.iter().filter(|name| !is_told(name)).collect();
            for name in untold {
                if let Some(value) = self.fields[point].get(name) {
                    swept.insert(name.clone(), value.clone());
                }
            }
        }
    }

    /// Names of fields that are not the same in all points.
    fn differing(&self) -> BTreeSet<String> {
        let Some(first) = self.fields.values().next() else { return BTreeSet::new() };
        let names = self.fields.values().flat_map(Map::keys).collect::<BTreeSet<_>>();
        let differs = |name: &&String| self.fields.values().any(|fields| fields.get(*name) != first.get(*name));
        names.into_iter().filter(differs).cloned().collect()
    }
}

/// Of each of these specs the fields in which they differ.
pub(super) fn differences(specs: &[&RunSpec]) -> Vec<Map<String, Value>> {
    let all: Vec<Map<String, Value>> = specs.iter().map(|spec| fields_of(spec)).collect();
    let differs = |name: &String| all.iter().any(|fields| fields.get(name) != all[0].get(name));
    let of = |fields: &Map<String, Value>| {
        fields.iter().filter(|(name, _)| differs(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    all.iter().map(of).collect()
}

/// Whether what follows a name is nothing, or goes into it.
fn is_inside(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

/// Every field by its path, without seeds, description, and what follows from other fields.
fn fields_of(spec: &RunSpec) -> Map<String, Value> {
    let mut spec = spec.clone();
    spec.unresolve();
    let mut fields = Map::new();
    // Where a branch begins is one thing, of which its parent's fields tell nothing.
    if let Some(branch) = spec.branch.take() {
        let parent = format!("{}-{}", branch.parent.name, &branch.parent.hash()[..8]);
        fields.insert("branch".to_owned(), Value::String(format!("{parent} at {}", branch.step)));
    }
    flatten("", Table::try_from(&spec).expect("a spec is plain data"), &mut fields);
    fields.retain(|name, _| name != "description" && !name.starts_with("seeds."));
    fields
}

fn flatten(path: &str, table: Table, fields: &mut Map<String, Value>) {
    for (name, value) in table {
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, fields),
            value => {
                fields.insert(path, as_json(&value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::input::spec_file::{Changes, load};

    fn spec(overrides: &[&str]) -> RunSpec {
        let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
        load("copying-small", &Changes { overrides, ..Changes::default() }).unwrap()
    }

    /// The swept fields of runs of these specs, each with what its own sweep swept.
    fn completed(runs: &[(&[&str], Value)]) -> Vec<Value> {
        let mut points = Points::default();
        let of = |value: &Value| value.as_object().cloned().unwrap();
        let mut all: Vec<_> = runs.iter().map(|(set, swept)| (points.enter(&spec(set)), of(swept))).collect();
        points.complete(all.iter_mut().map(|(point, swept)| (&*point, swept)));
        all.into_iter().map(|(_, swept)| Value::Object(swept)).collect()
    }

    #[test]
    fn a_point_is_a_spec_without_its_seeds() {
        let of = |set: &[&str]| point_of(&spec(set));
        assert_eq!(of(&["seeds.data=7", "seeds.init=3"]), of(&[]));
        assert_ne!(of(&["train.optimizer.sgd.learning_rate=0.0001"]), of(&[]));
        assert_ne!(of(&["train.steps=7"]), of(&[]));
    }

    #[test]
    fn what_differs_is_told_of_every_run() {
        let rate = "train.optimizer.sgd.learning_rate";
        let slow = format!("{rate}=0.0001");
        let usual = spec(&[]);
        let found =
            completed(&[(&["seeds.data=1"], json!({})), (&[&slow], json!({})), (&["train.steps=9"], json!({}))]);
        let precipice::spec::OptimizerSpec::Sgd(sgd) = &usual.train.optimizer else { panic!("sgd") };
        assert_eq!(found[0], json!({ rate: sgd.learning_rate, "train.steps": usual.train.steps }));
        assert_eq!(found[1], json!({ rate: 0.0001, "train.steps": usual.train.steps }));
        assert_eq!(found[2], json!({ rate: sgd.learning_rate, "train.steps": 9 }));
    }

    #[test]
    fn one_sweep_has_its_swept_fields_alone() {
        let n = "task.copying.n_exemplars";
        // The code of positions follows, and with it three other fields.
        let swept = [json!({ n: 2 }), json!({ n: 4 })];
        let [two, four] = [2, 4].map(|value| format!("{n}={value}"));
        assert_eq!(completed(&[(&[&two], swept[0].clone()), (&[&four], swept[1].clone())]), swept);
        // A table that is swept as a whole.
        let table = |rate: f64| json!({ "train.optimizer": format!("{{ sgd = {{ learning_rate = {rate} }} }}") });
        let set = ["train.optimizer={sgd={learning_rate=0.5}}", "train.optimizer={sgd={learning_rate=0.25}}"];
        let swept = [table(0.5), table(0.25)];
        assert_eq!(completed(&[(&set[..1], swept[0].clone()), (&set[1..], swept[1].clone())]), swept);
    }
}
