//! Training: a plain value that advances one step at a time and can be saved at any of them.

pub mod loss;
mod optimizer;
mod schedule;

pub use optimizer::{OptimizerState, update};
pub use schedule::rate_factor;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use precipice_num::{Kernels, Real};

use crate::batch::Batch;
use crate::model::{FoldedTrace, Model, Params, Prepared, PreparedGrads, Reads, Trace};
use crate::spec::{RunSpec, SpecError, TrainSpec};
use crate::task::{Set, Task};
use crate::workers::Workers;

/// Shards of a batch. Fixed, so that the order of additions does not depend on the threads.
pub const N_SHARDS: usize = 8;
/// Sequences of a shard that are computed together: their activations fit the second-level cache.
pub const CHUNK: usize = 16;

/// The sequences of shard `shard` out of `n_sequences`.
pub fn shard_range(n_sequences: usize, shard: usize) -> Range<usize> {
    n_sequences * shard / N_SHARDS..n_sequences * (shard + 1) / N_SHARDS
}

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
#[derive(Debug)]
pub struct Trainer {
    train: TrainSpec,
    task: Task,
    model: Model<f32>,
    state: TrainState,
    grads: Params<f32>,
    /// What the shards share, where the plan chose the folded form.
    prepared: Option<(Prepared<f32>, PreparedGrads<f32>)>,
    shards: Vec<Mutex<Shard>>,
}

/// What one shard of the batch is computed in.
#[derive(Debug)]
struct Shard {
    batch: Batch,
    room: Room,
    grads: Params<f32>,
    loss_sum: f64,
}

/// Activations, in the form that the plan chose.
#[derive(Debug)]
enum Room {
    Plain(Trace<f32>),
    Folded(FoldedTrace<f32>, PreparedGrads<f32>),
}

/// The loss or the parameters are no longer finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diverged {
    /// Updates done before it was seen; the parameters are those that gave the bad loss.
    pub step: u64,
}

impl Trainer {
    /// A trainer at step 0.
    ///
    /// # Errors
    /// If `freeze_until` or `rate_factors` names a group that the network does not have.
    pub fn new(spec: &RunSpec, task: Task, kernels: Kernels) -> Result<Self, SpecError> {
        let model = Model::new(spec, &task.label_table(), kernels);
        let freezes = spec.train.freeze_until.iter().map(|(group, until)| ("freeze_until", group, until.to_string()));
        let factors = &spec.train.rate_factors;
        let factors = factors.iter().map(|(group, factor)| ("rate_factors", group, factor.to_string()));
        for (field, group, value) in freezes.chain(factors) {
            check_group(&model, field, group, value)?;
        }
        let params = model.init(spec.seeds.init);
        let optimizer = OptimizerState::new(&spec.train.optimizer, &params);
        let capacity = CHUNK.min(spec.train.batch_size.div_ceil(N_SHARDS));
        let prepared = model.prepared();
        let shard = |_| {
            let room = match &prepared {
                None => Room::Plain(Trace::new(spec, capacity, Reads::QueryOnly)),
                Some((_, shared)) => Room::Folded(FoldedTrace::new(spec, capacity), shared.clone()),
            };
            Mutex::new(Shard {
                batch: task.workspace(capacity),
                room,
                grads: Params::zeros(model.layout().clone()),
                loss_sum: 0.0,
            })
        };
        let shards = (0..N_SHARDS).map(shard).collect();
        let grads = Params::zeros(model.layout().clone());
        let state = TrainState { step: 0, params, optimizer, loss_sum: 0.0, loss_count: 0 };
        Ok(Self { train: spec.train.clone(), task, model, state, grads, prepared, shards })
    }

    /// Continues from a saved state.
    ///
    /// # Panics
    /// If the state belongs to another network.
    pub fn restore(&mut self, state: TrainState) {
        assert_eq!(state.params.layout, self.state.params.layout, "state of another network");
        self.state = state;
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
    pub fn task(&self) -> &Task {
        &self.task
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
        if let Some((prepared, _)) = &mut self.prepared {
            self.model.prepare(&self.state.params, prepared);
        }
        workers.run(N_SHARDS, &|idx| self.compute_shard(idx));
        let loss_sum = self.add_up();
        let loss = loss_sum / self.train.batch_size as f64;
        if !loss.is_finite() {
            return Err(Diverged { step: self.state.step });
        }
        let TrainState { step, params, optimizer, loss_sum, loss_count } = &mut self.state;
        update(&self.train, *step, params, &mut self.grads, optimizer);
        *step += 1;
        *loss_sum += loss;
        *loss_count += 1;
        Ok(loss)
    }

    /// Sums losses and gradients of the shards in their order.
    fn add_up(&mut self) -> f64 {
        let kernels = self.model.kernels();
        let mut loss_sum = 0.0;
        for (idx, shard) in self.shards.iter().enumerate() {
            let shard = lock(shard);
            loss_sum += shard.loss_sum;
            let add = |from: &[f32], to: &mut [f32]| match idx {
                0 => to.copy_from_slice(from),
                _ => Real::axpy(kernels, 1.0, from, to),
            };
            add(&shard.grads.values, &mut self.grads.values);
            if let (Room::Folded(_, shared), Some((_, sum))) = (&shard.room, &mut self.prepared) {
                shared.parts().into_iter().zip(sum.parts_mut()).for_each(|(from, to)| add(from, to));
            }
        }
        if let Some((_, shared)) = &mut self.prepared {
            self.model.finish_folded(&self.state.params, shared, &mut self.grads);
        }
        loss_sum
    }

    /// Loss and gradient of one shard, chunk by chunk.
    fn compute_shard(&self, idx: usize) {
        let shard = &mut *lock(&self.shards[idx]);
        let (model, params) = (&self.model, &self.state.params);
        let Shard { batch, room, grads, loss_sum } = shard;
        let kernels = model.kernels();
        grads.values.fill(0.0);
        if let Room::Folded(_, shared) = room {
            shared.clear();
        }
        *loss_sum = 0.0;
        let range = shard_range(self.train.batch_size, idx);
        let scale = 1.0 / self.train.batch_size as f64;
        let loss = |logits: &[f32], batch: &Batch, d_logits: &mut [f32]| {
            loss::cross_entropy_gradient(kernels, logits, &batch.answers[..batch.n_sequences], scale, d_logits)
        };
        for first in range.clone().step_by(CHUNK) {
            batch.n_sequences = (range.end - first).min(CHUNK);
            self.task.fill(kernels, Set::Train, self.state.step, first, batch);
            match (&mut *room, &self.prepared) {
                (Room::Folded(trace, shared), Some((prepared, _))) => {
                    model.forward_folded(params, prepared, batch, trace);
                    let (logits, d_logits) = trace.logits_and_gradient();
                    *loss_sum += loss(logits, batch, d_logits);
                    model.backward_folded(params, batch, trace, grads, shared);
                }
                (Room::Plain(trace), _) => {
                    model.forward(params, batch, trace, None);
                    let (logits, d_logits) = trace.logits_and_gradient();
                    *loss_sum += loss(logits, batch, d_logits);
                    model.backward(params, batch, trace, grads);
                }
                (Room::Folded(..), None) => unreachable!("a folded room is made with what it shares"),
            }
        }
    }
}

/// A poisoned lock only says that another job panicked; that panic is on its way already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
