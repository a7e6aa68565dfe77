//! The activations of one forward pass: kept for the backward pass, and what probes read.

use precipice_num::Real;

use super::description::Description;
use super::layers::attention::AttentionTrace;
use super::layers::norm::NormTrace;
use super::layers::readout::ReadoutTrace;
use super::layers::{EmbeddingTrace, MlpTrace};

/// How much of the last block is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Every token's row.
    All,
    /// Where every token looks, and beyond that only the query's row: what probes read. There is no way back from here:
    /// such a trace has no room for gradients.
    Patterns,
    /// Only the query's row, which is all that the loss reads.
    QueryOnly,
}

/// Which token rows a block computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockRows {
    n_tokens: usize,
    per_sequence: usize,
}

impl BlockRows {
    /// Token row of computed row `i`; a sequence's computed rows are its last ones.
    pub(super) fn token(self, i: usize) -> usize {
        i / self.per_sequence * self.n_tokens + self.n_tokens - self.per_sequence + i % self.per_sequence
    }
}

/// Rows of a strided matrix inside a flat vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct StridedRows {
    pub start: usize,
    pub stride: usize,
    /// Elements of the whole vector in use.
    pub len: usize,
}

/// Activations of one block.
#[derive(Clone, Debug)]
pub struct BlockTrace<T> {
    /// Residual stream before the block, `[M, C]`.
    pub resid_pre: Vec<T>,
    /// Residual stream between attention and MLP, `[R, C]`; empty where there is no MLP.
    pub resid_mid: Vec<T>,
    /// Attention.
    pub attention: AttentionTrace<T>,
    pub(super) ln1: NormTrace<T>,
    pub(super) ln2: NormTrace<T>,
    pub(super) mlp: MlpTrace<T>,
    pub(super) n_tokens: usize,
    rows_per_sequence: usize,
}

impl<T> BlockTrace<T> {
    pub(super) fn rows(&self) -> BlockRows {
        BlockRows { n_tokens: self.n_tokens, per_sequence: self.rows_per_sequence }
    }

    pub(super) fn n_rows(&self, n_sequences: usize) -> usize {
        self.rows_per_sequence * n_sequences
    }
}

/// Activations of a minimal head's query row, kept for the backward pass.
#[derive(Clone, Debug)]
pub(super) struct MinimalTrace<T> {
    /// Match a_j of the query with what token j holds, `[S, T]`.
    pub(super) matches: Vec<T>,
    /// da_j/dβ, `[S, T]`.
    pub(super) slopes: Vec<T>,
}

impl<T: Real> MinimalTrace<T> {
    fn new(description: &Description, capacity: usize) -> Self {
        let len = if description.minimal.is_some() { capacity * description.n_tokens() } else { 0 };
        Self { matches: vec![T::ZERO; len], slopes: vec![T::ZERO; len] }
    }
}

/// Everything that one forward and backward pass need, sized once for a number of sequences.
#[derive(Clone, Debug)]
pub struct Trace<T> {
    /// Activations of each block.
    pub blocks: Vec<BlockTrace<T>>,
    pub(super) embedding: EmbeddingTrace<T>,
    /// Residual stream after the last block, `[R, C]`.
    pub resid_final: Vec<T>,
    pub(super) ln_final: NormTrace<T>,
    pub(super) minimal: MinimalTrace<T>,
    pub(super) readout: ReadoutTrace<T>,
    /// Gradient of the residual stream, `[M, C]`, and the same one block later.
    pub(super) d_resid: Vec<T>,
    pub(super) d_rows: Vec<T>,
    /// Gradient of the query's final row, `[S, C]`.
    pub(super) d_query: Vec<T>,
    pub(super) scratch: Vec<T>,
    /// Three maps of a layer, turned over, or a map's gradient and a sum of rows.
    pub(super) turned: Vec<T>,
    n_sequences: usize,
    capacity: usize,
    reads: Reads,
    d_model: usize,
}

