//! Attention: causal soft-max, or over the context alone, or linear.
//!
//! ```text
//! q_i = u_i W_Q,  k_j = u_j W_K,  v_j = u_j W_V            per head
//! p_ij = softmax_{j <= i}(c q_i . k_j),  z_i = sum_j p_ij v_j      c = 1 or 1/sqrt(d_head)
//! out_i = the heads' z_i side by side, or sum_h z_i W_O
//! ```
//!
//! Where values are asked for every token sees the whole context and nobody sees the query. A linear layer
//! has p_ij = q_i . k_j (von Oswald et al. 2023). `tokens.rs` computes keys and values of every token, `query.rs` what
//! the query alone reads, without them, `patterns.rs` where every token looks, without queries and keys.

mod coded;
mod patterns;
mod query;
mod tokens;

pub use patterns::PatternTrace;

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::norm::LayerNorm;
use crate::model::description::Description;
use crate::model::params::{Init, Layout};
use crate::model::plan;
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
    /// What it reads, if those are rows of the embedding.
    coded: Option<coded::Coded>,
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
    /// Queries times the score scale, `[R, H, E]`; of every token only where `Reads::All` asks for them.
    pub q: Vec<T>,
    /// Keys, `[M, H, E]`; empty where scores do without.
    pub k: Vec<T>,
    /// Values, `[M, H, E]`; empty where the query alone reads and does without.
    pub v: Vec<T>,
    /// Attention, `[S, H, rows, T]`, zero above the diagonal.
    pub pattern: Vec<T>,
    /// What each head writes, `[R, H, E]`.
    pub z: Vec<T>,
    /// Queries of each sequence: T, or 1 where only the last is read.
    pub rows_per_sequence: usize,
    /// Of keys, values and queries side by side, `[M, 3, H, E]`; of the queries alone where they are fewer.
    d_maps: Vec<T>,
    d_z: Vec<T>,
    /// Of one head of one sequence.
    d_pattern: Vec<T>,
    at_query: Option<query::QueryTrace<T>>,
    /// Where `Reads::Patterns` asks for them.
    pub all: Option<PatternTrace<T>>,
}

/// How a layer looks where `Reads::Patterns` asks.
#[derive(Clone, Copy, Debug)]
pub(in crate::model) struct Looks<'a, T> {
    /// A of each head, `[H, F, F]`; empty where queries and keys are less work, and for other traces.
    pub maps: &'a [T],
    /// Whether a last layer wants patterns of all tokens, and not of the query alone.
    pub from_all: bool,
}

/// A head whose output is replaced.
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
    /// Of a layer that computes the last rows of each sequence.
    pub(in crate::model) fn new(
        description: &Description,
        layer: usize,
        capacity: usize,
        rows_per_sequence: usize,
        wants_patterns: bool,
    ) -> Self {
        let (width, t) = (description.n_heads * description.d_head, description.n_tokens());
        let zeros = |len: usize| vec![T::ZERO; len];
        let is_last = rows_per_sequence < t;
        // Probes want patterns and no gradients.
        let all = wants_patterns.then(|| PatternTrace::new(description, layer, capacity, is_last));
        let folds = is_last && (all.is_some() || plan::folds_last_layer(description));
        let (tokens, rows) = (capacity * t * width, capacity * rows_per_sequence * width);
        let has_queries = all.is_none() || (is_last && !plan::has_score_maps(description, layer));
        let has_gradients = all.is_none();
        let if_so = |condition: bool, len: usize| zeros(if condition { len } else { 0 });
        Self {
            q: if_so(has_queries, rows),
            k: if_so(has_queries && !folds, tokens),
            v: if_so(!folds, tokens),
            pattern: zeros(capacity * description.n_heads * rows_per_sequence * t),
            z: zeros(rows),
            rows_per_sequence,
            d_maps: if_so(has_gradients, if folds { rows } else { 3 * tokens }),
            d_z: if_so(has_gradients && description.output_projection, rows),
            d_pattern: if_so(has_gradients && !folds, rows_per_sequence * t),
            at_query: folds.then(|| query::QueryTrace::new(description, capacity)),
            all,
        }
    }
}

