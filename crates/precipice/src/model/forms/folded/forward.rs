//! From a batch to the query's final row.

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::trace::{FoldedTrace, row_pair, thirds};
use super::{Folded, LANES, Sizes};
use crate::model::layers::embed::EmbedDims;
use crate::sequence::{Batch, Role};

/// Rows i0..i1 of a causal matrix of `t` rows; they see columns 0..i1.
pub(super) fn causal_blocks(t: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..t).step_by(LANES).map(move |i0| (i0, (i0 + LANES).min(t)))
}

impl Folded {
    /// Fills the trace up to the query's final row.
    pub(super) fn read_sequences<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        label_table: &[T],
        prepared: &[T],
        batch: &Batch,
        trace: &mut FoldedTrace<T>,
    ) {
        let Sizes { dims: EmbedDims { d_item, d_model: c, .. }, f, d_pad, .. } = self.sizes;
        let s = batch.n_sequences;
        trace.set_sequences(s);
        let n_items = s * (batch.n_exemplars + 1);
        for (to, from) in trace.items.chunks_exact_mut(d_pad).zip(batch.items.chunks_exact(d_item)).take(n_items) {
            to.iter_mut().zip(from).for_each(|(x, &y)| *x = T::from_f64(f64::from(y)));
        }
        let items = MatRef::with_row_stride(&trace.items, n_items, d_item, d_pad);
        let a_cc = MatRef::new(&prepared[self.prepared.cc.clone()], d_item, d_pad);
        T::gemm(kernels, MatMut::new(&mut trace.mapped_items, n_items, d_pad), Fill::Set, items, a_cc);
        for i in 0..s {
            self.attend_first(kernels, label_table, prepared, batch, i, trace);
        }
        // h_q = x_q + V^T y
        let v = self.values(p);
        self.write_query(batch, trace);
        let (y, h_q) = (MatRef::new(&trace.v_in[2 * s * f..], s, f), MatMut::new(&mut trace.h_q, s, c));
        T::gemm(kernels, h_q, Fill::Add, y, v);
        // r = W'_K W'_Q^T h_q and u = V r
        let to = MatMut::new(&mut trace.key_query, s, c);
        T::gemm(kernels, to, Fill::Set, MatRef::new(&trace.h_q, s, c), self.whole(p, &self.second.q));
        self.scale_scores(&mut trace.key_query[..s * c]);
        let transposed = |place: &std::ops::Range<usize>, cols| MatRef::new(&prepared[place.clone()], c, cols);
        let r = &mut trace.v_out[s * c..2 * s * c];
        let key_query = MatRef::new(&trace.key_query, s, c);
        T::gemm(kernels, MatMut::new(r, s, c), Fill::Set, key_query, transposed(&self.prepared.k_t, c));
        let u = MatMut::new(&mut trace.narrow, s, f);
        T::gemm(kernels, u, Fill::Set, MatRef::new(r, s, c), transposed(&self.prepared.v_t, f));
        for i in 0..s {
            self.attend_second(kernels, batch, i, trace);
        }
        // zbar = sum_j w_j x_j + V^T sum_k m_k x_k, out = h_q + W'_V^T zbar
        let z_bar = MatMut::new(&mut trace.z_bar, s, c);
        T::gemm(kernels, z_bar, Fill::Add, MatRef::new(&trace.v_in, s, f), v);
        trace.out[..s * c].copy_from_slice(&trace.h_q[..s * c]);
        let (z_bar, out) = (MatRef::new(&trace.z_bar, s, c), MatMut::new(&mut trace.out, s, c));
        T::gemm(kernels, out, Fill::Add, z_bar, self.whole(p, &self.second.v));
    }

    /// Content, pattern and y of one sequence.
    fn attend_first<T: Real>(
        &self,
        kernels: Kernels,
        label_table: &[T],
        prepared: &[T],
        batch: &Batch,
        i: usize,
        trace: &mut FoldedTrace<T>,
    ) {
        let Sizes { dims, d_pad, n_tokens: t, t_pad, p_stride, f, .. } = self.sizes;
        let (d, n, offset) = (dims.d_item, batch.n_exemplars, batch.offsets[i] as usize);
        let at = |place: &std::ops::Range<usize>| &prepared[place.clone()];
        let content = &mut trace.content[i * t * d_pad..(i + 1) * t * d_pad];
        let left = &mut trace.scratch.left;
        let labels = at(&self.prepared.labels);
        for (token, (content, left)) in content.chunks_exact_mut(d_pad).zip(left.chunks_exact_mut(d_pad)).enumerate() {
            let slot = match batch.geometry().role(token) {
                Role::Label(slot) => {
                    let label = batch.label_ids[i * n + slot] as usize;
                    content[..d].copy_from_slice(&label_table[label * d..(label + 1) * d]);
                    left.copy_from_slice(&labels[label * d_pad..(label + 1) * d_pad]);
                    continue;
                }
                Role::Item(slot) => slot,
                _ => n,
            };
            let item = (i * (n + 1) + slot) * d_pad;
            content.copy_from_slice(&trace.items[item..item + d_pad]);
            left.copy_from_slice(&trace.mapped_items[item..item + d_pad]);
        }
        T::axpy(kernels, T::ONE, &at(&self.prepared.pc)[offset * d_pad..][..t * d_pad], left);
        let pattern = &mut trace.pattern[i * t * t_pad..(i + 1) * t * t_pad];
        let content_t = &mut trace.scratch.content_t;
        T::transpose(kernels, content, d_pad, content_t, t_pad);
        let a_cp = &at(&self.prepared.cp)[offset..];
        for (i0, i1) in causal_blocks(t) {
            let (rows, cols) = (i1 - i0, i1.next_multiple_of(LANES));
            let mut scores = |fill, left: &[T], right: &[T], stride| {
                let scores = MatMut::with_row_stride(&mut pattern[i0 * t_pad..], rows, cols, t_pad);
                let left = MatRef::with_row_stride(&left[i0 * d_pad..], rows, d, d_pad);
                T::gemm(kernels, scores, fill, left, MatRef::with_row_stride(right, d, cols, stride));
            };
            scores(Fill::Set, left, content_t, t_pad);
            scores(Fill::Add, content, a_cp, p_stride);
        }
        let by_positions = &at(&self.prepared.pp)[offset * p_stride + offset..];
        T::softmax_causal(kernels, pattern, t_pad, by_positions, p_stride);
        let mixed = &mut trace.scratch.mixed[..d_pad];
        let last = &pattern[(t - 1) * t_pad..][..t];
        let content = MatRef::new(content, t, d_pad);
        T::gemm(kernels, MatMut::new(mixed, 1, d_pad), Fill::Set, MatRef::new(last, 1, t), content);
        let y = &mut trace.v_in[(2 * batch.n_sequences + i) * f..][..f];
        self.write_mix(last, mixed, offset, y);
    }

    /// to = sum_k m_k x_k, given its content; `[F]` or longer
    fn write_mix<T: Real>(&self, m: &[T], content: &[T], offset: usize, to: &mut [T]) {
        let EmbedDims { d_pos, d_item, .. } = self.sizes.dims;
        to.fill(T::ZERO);
        to[offset..offset + m.len()].copy_from_slice(m);
        to[d_pos..d_pos + d_item].copy_from_slice(&content[..d_item]);
    }

    /// to_k = v . x_k, for v `[F]` or longer; `padded` has room for `[d_pad]`
    pub(super) fn by_tokens<T: Real>(
        &self,
        kernels: Kernels,
        v: &[T],
        content: &[T],
        offset: usize,
        padded: &mut [T],
        to: &mut [T],
    ) {
        let Sizes { dims: EmbedDims { d_pos, d_item, .. }, d_pad, n_tokens: t, .. } = self.sizes;
        to[..t].copy_from_slice(&v[offset..offset + t]);
        padded[..d_item].copy_from_slice(&v[d_pos..d_pos + d_item]);
        padded[d_item..d_pad].fill(T::ZERO);
        T::add_dots(kernels, content, d_pad, &padded[..d_pad], &mut to[..t]);
    }

    /// by_k = a . x_k and s_j = b . x_j + sum_k p_jk by_k
    #[expect(clippy::too_many_arguments, reason = "two vectors, a sequence, two results")]
    pub(super) fn compare<T: Real>(
        &self,
        kernels: Kernels,
        (a, b): (&[T], &[T]),
        content: &[T],
        pattern: &[T],
        offset: usize,
        padded: &mut [T],
        (by, s): (&mut [T], &mut [T]),
    ) {
        let Sizes { n_tokens: t, t_pad, .. } = self.sizes;
        self.by_tokens(kernels, a, content, offset, padded, by);
        self.by_tokens(kernels, b, content, offset, padded, s);
        T::add_dots(kernels, pattern, t_pad, by, &mut s[..t]);
    }

    /// sum_k m_k x_k and sum_j s_j x_j, with m_k = sum_j s_j p_jk; s is the first of the two `rows`
    #[expect(clippy::too_many_arguments, reason = "weights, a sequence, two results")]
    pub(super) fn combine<T: Real>(
        &self,
        kernels: Kernels,
        rows: &mut [T],
        mixed: &mut [T],
        content: &[T],
        pattern: &[T],
        offset: usize,
        (by_m, by_s): (&mut [T], &mut [T]),
    ) {
        let Sizes { d_pad, n_tokens: t, t_pad, .. } = self.sizes;
        let (s, m) = rows.split_at_mut(t_pad);
        let pattern = MatRef::new(pattern, t, t_pad);
        T::gemm(kernels, MatMut::new(m, 1, t_pad), Fill::Set, MatRef::new(s, 1, t), pattern);
        let to = MatMut::new(mixed, 2, d_pad);
        let weights = MatRef::with_row_stride(rows, 2, t, t_pad);
        T::gemm(kernels, to, Fill::Set, weights, MatRef::new(content, t, d_pad));
        self.write_mix(&rows[..t], &mixed[..d_pad], offset, by_s);
        self.write_mix(&rows[t_pad..t_pad + t], &mixed[d_pad..], offset, by_m);
    }

    /// Writes x_q to the rows of h_q.
    fn write_query<T: Real>(&self, batch: &Batch, trace: &mut FoldedTrace<T>) {
        let Sizes { dims: EmbedDims { d_pos, d_item: d, d_model: c }, d_pad, n_tokens: t, .. } = self.sizes;
        for (i, row) in trace.h_q.chunks_exact_mut(c).take(batch.n_sequences).enumerate() {
            row.fill(T::ZERO);
            row[batch.offsets[i] as usize + t - 1] = T::ONE;
            row[d_pos..d_pos + d].copy_from_slice(&trace.content[((i + 1) * t - 1) * d_pad..][..d]);
        }
    }

    /// Weights of layer 2, sum m x and sum w x of one sequence.
    fn attend_second<T: Real>(&self, kernels: Kernels, batch: &Batch, i: usize, trace: &mut FoldedTrace<T>) {
        let Sizes { dims: EmbedDims { d_model: c, .. }, f, d_pad, n_tokens: t, t_pad, .. } = self.sizes;
        let (s, offset) = (batch.n_sequences, batch.offsets[i] as usize);
        let content = &trace.content[i * t * d_pad..(i + 1) * t * d_pad];
        let pattern = &trace.pattern[i * t * t_pad..(i + 1) * t * t_pad];
        let (_, by_u) = row_pair(&mut trace.by, i, t_pad);
        let (weights, _) = row_pair(&mut trace.weights, i, t_pad);
        let (u, r) = (&trace.narrow[i * f..(i + 1) * f], &trace.v_out[(s + i) * c..(s + i + 1) * c]);
        let scratch = &mut trace.scratch;
        self.compare(kernels, (u, r), content, pattern, offset, &mut scratch.mixed, (by_u, weights));
        T::softmax(kernels, &mut weights[..t]);
        scratch.rows[..t_pad].copy_from_slice(weights);
        let [mix, ..] = thirds(&mut trace.v_in, s, f);
        let to = (&mut mix[i * f..(i + 1) * f], &mut trace.z_bar[i * c..(i + 1) * c]);
        self.combine(kernels, &mut scratch.rows, &mut scratch.mixed, content, pattern, offset, to);
    }
}
