//! Attention: causal soft-max, or over the context alone, or linear.
//!
//! ```text
//! q_i = u_i W_Q,  k_j = u_j W_K,  v_j = u_j W_V            per head
//! p_ij = softmax_{j <= i}(c q_i . k_j),  z_i = sum_j p_ij v_j      c = 1 or 1/sqrt(d_head)
//! out_i = the heads' z_i side by side, or sum_h z_i W_O
//! ```
//!
//! Where values are asked for every token sees the whole context and nobody sees the query. A linear layer
//! has p_ij = q_i . k_j (von Oswald et al. 2023).

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::clamp::clamped_keys;
use crate::model::description::Description;
use crate::model::params::{Init, Layout};
use crate::sequence::{Batch, Geometry};
use crate::spec::{AttentionKind, ClampPattern};

/// Shapes of an attention layer and the places of its parameters.
#[derive(Clone, Debug)]
pub struct Attention {
    n_heads: usize,
    d_head: usize,
    d_model: usize,
    n_tokens: usize,
    score_scale: f64,
    is_linear: bool,
    geometry: Geometry,
    /// Factor on what the heads write.
    damping: f64,
    /// `[H]` where a head looks, if that is set by hand.
    clamps: Vec<Option<ClampPattern>>,
    /// `[H, C, E]` each
    w_q: Range<usize>,
    w_k: Range<usize>,
    w_v: Range<usize>,
    /// `[H, E, C]`
    w_o: Option<Range<usize>>,
}

/// Activations of an attention layer.
#[derive(Clone, Debug)]
pub struct AttentionTrace<T> {
    /// Queries times the score scale, `[R, H, E]`.
    pub q: Vec<T>,
    /// Keys, `[M, H, E]`.
    pub k: Vec<T>,
    /// Values, `[M, H, E]`.
    pub v: Vec<T>,
    /// Attention, `[S, H, rows, T]`, zero above the diagonal.
    pub pattern: Vec<T>,
    /// What each head writes, `[R, H, E]`.
    pub z: Vec<T>,
    /// Queries of each sequence: T, or 1 where only the last is read.
    pub rows_per_sequence: usize,
    d_q: Vec<T>,
    d_k: Vec<T>,
    d_v: Vec<T>,
    d_z: Vec<T>,
    d_pattern: Vec<T>,
}

/// A head whose output is replaced; its queries, keys and pattern are not computed.
#[derive(Clone, Debug)]
pub struct Ablation<T> {
    /// Layer, from 0.
    pub layer: usize,
    /// Head, from 0.
    pub head: usize,
    /// What it writes instead, `[T, E]`.
    pub replacement: Vec<T>,
}

impl<T: Real> AttentionTrace<T> {
    pub(in crate::model) fn new(description: &Description, capacity: usize, rows_per_sequence: usize) -> Self {
        let (width, t) = (description.n_heads * description.d_head, description.n_tokens());
        let zeros = |len: usize| vec![T::ZERO; len];
        let (all, rows) = (capacity * t * width, capacity * rows_per_sequence * width);
        let patterns = capacity * description.n_heads * rows_per_sequence * t;
        Self {
            q: zeros(rows),
            k: zeros(all),
            v: zeros(all),
            pattern: zeros(patterns),
            z: zeros(rows),
            rows_per_sequence,
            d_q: zeros(rows),
            d_k: zeros(all),
            d_v: zeros(all),
            d_z: zeros(if description.output_projection { rows } else { 0 }),
            d_pattern: zeros(rows_per_sequence * t),
        }
    }
}

impl Attention {
    pub(in crate::model) fn new(description: &Description, idx: usize, layout: &mut Layout) -> Self {
        let &Description { n_heads, d_head, d_model, .. } = description;
        // Reddy 2024: variance 1/D with D the content width, not d_model.
        let scaled = description.init_scale.map(|scale| Init::Normal((scale / d_model as f64).sqrt()));
        let d_content = description.embedding.map_or(description.d_item, |embedding| embedding.d_embed);
        let init = scaled.unwrap_or(Init::Normal((1.0 / d_content as f64).sqrt()));
        let mut weight =
            |name: &str| layout.push(format!("blocks.{idx}.attn.{name}"), &[n_heads, d_model, d_head], init);
        let (w_q, w_k, w_v) = (weight("W_Q"), weight("W_K"), weight("W_V"));
        let w_o = description.output_projection.then(|| {
            let init = scaled.unwrap_or(Init::Normal((1.0 / (n_heads * d_head) as f64).sqrt()));
            layout.push(format!("blocks.{idx}.attn.W_O"), &[n_heads, d_head, d_model], init)
        });
        let is_linear = description.attention[idx] == AttentionKind::Linear;
        let score_scale = if description.scale_scores && !is_linear { 1.0 / (d_head as f64).sqrt() } else { 1.0 };
        let mut clamps = vec![None; n_heads];
        for clamp in description.clamps.iter().filter(|clamp| clamp.layer == idx) {
            clamps[clamp.head] = Some(clamp.pattern);
        }
        Self {
            n_heads,
            d_head,
            d_model,
            n_tokens: description.n_tokens(),
            geometry: description.geometry,
            score_scale,
            is_linear,
            damping: description.damping,
            clamps,
            w_q,
            w_k,
            w_v,
            w_o,
        }
    }

