//! How a batch is cut, so that any number of threads adds in the same order.

use std::ops::Range;

/// Shards of a batch. Fixed, so that the order of additions does not depend on the threads.
pub const N_SHARDS: usize = 8;
/// Sequences of a shard whose losses, and gradients of biases, are added up together.
pub const CHUNK: usize = 16;

/// Sequences that are added up together: at most [`CHUNK`] of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The shard that they belong to.
    pub shard: usize,
    /// Which of the batch they are.
    pub sequences: Range<usize>,
}

/// The chunks of some shards of a batch, in the order in which they are added up.
///
/// ```
/// use precipice::sequence::chunks;
/// let ends: Vec<(usize, usize)> = chunks(200, 6..8).map(|chunk| (chunk.shard, chunk.sequences.end)).collect();
/// assert_eq!(ends, [(6, 166), (6, 175), (7, 191), (7, 200)]);
/// ```
pub fn chunks(n_sequences: usize, shards: Range<usize>) -> impl Iterator<Item = Chunk> {
    shards.flat_map(move |shard| {
        let range = shard_range(n_sequences, shard);
        let chunk = move |first| Chunk { shard, sequences: first..range.end.min(first + CHUNK) };
        shard_range(n_sequences, shard).step_by(CHUNK).map(chunk)
    })
}

/// The sequences of shard `shard` out of `n_sequences`.
///
/// ```
/// use precipice::sequence::{N_SHARDS, shard_range};
/// let lengths: Vec<usize> = (0..N_SHARDS).map(|shard| shard_range(20, shard).len()).collect();
/// assert_eq!(lengths, [2, 3, 2, 3, 2, 3, 2, 3]);
/// ```
pub fn shard_range(n_sequences: usize, shard: usize) -> Range<usize> {
    n_sequences * shard / N_SHARDS..n_sequences * (shard + 1) / N_SHARDS
}

/// Chunks of a batch in all its shards.
pub fn n_chunks(n_sequences: usize) -> usize {
    chunks(n_sequences, 0..N_SHARDS).count()
}
