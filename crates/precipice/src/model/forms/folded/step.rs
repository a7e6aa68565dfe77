//! The stages of a step.

use precipice_num::{Fill, MatMut, Real};

use super::{Folded, FoldedTrace};
use crate::model::forms::{Form, Held, ShardSums};
use crate::model::{Model, Params};
use crate::sequence::{Batch, Chunk};
use crate::workers::{Parts, Workers};

/// Gradients of what sequences share: of the labels' part, and of the rest.
#[derive(Clone, Debug)]
pub struct SharedGradients<T> {
    labels: Vec<T>,
    rest: Vec<T>,
}

impl<T: Real> Form<T> for Folded {
    type Room = FoldedTrace<T>;
    type Scratch = SharedGradients<T>;

    const EVAL_CHUNK: usize = 16;

    fn room(&self, model: &Model<T>, capacity: usize) -> FoldedTrace<T> {
        FoldedTrace::new(model.description(), capacity)
    }

    fn kept_sequences(&self) -> Option<usize> {
        Some(self.room_size)
    }

    /// Of look-ups; see `SharedPlaces`.
    fn sums_len(&self, _: &Model<T>) -> usize {
        self.shared.lookups()
    }

    fn scratch(&self, _: &Model<T>) -> SharedGradients<T> {
        let [labels, shared] = self.shared_len();
        SharedGradients { labels: vec![T::ZERO; labels], rest: vec![T::ZERO; shared - labels] }
    }

    fn prepared_cuts(&self) -> &[usize] {
        &self.prepared_cuts
    }

    fn prepare(&self, model: &Model<T>, params: &Params<T>, part: usize, to: &mut [T]) {
        match part.checked_sub(self.prepared.cuts.len()) {
            None => self.prepare_maps(model.kernels(), &params.values, model.label_table(), part, to),
            Some(layer) => model.readout.transpose(model.kernels(), &params.values, layer, to),
        }
    }

    fn forward(&self, model: &Model<T>, params: &Params<T>, prepared: &[T], batch: &Batch, room: &mut FoldedTrace<T>) {
        let (kernels, p, s) = (model.kernels(), &params.values, batch.n_sequences);
        self.read_sequences(kernels, p, model.label_table(), prepared, batch, room);
        let transposed = &prepared[self.prepared_len()..];
        let input = (&room.out[model.n_skipped()..], self.sizes.dims.d_model);
        model.readout.forward(kernels, p, Some(transposed), input, s, &mut room.readout);
    }

    fn outputs(room: &mut FoldedTrace<T>) -> (&[T], &mut [T]) {
        room.logits_and_gradient()
    }

    fn backward(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        prepared: &[T],
        batch: &Batch,
        chunks: &[Chunk],
        room: &mut FoldedTrace<T>,
        sums: &mut ShardSums<T>,
    ) {
        let (kernels, p) = (model.kernels(), &params.values);
        model.readout.backward(kernels, p, batch.n_sequences, &mut room.readout, &mut room.d_out);
        self.read_sequences_backward(kernels, p, prepared, batch, chunks, room, sums);
    }

    fn reduce(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        held: &Held<'_, T, Self>,
        SharedGradients { labels, rest }: &mut SharedGradients<T>,
        grads: &mut [T],
        workers: &dyn Workers,
    ) {
        let kernels = model.kernels();
        self.add_up_labels(kernels, held, labels);
        let gradients = Parts::new(grads, &self.gradient_cuts);
        // What does not need the gradient of A is computed beside it.
        let (after, beside): (Vec<usize>, Vec<usize>) =
            (0..self.gradient_cuts.len()).partition(|&part| self.needs_shared(part));
        let shared = Parts::new(rest, self.shared_cuts());
        let n_shared = self.shared_cuts().len();
        workers.run(n_shared + beside.len(), &|job| match job.checked_sub(n_shared) {
            None => shared.with(job, |to| self.add_up_shared(kernels, model.label_table(), held, labels, job, to)),
            Some(idx) => {
                gradients.with(beside[idx], |to| self.compute_gradient(model, params, held, &[], beside[idx], to))
            }
        });
        drop(shared);
        workers.run(after.len(), &|idx| {
            gradients.with(after[idx], |to| self.compute_gradient(model, params, held, rest, after[idx], to));
        });
    }
}

impl Folded {
    /// One part of the parameters' gradient.
    fn compute_gradient<T: Real>(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        held: &Held<'_, T, Self>,
        shared: &[T],
        part: usize,
        to: &mut [T],
    ) {
        let (kernels, readout) = (model.kernels(), &model.readout);
        let rest = self.gradient(kernels, &params.values, held, shared, part, to);
        match rest {
            None => {}
            Some((layer, Some(rows))) => {
                let pairs = held.rooms.iter().map(|(room, _)| {
                    let input = (&room.out[model.n_skipped()..], self.sizes.dims.d_model);
                    let [left, right] = readout.factors(layer, input, room.n_sequences(), &room.readout);
                    [left.columns(rows.clone()).t(), right]
                });
                let d_in = to.len() / rows.len();
                T::gemm_sum(kernels, MatMut::new(to, rows.len(), d_in), Fill::Set, &pairs.collect::<Vec<_>>());
            }
            Some((layer, None)) => {
                let chunks = held.rooms.iter().flat_map(|(room, chunks)| chunks.iter().map(move |chunk| (room, chunk)));
                to[0] = chunks
                    .map(|(room, chunk)| readout.d_bias(kernels, layer, chunk.sequences.clone(), &room.readout))
                    .sum();
            }
        }
    }
}
