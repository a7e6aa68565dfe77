//! The equal ways to compute a training step, behind one interface; [`plan`](super::plan) chooses among them.
//!
//! A step has four stages. In each the jobs are independent of one another, so that any number of threads may share
//! them; sums over sequences are added in the order of the shards.
//!
//! ```text
//! prepare    what all sequences share, part by part
//! sequences  forward and backward of a shard's sequences, chunk by chunk
//! reduce     what the shards hold, to the parameters' gradient, part by part
//! outputs    the query's logits or values, which is all that an evaluation reads
//! ```

mod folded;
mod one_layer;
mod plain;

pub use folded::Folded;
pub use one_layer::OneLayer;
pub use plain::Plain;

use std::fmt::Debug;

use precipice_num::Real;

use super::{Model, Params};
use crate::sequence::Batch;
use crate::workers::Workers;

/// A way to compute loss and gradients of a network.
pub trait Form<T: Real>: Debug + Send + Sync {
    /// Activations of a chunk of sequences, and their gradients.
    type Room: Debug + Send + Sync;
    /// Gradients that are added up sequence by sequence, in each shard.
    type Sums: Debug + Send + Sync;
    /// What the reduction needs besides.
    type Scratch: Debug + Send + Sync;

    /// Whether the reduction reads the activations of every chunk, so that each has a room of its own.
    const KEEPS_ROOMS: bool;
    /// Sequences that are evaluated together.
    const EVAL_CHUNK: usize;

    /// Room for `capacity` sequences.
    fn room(&self, model: &Model<T>, capacity: usize) -> Self::Room;

    /// A shard's sums.
    fn sums(&self, model: &Model<T>) -> Self::Sums;

    /// For the reduction.
    fn scratch(&self, model: &Model<T>) -> Self::Scratch;

    /// Ends of the parts of what all sequences share; none where nothing is shared.
    fn prepared_cuts(&self) -> &[usize] {
        &[]
    }

    /// Computes one of those parts.
    fn prepare(&self, _: &Model<T>, _: &Params<T>, part: usize, _: &mut [T]) {
        unreachable!("part {part}, where nothing is shared")
    }

    /// Fills a room up to the outputs.
    fn forward(&self, model: &Model<T>, params: &Params<T>, prepared: &[T], batch: &Batch, room: &mut Self::Room);

    /// Outputs of the last forward pass, `[S, L]` or `[S]`, and where the loss puts its gradient.
    fn outputs(room: &mut Self::Room) -> (&[T], &mut [T]);

    /// Sets sums to 0.
    fn clear(sums: &mut Self::Sums);

    /// Fills the room's gradients, given that of the outputs, and adds to the sums.
    fn backward(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        prepared: &[T],
        batch: &Batch,
        room: &mut Self::Room,
        sums: &mut Self::Sums,
    );

    /// The parameters' gradient, from all shards in their order.
    fn reduce(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        shards: &[Shard<'_, T, Self>],
        scratch: &mut Self::Scratch,
        grads: &mut [T],
        workers: &dyn Workers,
    );
}

/// What a shard holds after its backward passes.
#[derive(Debug)]
pub struct Shard<'a, T: Real, F: Form<T> + ?Sized> {
    /// Activations and gradients of its chunks.
    pub rooms: &'a [F::Room],
    /// Its sums.
    pub sums: &'a F::Sums,
}

/// The sum of the shards' gradients, in their order.
fn add_up<'a, T: Real>(
    model: &Model<T>,
    shards: impl Fn(usize) -> &'a [T] + Sync,
    n_shards: usize,
    grads: &mut [T],
    workers: &dyn Workers,
) {
    let len = grads.len();
    let cut = |part: usize| len * part / n_shards;
    let cuts: Vec<usize> = (1..=n_shards).map(cut).collect();
    workers.run_parts(grads, &cuts, &|part, to| {
        let place = cut(part)..cuts[part];
        to.copy_from_slice(&shards(0)[place.clone()]);
        for shard in 1..n_shards {
            T::axpy(model.kernels(), T::ONE, &shards(shard)[place.clone()], to);
        }
    });
}
