//! One run from its spec: the loop that everyone reads first.

mod branch;

use precipice_num::Kernels;

use crate::field::{SpecError, error};
use crate::measure::transition::{Learned, Transition, transition_of};
use crate::measure::{Metric, Observer, Probe, Row};
use crate::record::{Next, RecordError, Recorder};
use crate::spec::{RunSpec, TaskSpec};
use crate::task::{Facts, ItemBank, Task, TaskError};
use crate::train::{Diverged, TrainState, Trainer};
use crate::workers::Workers;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were made.
    Finished,
    /// The recorder asked to stop; the state was saved.
    Stopped {
        /// Updates done.
        step: u64,
    },
    /// The loss was no longer finite.
    Diverged {
        /// Updates done when it was seen.
        step: u64,
    },
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The spec cannot be run.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The task cannot be built: its items do not fit, or only another program knows it.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The recorder could not keep a result.
    #[error(transparent)]
    Record(RecordError),
}

/// What [`Run::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A row was measured: the last of [`Run::rows`].
    Row,
    /// The state is due to be saved.
    Checkpoint,
    /// The steps that were asked for are made, and nothing is due.
    Paused,
    /// There is nothing more to do.
    Ended(Outcome),
}

/// What is next at the present step: a row before a checkpoint, so that a resume finds every row that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Row,
    Checkpoint,
    Step,
}

/// One run, as a value that anyone can drive.
///
/// ```
/// use precipice::{run::{Event, Run}, spec::RunSpec, workers::Sequential};
/// let mut spec = RunSpec { name: "example".to_owned(), ..RunSpec::default() };
/// spec.train.steps = 2;
/// spec.eval.sequences = 64;
/// let mut run = Run::new(&spec, None, precipice_num::Kernels::detect())?;
/// while !matches!(run.advance(1, &Sequential), Event::Ended(_)) {}
/// assert_eq!((run.step(), run.rows().len()), (2, 2));
/// # Ok::<(), precipice::run::RunError>(())
/// ```
#[derive(Debug)]
pub struct Run {
    spec: RunSpec,
    trainer: Trainer,
    observer: Observer,
    rows: Vec<Row>,
    due: Due,
    last_loss: f64,
}

impl Run {
    /// A run at step 0, of a built-in task. A branch does not begin there: it is made of a run of
    /// [`RunSpec::without_branch`] by [`Run::start_of`] and [`Run::branch_off`].
    ///
    /// # Errors
    /// If the spec or its items cannot be run, or it is that of a branch.
    pub fn new(spec: &RunSpec, bank: Option<ItemBank>, kernels: Kernels) -> Result<Self, RunError> {
        spec.validate()?;
        Self::of(spec, spec.build_task(bank)?, kernels)
    }

    /// A run at step 0, of a task that the program brings; its facts stand in the spec ([`crate::task::OwnSpec::of`]).
    ///
    /// # Errors
    /// If the spec cannot be run, or describes another task.
    pub fn with_task(spec: &RunSpec, task: Box<dyn Task>, kernels: Kernels) -> Result<Self, RunError> {
        spec.validate()?;
        match &spec.task {
            TaskSpec::Own(own) if own.facts == *task.facts() => Self::of(spec, task, kernels),
            _ => Err(TaskError::Facts { family: task.facts().family.clone() }.into()),
        }
    }

    fn of(spec: &RunSpec, task: Box<dyn Task>, kernels: Kernels) -> Result<Self, RunError> {
        if let Some(branch) = &spec.branch {
            let expected = "begins with the state of its parent, which must be made first; `precipice run` does so";
            return Err(error("branch", format!("step {} of {}", branch.step, branch.parent.name), expected).into());
        }
        let trainer = Trainer::new(spec, task, kernels)?;
        let observer = Observer::new(spec, &trainer);
        let (spec, rows, due) = (spec.clone(), Vec::new(), Due::Row);
        Ok(Self { spec, trainer, observer, rows, due, last_loss: f64::NAN })
    }

    /// Adds a probe, whose columns come after those of the spec's own.
    ///
    /// # Panics
    /// If one of its metrics has the name of another.
    pub fn observe(&mut self, probe: Box<dyn Probe>) {
        self.observer.add(probe);
    }

    /// Goes on from a saved state, with the rows that were measured before it.
    ///
    /// # Panics
    /// If the state belongs to another network.
    pub fn restore(&mut self, state: TrainState, rows: Vec<Row>) {
        self.trainer.restore(state);
        (self.rows, self.due) = (rows, Due::Row);
    }

