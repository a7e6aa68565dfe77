//! One run's network in training.

use precipice_num::{Kernels, profile};

use super::engine::{Engine, Lane, Sink, Step};
use super::optimizer::{OptimizerState, update};
use super::past::Past;
use crate::field::{SpecError, positive};
use crate::model::plan::FormKind;
use crate::model::{Model, Params};
use crate::sequence::Batch;
use crate::spec::{RunSpec, TrainSpec};
use crate::task::{Set, Task};
use crate::workers::Workers;

/// What changes as training goes on; everything that a checkpoint must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainState {
    /// Updates done.
    pub step: u64,
    /// Parameters.
    pub params: Params<f32>,
    /// Moments.
    pub optimizer: OptimizerState<f32>,
    /// Sum of the training losses since the last evaluation.
    pub loss_sum: f64,
    /// Number of those losses.
    pub loss_count: u64,
}

/// A network in training.
///
/// ```
/// use precipice::{spec::RunSpec, train::Trainer, workers::Sequential};
/// let spec = RunSpec::default();
/// let mut trainer = Trainer::new(&spec, spec.build_task(None)?, precipice_num::Kernels::detect())?;
/// // The readout is 0 at first, so that all labels are alike.
/// assert!((trainer.step(&Sequential).unwrap() - libm::log(32.0)).abs() < 1e-6);
/// assert_eq!(trainer.state().step, 1);
/// # Ok::<(), precipice::run::RunError>(())
/// ```
#[derive(Debug)]
pub struct Trainer {
    train: TrainSpec,
    past: Past,
    task: Box<dyn Task>,
    model: Model<f32>,
    state: TrainState,
    grads: Params<f32>,
    engine: Box<dyn Engine<f32>>,
}

/// The loss or the parameters are no longer finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diverged {
    /// Updates done before it was seen; the parameters are those that gave the bad loss.
    pub step: u64,
}

impl Trainer {
    /// A trainer at step 0; that of a branch has its own first weights until it is given a state.
    ///
    /// # Errors
    /// If `freeze_until` or `rate_factors` names a group that the network does not have.
    pub fn new(spec: &RunSpec, task: Box<dyn Task>, kernels: Kernels) -> Result<Self, SpecError> {
        let model = Model::new(spec, &task.label_table(), kernels);
        let freezes = spec.train.freeze_until.iter().map(|(group, until)| ("freeze_until", group, until.to_string()));
        let factors = &spec.train.rate_factors;
        let factors = factors.iter().map(|(group, factor)| ("rate_factors", group, factor.to_string()));
        for (field, group, value) in freezes.chain(factors) {
            check_group(&model, field, group, value)?;
        }
        let params = model.init(spec.seeds.init);
        let optimizer = OptimizerState::new(&spec.train.optimizer, &params);
        let engine = super::engine(&model, spec.train.batch_size);
        let grads = Params::zeros(model.layout().clone());
        let state = TrainState { step: 0, params, optimizer, loss_sum: 0.0, loss_count: 0 };
        let past = Past::of(spec, model.layout());
        Ok(Self { train: spec.train.clone(), past, task, model, state, grads, engine })
    }

    /// Continues from a saved state.
    ///
    /// # Panics
    /// If the state belongs to another network.
    pub fn restore(&mut self, state: TrainState) {
        assert_eq!(state.params.layout, self.state.params.layout, "state of another network");
        self.state = state;
    }

    /// Becomes that of a branch, whose spec differs in nothing else, in a state of it.
    ///
    /// # Panics
    /// If the state belongs to another network.
    pub(crate) fn branch_off(&mut self, spec: &RunSpec, state: TrainState) {
        self.past = Past::of(spec, self.model.layout());
        self.restore(state);
    }

    /// The gradient of the last step as its update took it: of the mean loss over the batch, 0 for frozen tensors, and
    /// clipped. Zeros before the first step.
    pub fn grads(&self) -> &Params<f32> {
        &self.grads
    }

    /// What a checkpoint holds.
    pub fn state(&self) -> &TrainState {
        &self.state
    }

    /// Whether all parameters are finite.
    pub fn is_finite(&self) -> bool {
        self.state.params.values.iter().all(|value| value.is_finite())
    }

    /// What a checkpoint holds, by value.
    pub fn into_state(self) -> TrainState {
        self.state
    }

    /// The network.
    pub fn model(&self) -> &Model<f32> {
        &self.model
    }

    /// The task.
    pub fn task(&self) -> &dyn Task {
        &*self.task
    }

    /// The form that is computed.
    pub fn form(&self) -> FormKind {
        self.engine.form()
    }

    /// Changes the peak learning rate from the next step on. The run is then no longer that of its spec.
    ///
    /// # Errors
    /// If it is not a finite number above 0.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<(), SpecError> {
        positive("train.optimizer.learning_rate", rate)?;
        self.train.optimizer.set_learning_rate(rate);
        Ok(())
    }

    /// Mean training loss since it was last taken; NaN where there was no step.
    pub fn take_train_loss(&mut self) -> f64 {
        let mean = self.state.loss_sum / self.state.loss_count as f64;
        (self.state.loss_sum, self.state.loss_count) = (0.0, 0);
        mean
    }

    /// One update on the batch of this step. Returns the batch's loss before the update.
    ///
    /// # Errors
    /// If the loss is not finite; nothing is updated then.
    pub fn step(&mut self, workers: &dyn Workers) -> Result<f64, Diverged> {
        let Self { train, past, task, model, state, grads, engine } = self;
        let lane = Lane { model, task: &**task, params: &state.params };
        let mut run = [Step { lane, step: state.step, grads, loss_sum: 0.0 }];
        engine.gradients(&mut run, workers);
        let [Step { loss_sum, .. }] = run;
        let loss = loss_sum / train.batch_size as f64;
        if !loss.is_finite() {
            return Err(Diverged { step: state.step });
        }
        let TrainState { step, params, optimizer, loss_sum, loss_count } = state;
        profile::stage("update");
        update(workers, model.kernels(), (train, past), *step, params, grads, optimizer);
        *step += 1;
        *loss_sum += loss;
        *loss_count += 1;
        Ok(loss)
    }

    fn lane(&self) -> Lane<'_, f32> {
        Lane { model: &self.model, task: &*self.task, params: &self.state.params }
    }

    /// Outputs for the sequences of a batch, whoever drew them, `[S, L]` or `[S]`.
    pub fn answers(&self, batch: &Batch, workers: &dyn Workers) -> Vec<f32> {
        self.engine.answers(self.lane(), batch, workers)
    }

    /// Outputs for sequences `0..n_sequences` of an evaluation set, shard by shard.
    pub fn outputs(&self, set: Set, n_sequences: usize, workers: &dyn Workers, sink: &Sink<'_, f32>) {
        self.engine.outputs(self.lane(), set, n_sequences, workers, sink);
    }
}

fn check_group(model: &Model<f32>, field: &str, group: &str, value: String) -> Result<(), SpecError> {
    if model.layout().group(group).next().is_some() {
        return Ok(());
    }
    let names: Vec<&str> = model.layout().tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    Err(SpecError {
        field: format!("train.{field}.{group:?}"),
        value,
        expected: format!("must name a tensor or a dotted prefix of: {}", names.join(", ")),
    })
}
