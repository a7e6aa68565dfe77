//! The stages of a step.

use precipice_num::{MatMut, Real};

use super::gradients::accumulate;
use super::{Folded, FoldedTrace, Shards};
use crate::model::forms::Form;
use crate::model::{Model, Params};
use crate::sequence::Batch;
use crate::workers::Workers;

/// Gradients of what sequences share: of the labels' part, and of the rest.
#[derive(Clone, Debug)]
pub struct SharedGradients<T> {
    labels: Vec<T>,
    rest: Vec<T>,
}

impl<T: Real> Form<T> for Folded {
    type Room = FoldedTrace<T>;
    /// Gradients of look-ups, summed over the sequences; see `SharedPlaces`.
    type Sums = Vec<T>;
    type Scratch = SharedGradients<T>;

    const KEEPS_ROOMS: bool = true;
    const EVAL_CHUNK: usize = 16;

    fn room(&self, model: &Model<T>, capacity: usize) -> FoldedTrace<T> {
        FoldedTrace::new(model.description(), capacity)
    }

    fn sums(&self, _: &Model<T>) -> Vec<T> {
        vec![T::ZERO; self.shared.lookups()]
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

    fn clear(sums: &mut Vec<T>) {
        sums.fill(T::ZERO);
    }

    fn backward(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        prepared: &[T],
        batch: &Batch,
        room: &mut FoldedTrace<T>,
        sums: &mut Vec<T>,
    ) {
        let (kernels, p) = (model.kernels(), &params.values);
        model.readout.backward(kernels, p, batch.n_sequences, &mut room.readout, &mut room.d_out);
        self.read_sequences_backward(kernels, p, prepared, batch, room, sums);
    }

    fn reduce(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        shards: &Shards<'_, T>,
        SharedGradients { labels, rest }: &mut SharedGradients<T>,
        grads: &mut [T],
        workers: &dyn Workers,
    ) {
        let kernels = model.kernels();
        self.add_up_labels(kernels, shards, labels);
        workers.run_parts(rest, self.shared_cuts(), &|part, to| {
            self.add_up_shared(kernels, model.label_table(), shards, labels, part, to);
        });
        workers.run_parts(grads, &self.gradient_cuts, &|part, to| {
            self.compute_gradient(model, params, shards, rest, part, to);
        });
    }
}

impl Folded {
    /// One part of the parameters' gradient.
    fn compute_gradient<T: Real>(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        shards: &Shards<'_, T>,
        shared: &[T],
        part: usize,
        to: &mut [T],
    ) {
        let (kernels, readout) = (model.kernels(), &model.readout);
        let rest = self.gradient(kernels, &params.values, shards, shared, part, to);
        let rooms = shards.iter().flat_map(|shard| shard.rooms);
        match rest {
            None => {}
            Some((layer, Some(rows))) => {
                let factors = rooms.map(|room| {
                    let input = (&room.out[model.n_skipped()..], self.sizes.dims.d_model);
                    readout.factors(layer, input, room.n_sequences(), &room.readout)
                });
                let d_in = to.len() / rows.len();
                accumulate(kernels, factors, &rows, MatMut::new(to, rows.len(), d_in));
            }
            Some((layer, None)) => {
                to[0] = rooms.map(|room| readout.d_bias(kernels, layer, room.n_sequences(), &room.readout)).sum();
            }
        }
    }
}
