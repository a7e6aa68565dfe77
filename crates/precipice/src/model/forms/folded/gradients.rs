//! Gradients summed over all sequences, part by part.

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::trace::Product;
use super::{Folded, Maps, Sizes, places};
use crate::model::Layout;
use crate::model::forms::Held;
use crate::model::layers::embed::EmbedDims;

/// Rows of a gradient that one job computes: four tiles of the product.
const ROWS: usize = 48;

/// Places of the gradients of what sequences share. The first four are sums over look-ups, shard by
/// shard; the last is a product over all sequences.
#[derive(Clone, Debug)]
pub(super) struct SharedPlaces {
    /// Of the label vectors times A_cc, `[L, d_pad]`
    pub(super) labels: Range<usize>,
    /// Of A_pp, `[P, p_stride]`
    pub(super) pp: Range<usize>,
    /// Of A_pc, `[P, d_pad]`
    pub(super) pc: Range<usize>,
    /// Of A_cp transposed, `[P, d_pad]`
    pub(super) cp_t: Range<usize>,
    /// Of A_cc, `[D, d_pad]`
    cc: Range<usize>,
    /// Ends of the parts after the labels: the other look-ups, then rows of A_cc.
    cuts: Vec<usize>,
}

impl SharedPlaces {
    pub(super) fn new(sizes: Sizes) -> Self {
        let Sizes { dims: EmbedDims { d_pos, d_item, .. }, d_pad, p_stride, n_labels, .. } = sizes;
        let lengths = [n_labels * d_pad, d_pos * p_stride, d_pos * d_pad, d_pos * d_pad, d_item * d_pad];
        let [labels, pp, pc, cp_t, cc] = places(lengths);
        let blocks = row_blocks(0..d_item).map(|rows| cc.start + rows.end * d_pad);
        let ends = [pp.end, pc.end, cp_t.end].into_iter().chain(blocks);
        let cuts = ends.map(|end| end - labels.end).collect();
        Self { labels, pp, pc, cp_t, cc, cuts }
    }

    /// Numbers in the sums over look-ups.
    pub(super) fn lookups(&self) -> usize {
        self.cc.start
    }
}

/// A part of the parameters' gradient that one job computes.
#[derive(Clone, Debug)]
pub(super) struct GradientPart {
    end: usize,
    what: Gradient,
}

impl GradientPart {
    /// Where it ends in the gradient.
    pub(super) fn end(&self) -> usize {
        self.end
    }
}

#[derive(Clone, Debug)]
enum Gradient {
    /// No data reaches these weights.
    None,
    /// Of W_Q or W_K of layer 1, by position codes or by content.
    First { is_query: bool, by_content: bool },
    /// Rows of a product over all sequences.
    Rows(Product, Range<usize>),
    /// Of the readout: rows of a layer's weights, or a bias.
    Readout { layer: usize, rows: Option<Range<usize>> },
}

/// Rows in blocks of about equal height.
fn row_blocks(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let (len, n) = (rows.len(), rows.len().div_ceil(ROWS));
    (0..n).map(move |i| rows.start + len * i / n..rows.start + len * (i + 1) / n)
}

/// All parts, in the order of the parameters.
pub(super) fn parts(sizes: Sizes, first: &Maps, second: &Maps, layout: &Layout) -> Vec<GradientPart> {
    let EmbedDims { d_pos, d_model: c, .. } = sizes.dims;
    let f = sizes.f;
    let mut parts = Vec::new();
    let mut push = |end: usize, what: Gradient| {
        if parts.last().is_none_or(|part: &GradientPart| part.end < end) {
            parts.push(GradientPart { end, what });
        }
    };
    let mut readout_layer = 0;
    for tensor in layout.tensors() {
        let place = &tensor.range;
        let mut rows_of = |product, n_rows, width: usize| {
            row_blocks(0..n_rows).for_each(|rows| push(place.start + rows.end * width, Gradient::Rows(product, rows)));
        };
        if *place == first.q || *place == first.k {
            let is_query = *place == first.q;
            push(place.start + d_pos * c, Gradient::First { is_query, by_content: false });
            push(place.start + f * c, Gradient::First { is_query, by_content: true });
        } else if *place == first.v {
            rows_of(Product::V, f, c);
        } else if *place == second.q {
            rows_of(Product::Q, c, c);
        } else if *place == second.k {
            rows_of(Product::K, c, c);
        } else if *place == second.v {
            rows_of(Product::Out, c, c);
        } else if let [d_out, d_in] = tensor.shape[..] {
            for rows in row_blocks(0..d_out) {
                let end = place.start + rows.end * d_in;
                push(end, Gradient::Readout { layer: readout_layer, rows: Some(rows) });
            }
            readout_layer += 1;
        } else {
            push(place.end, Gradient::Readout { layer: readout_layer - 1, rows: None });
        }
        push(place.end, Gradient::None);
    }
    parts
}

impl Folded {
    /// Numbers in the gradients of what sequences share: first those of the labels, then the parts.
    pub(super) fn shared_len(&self) -> [usize; 2] {
        [self.shared.labels.len(), self.shared.cc.end]
    }

