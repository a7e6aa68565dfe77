//! From a grid and seeds to specs.

use std::collections::BTreeMap;

use precipice::spec::{RunSpec, Seeds};
use precipice_num::Arithmetic;
use serde_json::{Map, Value};

use super::plan::{Plan, Said};
use crate::error::{LabError, SpecProblem, SweepProblem, excerpt};
use crate::input::change::{Assignment, parse_key};
use crate::input::items;
use crate::store::spec_text;

/// One run to make.
#[derive(Clone, Debug)]
pub struct Job {
    /// What to run.
    pub spec: RunSpec,
    /// The swept fields.
    pub swept: Map<String, Value>,
    /// Of all four.
    pub seed: u64,
    /// Default that of this processor.
    pub arithmetic: Option<Arithmetic>,
}

/// What is to be said of the items that runs take from files, once for each file.
///
/// # Errors
/// If a file cannot be read.
pub fn items_warnings(jobs: &[Job]) -> Result<Vec<String>, LabError> {
    let (mut told, mut known) = (Vec::new(), Vec::new());
    for Job { spec, .. } in jobs {
        let Some(items) = spec.task.family().items().filter(|items| !known.contains(*items)) else { continue };
        known.push(items.clone());
        let mut spec = spec.clone();
        let bank = items::load(&mut spec)?;
        told.extend(items::warning(&spec, bank.as_ref()));
    }
    Ok(told)
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

/// Fields of one point of a grid, with their values and where they were said.
type Point<'a> = Vec<(&'a String, &'a toml::Value, Said)>;

fn expand(plan: &Plan) -> Result<Vec<Job>, LabError> {
    let Plan { origin, spec: name, axes, seeds, .. } = plan;
    let error = |problem| LabError::sweep(origin, problem);
    let n_jobs = axes.iter().try_fold(seeds.len(), |n, axis| n.checked_mul(axis.points.len()));
    if n_jobs.is_none_or(|n| n > JOBS_MAX) {
        return Err(error(SweepProblem::TooManyRuns { most: JOBS_MAX }));
    }
    let of_every_run = of_every_run(plan)?;
    let mut points = vec![Point::new()];
    for axis in axes {
        let mut extended = Vec::new();
        for point in &points {
            for values in &axis.points {
                let fields = axis.keys.iter().zip(values).map(|(key, value)| (key, value, axis.said));
                extended.push(point.iter().copied().chain(fields).collect());
            }
        }
        points = extended;
    }
    let (mut jobs, mut seen, mut known) = (Vec::new(), BTreeMap::new(), None);
    for point in &points {
        let mut assignments = of_every_run.clone();
        let words = |(key, value, _): &(&String, &toml::Value, Said)| format!("{key}={}", excerpt(&as_typed(value)));
        for field in point {
            let origin = match field.2 {
                Said::OnTheCommandLine => format!("-g {}", words(field)),
                Said::InTheFile => format!("{}: grid: {}", plan.origin, words(field)),
            };
            let path = parse_key(field.0).map_err(|problem| LabError::spec(&origin, problem))?;
            assignments.push(Assignment { origin, path, value: field.1.clone() });
        }
        let swept: Map<String, Value> = point.iter().map(|(key, value, _)| ((*key).clone(), as_json(value))).collect();
        let label = point.iter().map(words).collect::<Vec<_>>().join(" ");
        // Items count by their content, which is looked at once for all points that share a file.
        let mut of_point = match spec_text::load_with(name, &assignments) {
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
            jobs.push(Job { spec, swept: swept.clone(), seed, arithmetic: plan.arithmetic });
        }
    }
    if jobs.is_empty() {
        return Err(error(SweepProblem::NoRuns));
    }
    Ok(jobs)
}

/// What a sweep file and the command line set in every run, none of which may be swept as well.
fn of_every_run(plan: &Plan) -> Result<Vec<Assignment>, LabError> {
    let Plan { origin, set, changes, axes, .. } = plan;
    let error = |problem| Err(LabError::sweep(origin, problem));
    let keys: Vec<&String> = axes.iter().flat_map(|axis| &axis.keys).collect();
    if let Some(key) = keys.iter().enumerate().find_map(|(i, key)| keys[..i].contains(key).then_some(key)) {
        return error(SweepProblem::SweptTwice { key: excerpt(key) });
    }
    let option = format!("{origin}: set:");
    let of_file = set.iter().map(|text| Assignment::parse(&option, text)).collect::<Result<Vec<_>, _>>()?;
    let of_command = changes.assignments()?;
    // An assignment says itself where it stands.
    for Assignment { origin, path, .. } in of_file.iter().chain(&of_command) {
        if path[0] == "seeds" {
            return Err(LabError::sweep(origin, SweepProblem::SeedIsSet));
        }
    }
    for Assignment { origin, path, .. } in &of_command {
        let covers = |key: &str| parse_key(key).is_ok_and(|swept| path.starts_with(&swept));
        match keys.iter().find(|key| covers(key)) {
            Some(_) if origin.starts_with("--steps") => return error(SweepProblem::StepsAreSwept),
            Some(_) => return Err(LabError::sweep(origin, SweepProblem::SetAndSwept)),
            None => {}
        }
    }
    Ok([of_file, of_command].concat())
}

/// A value as it is typed: TOML, texts without quotes.
pub(super) fn as_typed(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Numbers and truth values as such, everything else as it is typed.
pub fn as_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::Integer(n) => Value::from(*n),
        toml::Value::Boolean(is) => Value::from(*is),
        // JSON has no NaN and no infinities.
        toml::Value::Float(x) if x.is_finite() => Value::from(*x),
        other => Value::String(as_typed(other)),
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

    #[test]
    fn the_last_axis_is_fastest_and_every_run_is_another() {
        let axes = [Axis::of("task.copying.n_labels", [16, 32]), Axis::of("train.batch_size", [64, 128])];
        let jobs = expand("copying", &Changes::default(), &axes, &[0, 1]).unwrap();
        let told: Vec<_> = jobs
            .iter()
            .map(|job| (job.spec.facts().n_labels(), job.spec.train.batch_size, job.spec.seeds.init))
            .collect();
        let want = [(16, 64), (16, 128), (32, 64), (32, 128)];
        assert_eq!(told, want.iter().flat_map(|&(l, b)| [(l, b, 0), (l, b, 1)]).collect::<Vec<_>>());
        assert_eq!(jobs[2].swept["train.batch_size"], 128);
    }

    /// L = 4N, and the position code as long as the sequence.
    #[test]
    fn fields_go_together() {
        let axis = Axis::parse("task.copying.n_exemplars,task.copying.n_labels=[4,16],[8,32],[16,64]").unwrap();
        let jobs = expand("copying", &Changes::default(), &[axis], &[0]).unwrap();
        let of = |job: &Job| (job.spec.facts().n_exemplars(), job.spec.facts().n_labels(), job.spec.d_pos());
        assert_eq!(jobs.iter().map(of).collect::<Vec<_>>(), [(4, 16, 9), (8, 32, 17), (16, 64, 33)]);
        assert_eq!(
            (&jobs[2].swept["task.copying.n_exemplars"], &jobs[2].swept["task.copying.n_labels"]),
            (&16.into(), &64.into())
        );
    }

    #[test]
    fn values_keep_their_types() {
        let axis = Axis::parse(r#"model.clamps=[],[{layer=0,head=0,pattern="previous-token"}]"#).unwrap();
        let jobs = expand("copying", &Changes::default(), &[axis], &[0]).unwrap();
        assert_eq!(jobs.iter().map(|job| job.spec.model.clamps.len()).collect::<Vec<_>>(), [0, 1]);
        let text = expand("copying", &Changes::default(), &[Axis::of("description", ["8", "9"])], &[0]);
        assert!(text.unwrap_err().to_string().contains("the same run"), "a text of digits is a text");
    }

    #[test]
    fn what_is_no_spec_is_refused() {
        let none = Changes::default;
        let refused = |axes: &[Axis], seeds: &[u64]| expand("copying", &none(), axes, seeds).unwrap_err().to_string();
        let steps = || Axis::of("train.steps", [3, 4]);
        assert!(refused(&[Axis::of("task.copying.n_labels", [32, 4])], &[0]).contains("n_labels"));
        assert!(refused(&[Axis::of("model.readout", ["linear", "linear"])], &[0]).contains("the same run"));
        let misspelt = refused(&[Axis::of("train.step", [3])], &[0]);
        assert!(
            misspelt.starts_with("-g train.step=3: ") && misspelt.contains("did you mean `train.steps`"),
            "{misspelt}"
        );
        assert!(refused(&[steps(), steps()], &[0]).contains("swept twice"));
        let with = |changes: Changes| expand("copying", &changes, &[steps()], &[0]).unwrap_err().to_string();
        let set = |text: &str| with(Changes { overrides: vec![text.to_owned()], ..none() });
        let use_seeds = "a sweep sets all seeds of its runs; use --seeds, or `seeds` in a sweep file";
        assert_eq!(set("seeds.data=100"), format!("-s seeds.data=100: {use_seeds}"));
        assert_eq!(set("\"seeds\".world=3"), format!("-s \"seeds\".world=3: {use_seeds}"));
        let of_file = Plan { set: vec!["seeds.data=100".to_owned()], ..Plan::load("reddy-noise", false).unwrap() };
        let told = of_file.jobs().unwrap_err().to_string();
        assert_eq!(told, format!("reddy-noise: set: seeds.data=100: {use_seeds}"));
        let swept = "-s train.steps=5: the field is swept; give its values by -g, or leave it out";
        assert_eq!(set("train.steps=5"), swept);
        assert!(with(Changes { steps: Some(5), ..none() }).contains("--steps"));
        let seeds: Vec<u64> = (0..1001).collect();
        assert!(refused(&[Axis::of("train.steps", 1..1001)], &seeds).contains("more than"));
    }
}
