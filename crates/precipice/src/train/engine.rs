//! What computes training steps and evaluations: networks of one shape, one after the other or side by side.

use std::fmt::Debug;

use precipice_num::Real;

use crate::model::plan::FormKind;
use crate::model::{Model, Params};
use crate::sequence::Batch;
use crate::task::{Set, Task};
use crate::workers::Workers;

/// One run in an engine: its network, its task and its parameters.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a, T> {
    /// The network.
    pub model: &'a Model<T>,
    /// The task.
    pub task: &'a dyn Task,
    /// The parameters.
    pub params: &'a Params<T>,
}

/// What a run is to get of a step.
#[derive(Debug)]
pub struct Step<'a, T> {
    /// The run.
    pub lane: Lane<'a, T>,
    /// Number of the step, from 0: it addresses the batch.
    pub step: u64,
    /// Where the gradient of the mean loss goes.
    pub grads: &'a mut Params<T>,
    /// Where the sum of the losses over the batch goes.
    pub loss_sum: f64,
}

/// Sees the outputs of some sequences, `[S, L]` or `[S]`, and their batch: `(shard, outputs, batch)`. Sequences of a
/// shard come in order.
pub type Sink<'a, T> = dyn Fn(usize, &[T], &Batch) + Sync + 'a;

/// Computes gradients and outputs. Engines must agree in every bit: the order of every sum is part of the interface.
///
/// The runs of a call have networks of the same shape (all that differs is in their seeds), so that an engine may
/// compute them side by side.
pub trait Engine<T: Real>: Debug + Send + Sync {
    /// The form that it computes.
    fn form(&self) -> FormKind;

    /// Losses and gradients of a step of each run, on the training batch of that step.
    fn gradients(&mut self, runs: &mut [Step<'_, T>], workers: &dyn Workers);

    /// Outputs for the sequences of a batch, whoever drew them, `[S, L]` or `[S]`.
    fn answers(&self, run: Lane<'_, T>, batch: &Batch, workers: &dyn Workers) -> Vec<T>;

    /// Outputs for sequences `0..n_sequences` of an evaluation set, shard by shard.
    fn outputs(&self, run: Lane<'_, T>, set: Set, n_sequences: usize, workers: &dyn Workers, sink: &Sink<'_, T>);
}
