//! Training: a plain value that advances one step at a time and can be saved at any of them.

pub mod loss;
mod optimizer;
mod schedule;

pub use optimizer::{OptimizerState, Share, update};
pub use schedule::rate_factor;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use precipice_num::{Kernels, Real};

use crate::batch::Batch;
use crate::model::{FoldedShard, FoldedStep, Model, Params, Reads, Trace};
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
    /// Where the plan chose the folded form.
    folded: Option<FoldedStep<f32>>,
    shards: Vec<Mutex<Shard>>,
}

/// What one shard of the batch is computed in.
#[derive(Debug)]
struct Shard {
    batch: Batch,
    room: Room,
    loss_sum: f64,
}

/// Activations and gradients, in the form that the plan chose.
#[derive(Debug)]
enum Room {
    Plain(Box<PlainShard>),
    Folded(FoldedShard<f32>),
}

#[derive(Debug)]
struct PlainShard {
    trace: Trace<f32>,
    grads: Params<f32>,
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
        let folded = model.folded_step();
        let shard = |idx| {
            let room = match &folded {
                Some(_) => Room::Folded(FoldedShard::new(spec, shard_range(spec.train.batch_size, idx).len(), CHUNK)),
                None => Room::Plain(Box::new(PlainShard {
                    trace: Trace::new(spec, capacity, Reads::QueryOnly),
                    grads: Params::zeros(model.layout().clone()),
                })),
            };
            Mutex::new(Shard { batch: task.workspace(capacity), room, loss_sum: 0.0 })
        };
        let shards = (0..N_SHARDS).map(shard).collect();
        let grads = Params::zeros(model.layout().clone());
        let state = TrainState { step: 0, params, optimizer, loss_sum: 0.0, loss_count: 0 };
        Ok(Self { train: spec.train.clone(), task, model, state, grads, folded, shards })
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
        let (model, params) = (&self.model, &self.state.params);
        if let Some(FoldedStep { prepared, prepared_cuts, .. }) = &mut self.folded {
            workers.run_parts(prepared, prepared_cuts, &|part, to| model.prepare(params, part, to));
        }
        workers.run(N_SHARDS, &|idx| self.compute_shard(idx));
        let loss_sum = self.add_up(workers);
        let loss = loss_sum / self.train.batch_size as f64;
        if !loss.is_finite() {
            return Err(Diverged { step: self.state.step });
        }
        let TrainState { step, params, optimizer, loss_sum, loss_count } = &mut self.state;
        let share = |values: &mut [f32], cuts: &[usize], job: &(dyn Fn(usize, &mut [f32]) + Sync)| {
            workers.run_parts(values, cuts, job);
        };
        update(&share, self.model.kernels(), &self.train, *step, params, &mut self.grads, optimizer);
        *step += 1;
        *loss_sum += loss;
        *loss_count += 1;
        Ok(loss)
    }

    /// Sums losses and gradients of the shards in their order.
    fn add_up(&mut self, workers: &dyn Workers) -> f64 {
        let (model, params) = (&self.model, &self.state.params);
        let shards: [MutexGuard<'_, Shard>; N_SHARDS] = std::array::from_fn(|idx| lock(&self.shards[idx]));
        match &mut self.folded {
            Some(FoldedStep { labels, shared, shared_cuts, gradient_cuts, .. }) => {
                let shards: [_; N_SHARDS] = std::array::from_fn(|idx| shards[idx].room.folded());
                model.add_up_labels(&shards, labels);
                let add_up = |part, to: &mut [f32]| model.add_up_shared(&shards, labels, part, to);
                workers.run_parts(shared, shared_cuts, &add_up);
                let gradient = |part, to: &mut [f32]| model.folded_gradient(params, &shards, shared, part, to);
                workers.run_parts(&mut self.grads.values, gradient_cuts, &gradient);
            }
            None => {
                let len = self.grads.values.len();
                let cuts: [usize; N_SHARDS] = std::array::from_fn(|part| len * (part + 1) / N_SHARDS);
                workers.run_parts(&mut self.grads.values, &cuts, &|part, to| {
                    let place = len * part / N_SHARDS..cuts[part];
                    to.copy_from_slice(&shards[0].room.grads()[place.clone()]);
                    for shard in &shards[1..] {
                        Real::axpy(model.kernels(), 1.0, &shard.room.grads()[place.clone()], to);
                    }
                });
            }
        }
        shards.iter().map(|shard| shard.loss_sum).sum()
    }

    /// Loss and gradient of one shard, chunk by chunk.
    fn compute_shard(&self, idx: usize) {
        let Shard { batch, room, loss_sum } = &mut *lock(&self.shards[idx]);
        let (model, params, kernels) = (&self.model, &self.state.params, self.model.kernels());
        match room {
            Room::Plain(shard) => shard.grads.values.fill(0.0),
            Room::Folded(shard) => shard.lookups.fill(0.0),
        }
        *loss_sum = 0.0;
        let range = shard_range(self.train.batch_size, idx);
        let scale = 1.0 / self.train.batch_size as f64;
        let loss = |(logits, d_logits): (&[f32], &mut [f32]), batch: &Batch| {
            if batch.values.is_empty() {
                loss::cross_entropy_gradient(kernels, logits, &batch.answers[..batch.n_sequences], scale, d_logits)
            } else {
                loss::square_gradient(logits, batch.query_values(), scale, d_logits)
            }
        };
        for (chunk, first) in range.clone().step_by(CHUNK).enumerate() {
            batch.n_sequences = (range.end - first).min(CHUNK);
            self.task.fill(kernels, Set::Train, self.state.step, first, batch);
            match (&mut *room, &self.folded) {
                (Room::Folded(FoldedShard { traces, lookups }), Some(FoldedStep { prepared, .. })) => {
                    let trace = &mut traces[chunk];
                    model.forward_folded(params, prepared, batch, trace);
                    *loss_sum += loss(trace.logits_and_gradient(), batch);
                    model.backward_folded(params, prepared, batch, trace, lookups);
                }
                (Room::Plain(shard), _) => {
                    let PlainShard { trace, grads } = &mut **shard;
                    model.forward(params, batch, trace, None);
                    *loss_sum += loss(trace.logits_and_gradient(), batch);
                    model.backward(params, batch, trace, grads);
                }
                (Room::Folded(_), None) => unreachable!("a folded shard is part of a folded step"),
            }
        }
    }
}

impl Room {
    fn folded(&self) -> &FoldedShard<f32> {
        match self {
            Room::Folded(shard) => shard,
            Room::Plain(_) => unreachable!("the plan chose the folded form for all shards"),
        }
    }

    fn grads(&self) -> &[f32] {
        match self {
            Room::Plain(shard) => &shard.grads.values,
            Room::Folded(_) => unreachable!("the plan chose the plain form for all shards"),
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
