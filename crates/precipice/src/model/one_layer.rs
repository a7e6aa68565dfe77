//! One linear attention layer of the regression task, by its sufficient statistic.
//!
//! ```text
//! ŷ = -damping Σ_h b_h G a_h     G = Σ_j e_j e_jᵀ over the context
//! a_h = W_V W_O[:, y]            what the head reads, [C]
//! b_h = e_q B_h, B_h = W_Q W_Kᵀ  where it looks, [C]
//! ```
//!
//! G is never formed: G a is N products of length C. The maps a and B are shared by all sequences, so
//! that one costs some 4 (N + d) C multiplications instead of those of four maps of every token.

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::attention::Attention;
use crate::batch::Batch;
use crate::spec::{AttentionKind, RunSpec};

/// Shapes and places of the layer.
#[derive(Clone, Debug)]
pub(super) struct OneLayer {
    n_heads: usize,
    d_head: usize,
    d_model: usize,
    damping: f64,
    /// W_Q, W_K, W_V `[H, C, E]` and W_O `[H, E, C]`.
    places: [Range<usize>; 4],
}

/// Its activations and gradients.
#[derive(Clone, Debug)]
pub(super) struct OneLayerTrace<T> {
    /// a, `[H, C]`.
    reads: Vec<T>,
    /// B, `[H, C, C]`.
    looks: Vec<T>,
    /// G a of each sequence, `[S, H, C]`.
    summed: Vec<T>,
    /// b of each sequence, `[S, H, C]`.
    queries: Vec<T>,
    d_reads: Vec<T>,
    d_looks: Vec<T>,
}

/// Whether the network is such a layer and nothing else.
pub(super) fn applies(spec: &RunSpec) -> bool {
    let model = &spec.model;
    spec.has_paired_tokens()
        && model.n_layers == 1
        && spec.attention_kind(0) == AttentionKind::Linear
        && model.output_projection
        && !model.layer_norm
        && model.d_mlp == 0
        && model.token_clip.is_none()
        && model.d_buffer == 0
        && model.embedding.is_none()
}

impl<T: Real> OneLayerTrace<T> {
    pub(super) fn new(spec: &RunSpec, capacity: usize) -> Self {
        let (heads, c) = if applies(spec) { (spec.model.n_heads, spec.d_model()) } else { (0, 0) };
        let zeros = |len: usize| vec![T::ZERO; len];
        Self {
            reads: zeros(heads * c),
            looks: zeros(heads * c * c),
            summed: zeros(capacity * heads * c),
            queries: zeros(capacity * heads * c),
            d_reads: zeros(heads * c),
            d_looks: zeros(heads * c * c),
        }
    }
}

impl OneLayer {
    pub(super) fn new(spec: &RunSpec, attention: &Attention) -> Option<Self> {
        let [w_q, w_k, w_v] = attention.places();
        let w_o = attention.output_place().filter(|_| applies(spec))?;
        let (n_heads, d_head, d_model) = (attention.n_heads(), attention.d_head(), attention.d_model());
        Some(Self { n_heads, d_head, d_model, damping: spec.model.damping, places: [w_q, w_k, w_v, w_o] })
    }

