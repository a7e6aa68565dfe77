//! A task of another program: described in the spec by its facts, so that every tool can read its runs, and drawn by
//! the program that brings it (`Run::with_task`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Facts, Family, Reader, Set, Task, TaskError, World};
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
#[serde(untagged)]
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
        if facts.targets.are_labels() {
            within(&field("targets"), facts.n_labels(), 2, WIDTH_MAX)?;
        }
        if facts.targets.are_labels() == facts.geometry.has_values() {
            let expected = "must ask for labels of a sequence of labels, or for the value of one of values";
            return Err(error(&field("targets"), format!("{:?}", facts.targets), expected));
        }
        for (name, set) in [("probed_set", Some(facts.probed_set)), ("by_heart", facts.by_heart)] {
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
