//! Accuracies and losses, for which only the query is read: forward passes in the form that training computes.

use std::sync::{Mutex, PoisonError};

use crate::batch::Batch;
use crate::model::{FoldedTrace, Reads, Trace};
use crate::spec::RunSpec;
use crate::task::Set;
use crate::train::{self, N_SHARDS, Trainer, shard_range};
use crate::workers::Workers;

/// Sums over sequences that need the network's outputs alone.
pub trait Scores: Send + Default {
    /// Adds the sequences of a batch, given the query's logits `[S, L]` or the predicted values `[S]`.
    fn add_outputs(&mut self, outputs: &[f32], batch: &Batch);
    /// Adds another part.
    fn add_part(&mut self, other: Self);
}

/// Room for the forward passes, kept between evaluations.
#[derive(Debug)]
pub(super) struct QueryRooms {
    /// What all sequences share, where the network is folded.
    prepared: Mutex<Vec<f32>>,
    prepared_cuts: Vec<usize>,
    rooms: Vec<Mutex<(Batch, Activations)>>,
}

#[derive(Debug)]
enum Activations {
    Plain(Box<Trace<f32>>),
    Folded(Box<FoldedTrace<f32>>),
}

impl QueryRooms {
    pub(super) fn new(spec: &RunSpec, trainer: &Trainer, n_sequences: usize) -> Self {
        let folded = trainer.model().folded_step();
        let chunk = if folded.is_some() { train::CHUNK } else { super::CHUNK };
        let capacity = chunk.min(n_sequences.div_ceil(N_SHARDS));
        let room = |_| {
            let activations = match &folded {
                Some(_) => Activations::Folded(Box::new(FoldedTrace::new(spec, capacity))),
                None => Activations::Plain(Box::new(Trace::new(spec, capacity, Reads::QueryOnly))),
            };
            Mutex::new((trainer.task().workspace(capacity), activations))
        };
        let rooms = (0..N_SHARDS).map(room).collect();
        let (prepared, prepared_cuts) = folded.map(|step| (step.prepared, step.prepared_cuts)).unwrap_or_default();
        Self { prepared: Mutex::new(prepared), prepared_cuts, rooms }
    }

    /// Over the first sequences of a set, in fixed shards added in order.
    pub(super) fn scores<A: Scores>(
        &self,
        trainer: &Trainer,
        set: Set,
        n_sequences: usize,
        workers: &dyn Workers,
    ) -> A {
        let (model, params) = (trainer.model(), &trainer.state().params);
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        workers.run_parts(&mut prepared, &self.prepared_cuts, &|part, to| model.prepare(params, part, to));
        let prepared = &*prepared;
        let parts: [Mutex<A>; N_SHARDS] = std::array::from_fn(|_| Mutex::new(A::default()));
        workers.run(N_SHARDS, &|idx| {
            let (batch, activations) = &mut *self.rooms[idx].lock().unwrap_or_else(PoisonError::into_inner);
            let mut part = parts[idx].lock().unwrap_or_else(PoisonError::into_inner);
            let (range, capacity) = (shard_range(n_sequences, idx), batch.capacity());
            for first in range.clone().step_by(capacity) {
                batch.n_sequences = (range.end - first).min(capacity);
                trainer.task().fill(model.kernels(), set, 0, first, batch);
                match activations {
                    Activations::Plain(trace) => {
                        model.forward(params, batch, trace, None);
                        part.add_outputs(trace.logits(), batch);
                    }
                    Activations::Folded(trace) => {
                        model.forward_folded(params, prepared, batch, trace);
                        part.add_outputs(trace.logits_and_gradient().0, batch);
                    }
                }
            }
        });
        let parts = parts.map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner));
        parts.into_iter().fold(A::default(), |mut all, part| {
            all.add_part(part);
            all
        })
    }
}