    /// Ends of the parts of what follows the labels.
    pub(super) fn shared_cuts(&self) -> &[usize] {
        &self.shared.cuts
    }

    /// Adds up the look-ups of all shards, in order, that lie at `place`.
    fn add_up<T: Real>(&self, kernels: Kernels, held: &Held<'_, T, Self>, place: &Range<usize>, to: &mut [T]) {
        to.copy_from_slice(&held.sums[0][place.clone()]);
        for sum in &held.sums[1..] {
            T::axpy(kernels, T::ONE, &sum[place.clone()], to);
        }
    }

    /// The labels' gradient.
    pub(super) fn add_up_labels<T: Real>(&self, kernels: Kernels, held: &Held<'_, T, Self>, to: &mut [T]) {
        self.add_up(kernels, held, &self.shared.labels, to);
    }

    /// One part of what follows the labels, whose gradient is `labels`; `label_table` is `[L, D]`.
    pub(super) fn add_up_shared<T: Real>(
        &self,
        kernels: Kernels,
        label_table: &[T],
        held: &Held<'_, T, Self>,
        labels: &[T],
        part: usize,
        to: &mut [T],
    ) {
        let Sizes { dims, d_pad, n_labels, .. } = self.sizes;
        match [&self.shared.pp, &self.shared.pc, &self.shared.cp_t].get(part) {
            Some(place) => self.add_up(kernels, held, place, to),
            None => {
                let start = self.shared.labels.end + self.shared.cuts[part - 1] - self.shared.cc.start;
                let rows = start / d_pad..start / d_pad + to.len() / d_pad;
                let mut block = MatMut::with_row_stride(to, rows.len(), dims.d_item, d_pad);
                self.product(kernels, held, Product::Items, &rows, block.reborrow());
                let table = MatRef::with_row_stride(&label_table[rows.start..], n_labels, rows.len(), dims.d_item);
                let labels = MatRef::with_row_stride(labels, n_labels, dims.d_item, d_pad);
                T::gemm(kernels, block, Fill::Add, table.t(), labels);
            }
        }
        self.scale_scores(to);
    }

    /// Some rows of a product over all sequences, in their order.
    fn product<T: Real>(
        &self,
        kernels: Kernels,
        held: &Held<'_, T, Self>,
        product: Product,
        rows: &Range<usize>,
        to: MatMut<'_, T>,
    ) {
        let factors = held.rooms.iter().flat_map(|(room, chunks)| room.factors(product, chunks));
        let pairs: Vec<_> = factors.map(|[left, right]| [left.columns(rows.clone()).t(), right]).collect();
        T::gemm_sum(kernels, to, Fill::Set, &pairs);
    }

    /// Whether a part of the parameters' gradient is made of that of what sequences share.
    pub(super) fn needs_shared(&self, part: usize) -> bool {
        matches!(self.gradients[part].what, Gradient::First { .. })
    }

    /// One part of the parameters' gradient, given those of what sequences share but the labels, where it needs them.
    /// The readout's parts are the caller's: they are returned.
    pub(super) fn gradient<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        held: &Held<'_, T, Self>,
        shared: &[T],
        part: usize,
        to: &mut [T],
    ) -> Option<(usize, Option<Range<usize>>)> {
        let Sizes { dims: EmbedDims { d_pos, d_item, d_model: c }, d_pad, p_stride, .. } = self.sizes;
        match &self.gradients[part].what {
            Gradient::None => {}
            Gradient::Readout { layer, rows } => return Some((*layer, rows.clone())),
            Gradient::Rows(product, rows) => {
                self.product(kernels, held, *product, rows, MatMut::new(to, rows.len(), c));
            }
            // A = W_Q W_K^T
            Gradient::First { is_query, by_content } => {
                let other = if *is_query { &self.first.k } else { &self.first.q };
                let block = |place: &Range<usize>, rows, cols, stride| {
                    let start = place.start - self.shared.labels.end;
                    MatRef::with_row_stride(&shared[start..start + place.len()], rows, cols, stride)
                };
                let pp = block(&self.shared.pp, d_pos, d_pos, p_stride);
                let pc = block(&self.shared.pc, d_pos, d_item, d_pad);
                let cp_t = block(&self.shared.cp_t, d_pos, d_item, d_pad);
                let cc = block(&self.shared.cc, d_item, d_item, d_pad);
                let (by_positions, by_contents) = match (is_query, by_content) {
                    (true, false) => (pp, pc),
                    (true, true) => (cp_t.t(), cc),
                    (false, false) => (pp.t(), cp_t),
                    (false, true) => (pc.t(), cc.t()),
                };
                let rows = if *by_content { d_item } else { d_pos };
                T::gemm(kernels, MatMut::new(to, rows, c), Fill::Set, by_positions, self.by_position(p, other));
                T::gemm(kernels, MatMut::new(to, rows, c), Fill::Add, by_contents, self.by_content(p, other));
            }
        }
        None
    }
}
