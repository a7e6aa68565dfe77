//! Attention by keys and values of every token.

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::super::clamp::clamped_keys;
use super::super::norm::LayerNorm;
use super::{Attention, AttentionTrace};
use crate::sequence::Batch;

impl Attention {
    /// Patterns and z, given the queries.
    pub(super) fn look_from_tokens<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        input: &[T],
        batch: &Batch,
        trace: &mut AttentionTrace<T>,
    ) {
        self.project(kernels, p, &self.w_k, input, batch, self.n_tokens, &mut trace.k);
        self.project(kernels, p, &self.w_v, input, batch, self.n_tokens, &mut trace.v);
        for s in 0..batch.n_sequences {
            for h in 0..self.n_heads {
                self.attend(kernels, s, h, batch, trace);
            }
        }
    }

    /// Views of one head of one sequence: queries, keys, values.
    fn head_views<'a, T>(&self, [q, k, v]: [&'a [T]; 3], s: usize, h: usize, rows: usize) -> [MatRef<'a, T>; 3] {
        let (t, e, width) = (self.n_tokens, self.d_head, self.n_heads * self.d_head);
        [
            MatRef::with_row_stride(&q[s * rows * width + h * e..], rows, e, width),
            MatRef::with_row_stride(&k[s * t * width + h * e..], t, e, width),
            MatRef::with_row_stride(&v[s * t * width + h * e..], t, e, width),
        ]
    }

    /// Pattern and z of one head of one sequence.
    fn attend<T: Real>(&self, kernels: Kernels, s: usize, h: usize, batch: &Batch, trace: &mut AttentionTrace<T>) {
        let (t, e, width) = (self.n_tokens, self.d_head, self.n_heads * self.d_head);
        let rows = trace.rows_per_sequence;
        let [q, k, v] = self.head_views([&trace.q, &trace.k, &trace.v], s, h, rows);
        let pattern = &mut trace.pattern[(s * self.n_heads + h) * rows * t..][..rows * t];
        T::gemm(kernels, MatMut::new(pattern, rows, t), Fill::Set, q, k.t());
        self.see(kernels, s, h, batch, pattern);
        let z = MatMut::with_row_stride(&mut trace.z[s * rows * width + h * e..], rows, e, width);
        T::gemm(kernels, z, Fill::Set, MatRef::new(pattern, rows, t), v);
    }

    /// Turns the scores of a sequence's last tokens, in one head, into their attention.
    pub(super) fn see<T: Real>(&self, kernels: Kernels, s: usize, h: usize, batch: &Batch, pattern: &mut [T]) {
        let t = self.n_tokens;
        let first = t - pattern.len() / t;
        for (query, row) in (first..).zip(pattern.chunks_exact_mut(t)) {
            let (visible, hidden) = row.split_at_mut(self.geometry.n_visible(query));
            if !self.is_linear {
                T::softmax(kernels, visible);
            }
            hidden.fill(T::ZERO);
        }
        for query in (first..t).filter(|_| self.clamps[h].is_some()) {
            if let Some(keys) = clamped_keys(self.clamps[h], &self.geometry, query, batch.slots_of(s)) {
                let row = &mut pattern[(query - first) * t..(query - first + 1) * t];
                row.fill(T::ZERO);
                keys.iter().for_each(|&key| row[key] = T::from_f64(1.0 / keys.len() as f64));
            }
        }
    }

    /// Adds the gradients of keys' and values' maps, writes those of the queries, and of the input where it is wanted:
    /// without the queries' part where they are fewer than the tokens.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    pub(super) fn look_from_tokens_backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        input: &[T],
        batch: &Batch,
        d_out: &[T],
        trace: &mut AttentionTrace<T>,
        g: &mut [T],
        d_input: Option<&mut [T]>,
        turned: &mut [T],
        norm: Option<(&LayerNorm, &[T])>,
    ) {
        let (c, rows) = (self.d_model, trace.rows_per_sequence);
        let m = batch.n_sequences * self.n_tokens;
        for s in 0..batch.n_sequences {
            for h in 0..self.n_heads {
                self.attend_backward(kernels, s, h, batch, d_out, trace);
            }
        }
        let (n_rows, width) = (batch.n_sequences * rows, self.n_heads * self.d_head);
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            let queries = trace.d_maps.chunks_exact_mut(3 * width).take(n_rows);
            queries.for_each(|row| row[2 * width..].iter_mut().for_each(|d| *d *= scale));
        }
        let d = &trace.d_maps;
        if let Some(norm) = norm {
            self.normed_gradients(kernels, p, norm, (d, m), g, turned);
            return;
        }
        self.map_gradients(kernels, &self.w_k, input, batch, self.n_tokens, (d, 3 * width), g);
        self.map_gradients(kernels, &self.w_v, input, batch, self.n_tokens, (&d[width..], 3 * width), g);
        if let Some(d_input) = d_input {
            // d_u = d_k W_K^T + d_v W_V^T + d_q W_Q^T
            let n_maps = if rows == self.n_tokens { 3 } else { 2 };
            for (maps, to) in [&self.w_k, &self.w_v, &self.w_q].into_iter().zip(turned.chunks_exact_mut(width * c)) {
                self.turn(kernels, p, maps, to);
            }
            let d = MatRef::with_row_stride(d, m, n_maps * width, 3 * width);
            let turned = MatRef::new(turned, n_maps * width, c);
            T::gemm(kernels, MatMut::new(d_input, m, c), Fill::Set, d, turned);
        }
    }

    /// The gradients of all maps and of the LayerNorm before them, whose normalized rows are given: of rows n weight + bias
    /// all of them follow from n^T d and the sum of d.
    fn normed_gradients<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        (norm, normalized): (&LayerNorm, &[T]),
        (d, m): (&[T], usize),
        g: &mut [T],
        scratch: &mut [T],
    ) {
        let (c, e, width) = (self.d_model, self.d_head, self.n_heads * self.d_head);
        let (sum, product) = scratch.split_at_mut(3 * width);
        sum.fill(T::ZERO);
        d.chunks_exact(3 * width).take(m).for_each(|row| T::axpy(kernels, T::ONE, row, sum));
        let (normalized, product) = (MatRef::new(normalized, m, c), &mut product[..c * e]);
        for (i, maps) in [&self.w_k, &self.w_v, &self.w_q].into_iter().enumerate() {
            for h in 0..self.n_heads {
                let at = i * width + h * e;
                let d = MatRef::with_row_stride(&d[at..], m, e, 3 * width);
                T::gemm(kernels, MatMut::new(product, c, e), Fill::Set, normalized.t(), d);
                norm.add_map_gradient(kernels, p, self.of_head(maps, h), product, &sum[at..at + e], g);
            }
        }
    }

    fn attend_backward<T: Real>(
        &self,
        kernels: Kernels,
        s: usize,
        h: usize,
        batch: &Batch,
        d_out: &[T],
        trace: &mut AttentionTrace<T>,
    ) {
        let (t, e, width) = (self.n_tokens, self.d_head, self.n_heads * self.d_head);
        let rows = trace.rows_per_sequence;
        let [q, k, v] = self.head_views([&trace.q, &trace.k, &trace.v], s, h, rows);
        let d_z = if self.w_o.is_some() { &trace.d_z[..] } else { d_out };
        let d_z = MatRef::with_row_stride(&d_z[s * rows * width + h * e..], rows, e, width);
        let pattern = &trace.pattern[(s * self.n_heads + h) * rows * t..][..rows * t];
        // z_i = damping sum_j p_ij v_j; the caller has the damping in d_z
        let d_scores = &mut trace.d_pattern[..];
        T::gemm(kernels, MatMut::new(d_scores, rows, t), Fill::Set, d_z, v.t());
        // Keys, values, queries
        let place = |map: usize, row: usize| (3 * row + map) * width + h * e;
        let d_v = MatMut::with_row_stride(&mut trace.d_maps[place(1, s * t)..], t, e, 3 * width);
        T::gemm(kernels, d_v, Fill::Set, MatRef::new(pattern, rows, t).t(), d_z);
        self.see_backward(kernels, s, h, batch, pattern, d_scores);
        // s_ij = q_i . k_j
        let d_scores = MatRef::new(d_scores, rows, t);
        let d_q = MatMut::with_row_stride(&mut trace.d_maps[place(2, s * rows)..], rows, e, 3 * width);
        T::gemm(kernels, d_q, Fill::Set, d_scores, k);
        let d_k = MatMut::with_row_stride(&mut trace.d_maps[place(0, s * t)..], t, e, 3 * width);
        T::gemm(kernels, d_k, Fill::Set, d_scores.t(), q);
    }

    /// Turns the gradient of a pattern into that of its scores.
    pub(super) fn see_backward<T: Real>(
        &self,
        kernels: Kernels,
        s: usize,
        h: usize,
        batch: &Batch,
        pattern: &[T],
        d: &mut [T],
    ) {
        let t = self.n_tokens;
        let first = t - pattern.len() / t;
        if self.is_linear {
            // ds_ij = dp_ij where j is visible
            let rows = (first..).zip(d.chunks_exact_mut(t));
            rows.for_each(|(query, row)| row[self.geometry.n_visible(query)..].fill(T::ZERO));
        } else {
            // ds_ij = p_ij (dp_ij - sum_k p_ik dp_ik)
            T::softmax_gradient(kernels, pattern, d, t);
        }
        for query in (first..t).filter(|_| self.clamps[h].is_some()) {
            if clamped_keys(self.clamps[h], &self.geometry, query, batch.slots_of(s)).is_some() {
                d[(query - first) * t..(query - first + 1) * t].fill(T::ZERO);
            }
        }
    }
}