    /// One head's part of a tensor.
    fn of_head<'a, T>(&self, p: &'a [T], tensor: usize, head: usize) -> &'a [T] {
        let size = self.d_model * self.d_head;
        &p[self.places[tensor].clone()][head * size..(head + 1) * size]
    }

    fn of_head_mut<'a, T>(&self, g: &'a mut [T], tensor: usize, head: usize) -> &'a mut [T] {
        let size = self.d_model * self.d_head;
        &mut g[self.places[tensor].clone()][head * size..(head + 1) * size]
    }

    /// Writes ŷ of every sequence.
    pub(super) fn forward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut OneLayerTrace<T>,
        out: &mut [T],
    ) {
        let (c, e) = (self.d_model, self.d_head);
        for h in 0..self.n_heads {
            let [w_q, w_k] = [0, 1].map(|tensor| MatRef::new(self.of_head(p, tensor, h), c, e));
            let looks = MatMut::new(&mut trace.looks[h * c * c..(h + 1) * c * c], c, c);
            T::gemm(kernels, looks, Fill::Set, w_q, w_k.t());
            let (w_v, w_o) = (self.of_head(p, 2, h), self.of_head(p, 3, h));
            for (row, a) in trace.reads[h * c..(h + 1) * c].iter_mut().enumerate() {
                *a = (0..e).map(|k| w_v[row * e + k] * w_o[k * c + c - 1]).sum();
            }
        }
        for (s, out) in out.iter_mut().enumerate() {
            let mut sum = T::ZERO;
            for h in 0..self.n_heads {
                let place = (s * self.n_heads + h) * c..(s * self.n_heads + h + 1) * c;
                let (summed, query) = (&mut trace.summed[place.clone()], &mut trace.queries[place]);
                gram_product(batch, s, &trace.reads[h * c..(h + 1) * c], summed);
                query.fill(T::ZERO);
                let looks = &trace.looks[h * c * c..(h + 1) * c * c];
                for (row, &x) in looks.chunks_exact(c).zip(query_item(batch, s)) {
                    let x = T::from_f64(f64::from(x));
                    query.iter_mut().zip(row).for_each(|(b, &w)| *b += x * w);
                }
                sum += query.iter().zip(summed.iter()).map(|(&b, &u)| b * u).sum::<T>();
            }
            *out = T::from_f64(-self.damping) * sum;
        }
    }

    /// Adds the parameters' gradients, given the loss's gradient of every ŷ.
    pub(super) fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut OneLayerTrace<T>,
        d_out: &[T],
        g: &mut [T],
    ) {
        let (c, e) = (self.d_model, self.d_head);
        trace.d_reads.fill(T::ZERO);
        trace.d_looks.fill(T::ZERO);
        let mut gram_query = vec![T::ZERO; c];
        for (s, &d) in d_out.iter().enumerate() {
            let d = T::from_f64(-self.damping) * d;
            for h in 0..self.n_heads {
                let place = (s * self.n_heads + h) * c..(s * self.n_heads + h + 1) * c;
                // ŷ = -damping b G a: d_a = G b, d_b = G a, and b = e_q B
                gram_product(batch, s, &trace.queries[place.clone()], &mut gram_query);
                let d_reads = &mut trace.d_reads[h * c..(h + 1) * c];
                d_reads.iter_mut().zip(&gram_query).for_each(|(to, &x)| *to += d * x);
                let (summed, d_looks) = (&trace.summed[place], &mut trace.d_looks[h * c * c..(h + 1) * c * c]);
                for (row, &x) in d_looks.chunks_exact_mut(c).zip(query_item(batch, s)) {
                    let x = d * T::from_f64(f64::from(x));
                    row.iter_mut().zip(summed).for_each(|(to, &u)| *to += x * u);
                }
            }
        }
        for h in 0..self.n_heads {
            // B = W_Q W_Kᵀ
            let d_looks = MatRef::new(&trace.d_looks[h * c * c..(h + 1) * c * c], c, c);
            let [w_q, w_k] = [0, 1].map(|tensor| MatRef::new(self.of_head(p, tensor, h), c, e));
            T::gemm(kernels, MatMut::new(self.of_head_mut(g, 0, h), c, e), Fill::Add, d_looks, w_k);
            T::gemm(kernels, MatMut::new(self.of_head_mut(g, 1, h), c, e), Fill::Add, d_looks.t(), w_q);
            // a = W_V W_O[:, y]
            let (w_v, w_o) = (self.of_head(p, 2, h), self.of_head(p, 3, h));
            let d_reads = &trace.d_reads[h * c..(h + 1) * c];
            for (row, &d_a) in d_reads.iter().enumerate() {
                let d_v = &mut self.of_head_mut(g, 2, h)[row * e..(row + 1) * e];
                d_v.iter_mut().enumerate().for_each(|(k, to)| *to += d_a * w_o[k * c + c - 1]);
                let d_o = self.of_head_mut(g, 3, h);
                (0..e).for_each(|k| d_o[k * c + c - 1] += d_a * w_v[row * e + k]);
            }
        }
    }
}

/// x of the query.
fn query_item(batch: &Batch, s: usize) -> &[f32] {
    &batch.items_of(s)[batch.n_exemplars * batch.d_item..]
}

/// out = G v, token by token.
fn gram_product<T: Real>(batch: &Batch, s: usize, v: &[T], out: &mut [T]) {
    let d = batch.d_item;
    out.fill(T::ZERO);
    let (v_x, v_y) = (&v[..d], v[d]);
    let (out_x, out_y) = out.split_at_mut(d);
    for (x, &y) in batch.items_of(s).chunks_exact(d).zip(&batch.values_of(s)[..batch.n_exemplars]) {
        let y = T::from_f64(f64::from(y));
        let along = y * v_y + dot(x, v_x);
        out_x.iter_mut().zip(x).for_each(|(to, &x)| *to += along * T::from_f64(f64::from(x)));
        out_y[0] += along * y;
    }
}

/// Wide items in eight sums side by side: one alone would wait for every addition.
fn dot<T: Real>(x: &[f32], v: &[T]) -> T {
    const LANES: usize = 8;
    let product = |(&x, &v): (&f32, &T)| T::from_f64(f64::from(x)) * v;
    if x.len() < 2 * LANES {
        return x.iter().zip(v).map(product).sum();
    }
    let mut lanes = [T::ZERO; LANES];
    let (xs, vs) = (x.chunks_exact(LANES), v.chunks_exact(LANES));
    let rest: T = xs.remainder().iter().zip(vs.remainder()).map(product).sum();
    for (x, v) in xs.zip(vs) {
        for (lane, term) in lanes.iter_mut().zip(x.iter().zip(v).map(product)) {
            *lane += term;
        }
    }
    lanes.into_iter().sum::<T>() + rest
}