impl<T: Real> Trace<T> {
    /// Room for `capacity` sequences of a network.
    pub fn new(description: &Description, capacity: usize, reads: Reads) -> Self {
        let (t, c) = (description.n_tokens(), description.d_model);
        let zeros = |len: usize| vec![T::ZERO; len];
        let &Description { n_layers, d_mlp, .. } = description;
        // A minimal head has no patterns apart from its rows.
        let wants_patterns = reads == Reads::Patterns && description.minimal.is_none();
        let has_all_rows = reads == Reads::All || (reads == Reads::Patterns && !wants_patterns);
        let rows = |idx: usize| if !has_all_rows && idx + 1 == n_layers { 1 } else { t };
        let block = |idx: usize| BlockTrace {
            resid_pre: zeros(capacity * t * c),
            resid_mid: zeros(if d_mlp > 0 { capacity * rows(idx) * c } else { 0 }),
            attention: AttentionTrace::new(description, idx, capacity, rows(idx), wants_patterns),
            ln1: NormTrace::new(description, capacity * t),
            ln2: NormTrace::new(description, if d_mlp > 0 { capacity * rows(idx) } else { 0 }),
            mlp: MlpTrace::new(d_mlp, description.activation, capacity * rows(idx)),
            n_tokens: t,
            rows_per_sequence: rows(idx),
        };
        Self {
            blocks: (0..n_layers).map(block).collect(),
            embedding: EmbeddingTrace::new(description, capacity),
            resid_final: zeros(capacity * rows(n_layers - 1) * c),
            ln_final: NormTrace::new(description, capacity),
            minimal: MinimalTrace::new(description, capacity),
            readout: ReadoutTrace::new(description, capacity),
            d_resid: zeros(capacity * t * c),
            d_rows: zeros(capacity * t * c),
            d_query: zeros(capacity * c),
            scratch: zeros(capacity * t * c),
            turned: zeros(3 * description.n_heads * description.d_head * (c + 1)),
            n_sequences: 0,
            capacity,
            reads,
            d_model: c,
        }
    }

    /// Sequences of the last forward pass.
    pub fn n_sequences(&self) -> usize {
        self.n_sequences
    }

    /// Sequences that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How much of the last block is computed.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// What a token of a sequence attends to, `[T]`: a row of a head's pattern.
    ///
    /// # Panics
    /// If there is no such head, or the token's row is not computed.
    pub fn attention(&self, layer: usize, head: usize, sequence: usize, token: usize) -> &[T] {
        let block = &self.blocks[layer];
        let (t, pattern) = (block.n_tokens, block.attention.patterns());
        let rows = if block.attention.has_all_rows(t) { t } else { 1 };
        let n_heads = pattern.len() / (self.capacity * rows * t);
        assert!(head < n_heads && sequence < self.n_sequences, "head {head} in sequence {sequence}");
        let row = token.checked_sub(t - rows).expect("the row of a token that is computed");
        &pattern[((sequence * n_heads + head) * rows + row) * t..][..t]
    }

    /// Logits of the query, `[S, L]`.
    pub fn logits(&self) -> &[T] {
        self.readout.logits(self.n_sequences)
    }

    /// Where the loss puts its gradient, `[S, L]`, beside the logits.
    pub fn logits_and_gradient(&mut self) -> (&[T], &mut [T]) {
        self.readout.logits_and_gradient(self.n_sequences)
    }

    /// A block's activations, and the residual stream after it.
    pub(super) fn block_and_next(&mut self, idx: usize) -> (&mut BlockTrace<T>, &mut [T]) {
        let (now, later) = self.blocks.split_at_mut(idx + 1);
        let next = later.first_mut().map_or(&mut self.resid_final, |next| &mut next.resid_pre);
        (&mut now[idx], next)
    }

    pub(super) fn set_sequences(&mut self, n_sequences: usize) {
        assert!(n_sequences <= self.capacity, "{n_sequences} sequences in a trace for {}", self.capacity);
        self.n_sequences = n_sequences;
    }

    /// The query's rows in `resid_final`.
    pub(super) fn final_rows(&self) -> StridedRows {
        let per_sequence = self.blocks.last().map_or(1, |block| block.rows_per_sequence);
        let stride = per_sequence * self.d_model;
        StridedRows { start: stride - self.d_model, stride, len: self.n_sequences * stride }
    }
}