    /// Makes up to `n_steps` steps, and returns earlier when a row was measured or a checkpoint is due. With 0 only what
    /// is due at the present step is done.
    pub fn advance(&mut self, n_steps: u64, workers: &dyn Workers) -> Event {
        let last = self.step().saturating_add(n_steps);
        loop {
            let step = self.step();
            match self.due {
                Due::Row => {
                    self.due = Due::Checkpoint;
                    if is_row_due(&self.spec, step) {
                        self.measure(workers);
                        return Event::Row;
                    }
                }
                Due::Checkpoint => {
                    self.due = Due::Step;
                    if is_checkpoint_due(&self.spec, step) {
                        return Event::Checkpoint;
                    }
                }
                Due::Step if step >= self.spec.train.steps => {
                    let is_finite = self.trainer.is_finite();
                    return Event::Ended(if is_finite { Outcome::Finished } else { Outcome::Diverged { step } });
                }
                Due::Step if step >= last => return Event::Paused,
                Due::Step => match self.trainer.step(workers) {
                    Err(Diverged { step }) => return Event::Ended(Outcome::Diverged { step }),
                    Ok(loss) => (self.last_loss, self.due) = (loss, Due::Row),
                },
            }
        }
    }

    /// A resumed run measures the row of its first step again; it is the same.
    fn measure(&mut self, workers: &dyn Workers) {
        let train_loss = self.trainer.take_train_loss();
        let row = self.observer.observe(&self.trainer, train_loss, workers);
        if self.rows.last().is_none_or(|last| last.step < row.step) {
            self.rows.push(row);
        }
    }

    /// Makes all steps that are left and pushes rows and checkpoints to `recorder`.
    ///
    /// # Errors
    /// If the recorder fails. Divergence is an [`Outcome`].
    pub fn record(&mut self, workers: &dyn Workers, recorder: &mut dyn Recorder) -> Result<Outcome, RunError> {
        let (mut next, mut saved) = (Next::Continue, None);
        loop {
            let before = self.step();
            let event = self.advance(u64::from(next == Next::Continue), workers);
            let step = self.step();
            if step > before {
                next = recorder.step(step, self.last_loss);
            }
            let outcome = match event {
                Event::Row => {
                    self.rows.last().map_or(Ok(()), |row| recorder.row(row)).map_err(RunError::Record)?;
                    continue;
                }
                Event::Checkpoint => None,
                Event::Paused if next == Next::Stop => Some(Outcome::Stopped { step }),
                Event::Paused if next == Next::Save => None,
                Event::Paused => continue,
                Event::Ended(outcome) => Some(outcome),
            };
            // However a run ends, its last state is saved.
            if saved != Some(step) {
                recorder.checkpoint(&self.trainer).map_err(RunError::Record)?;
                saved = Some(step);
            }
            if next == Next::Save && event == Event::Paused {
                next = Next::Continue;
            }
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
        }
    }

    /// Its spec.
    pub fn spec(&self) -> &RunSpec {
        &self.spec
    }

    /// What its task says of itself.
    pub fn facts(&self) -> &Facts {
        self.trainer.task().facts()
    }

    /// Updates done.
    pub fn step(&self) -> u64 {
        self.trainer.state().step
    }

    /// Loss of the last training batch, before its update; NaN before the first step.
    pub fn last_loss(&self) -> f64 {
        self.last_loss
    }

    /// What was measured so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Metrics of the probes that were added.
    pub fn own_metrics(&self) -> &[Metric] {
        self.observer.own_metrics()
    }

    /// The jump, as far as it is known.
    pub fn transition(&self) -> (Learned, Option<Transition>) {
        transition_of(self.facts(), &self.rows)
    }

    /// Parameters and moments.
    pub fn state(&self) -> &TrainState {
        self.trainer.state()
    }

    /// The network in training.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// The same, by value.
    pub fn into_trainer(self) -> Trainer {
        self.trainer
    }

    /// Changes the peak learning rate from the next step on. The run is then no longer that of its spec.
    ///
    /// # Errors
    /// If it is not a finite number above 0.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<(), SpecError> {
        self.trainer.set_learning_rate(rate)
    }
}

/// Makes one step of a run of which nothing is measured: what it has measured before is taken for known. The states are
/// those of the run; that of a step at which a row is due is the one before the row, which ends its mean of the losses.
///
/// # Errors
/// If the loss is not finite.
///
/// ```
/// use precipice::{run::{Run, pass}, spec::RunSpec, workers::Sequential};
/// let mut spec = RunSpec { name: "example".to_owned(), ..RunSpec::default() };
/// spec.train.steps = 2;
/// spec.eval.sequences = 64;
/// let new = || Run::new(&spec, None, precipice_num::Kernels::detect());
/// let (mut run, mut trainer) = (new()?, new()?.into_trainer());
/// while run.step() < 2 {
///     run.advance(1, &Sequential);
/// }
/// (0..2).for_each(|_| drop(pass(&mut trainer, &spec, &Sequential)));
/// assert_eq!(trainer.state().params, run.state().params);
/// # Ok::<(), precipice::run::RunError>(())
/// ```
pub fn pass(trainer: &mut Trainer, spec: &RunSpec, workers: &dyn Workers) -> Result<f64, Diverged> {
    if is_row_due(spec, trainer.state().step) {
        trainer.take_train_loss();
    }
    trainer.step(workers)
}

