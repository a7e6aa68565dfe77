//! A task that a program brings is computed as a built-in one, and what it says wrongly is named.

use std::collections::BTreeMap;

use precipice::run::{Event, Run, RunError};
use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::task::{Facts, PredictorName, Set, Task, TaskError};
use precipice::workers::Sequential;
use precipice_num::Kernels;

/// A built-in task, as if another program had brought it.
#[derive(Debug)]
struct Brought {
    task: Box<dyn Task>,
    facts: Facts,
}

impl Task for Brought {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        self.task.fill(kernels, set, step, first, batch);
    }

    fn label_table(&self) -> Vec<f32> {
        self.task.label_table()
    }

    fn predict(&self, predictor: usize, batch: &Batch) -> Vec<f64> {
        self.task.predict(predictor, batch)
    }
}

/// The same without predictors.
#[derive(Debug)]
struct Silent(Brought);

impl Task for Silent {
    fn facts(&self) -> &Facts {
        &self.0.facts
    }

    fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        self.0.fill(kernels, set, step, first, batch);
    }

    fn label_table(&self) -> Vec<f32> {
        self.0.label_table()
    }
}

fn spec_of(task: TaskSpec, model: ModelSpec) -> RunSpec {
    let mut spec = RunSpec { name: "own".to_owned(), task, model, ..RunSpec::default() };
    spec.resolve();
    spec.train.steps = 3;
    (spec.eval.sequences, spec.probes.sequences) = (32, 8);
    spec
}

fn copying() -> RunSpec {
    spec_of(TaskSpec::Copying(CopyingSpec::default()), ModelSpec::default())
}

fn regression() -> RunSpec {
    let attention = vec![AttentionKind::Linear];
    let (n_layers, d_pos, d_buffer, output_projection) = (1, Some(0), 0, true);
    let model = ModelSpec { attention, n_layers, d_pos, d_buffer, output_projection, ..ModelSpec::default() };
    spec_of(TaskSpec::Regression(RegressionSpec::default()), model)
}

fn brought(spec: &RunSpec, change: impl FnOnce(&mut Facts)) -> Brought {
    let task = spec.build_task(None).unwrap();
    let mut brought = Brought { facts: task.facts().clone(), task };
    change(&mut brought.facts);
    brought
}

fn run_of(mut spec: RunSpec, task: impl Task + 'static) -> Result<Run, RunError> {
    spec.task = TaskSpec::Own(OwnSpec::of(&task, BTreeMap::new()));
    Run::with_task(&spec, Box::new(task), Kernels::detect())
}

fn finish(mut run: Run) -> Run {
    while !matches!(run.advance(10, &Sequential), Event::Ended(_)) {}
    run
}

#[test]
fn its_bits_are_those_of_a_built_in_task() {
    for spec in [copying(), regression()] {
        let built_in = finish(Run::new(&spec, None, Kernels::detect()).unwrap());
        let own = finish(run_of(spec.clone(), brought(&spec, |_| ())).unwrap());
        assert_eq!(own.state().params.digest(), built_in.state().params.digest());
        let [own, built_in] = [own, built_in].map(|run| run.rows().last().unwrap().columns.clone());
        // What only the built-in regression measures comes last.
        assert_eq!(own, built_in[..own.len()]);
        assert!(own.len() >= 5, "{own:?}");
    }
}

#[test]
fn another_task_than_the_spec_describes_is_refused() {
    let mut spec = copying();
    let task = brought(&spec, |_| ());
    let other = brought(&spec, |facts| facts.sizes = "N = 9".to_owned());
    spec.task = TaskSpec::Own(OwnSpec::of(&task, BTreeMap::new()));
    assert!(matches!(Run::new(&spec, None, Kernels::detect()), Err(RunError::Task(TaskError::Foreign { .. }))));
    let refused = Run::with_task(&spec, Box::new(other), Kernels::detect());
    assert!(matches!(refused, Err(RunError::Task(TaskError::Facts { .. }))));
}

#[test]
#[should_panic(expected = "progress of the copying task: no column \"acuracy\"; this row has train_loss")]
fn a_misspelt_progress_is_named() {
    let task = brought(&copying(), |facts| facts.progress.column = "acuracy".to_owned());
    finish(run_of(copying(), task).unwrap());
}

#[test]
#[should_panic(expected = "names the predictor \"oracle\" and has no Task::predict")]
fn a_predictor_that_predicts_nothing_is_named() {
    let task = brought(&copying(), |facts| facts.predictors = vec![PredictorName::new("oracle", "oracle")]);
    finish(run_of(copying(), Silent(task)).unwrap());
}
