//! From a grid and seeds to specs.

use std::collections::BTreeMap;

use precipice::spec::{RunSpec, Seeds};
use serde_json::{Map, Value};

use super::plan::Plan;
use crate::error::{LabError, SpecProblem, SweepProblem};
use crate::input::{items, spec_file};

/// One run to make.
#[derive(Clone, Debug)]
pub struct Job {
    /// What to run.
    pub spec: RunSpec,
    /// The swept fields.
    pub swept: Map<String, Value>,
    /// Of all four.
    pub seed: u64,
}

/// Runs that a sweep may have.
const JOBS_MAX: usize = 1_000_000;

impl Plan {
    /// All runs: for each point of the grid, the last axis fastest, all seeds.
    ///
    /// # Errors
    /// A point that is no valid spec where none may be left out, two points that are the same spec, more
    /// runs than a sweep may have, or none.
    pub fn jobs(&self) -> Result<Vec<Job>, LabError> {
        expand(self)
    }
}

fn expand(plan: &Plan) -> Result<Vec<Job>, LabError> {
    let Plan { spec: name, changes, axes, seeds, .. } = plan;
    let error = |problem| LabError::sweep(name, problem);
    let n_jobs = axes.iter().try_fold(seeds.len(), |n, axis| n.checked_mul(axis.values.len()));
    if n_jobs.is_none_or(|n| n > JOBS_MAX) {
        return Err(error(SweepProblem::TooManyRuns { most: JOBS_MAX }));
    }
    for (i, axis) in axes.iter().enumerate() {
        if axes[..i].iter().any(|other| other.key == axis.key) {
            return Err(error(SweepProblem::SweptTwice { key: axis.key.clone() }));
        }
    }
    let is_seed = |text: &&String| text.trim_start().starts_with("seeds");
    if let Some(text) = changes.overrides.iter().find(is_seed) {
        return Err(error(SweepProblem::SeedIsSet { text: text.clone() }));
    }
    if changes.steps.is_some() && axes.iter().any(|axis| axis.key == "train.steps") {
        return Err(error(SweepProblem::StepsAreSwept));
    }
    let mut points = vec![Vec::new()];
    for axis in axes {
        let extended = |point: &Vec<(String, String)>| {
            let with = |value: &String| [&point[..], &[(axis.key.clone(), value.clone())]].concat();
            axis.values.iter().map(with).collect::<Vec<_>>()
        };
        points = points.iter().flat_map(extended).collect();
    }
    let (mut jobs, mut seen, mut known) = (Vec::new(), BTreeMap::new(), None);
    for point in &points {
        let mut changes = changes.clone();
        changes.overrides.extend(point.iter().map(|(key, value)| format!("{key}={value}")));
        let swept: Map<String, Value> = point.iter().map(|(key, value)| (key.clone(), as_json(value))).collect();
        let label = point.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ");
        // Items count by their content, which is looked at once for all points that share a file.
        let mut of_point = match spec_file::load(name, &changes) {
            Err(LabError::Spec { problem: SpecProblem::Invalid(_), .. }) if plan.skips_invalid => continue,
            loaded => loaded?,
        };
        let written = of_point.task.family().items().cloned();
        match &known {
            Some((of_others, loaded)) if *of_others == written => {
                if let (Some(items), Some(loaded)) = (of_point.task.family_mut().items_mut(), loaded) {
                    items.clone_from(loaded);
                }
            }
            _ => {
                items::load(&mut of_point)?;
                known = Some((written, of_point.task.family().items().cloned()));
            }
        }
        for &seed in seeds {
            let spec = RunSpec { seeds: Seeds::all(seed), ..of_point.clone() };
            if let Some(other) = seen.insert(spec.hash(), (label.clone(), seed)) {
                let text = |(label, seed): &(String, u64)| format!("{label} seed {seed}").trim().to_owned();
                let (first, second) = (text(&other), text(&(label, seed)));
                return Err(error(SweepProblem::SameRun { first, second }));
            }
            jobs.push(Job { spec, swept: swept.clone(), seed });
        }
    }
    if jobs.is_empty() {
        return Err(error(SweepProblem::NoRuns));
    }
    Ok(jobs)
}

/// Numbers and truth values as such, everything else as text.
pub(super) fn as_json(value: &str) -> Value {
    match serde_json::from_str(value) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::spec_file::Changes;
    use crate::sweep::Axis;

    fn expand(name: &str, changes: &Changes, axes: &[Axis], seeds: &[u64]) -> Result<Vec<Job>, LabError> {
        let plan = Plan::load(name, false).unwrap();
        super::expand(&Plan { changes: changes.clone(), axes: axes.to_vec(), seeds: seeds.to_vec(), ..plan })
    }

    fn axis(key: &str, values: &[&str]) -> Axis {
        Axis { key: key.to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() }
    }

    #[test]
    fn the_last_axis_is_fastest_and_every_run_is_another() {
        let axes = [axis("task.copying.n_labels", &["16", "32"]), axis("train.batch_size", &["64", "128"])];
        let jobs = expand("copying", &Changes::default(), &axes, &[0, 1]).unwrap();
        let told: Vec<_> = jobs
            .iter()
            .map(|job| (job.spec.facts().n_labels(), job.spec.train.batch_size, job.spec.seeds.init))
            .collect();
        let want = [(16, 64), (16, 128), (32, 64), (32, 128)];
        assert_eq!(told, want.iter().flat_map(|&(l, b)| [(l, b, 0), (l, b, 1)]).collect::<Vec<_>>());
        assert_eq!(jobs[2].swept["train.batch_size"], 128);
    }

    #[test]
    fn what_is_no_spec_is_refused() {
        let refused =
            |axes: &[Axis], seeds: &[u64]| expand("copying", &Changes::default(), axes, seeds).unwrap_err().to_string();
        assert!(refused(&[axis("task.copying.n_labels", &["32", "4"])], &[0]).contains("n_labels"));
        assert!(refused(&[axis("model.readout", &["linear", "\"linear\""])], &[0]).contains("the same run"));
        assert!(refused(&[axis("train.step", &["3"])], &[0]).contains("did you mean"));
        assert!(refused(&[axis("train.steps", &["3"]), axis("train.steps", &["4"])], &[0]).contains("swept twice"));
        let with = |changes: Changes| expand("copying", &changes, &[axis("train.steps", &["3"])], &[0]).unwrap_err();
        let overrides = vec!["seeds.world=3".to_owned()];
        assert!(with(Changes { overrides, ..Changes::default() }).to_string().contains("--seeds"));
        assert!(with(Changes { steps: Some(5), ..Changes::default() }).to_string().contains("--steps"));
        let seeds: Vec<u64> = (0..1001).collect();
        let values: Vec<String> = (1..1001).map(|n| n.to_string()).collect();
        let many = Axis { key: "train.steps".to_owned(), values };
        assert!(refused(&[many], &seeds).contains("more than"));
    }
}