/// Step 0, every `eval.every` steps, and the last; of a branch those from its first step on.
pub fn is_row_due(spec: &RunSpec, step: u64) -> bool {
    step >= spec.first_step() && (step.is_multiple_of(spec.eval.every) || step == spec.train.steps)
}

/// Rows that are due up to and with a step.
///
/// ```
/// use precipice::{run::{is_row_due, n_rows_due}, spec::RunSpec};
/// let spec = RunSpec::default();
/// let last = spec.train.steps;
/// assert_eq!(n_rows_due(&spec, last), (0..=last).filter(|&step| is_row_due(&spec, step)).count() as u64);
/// ```
pub fn n_rows_due(spec: &RunSpec, step: u64) -> u64 {
    let (every, first, last) = (spec.eval.every, spec.first_step(), spec.train.steps);
    if step < first {
        return 0;
    }
    let is_extra = step >= last && !last.is_multiple_of(every);
    step.min(last) / every + 1 - first.div_ceil(every) + u64::from(is_extra)
}

/// The first step, steps 1, 2, 4 ... 512, then every `checkpoint.every`, and the last; of a branch those from its first on.
pub fn is_checkpoint_due(spec: &RunSpec, step: u64) -> bool {
    let early = step.is_power_of_two() && step <= EARLY_UNTIL;
    let is_due = early || (step > EARLY_UNTIL && step.is_multiple_of(spec.checkpoint.every));
    step == spec.first_step() || (step > spec.first_step() && (is_due || step == spec.train.steps))
}

/// The last of the steps whose checkpoints are dense.
const EARLY_UNTIL: u64 = 512;

/// All steps at which a checkpoint is due, rising.
///
/// ```
/// use precipice::{run::{checkpoints_due, is_checkpoint_due}, spec::RunSpec};
/// let spec = RunSpec::default();
/// assert!(checkpoints_due(&spec).eq((0..=spec.train.steps).filter(|&step| is_checkpoint_due(&spec, step))));
/// ```
pub fn checkpoints_due(spec: &RunSpec) -> impl Iterator<Item = u64> {
    let (every, first, last) = (spec.checkpoint.every, spec.first_step(), spec.train.steps);
    let early = (0..=EARLY_UNTIL.ilog2()).map(|exponent| 1 << exponent);
    let from = first.max(EARLY_UNTIL) / every;
    let later = (from..).map_while(move |n: u64| n.checked_mul(every)).filter(|&step| step > EARLY_UNTIL);
    let between = early.chain(later).skip_while(move |&step| step <= first).take_while(move |&step| step < last);
    std::iter::once(first).chain(between).chain((last > first).then_some(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::BranchSpec;

    /// Counted and listed, they are those that are due.
    #[test]
    fn what_is_due_is_counted_wherever_a_run_begins() {
        for first in [0, 1, 5, 16, 20, 512, 513, 600, 640, 700] {
            for (last, every) in [(700, 100), (700, 7), (701, 100), (1030, 513)] {
                let mut spec = RunSpec { name: "due".to_owned(), ..RunSpec::default() };
                (spec.eval.every, spec.checkpoint.every, spec.train.steps) = (every, every, last);
                let parent = spec.clone();
                if first > 0 {
                    let (reset, zero, graft) = (Vec::new(), Vec::new(), Vec::new());
                    spec.branch = Some(Box::new(BranchSpec { step: first, reset, zero, graft, parent }));
                }
                for step in 0..=last {
                    let n = (0..=step).filter(|&step| is_row_due(&spec, step)).count() as u64;
                    assert_eq!(n_rows_due(&spec, step), n, "{first} {last} {every}: {step}");
                }
                let due: Vec<u64> = (0..=last).filter(|&step| is_checkpoint_due(&spec, step)).collect();
                assert_eq!(checkpoints_due(&spec).collect::<Vec<_>>(), due, "{first} {last} {every}");
            }
        }
    }

    #[test]
    fn a_branch_does_not_begin_by_itself() {
        let parent = RunSpec { name: "parent".to_owned(), ..RunSpec::default() };
        let (reset, zero, graft) = (Vec::new(), Vec::new(), Vec::new());
        let branch = BranchSpec { step: 5, reset, zero, graft, parent: parent.clone() };
        let spec = RunSpec { branch: Some(Box::new(branch)), ..parent };
        let refused = Run::new(&spec, None, Kernels::detect()).unwrap_err().to_string();
        assert!(refused.contains("step 5 of parent") && refused.contains("must be made first"), "{refused}");
    }
}
