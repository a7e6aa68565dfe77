//! One run from its spec: the loop that everyone reads first.

use precipice_num::Kernels;

use crate::field::SpecError;
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
    /// A run at step 0, of a built-in task.
    ///
    /// # Errors
    /// If the spec or its items cannot be run.
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

    /// Changes the peak learning rate from the next step on. The run is then no longer that of its spec.
    ///
    /// # Errors
    /// If it is not a finite number above 0.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<(), SpecError> {
        self.trainer.set_learning_rate(rate)
    }
}

/// Step 0, every `eval.every` steps, and the last.
pub fn is_row_due(spec: &RunSpec, step: u64) -> bool {
    step.is_multiple_of(spec.eval.every) || step == spec.train.steps
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
    let is_extra = step >= spec.train.steps && !spec.train.steps.is_multiple_of(spec.eval.every);
    step.min(spec.train.steps) / spec.eval.every + 1 + u64::from(is_extra)
}

/// Steps 0, 1, 2, 4 ... 512, then every `checkpoint.every`, and the last.
pub fn is_checkpoint_due(spec: &RunSpec, step: u64) -> bool {
    let early = step == 0 || (step.is_power_of_two() && step <= EARLY_UNTIL);
    early || (step > EARLY_UNTIL && step.is_multiple_of(spec.checkpoint.every)) || step == spec.train.steps
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
    let (every, last) = (spec.checkpoint.every, spec.train.steps);
    let early = std::iter::once(0).chain((0..=EARLY_UNTIL.ilog2()).map(|exponent| 1 << exponent));
    let later = (1..).map_while(move |n: u64| n.checked_mul(every)).skip((EARLY_UNTIL / every) as usize);
    early.chain(later).take_while(move |&step| step < last).chain(std::iter::once(last))
}
