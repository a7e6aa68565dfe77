//! Attention from the query alone, without keys and values of the tokens that it looks at: their maps go to the query's
//! side of both products.
//!
//! ```text
//! r_h = q_h W_K^T,   s_hj = r_h . u_j,   m_h = sum_j p_hj u_j,   z_h = m_h W_V          per head
//! ```

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::{Attention, AttentionTrace};
use crate::model::description::Description;
use crate::sequence::Batch;

/// What the query's heads look for and what they find.
#[derive(Clone, Debug)]
pub(super) struct QueryTrace<T> {
    /// The gradients of all m_h, then all r_h, `[S, 2, H, C]`: with both weights they make the tokens' gradients.
    factors: Vec<T>,
    /// m_h, `[S, H, C]`; after the backward pass the gradients of r_h.
    mixtures: Vec<T>,
    /// p and the gradient of s, of one sequence, `[2, H, T]`.
    weights: Vec<T>,
}

impl<T: Real> QueryTrace<T> {
    pub(super) fn new(description: &Description, capacity: usize) -> Self {
        let zeros = |per_head: usize| vec![T::ZERO; description.n_heads * per_head];
        let c = description.d_model;
        Self {
            factors: zeros(2 * capacity * c),
            mixtures: zeros(capacity * c),
            weights: zeros(2 * description.n_tokens()),
        }
    }
}

