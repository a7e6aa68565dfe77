//! What all sequences of a step share.

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::{Folded, Sizes, places};
use crate::model::layers::embed::EmbedDims;

/// Places in one vector, whose parts may be computed by different threads.
#[derive(Clone, Debug)]
pub(super) struct PreparedPlaces {
    /// A_pp, minus infinity where j > i, `[P, p_stride]`
    pub(super) pp: Range<usize>,
    /// A_pc, `[P, d_pad]`
    pub(super) pc: Range<usize>,
    /// A_cp, `[D, p_stride]`
    pub(super) cp: Range<usize>,
    /// A_cc, `[D, d_pad]`
    pub(super) cc: Range<usize>,
    /// Label vectors times A_cc, `[L, d_pad]`
    pub(super) labels: Range<usize>,
    /// V transposed, `[C, F]`, and the maps of layer 2, `[C, C]` each
    pub(super) v_t: Range<usize>,
    pub(super) q_t: Range<usize>,
    pub(super) k_t: Range<usize>,
    pub(super) out_t: Range<usize>,
    /// Ends of the parts: A_cc and the labels that need it are one.
    pub(super) cuts: Vec<usize>,
}

impl PreparedPlaces {
    pub(super) fn new(sizes: Sizes) -> Self {
        let Sizes { dims: EmbedDims { d_pos, d_item, d_model: c }, f, d_pad, p_stride, n_labels, .. } = sizes;
        let [pp, pc, cp, cc, labels, v_t, q_t, k_t, out_t] = places([
            d_pos * p_stride,
            d_pos * d_pad,
            d_item * p_stride,
            d_item * d_pad,
            n_labels * d_pad,
            c * f,
            c * c,
            c * c,
            c * c,
        ]);
        let cuts = [&pp, &pc, &cp, &labels, &v_t, &q_t, &k_t, &out_t].map(|place| place.end).to_vec();
        Self { pp, pc, cp, cc, labels, v_t, q_t, k_t, out_t, cuts }
    }
}

impl Folded {
    /// Numbers in them; the readout's come after.
    pub(super) fn prepared_len(&self) -> usize {
        self.prepared.out_t.end
    }

    /// Computes one part; `label_table` is `[L, D]`.
    pub(super) fn prepare_maps<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        label_table: &[T],
        part: usize,
        to: &mut [T],
    ) {
        let Sizes { dims: EmbedDims { d_pos, d_item, d_model: c }, f, d_pad, p_stride, n_labels, .. } = self.sizes;
        let (q, k) = (&self.first.q, &self.first.k);
        let mut product = |rows, cols, stride, queries: MatRef<'_, T>, keys: MatRef<'_, T>| {
            let a = MatMut::with_row_stride(to, rows, cols, stride);
            T::gemm(kernels, a, Fill::Set, queries, keys.t());
            self.scale_scores(&mut to[..rows * stride]);
        };
        match part {
            0 => {
                product(d_pos, d_pos, p_stride, self.by_position(p, q), self.by_position(p, k));
                // No token sees a later one.
                for (i, row) in to.chunks_exact_mut(p_stride).enumerate() {
                    row[i + 1..].fill(T::from_f64(f64::NEG_INFINITY));
                }
            }
            1 => product(d_pos, d_item, d_pad, self.by_position(p, q), self.by_content(p, k)),
            2 => product(d_item, d_pos, p_stride, self.by_content(p, q), self.by_position(p, k)),
            3 => {
                product(d_item, d_item, d_pad, self.by_content(p, q), self.by_content(p, k));
                let (cc, labels) = to.split_at_mut(d_item * d_pad);
                let labels = MatMut::new(labels, n_labels, d_pad);
                let table = MatRef::new(label_table, n_labels, d_item);
                T::gemm(kernels, labels, Fill::Set, table, MatRef::new(cc, d_item, d_pad));
            }
            4 => T::transpose(kernels, &p[self.first.v.start..][..f * c], c, to, f),
            5 => T::transpose(kernels, &p[self.second.q.clone()], c, to, c),
            6 => T::transpose(kernels, &p[self.second.k.clone()], c, to, c),
            _ => T::transpose(kernels, &p[self.second.v.clone()], c, to, c),
        }
    }
}
