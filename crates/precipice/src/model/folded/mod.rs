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
//! A step has four stages. In each the jobs are independent of one another, so that any number of
//! threads may share them, and of sums over sequences only those of look-ups depend on the shards:
//!
//! ```text
//! prepare     what all sequences share: A, the label table times A_cc, transposed maps
//! sequences   forward and backward of a shard's sequences                              `forward`, `backward`
//! shared      the gradient of A: look-ups of the shards added up, products over all sequences
//! gradients   of the parameters, each one product over all sequences                   `gradients`
//! ```

mod backward;
mod forward;
mod gradients;
mod prepare;
mod trace;

use std::ops::Range;

use precipice_num::{MatRef, Real};

use super::attention::Attention;
use super::embed::EmbedDims;
use super::params::Layout;
use crate::spec::RunSpec;
pub(super) use gradients::accumulate;
use gradients::{GradientPart, SharedPlaces};
use prepare::PreparedPlaces;
pub use trace::{FoldedShard, FoldedTrace};

/// Rows of the sequences' matrices are padded to whole registers.
const LANES: usize = 16;

/// Shapes and places of the two layers.
#[derive(Clone, Debug)]
pub(super) struct Folded {
    sizes: Sizes,
    score_scale: f64,
    first: Maps,
    second: Maps,
    prepared: PreparedPlaces,
    shared: SharedPlaces,
    gradients: Vec<GradientPart>,
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
    fn new(spec: &RunSpec) -> Self {
        let dims = EmbedDims { d_pos: spec.d_pos(), d_item: spec.task.d_item(), d_model: spec.d_model() };
        let (n_tokens, t_pad) = (spec.n_tokens(), spec.n_tokens().next_multiple_of(LANES));
        Self {
            dims,
            f: dims.d_pos + dims.d_item,
            d_pad: dims.d_item.next_multiple_of(LANES),
            n_tokens,
            t_pad,
            p_stride: dims.d_pos - n_tokens + t_pad,
            n_labels: spec.task.n_labels(),
        }
    }
}

impl Folded {
    /// `layout` holds all parameters of the network.
    pub(super) fn new(spec: &RunSpec, layers: [&Attention; 2], layout: &Layout) -> Self {
        let maps = |layer: &Attention| {
            let [q, k, v] = layer.places();
            Maps { q, k, v }
        };
        let sizes = Sizes::new(spec);
        let [first, second] = layers.map(maps);
        Self {
            sizes,
            score_scale: layers[0].score_scale(),
            prepared: PreparedPlaces::new(sizes),
            shared: SharedPlaces::new(sizes),
            gradients: gradients::parts(sizes, &first, &second, layout),
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
