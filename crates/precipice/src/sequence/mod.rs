//! Sequences: what their tokens are, what is asked of the network, and a batch of them.
//!
//! [`geometry`] (what each token is, and who sees whom), [`targets`] (what is to be answered, and by it the loss),
//! [`batch`] (what tasks make and networks read), [`shards`] (how threads share it).

pub mod batch;
pub mod geometry;
pub mod shards;
pub mod targets;

pub use batch::Batch;
pub use geometry::{Geometry, Role, Sight, Tokens};
pub use shards::{CHUNK, Chunk, N_SHARDS, chunks, n_chunks, shard_range};
pub use targets::Targets;
