//! The equal ways to compute a training step, behind one interface; [`plan`](super::plan) chooses among them.
//!
//! A step has four stages. In each the jobs are independent of one another, so that any number of threads may share
//! them; sums over sequences are added in the order of the shards.
//!
//! ```text
//! prepare    what all sequences share, part by part
//! sequences  forward and backward of some sequences, shard by shard
//! reduce     what the shards hold, to the parameters' gradient, part by part
//! outputs    the query's logits or values, which is all that an evaluation reads
//! ```

mod folded;
mod one_layer;
mod plain;
mod sums;

pub use folded::{Folded, ROOM_MAX as FOLDED_ROOM_MAX};
pub use one_layer::OneLayer;
pub use plain::Plain;
pub use sums::ShardSums;

use std::fmt::Debug;

use precipice_num::Real;

use super::{Model, Params};
use crate::sequence::{Batch, Chunk, N_SHARDS};
use crate::workers::Workers;

/// A way to compute loss and gradients of a network.
pub trait Form<T: Real>: Debug + Send + Sync {
    /// Activations of some sequences, and their gradients.
    type Room: Debug + Send + Sync;
    /// What the reduction needs besides.
    type Scratch: Debug + Send + Sync;

    /// Sequences that are evaluated together.
    const EVAL_CHUNK: usize;

    /// Where the reduction reads all activations, so that every sequence has room of its own: the most of them that are
    /// trained on together. Else one room serves chunk after chunk.
    fn kept_sequences(&self) -> Option<usize> {
        None
    }

    /// Room for `capacity` sequences.
    fn room(&self, model: &Model<T>, capacity: usize) -> Self::Room;

    /// Numbers in the gradients that are added up sequence by sequence, in each shard.
    fn sums_len(&self, model: &Model<T>) -> usize;

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

    /// Fills the room's gradients, given that of the outputs, and adds to the sums; `chunks` are those of the room's
    /// sequences, from 0.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    fn backward(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        prepared: &[T],
        batch: &Batch,
        chunks: &[Chunk],
        room: &mut Self::Room,
        sums: &mut ShardSums<T>,
    );

    /// The parameters' gradient.
    fn reduce(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        held: &Held<'_, T, Self>,
        scratch: &mut Self::Scratch,
        grads: &mut [T],
        workers: &dyn Workers,
    );
}

/// What a batch leaves behind after its backward passes.
#[derive(Debug)]
pub struct Held<'a, T: Real, F: Form<T> + ?Sized> {
    /// Activations and gradients, in the order of the sequences, with the chunks of each; only where the form keeps
    /// them.
    pub rooms: &'a [(&'a F::Room, &'a [Chunk])],
    /// Sums, to be added in this order.
    pub sums: &'a [&'a [T]],
}

/// The sum of the shards' gradients, in their order.
fn add_up<T: Real>(model: &Model<T>, sums: &[&[T]], grads: &mut [T], workers: &dyn Workers) {
    let len = grads.len();
    let cut = |part: usize| len * part / N_SHARDS;
    let cuts: Vec<usize> = (1..=N_SHARDS).map(cut).collect();
    workers.run_parts(grads, &cuts, &|part, to| {
        let place = cut(part)..cuts[part];
        to.copy_from_slice(&sums[0][place.clone()]);
        for sum in &sums[1..] {
            T::axpy(model.kernels(), T::ONE, &sum[place.clone()], to);
        }
    });
}
