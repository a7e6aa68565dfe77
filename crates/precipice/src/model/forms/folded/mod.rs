//! Two attention layers whose last one is read at the query only, without a row for every token.
//!
//! The plain network computes queries, keys and values of every token in both layers. The loss sees
//! one row a sequence, and the first layer's input is a position code and a content vector, so the
//! same function (and the same gradients) take a fraction of the work. With x_i = (code of position
//! i, content c_i), V the value map of layer 1, q the query's token and primes for layer 2:
//!
//! ```text
//! s_ij = x_i A x_j,  A = W_Q W_K^T        once a step; codes are one-hot, so that products with them
//!      = A_pp[i,j] + (A_cc^T c_i + A_pc[i]) . c_j + c_i . A_cp[:,j]                     are look-ups
//! p_ij = softmax_{j <= i}(s_ij)
//! h_q  = x_q + V^T y,         y = sum_k p_qk x_k
//! r    = W'_K W'_Q^T h_q,     u = V r                                            vectors a sequence
//! s'_j = r . h_j = r . x_j + sum_k p_jk (u . x_k)
//! w    = softmax(s')
//! zbar = sum_j w_j h_j = sum_j w_j x_j + V^T sum_k m_k x_k,    m_k = sum_j w_j p_jk
//! out  = h_q + W'_V^T zbar
//! ```
//!
//! Of sums over sequences only those of look-ups depend on the shards, and those of biases on their chunks. The stages are those of [`super::Form`]; what the
//! reduction adds up first is the gradient of A, look-ups of the shards and products over all sequences, then the
//! parameters', each one product over all sequences.

mod backward;
mod forward;
mod gradients;
mod prepare;
mod step;
mod trace;

use std::ops::Range;

use precipice_num::{MatRef, Real};

use crate::model::description::Description;
use crate::model::layers::attention::Attention;
use crate::model::layers::embed::EmbedDims;
use crate::model::{Layout, Model};
use crate::sequence::CHUNK;
use gradients::{GradientPart, SharedPlaces};
use prepare::PreparedPlaces;
use trace::FoldedTrace;

/// Rows of the sequences' matrices are padded to whole registers.
const LANES: usize = 16;

/// Numbers that a room may have: 1.5 MB of the second-level cache.
const CACHE: usize = 3 << 17;
/// Sequences that a room may have.
pub const ROOM_MAX: usize = 64;

/// Shapes and places of the two layers.
#[derive(Clone, Debug)]
pub struct Folded {
    sizes: Sizes,
    score_scale: f64,
    first: Maps,
    second: Maps,
    prepared: PreparedPlaces,
    /// Ends of the parts of what sequences share, those of the readout last.
    prepared_cuts: Vec<usize>,
    shared: SharedPlaces,
    gradients: Vec<GradientPart>,
    room_size: usize,
    /// Ends of their parts.
    gradient_cuts: Vec<usize>,
}

/// The widths of the folded form.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    dims: EmbedDims,
    /// P + D: the columns of the embedding that are not always 0.
    f: usize,
    /// D, padded.
    d_pad: usize,
    n_tokens: usize,
    /// N + 1.
    n_items: usize,
    /// T, padded.
    t_pad: usize,
    /// Row stride of what is looked up by two positions: a padded row of T fits at every offset.
    p_stride: usize,
    n_labels: usize,
}

/// Places of W_Q, W_K and W_V, each `[C, C]`.
#[derive(Clone, Debug)]
struct Maps {
    q: Range<usize>,
    k: Range<usize>,
    v: Range<usize>,
}

impl Sizes {
    fn new(description: &Description) -> Self {
        let &Description { d_pos, d_item, d_model, .. } = description;
        let dims = EmbedDims { d_pos, d_item, d_model };
        let (n_tokens, t_pad) = (description.n_tokens(), description.n_tokens().next_multiple_of(LANES));
        Self {
            dims,
            f: dims.d_pos + dims.d_item,
            d_pad: dims.d_item.next_multiple_of(LANES),
            n_tokens,
            n_items: description.geometry.n_exemplars() + 1,
            t_pad,
            p_stride: dims.d_pos - n_tokens + t_pad,
            n_labels: description.targets.n_labels(),
        }
    }
}

impl Sizes {
    /// Sequences whose activations fit the second-level cache, at least a chunk: the more, the larger the products with
    /// the maps of layer 2.
    fn room_size(self) -> usize {
        let c = self.dims.d_model;
        let numbers = self.n_tokens * (self.d_pad + self.t_pad) + 2 * self.n_items * self.d_pad + 10 * c + 4 * self.f;
        (CACHE / numbers).clamp(CHUNK, ROOM_MAX)
    }
}

impl Folded {
    /// Of a network whose layers fold.
    ///
    /// # Panics
    /// If they do not.
    pub fn new<T: Real>(model: &Model<T>) -> Self {
        assert!(model.description().can_fold(), "two layers that fold");
        let maps = |layer: &Attention| {
            let [q, k, v] = layer.places();
            Maps { q, k, v }
        };
        let sizes = Sizes::new(model.description());
        let layers = [0, 1].map(|layer| model.attention(layer));
        let [first, second] = layers.map(maps);
        let (prepared, layout): (_, &Layout) = (PreparedPlaces::new(sizes), model.layout());
        let mut prepared_cuts = prepared.cuts.clone();
        for len in model.readout.weight_lens() {
            prepared_cuts.push(prepared_cuts[prepared_cuts.len() - 1] + len);
        }
        let gradients = gradients::parts(sizes, &first, &second, layout);
        Self {
            sizes,
            score_scale: layers[0].score_scale(),
            prepared,
            prepared_cuts,
            shared: SharedPlaces::new(sizes),
            room_size: sizes.room_size(),
            gradient_cuts: gradients.iter().map(GradientPart::end).collect(),
            gradients,
            first,
            second,
        }
    }

    /// Rows of a map of layer 1 that the embedding reaches: position codes, then content.
    fn by_position<'a, T>(&self, p: &'a [T], place: &Range<usize>) -> MatRef<'a, T> {
        let EmbedDims { d_pos, d_model, .. } = self.sizes.dims;
        MatRef::new(&p[place.clone()], d_pos, d_model)
    }

    fn by_content<'a, T>(&self, p: &'a [T], place: &Range<usize>) -> MatRef<'a, T> {
        let EmbedDims { d_pos, d_item, d_model } = self.sizes.dims;
        MatRef::new(&p[place.clone()][d_pos * d_model..], d_item, d_model)
    }

    /// V, `[F, C]`.
    fn values<'a, T>(&self, p: &'a [T]) -> MatRef<'a, T> {
        MatRef::new(&p[self.first.v.clone()], self.sizes.f, self.sizes.dims.d_model)
    }

    /// A map of layer 2.
    fn whole<'a, T>(&self, p: &'a [T], place: &Range<usize>) -> MatRef<'a, T> {
        MatRef::new(&p[place.clone()], self.sizes.dims.d_model, self.sizes.dims.d_model)
    }

    /// Multiplies scores, or their gradients, by 1 / sqrt(d_head) where the network does.
    fn scale_scores<T: Real>(&self, scores: &mut [T]) {
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            scores.iter_mut().for_each(|s| *s *= scale);
        }
    }
}

/// Consecutive places of the given lengths.
fn places<const N: usize>(lengths: [usize; N]) -> [Range<usize>; N] {
    let mut end = 0;
    lengths.map(|len| {
        let start = end;
        end += len;
        start..end
    })
}
