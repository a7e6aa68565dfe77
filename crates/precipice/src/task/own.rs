//! A task of another program: described in the spec by its facts, so that every tool can read its runs, and drawn by
//! the program that brings it (`Run::with_task`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{EvalSet, Facts, Family, PredictorName, Reader, Set, Task, TaskError, World};
use crate::field::{SpecError, WIDTH_MAX, error, within};

/// What a spec says of a task that is not built in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnSpec {
    /// The task's own parameters: part of the run's address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// What others have to know of it.
    pub facts: Facts,
}

/// A parameter of a task that is not built in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "true or false, a number or a text")]
pub enum Parameter {
    /// Yes or no.
    Switch(bool),
    /// A whole number.
    Count(i64),
    /// A number.
    Number(f64),
    /// A word.
    Word(String),
}

impl OwnSpec {
    /// Describes a task.
    pub fn of(task: &dyn Task, parameters: BTreeMap<String, Parameter>) -> Self {
        Self { parameters, facts: task.facts().clone() }
    }
}

impl Family for OwnSpec {
    fn validate(&self) -> Result<(), SpecError> {
        let facts = &self.facts;
        let field = |name: &str| format!("task.own.facts.{name}");
        within(&field("geometry"), facts.n_exemplars(), 1, 4096)?;
        within(&field("d_item"), facts.d_item, 1, WIDTH_MAX)?;
        within(&field("eval_sets"), facts.eval_sets.len(), 1, Set::EVAL_MAX)?;
        for (i, EvalSet { prefix, .. }) in facts.eval_sets.iter().enumerate() {
            if !(if i == 0 { prefix.is_empty() } else { is_name(prefix) && prefix.ends_with('_') }) {
                let expected = "must be empty for the first set, for others a word of a-z, 0-9 and _ that ends in _";
                return Err(error(&field(&format!("eval_sets[{i}].prefix")), format!("{prefix:?}"), expected));
            }
        }
        for (i, PredictorName { name, .. }) in facts.predictors.iter().enumerate() {
            if !is_name(name) {
                let expected = "must be a word of a-z, 0-9 and _";
                return Err(error(&field(&format!("predictors[{i}].name")), format!("{name:?}"), expected));
            }
        }
        distinct(&field("eval_sets"), facts.eval_sets.iter().map(|set| &set.prefix))?;
        distinct(&field("predictors"), facts.predictors.iter().map(|predictor| &predictor.name))?;
        if facts.targets.are_labels() {
            within(&field("targets"), facts.n_labels(), 2, WIDTH_MAX)?;
        }
        if facts.targets.are_labels() == facts.geometry.has_values() {
            let expected = "must ask for labels of a sequence of labels, or for the value of one of values";
            return Err(error(&field("targets"), format!("{:?}", facts.targets), expected));
        }
        for (name, set) in
            [("probed_set", Some(facts.probed_set)), ("novel_set", facts.novel_set), ("by_heart", facts.by_heart)]
        {
            if set.is_some_and(|set| set.eval_idx().is_none_or(|idx| idx >= facts.eval_sets.len())) {
                return Err(error(&field(name), format!("{set:?}"), "must be one of eval_sets"));
            }
        }
        let (floor, ceiling) = (facts.progress.floor, facts.progress.ceiling);
        if !(floor.is_finite() && ceiling.is_finite() && floor < ceiling) {
            return Err(error(&field("progress.floor"), floor, format!("must be below progress.ceiling = {ceiling}")));
        }
        Ok(())
    }

    fn facts(&self, _: Reader) -> Facts {
        self.facts.clone()
    }

    fn build(&self, _: Reader, _: World) -> Result<Box<dyn Task>, TaskError> {
        Err(TaskError::Foreign { family: self.facts.family.clone() })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn distinct<'a>(field: &str, names: impl Iterator<Item = &'a String>) -> Result<(), SpecError> {
    let mut seen = BTreeSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(error(field, format!("{name:?} twice"), "must be told apart by their columns")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{RunSpec, TaskSpec};

    fn problem(change: impl FnOnce(&mut Facts)) -> String {
        let mut facts = RunSpec::default().facts();
        change(&mut facts);
        let task = TaskSpec::Own(OwnSpec { parameters: BTreeMap::new(), facts });
        let spec = RunSpec { name: "own".to_owned(), task, ..RunSpec::default() };
        spec.validate().map_or_else(|e| e.to_string(), |()| String::new())
    }

    #[test]
    fn facts_that_contradict_are_named() {
        assert_eq!(problem(|_| ()), "");
        let set = |prefix: &str| EvalSet::new(prefix, "more");
        assert!(problem(|f| f.eval_sets.push(set(""))).contains("eval_sets[1].prefix"));
        assert!(problem(|f| f.eval_sets.push(set("far"))).contains("ends in _"));
        assert!(problem(|f| f.eval_sets.extend([set("far_"), set("far_")])).contains("twice"));
        assert!(problem(|f| f.eval_sets[0].prefix = "near_".to_owned()).contains("eval_sets[0]"));
        assert!(problem(|f| f.predictors.push(PredictorName::new("a b", "x"))).contains("predictors[0].name"));
        assert!(problem(|f| f.novel_set = Some(Set::Eval(3))).contains("novel_set"));
        assert!(problem(|f| f.progress.floor = 1.0).contains("progress.floor"));
        let large = |f: &mut Facts| f.geometry = serde_json::from_str(r#"{ "labels": 18446744073709551615 }"#).unwrap();
        assert!(problem(large).contains("geometry"));
    }
}