impl<T> AttentionTrace<T> {
    /// Attention of every token, `[S, H, T, T]`; of the query alone, `[S, H, 1, T]`, where `Reads::QueryOnly` asks for
    /// no more.
    pub fn patterns(&self) -> &[T] {
        self.all.as_ref().and_then(PatternTrace::of_last).unwrap_or(&self.pattern)
    }

    /// Whether [`Self::patterns`] has every token.
    pub(in crate::model) fn has_all_rows(&self, n_tokens: usize) -> bool {
        self.rows_per_sequence == n_tokens || self.all.is_some()
    }

    /// Whether maps are made of all tokens.
    pub(in crate::model) fn maps_all(&self, n_tokens: usize) -> bool {
        self.at_query.is_none() && self.rows_per_sequence == n_tokens
    }

    /// Gradients of the queries, and the distance of their rows.
    fn d_queries(&self, layer: &Attention) -> (&[T], usize) {
        let width = layer.n_heads * layer.d_head;
        if self.at_query.is_some() { (&self.d_maps, width) } else { (&self.d_maps[2 * width..], 3 * width) }
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
            coded: coded::Coded::of(description, idx),
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
        looks: Looks<'_, T>,
        input: &[T],
        batch: &Batch,
        trace: &mut AttentionTrace<T>,
        out: &mut [T],
    ) {
        let width = self.n_heads * self.d_head;
        let rows = trace.rows_per_sequence;
        // Other traces have queries and keys.
        let maps = if trace.all.is_some() { looks.maps } else { &[] };
        if trace.all.is_some() && (looks.from_all || rows == self.n_tokens) {
            self.look_from_all(kernels, p, maps, input, batch, trace);
        } else {
            if maps.is_empty() {
                self.project(kernels, p, &self.w_q, input, batch, rows, &mut trace.q);
                self.scale_scores(&mut trace.q[..batch.n_sequences * rows * width]);
            }
            if trace.at_query.is_some() {
                self.look_from_query(kernels, p, maps, input, batch, trace);
            } else {
                self.look_from_tokens(kernels, p, input, batch, trace);
            }
        }
        if self.damping != 1.0 {
            let damping = T::from_f64(self.damping);
            trace.z[..batch.n_sequences * rows * width].iter_mut().for_each(|z| *z *= damping);
        }
        self.write(kernels, p, batch.n_sequences * rows, &trace.z, out);
    }

    /// Adds what the heads write in `r` rows to `out`.
    fn write<T: Real>(&self, kernels: Kernels, p: &[T], r: usize, z: &[T], out: &mut [T]) {
        let (c, width) = (self.d_model, self.n_heads * self.d_head);
        match &self.w_o {
            None => T::axpy(kernels, T::ONE, &z[..r * width], &mut out[..r * c]),
            Some(w_o) => {
                let (z, w) = (MatRef::new(z, r, width), MatRef::new(&p[w_o.clone()], width, c));
                T::gemm(kernels, MatMut::new(out, r, c), Fill::Add, z, w);
            }
        }
    }