impl Attention {
    /// Patterns and z, given the maps of scores or else the queries.
    pub(super) fn look_from_query<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        maps: &[T],
        input: &[T],
        batch: &Batch,
        trace: &mut AttentionTrace<T>,
    ) {
        let (t, c, e, heads) = (self.n_tokens, self.d_model, self.d_head, self.n_heads);
        let AttentionTrace { q, pattern, at_query: Some(QueryTrace { factors, .. }), .. } = trace else {
            unreachable!("a trace of the query")
        };
        let (s, width) = (batch.n_sequences, heads * e);
        // Columns that are always 0 are left out where there are maps.
        let n = if maps.is_empty() { c } else { self.score_width() };
        for h in 0..heads {
            let r = MatMut::with_row_stride(&mut factors[(heads + h) * c..], s, n, 2 * heads * c);
            if maps.is_empty() {
                let q = MatRef::with_row_stride(&q[h * e..], s, e, width);
                T::gemm(kernels, r, Fill::Set, q, MatRef::new(&p[self.of_head(&self.w_k, h)], c, e).t());
            } else {
                let queries = self.query_rows(input, s, 1).columns(0..n);
                T::gemm(kernels, r, Fill::Set, queries, MatRef::new(&maps[h * n * n..(h + 1) * n * n], n, n));
            }
        }
        for i in 0..s {
            let tokens = MatRef::new(&input[i * t * c..], t, c).columns(0..n);
            let r = MatRef::with_row_stride(&factors[(2 * i + 1) * heads * c..], heads, n, c);
            let pattern = &mut pattern[i * heads * t..(i + 1) * heads * t];
            T::gemm(kernels, MatMut::new(pattern, heads, t), Fill::Set, r, tokens.t());
            for (h, row) in pattern.chunks_exact_mut(t).enumerate() {
                self.see(kernels, i, h, batch, row);
            }
        }
        self.mix_at_query(kernels, p, input, s, trace);
    }

    /// z, given the patterns of the query.
    pub(super) fn mix_at_query<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        input: &[T],
        s: usize,
        trace: &mut AttentionTrace<T>,
    ) {
        let (t, c, e, heads) = (self.n_tokens, self.d_model, self.d_head, self.n_heads);
        let AttentionTrace { pattern, z, at_query: Some(QueryTrace { mixtures, .. }), .. } = trace else {
            unreachable!("a trace of the query")
        };
        for i in 0..s {
            let (tokens, pattern) = (MatRef::new(&input[i * t * c..], t, c), &pattern[i * heads * t..]);
            let m = MatMut::new(&mut mixtures[i * heads * c..], heads, c);
            T::gemm(kernels, m, Fill::Set, MatRef::new(pattern, heads, t), tokens);
        }
        for h in 0..heads {
            let m = MatRef::with_row_stride(&mixtures[h * c..], s, c, heads * c);
            let z = MatMut::with_row_stride(&mut z[h * e..], s, e, heads * e);
            T::gemm(kernels, z, Fill::Set, m, MatRef::new(&p[self.of_head(&self.w_v, h)], c, e));
        }
    }

    /// Adds the gradients of keys' and values' maps, writes those of the queries, and of the input where it is wanted,
    /// without the queries' part.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    pub(super) fn look_from_query_backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        input: &[T],
        batch: &Batch,
        d_out: &[T],
        trace: &mut AttentionTrace<T>,
        g: &mut [T],
        mut d_input: Option<&mut [T]>,
    ) {
        let (t, c, e, heads) = (self.n_tokens, self.d_model, self.d_head, self.n_heads);
        let AttentionTrace { q, pattern, d_z, d_maps: d_q, at_query: Some(at_query), .. } = trace else {
            unreachable!("a trace of the query")
        };
        let QueryTrace { factors, mixtures, weights } = at_query;
        let (s, width) = (batch.n_sequences, heads * e);
        let d_z = if self.w_o.is_some() { &d_z[..] } else { d_out };
        for h in 0..heads {
            // z_h = m_h W_V
            let place = self.of_head(&self.w_v, h);
            let d_z = MatRef::with_row_stride(&d_z[h * e..], s, e, width);
            let m = MatRef::with_row_stride(&mixtures[h * c..], s, c, heads * c);
            T::gemm(kernels, MatMut::new(&mut g[place.clone()], c, e), Fill::Add, m.t(), d_z);
            let d_m = MatMut::with_row_stride(&mut factors[h * c..], s, c, 2 * heads * c);
            T::gemm(kernels, d_m, Fill::Set, d_z, MatRef::new(&p[place], c, e).t());
        }
        for i in 0..s {
            let tokens = MatRef::new(&input[i * t * c..], t, c);
            let factors = &factors[2 * i * heads * c..2 * (i + 1) * heads * c];
            let (p, d_scores) = weights.split_at_mut(heads * t);
            p.copy_from_slice(&pattern[i * heads * t..(i + 1) * heads * t]);
            let d_m = MatRef::new(factors, heads, c);
            T::gemm(kernels, MatMut::new(d_scores, heads, t), Fill::Set, d_m, tokens.t());
            for (h, (p, d)) in p.chunks_exact(t).zip(d_scores.chunks_exact_mut(t)).enumerate() {
                self.see_backward(kernels, i, h, batch, p, d);
            }
            let d_r = MatMut::new(&mut mixtures[i * heads * c..], heads, c);
            T::gemm(kernels, d_r, Fill::Set, MatRef::new(d_scores, heads, t), tokens);
            if let Some(d_input) = &mut d_input {
                // d_u_j = sum_h p_hj d_m_h + sum_h ds_hj r_h
                let weights = MatRef::new(weights, 2 * heads, t);
                let d_tokens = MatMut::new(&mut d_input[i * t * c..], t, c);
                T::gemm(kernels, d_tokens, Fill::Set, weights.t(), MatRef::new(factors, 2 * heads, c));
            }
        }
        for h in 0..heads {
            // r_h = q_h W_K^T
            let place = self.of_head(&self.w_k, h);
            let d_r = MatRef::with_row_stride(&mixtures[h * c..], s, c, heads * c);
            let q = MatRef::with_row_stride(&q[h * e..], s, e, width);
            T::gemm(kernels, MatMut::new(&mut g[place.clone()], c, e), Fill::Add, d_r.t(), q);
            let d_q = MatMut::with_row_stride(&mut d_q[h * e..], s, e, width);
            T::gemm(kernels, d_q, Fill::Set, d_r, MatRef::new(&p[place], c, e));
        }
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            d_q[..s * width].iter_mut().for_each(|d| *d *= scale);
        }
    }
}
