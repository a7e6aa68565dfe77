//! Where every token looks, for probes: scores by one map a head instead of queries and keys, where that is less work.
//!
//! ```text
//! s_ij = u_i A u_j,   A = c W_Q W_K^T          per head; A once for all sequences
//! ```

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::{Attention, AttentionTrace};
use crate::model::description::Description;
use crate::model::plan;
use crate::sequence::Batch;

/// Scores and patterns of all tokens.
#[derive(Clone, Debug)]
pub struct PatternTrace<T> {
    /// Before soft-max, `[S, H, T, T]`, of tokens that are not seen too.
    pub scores: Vec<T>,
    /// After it, in the last layer; in the others they are where the layer reads them.
    pub patterns: Vec<T>,
    /// u_i A, `[M, F]`, or queries, `[M, E]`, of one head.
    left: Vec<T>,
    /// Keys of that head, `[M, E]`; empty where there is a map.
    keys: Vec<T>,
}

impl<T: Real> PatternTrace<T> {
    pub(super) fn new(description: &Description, layer: usize, capacity: usize, is_last: bool) -> Self {
        let (t, e) = (description.n_tokens(), description.d_head);
        let zeros = |per_sequence: usize| vec![T::ZERO; capacity * per_sequence];
        let has_map = plan::has_score_maps(description, layer);
        let patterns = description.n_heads * t * t;
        Self {
            scores: zeros(patterns),
            patterns: zeros(if is_last { patterns } else { 0 }),
            left: zeros(t * if has_map { plan::score_width(description, layer) } else { e }),
            keys: zeros(if has_map { 0 } else { t * e }),
        }
    }
}

impl<T> PatternTrace<T> {
    /// Patterns of a last layer.
    pub(super) fn of_last(&self) -> Option<&Vec<T>> {
        Some(&self.patterns).filter(|patterns| !patterns.is_empty())
    }
}

impl Attention {
    /// F: first columns of what the layer reads that are not always 0.
    pub fn score_width(&self) -> usize {
        self.coded.as_ref().map_or(self.d_model, |coded| coded.end())
    }

    /// A of one head, `[F, F]`.
    pub fn score_map<T: Real>(&self, kernels: Kernels, p: &[T], head: usize) -> Vec<T> {
        let (f, e) = (self.score_width(), self.d_head);
        let (w_q, w_k) = self.query_and_key_maps(p, head);
        let mut map = vec![T::ZERO; f * f];
        let (w_q, w_k) = (MatRef::new(w_q, f, e), MatRef::new(w_k, f, e));
        T::gemm(kernels, MatMut::new(&mut map, f, f), Fill::Set, w_q, w_k.t());
        self.scale_scores(&mut map);
        map
    }

    /// Multiplies queries, or what takes their place, by c.
    pub(super) fn scale_scores<T: Real>(&self, values: &mut [T]) {
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            values.iter_mut().for_each(|value| *value *= scale);
        }
    }

    /// Patterns of every token, and z of every row that is computed.
    pub(super) fn look_from_all<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        maps: &[T],
        input: &[T],
        batch: &Batch,
        trace: &mut AttentionTrace<T>,
    ) {
        let (t, e, s, width) = (self.n_tokens, self.d_head, batch.n_sequences, self.n_heads * self.d_head);
        let is_last = trace.rows_per_sequence < t;
        let AttentionTrace { pattern, all: Some(all), .. } = trace else { unreachable!("a trace of patterns") };
        if is_last {
            let mut patterns = std::mem::take(&mut all.patterns);
            self.see_all(kernels, p, maps, input, batch, all, &mut patterns);
            for (of_query, all) in pattern.chunks_exact_mut(t).zip(patterns.chunks_exact(t * t)) {
                of_query.copy_from_slice(&all[(t - 1) * t..]);
            }
            all.patterns = patterns;
            self.mix_at_query(kernels, p, input, s, trace);
            return;
        }
        self.see_all(kernels, p, maps, input, batch, all, pattern);
        self.project(kernels, p, &self.w_v, input, batch, t, &mut trace.v);
        let AttentionTrace { v, pattern, z, .. } = trace;
        for (i, pattern) in pattern.chunks_exact(t * t).take(s * self.n_heads).enumerate() {
            let at = i / self.n_heads * t * width + i % self.n_heads * e;
            let (z, v) = (&mut z[at..], MatRef::with_row_stride(&v[at..], t, e, width));
            T::gemm(kernels, MatMut::with_row_stride(z, t, e, width), Fill::Set, MatRef::new(pattern, t, t), v);
        }
    }

    /// Scores and patterns of all heads; `maps` are `[H, F, F]`, or empty where queries and keys are less work.
    #[expect(clippy::too_many_arguments, reason = "a layer's operands, and where its patterns go")]
    fn see_all<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        maps: &[T],
        input: &[T],
        batch: &Batch,
        all: &mut PatternTrace<T>,
        patterns: &mut [T],
    ) {
        let (t, c, e, f) = (self.n_tokens, self.d_model, self.d_head, self.score_width());
        let m = batch.n_sequences * t;
        let PatternTrace { scores, left, keys, .. } = all;
        for h in 0..self.n_heads {
            // Rows of both sides, and what is summed over.
            let (right, stride, n) = if maps.is_empty() {
                let (w_q, w_k) = self.query_and_key_maps(p, h);
                self.map_rows(kernels, w_q, e, input, batch, left);
                self.scale_scores(&mut left[..m * e]);
                self.map_rows(kernels, w_k, e, input, batch, keys);
                (&keys[..], e, e)
            } else {
                self.map_rows(kernels, &maps[h * f * f..(h + 1) * f * f], f, input, batch, left);
                (input, c, f)
            };
            for s in 0..batch.n_sequences {
                let place = (s * self.n_heads + h) * t * t..(s * self.n_heads + h + 1) * t * t;
                let (scores, pattern) = (&mut scores[place.clone()], &mut patterns[place]);
                let left = MatRef::new(&left[s * t * n..], t, n);
                let right = MatRef::with_row_stride(&right[s * t * stride..], t, n, stride);
                T::gemm(kernels, MatMut::new(scores, t, t), Fill::Set, left, right.t());
                pattern.copy_from_slice(scores);
                self.see(kernels, s, h, batch, pattern);
            }
        }
    }

    /// What a map `[F or C, width]` makes of all tokens, `[M, width]`.
    fn map_rows<T: Real>(&self, kernels: Kernels, map: &[T], width: usize, input: &[T], batch: &Batch, out: &mut [T]) {
        match &self.coded {
            Some(coded) => self.project_coded(coded, kernels, map, (width, width), input, batch, out),
            None => {
                let (m, c) = (batch.n_sequences * self.n_tokens, self.d_model);
                let (input, map) = (MatRef::new(input, m, c), MatRef::new(map, c, width));
                T::gemm(kernels, MatMut::new(out, m, width), Fill::Set, input, map);
            }
        }
    }
}
