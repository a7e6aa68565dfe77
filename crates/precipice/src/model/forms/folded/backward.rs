//! From the gradient of the query's final row to all that the parameters' gradients are made of.

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::forward::causal_blocks;
use super::trace::{FoldedTrace, row_pair, thirds};
use super::{Folded, Sizes};
use crate::model::forms::ShardSums;
use crate::model::layers::embed::EmbedDims;
use crate::sequence::{Batch, Chunk, Role};

impl Folded {
    /// Fills the trace's gradients, given that of the query's final row, and adds to the look-ups'.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    pub(super) fn read_sequences_backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        prepared: &[T],
        batch: &Batch,
        chunks: &[Chunk],
        trace: &mut FoldedTrace<T>,
        sums: &mut ShardSums<T>,
    ) {
        let Sizes { dims: EmbedDims { d_model: c, .. }, f, .. } = self.sizes;
        let (s, v, maps) = (batch.n_sequences, self.values(p), &self.prepared);
        let transposed = |place: &Range<usize>, cols| MatRef::new(&prepared[place.clone()], c, cols);
        // out = h_q + W'_V^T zbar, zbar = sum_j w_j x_j + V^T sum_k m_k x_k
        let d_z_bar = MatMut::new(&mut trace.v_out[..s * c], s, c);
        T::gemm(kernels, d_z_bar, Fill::Set, MatRef::new(&trace.d_out, s, c), transposed(&maps.out_t, c));
        let d_mix = MatMut::new(&mut trace.narrow, s, f);
        T::gemm(kernels, d_mix, Fill::Set, MatRef::new(&trace.v_out, s, c), transposed(&maps.v_t, f));
        for i in 0..s {
            self.attend_second_backward(kernels, batch, i, trace);
        }
        // u = V r, r = W'_K key_query, key_query = scale W'_Q^T h_q
        let d_u = MatRef::new(&trace.v_in[s * f..], s, f);
        T::gemm(kernels, MatMut::new(&mut trace.d_r, s, c), Fill::Add, d_u, v);
        let d_key_query = MatMut::new(&mut trace.d_key_query, s, c);
        let keys = self.whole(p, &self.second.k);
        T::gemm(kernels, d_key_query, Fill::Set, MatRef::new(&trace.d_r, s, c), keys);
        self.scale_scores(&mut trace.d_key_query[..s * c]);
        let d_h_q = &mut trace.v_out[2 * s * c..3 * s * c];
        d_h_q.copy_from_slice(&trace.d_out[..s * c]);
        let d_key_query = MatRef::new(&trace.d_key_query, s, c);
        T::gemm(kernels, MatMut::new(d_h_q, s, c), Fill::Add, d_key_query, transposed(&maps.q_t, c));
        // h_q = x_q + V^T y
        let d_y = MatMut::new(&mut trace.narrow, s, f);
        T::gemm(kernels, d_y, Fill::Set, MatRef::new(d_h_q, s, c), transposed(&maps.v_t, f));
        for Chunk { shard, sequences } in chunks {
            let lookups = sums.of(kernels, *shard);
            for i in sequences.clone() {
                self.attend_first_backward(kernels, batch, i, trace, lookups);
            }
        }
    }

    /// Gradients of the scores of layer 2, of u and r; `narrow` holds that of sum m x.
    fn attend_second_backward<T: Real>(&self, kernels: Kernels, batch: &Batch, i: usize, trace: &mut FoldedTrace<T>) {
        let Sizes { dims: EmbedDims { d_model: c, .. }, f, d_pad, n_tokens: t, t_pad, .. } = self.sizes;
        let (s, offset) = (batch.n_sequences, batch.offsets[i] as usize);
        let content = &trace.content[i * t * d_pad..(i + 1) * t * d_pad];
        let pattern = &trace.pattern[i * t * t_pad..(i + 1) * t * t_pad];
        let (by_mix, _) = row_pair(&mut trace.by, i, t_pad);
        let (weights, d_scores) = row_pair(&mut trace.weights, i, t_pad);
        let (d_mix, d_z_bar) = (&trace.narrow[i * f..(i + 1) * f], &trace.v_out[i * c..(i + 1) * c]);
        let scratch = &mut trace.scratch;
        let compared = (d_mix, d_z_bar);
        self.compare(kernels, compared, content, pattern, offset, &mut scratch.mixed, (by_mix, d_scores));
        T::softmax_gradient(kernels, &weights[..t], &mut d_scores[..t], t);
        scratch.rows[..t_pad].copy_from_slice(d_scores);
        let [_, d_u, _] = thirds(&mut trace.v_in, s, f);
        let to = (&mut d_u[i * f..(i + 1) * f], &mut trace.d_r[i * c..(i + 1) * c]);
        self.combine(kernels, &mut scratch.rows, &mut scratch.mixed, content, pattern, offset, to);
    }

    /// Gradients of what is looked up and of the mapped items; `narrow` holds that of y.
    fn attend_first_backward<T: Real>(
        &self,
        kernels: Kernels,
        batch: &Batch,
        i: usize,
        trace: &mut FoldedTrace<T>,
        lookups: &mut [T],
    ) {
        let Sizes { d_pad, n_tokens: t, t_pad, p_stride, f, .. } = self.sizes;
        let (n, offset) = (batch.n_exemplars, batch.offsets[i] as usize);
        let content = &trace.content[i * t * d_pad..(i + 1) * t * d_pad];
        let pattern = &trace.pattern[i * t * t_pad..(i + 1) * t * t_pad];
        let pair = 2 * i * t_pad..2 * (i + 1) * t_pad;
        let scratch = &mut trace.scratch;
        let d = &mut scratch.d_pattern;
        // dp_jk = w_j (d_mix . x_k) + ds'_j (u . x_k), and for the query d_y . x_k
        let weights = MatRef::with_row_stride(&trace.weights[pair.clone()], 2, t, t_pad).t();
        T::gemm(kernels, MatMut::new(d, t, t_pad), Fill::Set, weights, MatRef::new(&trace.by[pair], 2, t_pad));
        let by_y = &mut scratch.rows[..t_pad];
        self.by_tokens(kernels, &trace.narrow[i * f..(i + 1) * f], content, offset, &mut scratch.mixed, by_y);
        T::axpy(kernels, T::ONE, &by_y[..t], &mut d[(t - 1) * t_pad..][..t]);
        T::softmax_gradient(kernels, pattern, d, t_pad);
        let d_left = &mut scratch.left;
        for (i0, i1) in causal_blocks(t) {
            let to = MatMut::new(&mut d_left[i0 * d_pad..i1 * d_pad], i1 - i0, d_pad);
            let d_rows = MatRef::with_row_stride(&d[i0 * t_pad..], i1 - i0, i1, t_pad);
            T::gemm(kernels, to, Fill::Set, d_rows, MatRef::new(content, i1, d_pad));
            // Keys i0..i1 are seen by the queries from i0 on.
            let d_cp = &mut lookups[self.shared.cp_t.clone()][(offset + i0) * d_pad..];
            let d_columns = MatRef::with_row_stride(&d[i0 * t_pad + i0..], t - i0, i1 - i0, t_pad).t();
            let seen = MatRef::new(&content[i0 * d_pad..], t - i0, d_pad);
            T::gemm(kernels, MatMut::new(d_cp, i1 - i0, d_pad), Fill::Add, d_columns, seen);
        }
        let d_pp = &mut lookups[self.shared.pp.clone()][offset * p_stride + offset..];
        T::add_rows(kernels, d, d_pp, (t_pad, p_stride), t_pad);
        let d_pc = &mut lookups[self.shared.pc.clone()][offset * d_pad..][..t * d_pad];
        T::axpy(kernels, T::ONE, d_left, d_pc);
        let d_labels = &mut lookups[self.shared.labels.clone()];
        for (token, d_left) in d_left.chunks_exact(d_pad).enumerate() {
            let slot = match batch.geometry().role(token) {
                Role::Label(slot) => {
                    let label = batch.label_ids[i * n + slot] as usize;
                    T::axpy(kernels, T::ONE, d_left, &mut d_labels[label * d_pad..][..d_pad]);
                    continue;
                }
                Role::Item(slot) => slot,
                _ => n,
            };
            trace.mapped_items[(i * (n + 1) + slot) * d_pad..][..d_pad].copy_from_slice(d_left);
        }
    }
}
