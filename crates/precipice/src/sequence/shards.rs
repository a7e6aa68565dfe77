//! How a batch is cut, so that any number of threads adds in the same order.

use std::ops::Range;

/// Shards of a batch. Fixed, so that the order of additions does not depend on the threads.
pub const N_SHARDS: usize = 8;
/// Sequences of a shard that are computed together: their activations fit the second-level cache.
pub const CHUNK: usize = 16;

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
    (0..N_SHARDS).map(|shard| shard_range(n_sequences, shard).len().div_ceil(CHUNK)).sum()
}
