//! Activations of the folded form.

use std::ops::Range;

use precipice_num::{MatRef, Real};

use super::{Sizes, places};
use crate::model::description::Description;
use crate::model::layers::embed::EmbedDims;
use crate::model::layers::readout::ReadoutTrace;
use crate::sequence::Chunk;

/// Activations of some sequences, and their gradients.
#[derive(Clone, Debug)]
pub struct FoldedTrace<T> {
    pub(super) readout: ReadoutTrace<T>,
    /// Items as they are and times A_cc, later that product's gradient; `[S (N+1), d_pad]` each.
    pub(super) items: Vec<T>,
    pub(super) mapped_items: Vec<T>,
    /// c of every token, `[S, T, d_pad]`.
    pub(super) content: Vec<T>,
    /// p, `[S, T, t_pad]`.
    pub(super) pattern: Vec<T>,
    /// The gradient of sum m x times x_k, and u . x_k: `[S, 2, t_pad]`.
    pub(super) by: Vec<T>,
    /// w and the gradient of s': `[S, 2, t_pad]`.
    pub(super) weights: Vec<T>,
    /// h_q, W'_Q^T h_q, zbar and the output, `[S, C]` each.
    pub(super) h_q: Vec<T>,
    pub(super) key_query: Vec<T>,
    pub(super) z_bar: Vec<T>,
    pub(super) out: Vec<T>,
    /// What V multiplies, `[3 S, F]`: sum m x, the gradient of u, y; and what it meets in its own
    /// gradient, `[3 S, C]`: the gradient of zbar, r, the gradient of h_q.
    pub(super) v_in: Vec<T>,
    pub(super) v_out: Vec<T>,
    /// u, then the gradients of sum m x and of y, `[S, F]`.
    pub(super) narrow: Vec<T>,
    /// `[S, C]`
    pub(super) d_out: Vec<T>,
    pub(super) d_r: Vec<T>,
    pub(super) d_key_query: Vec<T>,
    pub(super) scratch: Scratch<T>,
    pub(super) n_sequences: usize,
    capacity: usize,
    sizes: Sizes,
}

/// Room for one sequence.
#[derive(Clone, Debug)]
pub(super) struct Scratch<T> {
    /// A^T x_i, without what is looked up; then its gradient, `[T, d_pad]`.
    pub(super) left: Vec<T>,
    /// `[d_pad, t_pad]`
    pub(super) content_t: Vec<T>,
    /// `[T, t_pad]`
    pub(super) d_pattern: Vec<T>,
    /// Two rows of weights, `[2, t_pad]`, and the content that they mix, `[2, d_pad]`.
    pub(super) rows: Vec<T>,
    pub(super) mixed: Vec<T>,
}

impl<T: Real> FoldedTrace<T> {
    /// Room for `capacity` sequences.
    pub(super) fn new(description: &Description, capacity: usize) -> Self {
        let sizes = Sizes::new(description);
        let Sizes { dims: EmbedDims { d_model: c, .. }, f, d_pad, n_tokens: t, t_pad, .. } = sizes;
        let zeros = |len: usize| vec![T::ZERO; len];
        let each = |len: usize| zeros(capacity * len);
        let n_items = description.geometry.n_exemplars() + 1;
        Self {
            readout: ReadoutTrace::new(description, capacity),
            items: each(n_items * d_pad),
            mapped_items: each(n_items * d_pad),
            content: each(t * d_pad),
            pattern: each(t * t_pad),
            by: each(2 * t_pad),
            weights: each(2 * t_pad),
            h_q: each(c),
            key_query: each(c),
            z_bar: each(c),
            out: each(c),
            v_in: each(3 * f),
            v_out: each(3 * c),
            narrow: each(f),
            d_out: each(c),
            d_r: each(c),
            d_key_query: each(c),
            scratch: Scratch {
                left: zeros(t * d_pad),
                content_t: zeros(d_pad * t_pad),
                d_pattern: zeros(t * t_pad),
                rows: zeros(2 * t_pad),
                mixed: zeros(2 * d_pad),
            },
            n_sequences: 0,
            capacity,
            sizes,
        }
    }

    /// Takes the next sequences in use.
    ///
    /// # Panics
    /// If there is no room for so many.
    pub(super) fn set_sequences(&mut self, n_sequences: usize) {
        assert!(n_sequences <= self.capacity, "{n_sequences} sequences in a trace for {}", self.capacity);
        self.n_sequences = n_sequences;
    }

    /// Sequences in use.
    pub(super) fn n_sequences(&self) -> usize {
        self.n_sequences
    }

    /// Logits of the query `[S, L]`, and where the loss puts its gradient.
    pub fn logits_and_gradient(&mut self) -> (&[T], &mut [T]) {
        self.readout.logits_and_gradient(self.n_sequences)
    }

    /// Pairs of matrices with a row for each sequence, or more; the gradient of a map is the sum of left^T right.
    pub(super) fn factors(&self, product: Product, chunks: &[Chunk]) -> Vec<[MatRef<'_, T>; 2]> {
        let (s, Sizes { dims, f, d_pad, n_items, .. }) = (self.n_sequences, self.sizes);
        let c = dims.d_model;
        let one = |left, right| vec![[MatRef::new(left, s, c), MatRef::new(right, s, c)]];
        match product {
            // Three rows a sequence: first of all of a chunk, then the second ones, then the third.
            Product::V => {
                let thirds = chunks.iter().flat_map(|chunk| [0, 1, 2].map(|third| (chunk.sequences.clone(), third)));
                let pair = |(of, third): (Range<usize>, usize)| {
                    let at = |width| (third * s + of.start) * width;
                    let left = MatRef::new(&self.v_in[at(f)..], of.len(), f);
                    [left, MatRef::new(&self.v_out[at(c)..], of.len(), c)]
                };
                thirds.map(pair).collect()
            }
            Product::Q => one(&self.h_q, &self.d_key_query),
            Product::K => one(&self.d_r, &self.key_query),
            Product::Out => one(&self.z_bar, &self.d_out),
            Product::Items => {
                let rows = |x| MatRef::with_row_stride(x, s * n_items, dims.d_item, d_pad);
                vec![[rows(&self.items), rows(&self.mapped_items)]]
            }
        }
    }
}

/// The gradients that are sums over sequences of outer products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// V of layer 1, `[F, C]`
    V,
    /// W'_Q, `[C, C]`
    Q,
    /// W'_K, `[C, C]`
    K,
    /// W'_V, `[C, C]`
    Out,
    /// A_cc, `[D, D]`
    Items,
}

/// The two rows of `[S, 2, width]` of a sequence.
pub(super) fn row_pair<T>(rows: &mut [T], i: usize, width: usize) -> (&mut [T], &mut [T]) {
    rows[2 * i * width..2 * (i + 1) * width].split_at_mut(width)
}

/// The three blocks of `[3 S, width]`.
pub(super) fn thirds<T>(rows: &mut [T], s: usize, width: usize) -> [&mut [T]; 3] {
    let [_, second, third] = places([s * width; 3]);
    let (first, rest) = rows[..third.end].split_at_mut(second.start);
    let (second, third) = rest.split_at_mut(s * width);
    [first, second, third]
}