    /// Places of W_Q, W_K and W_V.
    pub(in crate::model) fn places(&self) -> [Range<usize>; 3] {
        [self.w_q.clone(), self.w_k.clone(), self.w_v.clone()]
    }

    /// Multiplies the weights by which values read the columns `x` and keys read `y`.
    pub(in crate::model) fn scale_misreading<T: Real>(&self, p: &mut [T], x: Range<usize>, y: usize, factor: T) {
        for h in 0..self.n_heads {
            let (values, keys) = (self.of_head(&self.w_v, h), self.of_head(&self.w_k, h));
            let e = self.d_head;
            p[values][x.start * e..x.end * e].iter_mut().for_each(|w| *w *= factor);
            p[keys][y * e..(y + 1) * e].iter_mut().for_each(|w| *w *= factor);
        }
    }

    /// Place of W_O, where there is one.
    pub(in crate::model) fn output_place(&self) -> Option<Range<usize>> {
        self.w_o.clone()
    }

    /// Heads.
    pub fn n_heads(&self) -> usize {
        self.n_heads
    }

    /// C.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// E.
    pub fn d_head(&self) -> usize {
        self.d_head
    }

    /// What q . k is multiplied by.
    pub fn score_scale(&self) -> f64 {
        self.score_scale
    }

    /// W_Q and W_K of one head, each `[C, E]`.
    pub fn query_and_key_maps<'a, T>(&self, p: &'a [T], head: usize) -> (&'a [T], &'a [T]) {
        (&p[self.of_head(&self.w_q, head)], &p[self.of_head(&self.w_k, head)])
    }

    /// Values of one row `[C]`, all heads side by side `[H E]`.
    pub(in crate::model) fn values<T: Real>(&self, kernels: Kernels, p: &[T], input: &[T]) -> Vec<T> {
        let (c, e) = (self.d_model, self.d_head);
        let mut out = vec![T::ZERO; self.n_heads * e];
        for (h, out) in out.chunks_exact_mut(e).enumerate() {
            let map = MatRef::new(&p[self.of_head(&self.w_v, h)], c, e);
            T::gemm(kernels, MatMut::new(out, 1, e), Fill::Set, MatRef::new(input, 1, c), map);
        }
        out
    }

    fn of_head(&self, tensor: &Range<usize>, head: usize) -> Range<usize> {
        let size = self.d_model * self.d_head;
        tensor.start + head * size..tensor.start + (head + 1) * size
    }

    /// Row i of the queries is token row `i T + T - 1` of the input where only the last is read.
    fn query_rows<'a, T>(&self, input: &'a [T], s: usize, rows: usize) -> MatRef<'a, T> {
        let c = self.d_model;
        if rows == self.n_tokens {
            MatRef::new(input, s * rows, c)
        } else {
            MatRef::with_row_stride(&input[(self.n_tokens - 1) * c..], s, c, self.n_tokens * c)
        }
    }

    /// Adds the layer's output to `out` `[R, C]`, given its input `[M, C]`.
    #[expect(clippy::too_many_arguments, reason = "a layer's operands are its interface")]
    pub(in crate::model) fn forward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        input: &[T],
        batch: &Batch,
        trace: &mut AttentionTrace<T>,
        out: &mut [T],
        ablation: Option<&Ablation<T>>,
    ) {
        let (c, e, width) = (self.d_model, self.d_head, self.n_heads * self.d_head);
        let s = batch.n_sequences;
        let (m, rows) = (s * self.n_tokens, trace.rows_per_sequence);
        let r = s * rows;
        let all = MatRef::new(input, m, c);
        let queries = self.query_rows(input, s, rows);
        // What a replaced head would attend to is not asked.
        let is_replaced = |h: usize| ablation.is_some_and(|ablation| ablation.head == h);
        for h in (0..self.n_heads).filter(|&h| !is_replaced(h)) {
            let map = |w: &Range<usize>| MatRef::new(&p[self.of_head(w, h)], c, e);
            let head = |x: &mut Vec<T>, w: &Range<usize>, rows: MatRef<'_, T>, count: usize| {
                let to = MatMut::with_row_stride(&mut x[h * e..], count, e, width);
                T::gemm(kernels, to, Fill::Set, rows, map(w));
            };
            head(&mut trace.q, &self.w_q, queries, r);
            head(&mut trace.k, &self.w_k, all, m);
            head(&mut trace.v, &self.w_v, all, m);
        }
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            trace.q[..r * width].iter_mut().for_each(|q| *q *= scale);
        }
        for i in (0..s * self.n_heads).filter(|i| !is_replaced(i % self.n_heads)) {
            self.attend(kernels, i / self.n_heads, i % self.n_heads, batch, trace);
        }
        if self.damping != 1.0 {
            let damping = T::from_f64(self.damping);
            trace.z[..r * width].iter_mut().for_each(|z| *z *= damping);
        }
        if let Some(ablation) = ablation {
            self.replace_head(ablation, r, trace);
        }
        match &self.w_o {
            None => T::axpy(kernels, T::ONE, &trace.z[..r * width], &mut out[..r * c]),
            Some(w_o) => {
                for h in 0..self.n_heads {
                    let z = MatRef::with_row_stride(&trace.z[h * e..], r, e, width);
                    let w = MatRef::new(&p[self.of_head(w_o, h)], e, c);
                    T::gemm(kernels, MatMut::new(out, r, c), Fill::Add, z, w);
                }
            }
        }
    }

    /// Views of one head of one sequence: queries, keys, values.
    fn head_views<'a, T>(
        &self,
        q: &'a [T],
        k: &'a [T],
        v: &'a [T],
        s: usize,
        h: usize,
        rows: usize,
    ) -> [MatRef<'a, T>; 3] {
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
        let [q, k, v] = self.head_views(&trace.q, &trace.k, &trace.v, s, h, rows);
        let pattern = &mut trace.pattern[(s * self.n_heads + h) * rows * t..][..rows * t];
        T::gemm(kernels, MatMut::new(pattern, rows, t), Fill::Set, q, k.t());
        for (i, row) in pattern.chunks_exact_mut(t).enumerate() {
            let query = t - rows + i;
            let (visible, hidden) = row.split_at_mut(self.geometry.n_visible(query));
            if !self.is_linear {
                T::softmax(kernels, visible);
            }
            hidden.fill(T::ZERO);
            if let Some(keys) = clamped_keys(self.clamps[h], &self.geometry, query, batch.slots_of(s)) {
                visible.fill(T::ZERO);
                keys.iter().for_each(|&key| visible[key] = T::from_f64(1.0 / keys.len() as f64));
            }
        }
        let z = MatMut::with_row_stride(&mut trace.z[s * rows * width + h * e..], rows, e, width);
        T::gemm(kernels, z, Fill::Set, MatRef::new(pattern, rows, t), v);
    }

    fn replace_head<T: Real>(&self, ablation: &Ablation<T>, r: usize, trace: &mut AttentionTrace<T>) {
        let (t, e) = (self.n_tokens, self.d_head);
        let rows = trace.rows_per_sequence;
        for i in 0..r {
            let token = t - rows + i % rows;
            let z = &mut trace.z[(i * self.n_heads + ablation.head) * e..][..e];
            z.copy_from_slice(&ablation.replacement[token * e..(token + 1) * e]);
        }
    }

    /// Adds the parameters' gradients to `g` and writes the input's to `d_input` `[M, C]`.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    pub(in crate::model) fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        input: &[T],
        batch: &Batch,
        d_out: &[T],
        trace: &mut AttentionTrace<T>,
        g: &mut [T],
        d_input: Option<&mut [T]>,
    ) {
        let (c, e, width) = (self.d_model, self.d_head, self.n_heads * self.d_head);
        let s = batch.n_sequences;
        let (m, rows) = (s * self.n_tokens, trace.rows_per_sequence);
        let r = s * rows;
        if let Some(w_o) = &self.w_o {
            // out = sum_h z_h W_O
            let d_out = MatRef::new(d_out, r, c);
            for h in 0..self.n_heads {
                let place = self.of_head(w_o, h);
                let z = MatRef::with_row_stride(&trace.z[h * e..], r, e, width);
                T::gemm(kernels, MatMut::new(&mut g[place.clone()], e, c), Fill::Add, z.t(), d_out);
                let d_z = MatMut::with_row_stride(&mut trace.d_z[h * e..], r, e, width);
                T::gemm(kernels, d_z, Fill::Set, d_out, MatRef::new(&p[place], e, c).t());
            }
            if self.damping != 1.0 {
                let damping = T::from_f64(self.damping);
                trace.d_z[..r * width].iter_mut().for_each(|d| *d *= damping);
            }
        }
        for i in 0..s * self.n_heads {
            self.attend_backward(kernels, i / self.n_heads, i % self.n_heads, batch, d_out, trace);
        }
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            trace.d_q[..r * width].iter_mut().for_each(|d| *d *= scale);
        }
        // q = u W_Q and likewise k, v
        let all = MatRef::new(input, m, c);
        let queries = self.query_rows(input, s, rows);
        let maps =
            [(&self.w_q, &trace.d_q, queries, r), (&self.w_k, &trace.d_k, all, m), (&self.w_v, &trace.d_v, all, m)];
        for (w, d, rows_in, count) in maps {
            for h in 0..self.n_heads {
                let d = MatRef::with_row_stride(&d[h * e..], count, e, width);
                T::gemm(kernels, MatMut::new(&mut g[self.of_head(w, h)], c, e), Fill::Add, rows_in.t(), d);
            }
        }
        let Some(d_input) = d_input else { return };
        self.input_gradient(kernels, p, s, trace, d_input);
    }

    /// d_input = d_q W_Q^T (on the query rows) + d_k W_K^T + d_v W_V^T
    fn input_gradient<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        s: usize,
        trace: &AttentionTrace<T>,
        d_input: &mut [T],
    ) {
        let (c, e, width) = (self.d_model, self.d_head, self.n_heads * self.d_head);
        let (t, rows) = (self.n_tokens, trace.rows_per_sequence);
        let m = s * t;
        for h in 0..self.n_heads {
            let map = |w: &Range<usize>| MatRef::new(&p[self.of_head(w, h)], c, e).t();
            let d_k = MatRef::with_row_stride(&trace.d_k[h * e..], m, e, width);
            let d_v = MatRef::with_row_stride(&trace.d_v[h * e..], m, e, width);
            let fill = if h == 0 { Fill::Set } else { Fill::Add };
            T::gemm(kernels, MatMut::new(d_input, m, c), fill, d_k, map(&self.w_k));
            T::gemm(kernels, MatMut::new(d_input, m, c), Fill::Add, d_v, map(&self.w_v));
            let d_q = MatRef::with_row_stride(&trace.d_q[h * e..], s * rows, e, width);
            let to = if rows == t {
                MatMut::new(d_input, m, c)
            } else {
                MatMut::with_row_stride(&mut d_input[(t - 1) * c..], s, c, t * c)
            };
            T::gemm(kernels, to, Fill::Add, d_q, map(&self.w_q));
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
        let [q, k, v] = self.head_views(&trace.q, &trace.k, &trace.v, s, h, rows);
        let d_z = if self.w_o.is_some() { &trace.d_z[..] } else { d_out };
        let d_z = MatRef::with_row_stride(&d_z[s * rows * width + h * e..], rows, e, width);
        let pattern = &trace.pattern[(s * self.n_heads + h) * rows * t..][..rows * t];
        // z_i = damping sum_j p_ij v_j; the caller has the damping in d_z
        let d_scores = &mut trace.d_pattern[..];
        T::gemm(kernels, MatMut::new(d_scores, rows, t), Fill::Set, d_z, v.t());
        let keys = s * t * width + h * e;
        let d_v = MatMut::with_row_stride(&mut trace.d_v[keys..], t, e, width);
        T::gemm(kernels, d_v, Fill::Set, MatRef::new(pattern, rows, t).t(), d_z);
        // p = softmax(s): ds_ij = p_ij (dp_ij - sum_k p_ik dp_ik); linear: ds_ij = dp_ij where j is visible
        for (i, (d_row, p_row)) in d_scores.chunks_exact_mut(t).zip(pattern.chunks_exact(t)).enumerate() {
            if self.is_linear {
                d_row[self.geometry.n_visible(t - rows + i)..].fill(T::ZERO);
                continue;
            }
            let mean = T::dot(kernels, p_row, d_row);
            d_row.iter_mut().zip(p_row).for_each(|(d, &p)| *d = p * (*d - mean));
        }
        for (i, d_row) in d_scores.chunks_exact_mut(t).enumerate() {
            if clamped_keys(self.clamps[h], &self.geometry, t - rows + i, batch.slots_of(s)).is_some() {
                d_row.fill(T::ZERO);
            }
        }
        // s_ij = q_i . k_j
        let d_scores = MatRef::new(d_scores, rows, t);
        let d_q = MatMut::with_row_stride(&mut trace.d_q[s * rows * width + h * e..], rows, e, width);
        T::gemm(kernels, d_q, Fill::Set, d_scores, k);
        let d_k = MatMut::with_row_stride(&mut trace.d_k[keys..], t, e, width);
        T::gemm(kernels, d_k, Fill::Set, d_scores.t(), q);
    }
}
