//! A task that a program brings is computed as a built-in one, and what it says wrongly is named.

use std::collections::BTreeMap;

use precipice::run::{Event, Run, RunError};
use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::task::{Facts, PredictorName, Set, Task, TaskError};
use precipice::workers::Sequential;
use precipice_num::Kernels;

/// Copying, as if another program had brought it.
#[derive(Debug)]
struct Brought {
    copying: Box<dyn Task>,
    facts: Facts,
}

impl Task for Brought {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        self.copying.fill(kernels, set, step, first, batch);
    }

    fn label_table(&self) -> Vec<f32> {
        self.copying.label_table()
    }
}

fn copying() -> RunSpec {
    let mut spec = RunSpec { name: "copying".to_owned(), ..RunSpec::default() };
    spec.train.steps = 3;
    (spec.eval.sequences, spec.probes.sequences) = (32, 8);
    spec
}

fn brought(change: impl FnOnce(&mut Facts)) -> Result<Run, RunError> {
    let mut spec = copying();
    let copying = spec.build_task(None)?;
    let mut task = Brought { facts: copying.facts().clone(), copying };
    change(&mut task.facts);
    spec.task = TaskSpec::Own(OwnSpec::of(&task, BTreeMap::new()));
    Run::with_task(&spec, Box::new(task), Kernels::detect())
}

fn finish(mut run: Run) -> Run {
    while !matches!(run.advance(10, &Sequential), Event::Ended(_)) {}
    run
}

#[test]
fn its_bits_are_those_of_a_built_in_task() {
    let built_in = finish(Run::new(&copying(), None, Kernels::detect()).unwrap());
    let own = finish(brought(|_| ()).unwrap());
    assert_eq!(own.state().params.digest(), built_in.state().params.digest());
    assert_eq!(own.rows().last().unwrap().columns.len(), built_in.rows().last().unwrap().columns.len());
}

#[test]
fn another_task_than_the_spec_describes_is_refused() {
    let mut spec = copying();
    let copying = spec.build_task(None).unwrap();
    let task = Brought { facts: copying.facts().clone(), copying };
    spec.task = TaskSpec::Own(OwnSpec::of(&task, BTreeMap::new()));
    assert!(matches!(Run::new(&spec, None, Kernels::detect()), Err(RunError::Task(TaskError::Foreign { .. }))));
    let mut other = task;
    other.facts.sizes = "N = 9".to_owned();
    let refused = Run::with_task(&spec, Box::new(other), Kernels::detect());
    assert!(matches!(refused, Err(RunError::Task(TaskError::Facts { .. }))));
}

#[test]
#[should_panic(expected = "progress of the copying task: no column \"acuracy\"; this row has train_loss")]
fn a_misspelt_progress_is_named() {
    finish(brought(|facts| facts.progress.column = "acuracy".to_owned()).unwrap());
}

#[test]
#[should_panic(expected = "names the predictor \"oracle\" and has no Task::predict")]
fn a_predictor_that_predicts_nothing_is_named() {
    finish(brought(|facts| facts.predictors = vec![PredictorName::new("oracle", "oracle")]).unwrap());
}