    /// The same of a layer that has been computed, with a head replaced.
    pub(in crate::model) fn write_without<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        n_sequences: usize,
        trace: &AttentionTrace<T>,
        out: &mut [T],
        ablation: &Ablation<T>,
    ) {
        let (t, e, rows) = (self.n_tokens, self.d_head, trace.rows_per_sequence);
        let r = n_sequences * rows;
        let mut written = trace.z[..r * self.n_heads * e].to_vec();
        for i in 0..r {
            let token = t - rows + i % rows;
            let z = &mut written[(i * self.n_heads + ablation.head) * e..][..e];
            z.copy_from_slice(&ablation.replacement[token * e..(token + 1) * e]);
        }
        self.write(kernels, p, r, &written, out);
    }

    /// What every head makes of a sequence's last rows with its map, `[S, rows, H, E]`.
    #[expect(clippy::too_many_arguments, reason = "a product's operands, for all heads")]
    fn project<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        maps: &Range<usize>,
        input: &[T],
        batch: &Batch,
        rows: usize,
        out: &mut [T],
    ) {
        let (c, e, width, s) = (self.d_model, self.d_head, self.n_heads * self.d_head, batch.n_sequences);
        for h in 0..self.n_heads {
            let (map, out) = (&p[self.of_head(maps, h)], &mut out[h * e..]);
            match &self.coded {
                Some(coded) if rows == self.n_tokens => {
                    self.project_coded(coded, kernels, map, (e, width), input, batch, out)
                }
                _ => {
                    let to = MatMut::with_row_stride(out, s * rows, e, width);
                    T::gemm(kernels, to, Fill::Set, self.query_rows(input, s, rows), MatRef::new(map, c, e));
                }
            }
        }
    }

    /// Adds the parameters' gradients to `g` and writes the input's to `d_input` `[M, C]`; `turned` is room for three maps
    /// of all heads. Given the LayerNorm before it and its normalized rows, it adds that one's gradients instead.
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
        mut d_input: Option<&mut [T]>,
        turned: &mut [T],
        norm: Option<(&LayerNorm, &[T])>,
    ) {
        let (c, width) = (self.d_model, self.n_heads * self.d_head);
        let s = batch.n_sequences;
        let rows = trace.rows_per_sequence;
        let r = s * rows;
        if let Some(w_o) = &self.w_o {
            // out = z W_O
            let (d_out, z) = (MatRef::new(d_out, r, c), MatRef::new(&trace.z, r, width));
            T::gemm(kernels, MatMut::new(&mut g[w_o.clone()], width, c), Fill::Add, z.t(), d_out);
            let w = MatRef::new(&p[w_o.clone()], width, c);
            T::gemm(kernels, MatMut::new(&mut trace.d_z, r, width), Fill::Set, d_out, w.t());
            if self.damping != 1.0 {
                let damping = T::from_f64(self.damping);
                trace.d_z[..r * width].iter_mut().for_each(|d| *d *= damping);
            }
        }
        if trace.at_query.is_some() {
            self.look_from_query_backward(kernels, p, input, batch, d_out, trace, g, d_input.as_deref_mut());
        } else {
            let d_input = d_input.as_deref_mut();
            self.look_from_tokens_backward(kernels, p, input, batch, d_out, trace, g, d_input, turned, norm);
            if norm.is_some() {
                return;
            }
        }
        // q = u W_Q
        let (d_q, stride) = trace.d_queries(self);
        self.map_gradients(kernels, &self.w_q, input, batch, rows, (d_q, stride), g);
        if rows < self.n_tokens
            && let Some(d_input) = d_input
        {
            let last = &mut d_input[(self.n_tokens - 1) * c..];
            let last = MatMut::with_row_stride(last, s, c, self.n_tokens * c);
            let map = self.turn(kernels, p, &self.w_q, turned);
            T::gemm(
                kernels,
                last,
                Fill::Add,
                MatRef::with_row_stride(d_q, r, width, stride),
                MatRef::new(map, width, c),
            );
        }
    }

    /// Adds the gradients of all heads' maps of a sequence's last rows, given the gradient of what they made of them and
    /// the distance of its rows.
    #[expect(clippy::too_many_arguments, reason = "a product's operands, for all heads")]
    fn map_gradients<T: Real>(
        &self,
        kernels: Kernels,
        maps: &Range<usize>,
        input: &[T],
        batch: &Batch,
        rows: usize,
        (d, stride): (&[T], usize),
        g: &mut [T],
    ) {
        let (c, e, s) = (self.d_model, self.d_head, batch.n_sequences);
        for h in 0..self.n_heads {
            let (d, g) = (&d[h * e..], &mut g[self.of_head(maps, h)]);
            match &self.coded {
                Some(coded) if rows == self.n_tokens => {
                    self.coded_gradient(coded, kernels, input, batch, (d, stride), g)
                }
                _ => {
                    let d = MatRef::with_row_stride(d, s * rows, e, stride);
                    T::gemm(kernels, MatMut::new(g, c, e), Fill::Add, self.query_rows(input, s, rows).t(), d);
                }
            }
        }
    }

    /// Writes all heads' maps turned over, `[H, E, C]`: from heads back to rows.
    fn turn<'a, T: Real>(&self, kernels: Kernels, p: &[T], maps: &Range<usize>, to: &'a mut [T]) -> &'a [T] {
        let (c, e) = (self.d_model, self.d_head);
        for (h, to) in to.chunks_exact_mut(c * e).take(self.n_heads).enumerate() {
            T::transpose(kernels, &p[self.of_head(maps, h)], e, to, c);
        }
        &to[..self.n_heads * e * c]
    }
}
