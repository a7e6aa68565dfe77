//! Queries, keys and values of every token, the last layer's output at the query only. Minimal heads too, whose layers
//! are wired by hand.

use precipice_num::Real;

use super::{Form, Held, ShardSums, add_up};
use crate::model::{Model, Params, Reads, Trace};
use crate::sequence::{Batch, Chunk};
use crate::workers::Workers;

/// Layer by layer, as the network is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl<T: Real> Form<T> for Plain {
    type Room = Trace<T>;
    type Scratch = ();

    const EVAL_CHUNK: usize = 4;

    fn room(&self, model: &Model<T>, capacity: usize) -> Trace<T> {
        model.trace(capacity, Reads::QueryOnly)
    }

    fn sums_len(&self, model: &Model<T>) -> usize {
        model.layout().len()
    }

    fn scratch(&self, _: &Model<T>) {}

    fn forward(&self, model: &Model<T>, params: &Params<T>, _: &[T], batch: &Batch, room: &mut Trace<T>) {
        model.forward(params, batch, room);
    }

    fn outputs(room: &mut Trace<T>) -> (&[T], &mut [T]) {
        room.logits_and_gradient()
    }

    fn backward(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        _: &[T],
        batch: &Batch,
        chunks: &[Chunk],
        room: &mut Trace<T>,
        sums: &mut ShardSums<T>,
    ) {
        model.backward(params, batch, room, sums.of(model.kernels(), chunks[0].shard));
    }

    fn reduce(
        &self,
        model: &Model<T>,
        _: &Params<T>,
        held: &Held<'_, T, Self>,
        (): &mut (),
        grads: &mut [T],
        workers: &dyn Workers,
    ) {
        add_up(model, held.sums, grads, workers);
    }
}
