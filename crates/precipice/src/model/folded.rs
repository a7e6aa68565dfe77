//! Two attention layers whose last one is read at the query only, without a row for every token.
//!
//! The plain network computes queries, keys and values of every token in both layers. The loss sees
//! one row a sequence, and the first layer's input is a position code and a content vector, so the
//! same function (and the same gradients) take a fraction of the work. With x_i = (code of position
//! i, content c_i), V the value map of layer 1, q the query's token and primes for layer 2:
//!
//! ```text
//! s_ij = x_i A x_j,  A = W_Q W_K^T        once a step; codes are one-hot, so that products with them
//!      = A_pp[i,j] + (A_cc^T c_i + A_pc[i]) . c_j + c_i . A_cp[:,j]                     are look-ups
//! p_ij = softmax_{j <= i}(s_ij)
//! h_q  = x_q + V^T y,         y = sum_k p_qk x_k
//! r    = W'_K W'_Q^T h_q,     u = V r                                            vectors a sequence
//! s'_j = r . h_j = r . x_j + sum_k p_jk (u . x_k)
//! w    = softmax(s')
//! zbar = sum_j w_j h_j = sum_j w_j x_j + V^T sum_k m_k x_k,    m_k = sum_j w_j p_jk
//! out  = h_q + W'_V^T zbar
//! ```

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::attention::Attention;
use super::embed::EmbedDims;
use super::readout::ReadoutTrace;
use crate::batch::Batch;
use crate::spec::RunSpec;

/// Shapes and places of the two layers.
#[derive(Clone, Debug)]
pub(super) struct Folded {
    dims: EmbedDims,
    /// P + D: the columns of the embedding that are not always 0.
    f: usize,
    n_tokens: usize,
    n_labels: usize,
    score_scale: f64,
    first: Maps,
    second: Maps,
}

/// Places of W_Q, W_K and W_V, each `[C, C]`.
#[derive(Clone, Debug)]
struct Maps {
    q: Range<usize>,
    k: Range<usize>,
    v: Range<usize>,
}

/// What all sequences of a step share.
#[derive(Clone, Debug)]
pub struct Prepared<T> {
    /// A, `[F, F]`.
    a: Vec<T>,
    /// A_cp transposed, `[P, D]`.
    a_cp_t: Vec<T>,
    /// Label vectors times A_cc, `[L, D]`.
    labels: Vec<T>,
}

/// The gradients of [`Prepared`].
#[derive(Clone, Debug)]
pub struct PreparedGrads<T> {
    /// Of A_pp and A_pc and A_cc, `[F, F]`; the rest comes from the other two.
    pub(super) a: Vec<T>,
    /// `[P, D]`
    pub(super) a_cp_t: Vec<T>,
    /// `[L, D]`
    pub(super) labels: Vec<T>,
}

/// Activations of some sequences, and their gradients.
#[derive(Clone, Debug)]
pub struct FoldedTrace<T> {
    pub(super) readout: ReadoutTrace<T>,
    /// Items as they are and times A_cc, `[S (N+1), D]` each.
    items: Vec<T>,
    mapped_items: Vec<T>,
    /// c of every token, `[S, T, D]`.
    content: Vec<T>,
    /// p, `[S, T, T]`.
    pattern: Vec<T>,
    /// u . x_k, w, and the gradients of sum m x times x_k and of s', `[S, T]` each.
    by_u: Vec<T>,
    weights: Vec<T>,
    by_mix: Vec<T>,
    d_scores: Vec<T>,
    /// h_q, W'_Q^T h_q, zbar and the output, `[S, C]` each.
    h_q: Vec<T>,
    key_query: Vec<T>,
    z_bar: Vec<T>,
    out: Vec<T>,
    /// What V multiplies, `[3 S, F]`: sum m x, the gradient of u, y; and what it meets in its own
    /// gradient, `[3 S, C]`: the gradient of zbar, r, the gradient of h_q.
    v_in: Vec<T>,
    v_out: Vec<T>,
    /// u, then the gradients of sum m x and of y, `[S, F]`.
    narrow: Vec<T>,
    /// `[S, C]`
    d_out: Vec<T>,
    d_r: Vec<T>,
    d_key_query: Vec<T>,
    /// `[T, 2 D]` each
    left: Vec<T>,
    right: Vec<T>,
    /// `[T, T]`, `[T]`
    d_pattern: Vec<T>,
    row: Vec<T>,
    capacity: usize,
    n_sequences: usize,
}

impl<T: Real> FoldedTrace<T> {
    /// Room for `capacity` sequences.
    pub fn new(spec: &RunSpec, capacity: usize) -> Self {
        let (t, c, d) = (spec.n_tokens(), spec.d_model(), spec.copying().d_item);
        let f = spec.d_pos() + d;
        let items = capacity * t.div_ceil(2) * d;
        let zeros = |len: usize| vec![T::ZERO; len];
        Self {
            readout: ReadoutTrace::new(spec, capacity),
            items: zeros(items),
            mapped_items: zeros(items),
            content: zeros(capacity * t * d),
            pattern: zeros(capacity * t * t),
            by_u: zeros(capacity * t),
            weights: zeros(capacity * t),
            by_mix: zeros(capacity * t),
            d_scores: zeros(capacity * t),
            h_q: zeros(capacity * c),
            key_query: zeros(capacity * c),
            z_bar: zeros(capacity * c),
            out: zeros(capacity * c),
            v_in: zeros(3 * capacity * f),
            v_out: zeros(3 * capacity * c),
            narrow: zeros(capacity * f),
            d_out: zeros(capacity * c),
            d_r: zeros(capacity * c),
            d_key_query: zeros(capacity * c),
            left: zeros(t * 2 * d),
            right: zeros(t * 2 * d),
            d_pattern: zeros(t * t),
            row: zeros(t),
            capacity,
            n_sequences: 0,
        }
    }

    /// Logits of the query `[S, L]`, and where the loss puts its gradient.
    pub fn logits_and_gradient(&mut self) -> (&[T], &mut [T]) {
        self.readout.logits_and_gradient(self.n_sequences)
    }

    /// The query's final row and its gradient, `[S, C]` each.
    pub(super) fn final_rows(&mut self) -> (&[T], &mut Vec<T>, &mut ReadoutTrace<T>) {
        (&self.out, &mut self.d_out, &mut self.readout)
    }
}

impl<T: Real> PreparedGrads<T> {
    /// All zero.
    pub fn clear(&mut self) {
        self.parts_mut().into_iter().for_each(|part| part.fill(T::ZERO));
    }

    /// The three parts.
    pub fn parts(&self) -> [&[T]; 3] {
        [&self.a, &self.a_cp_t, &self.labels]
    }

    /// The three parts, to be added to.
    pub fn parts_mut(&mut self) -> [&mut [T]; 3] {
        [&mut self.a, &mut self.a_cp_t, &mut self.labels]
    }
}

impl Folded {
    pub(super) fn new(spec: &RunSpec, dims: EmbedDims, layers: [&Attention; 2]) -> Self {
        let maps = |layer: &Attention| {
            let [q, k, v] = layer.places();
            Maps { q, k, v }
        };
        Self {
            dims,
            f: dims.d_pos + dims.d_item,
            n_tokens: spec.n_tokens(),
            n_labels: spec.copying().n_labels,
            score_scale: layers[0].score_scale(),
            first: maps(layers[0]),
            second: maps(layers[1]),
        }
    }

    pub(super) fn prepared<T: Real>(&self) -> Prepared<T> {
        let EmbedDims { d_pos, d_item, .. } = self.dims;
        let zeros = |len: usize| vec![T::ZERO; len];
        Prepared { a: zeros(self.f * self.f), a_cp_t: zeros(d_pos * d_item), labels: zeros(self.n_labels * d_item) }
    }

    pub(super) fn prepared_grads<T: Real>(&self) -> PreparedGrads<T> {
        let Prepared { a, a_cp_t, labels } = self.prepared();
        PreparedGrads { a, a_cp_t, labels }
    }

    /// The first F rows of a map of layer 1, `[F, C]`.
    fn top<'a, T>(&self, p: &'a [T], place: &Range<usize>) -> MatRef<'a, T> {
        MatRef::new(&p[place.clone()], self.f, self.dims.d_model)
    }

    fn whole<'a, T>(&self, p: &'a [T], place: &Range<usize>) -> MatRef<'a, T> {
        MatRef::new(&p[place.clone()], self.dims.d_model, self.dims.d_model)
    }

    /// A_cc inside A.
    fn content_block<'a, T>(&self, a: &'a [T]) -> MatRef<'a, T> {
        let EmbedDims { d_pos, d_item, .. } = self.dims;
        MatRef::with_row_stride(&a[d_pos * self.f + d_pos..], d_item, d_item, self.f)
    }

    /// What all sequences of a step share. `label_table` is `[L, D]`.
    pub(super) fn prepare<T: Real>(&self, kernels: Kernels, p: &[T], label_table: &[T], prepared: &mut Prepared<T>) {
        let EmbedDims { d_pos, d_item, .. } = self.dims;
        let (f, first) = (self.f, &self.first);
        let a = MatMut::new(&mut prepared.a, f, f);
        T::gemm(kernels, a, Fill::Set, self.top(p, &first.q), self.top(p, &first.k).t());
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            prepared.a.iter_mut().for_each(|a| *a *= scale);
        }
        for (i, row) in prepared.a[d_pos * f..].chunks_exact(f).enumerate() {
            for (j, &a) in row[..d_pos].iter().enumerate() {
                prepared.a_cp_t[j * d_item + i] = a;
            }
        }
        let labels = MatMut::new(&mut prepared.labels, self.n_labels, d_item);
        let table = MatRef::new(label_table, self.n_labels, d_item);
        T::gemm(kernels, labels, Fill::Set, table, self.content_block(&prepared.a));
    }

    /// Fills the trace up to the query's final row.
    pub(super) fn forward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        label_table: &[T],
        prepared: &Prepared<T>,
        batch: &Batch,
        trace: &mut FoldedTrace<T>,
    ) {
        let EmbedDims { d_item, d_model: c, .. } = self.dims;
        let (s, f) = (batch.n_sequences, self.f);
        assert!(s <= trace.capacity, "{s} sequences in a trace for {}", trace.capacity);
        trace.n_sequences = s;
        let n_items = s * (batch.n_exemplars + 1);
        let from = &batch.items[..n_items * d_item];
        trace.items.iter_mut().zip(from).for_each(|(x, &y)| *x = T::from_f64(f64::from(y)));
        let mapped = MatMut::new(&mut trace.mapped_items, n_items, d_item);
        let items = MatRef::new(&trace.items, n_items, d_item);
        T::gemm(kernels, mapped, Fill::Set, items, self.content_block(&prepared.a));
        for i in 0..s {
            self.attend_first(kernels, label_table, prepared, batch, i, trace);
        }
        // h_q = x_q + V^T y
        let v = self.top(p, &self.first.v);
        self.write_query(batch, trace);
        let (y, h_q) = (MatRef::new(&trace.v_in[2 * s * f..], s, f), MatMut::new(&mut trace.h_q, s, c));
        T::gemm(kernels, h_q, Fill::Add, y, v);
        // r = W'_K W'_Q^T h_q and u = V r
        let to = MatMut::new(&mut trace.key_query, s, c);
        T::gemm(kernels, to, Fill::Set, MatRef::new(&trace.h_q, s, c), self.whole(p, &self.second.q));
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            trace.key_query[..s * c].iter_mut().for_each(|x| *x *= scale);
        }
        let key_query = MatRef::new(&trace.key_query, s, c);
        let r = &mut trace.v_out[s * c..2 * s * c];
        T::gemm(kernels, MatMut::new(r, s, c), Fill::Set, key_query, self.whole(p, &self.second.k).t());
        T::gemm(kernels, MatMut::new(&mut trace.narrow, s, f), Fill::Set, MatRef::new(r, s, c), v.t());
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
        prepared: &Prepared<T>,
        batch: &Batch,
        i: usize,
        trace: &mut FoldedTrace<T>,
    ) {
        let EmbedDims { d_pos, d_item: d, .. } = self.dims;
        let (t, f, n) = (self.n_tokens, self.f, batch.n_exemplars);
        let offset = batch.offsets[i] as usize;
        let content = &mut trace.content[i * t * d..(i + 1) * t * d];
        let rows = content.chunks_exact_mut(d).zip(trace.left.chunks_exact_mut(2 * d));
        for (token, ((content, left), right)) in rows.zip(trace.right.chunks_exact_mut(2 * d)).enumerate() {
            let slot = token / 2;
            let (vector, mapped) = if token % 2 == 0 {
                let at = (i * (n + 1) + slot) * d;
                (&trace.items[at..at + d], &trace.mapped_items[at..at + d])
            } else {
                let at = batch.label_ids[i * n + slot] as usize * d;
                (&label_table[at..at + d], &prepared.labels[at..at + d])
            };
            content.copy_from_slice(vector);
            // (A_cc^T c + A_pc[i]) . c_j + c_i . A_cp[:, j] as one product of width 2 D.
            let position = offset + token;
            let by_position = &prepared.a[position * f + d_pos..][..d];
            left[..d].iter_mut().zip(mapped).zip(by_position).for_each(|((to, &a), &b)| *to = a + b);
            left[d..].copy_from_slice(vector);
            right[..d].copy_from_slice(vector);
            right[d..].copy_from_slice(&prepared.a_cp_t[position * d..][..d]);
        }
        let pattern = &mut trace.pattern[i * t * t..(i + 1) * t * t];
        let (left, right) = (MatRef::new(&trace.left, t, 2 * d), MatRef::new(&trace.right, t, 2 * d));
        T::gemm(kernels, MatMut::new(pattern, t, t), Fill::Set, left, right.t());
        for (token, row) in pattern.chunks_exact_mut(t).enumerate() {
            let (visible, hidden) = row.split_at_mut(token + 1);
            let by_positions = &prepared.a[(offset + token) * f + offset..][..token + 1];
            visible.iter_mut().zip(by_positions).for_each(|(s, &a)| *s += a);
            T::softmax(kernels, visible);
            hidden.fill(T::ZERO);
        }
        let y = &mut trace.v_in[(2 * batch.n_sequences + i) * f..][..f];
        self.mix(kernels, &pattern[(t - 1) * t..], content, offset, y);
    }

    /// to = sum_k m_k x_k, `[F]` or longer
    fn mix<T: Real>(&self, kernels: Kernels, m: &[T], content: &[T], offset: usize, to: &mut [T]) {
        let EmbedDims { d_pos, d_item: d, .. } = self.dims;
        to.fill(T::ZERO);
        to[offset..offset + m.len()].copy_from_slice(m);
        let to = MatMut::new(&mut to[d_pos..], 1, d);
        T::gemm(kernels, to, Fill::Set, MatRef::new(m, 1, m.len()), MatRef::new(content, m.len(), d));
    }

    /// to_k = v . x_k, for v `[F]` or longer
    fn by_tokens<T: Real>(&self, kernels: Kernels, v: &[T], content: &[T], offset: usize, to: &mut [T]) {
        let EmbedDims { d_pos, d_item, .. } = self.dims;
        let v_content = &v[d_pos..d_pos + d_item];
        for (k, (to, content)) in to.iter_mut().zip(content.chunks_exact(d_item)).enumerate() {
            *to = v[offset + k] + T::dot(kernels, v_content, content);
        }
    }

    /// Writes x_q to the rows of h_q.
    fn write_query<T: Real>(&self, batch: &Batch, trace: &mut FoldedTrace<T>) {
        let EmbedDims { d_pos, d_item: d, d_model: c } = self.dims;
        let t = self.n_tokens;
        for (i, row) in trace.h_q.chunks_exact_mut(c).take(batch.n_sequences).enumerate() {
            row.fill(T::ZERO);
            row[batch.offsets[i] as usize + t - 1] = T::ONE;
            row[d_pos..d_pos + d].copy_from_slice(&trace.content[((i + 1) * t - 1) * d..(i + 1) * t * d]);
        }
    }

    /// Weights of layer 2, sum m x and sum w x of one sequence.
    fn attend_second<T: Real>(&self, kernels: Kernels, batch: &Batch, i: usize, trace: &mut FoldedTrace<T>) {
        let EmbedDims { d_item: d, d_model: c, .. } = self.dims;
        let (t, f, s) = (self.n_tokens, self.f, batch.n_sequences);
        let offset = batch.offsets[i] as usize;
        let content = &trace.content[i * t * d..(i + 1) * t * d];
        let pattern = &trace.pattern[i * t * t..(i + 1) * t * t];
        let by_u = &mut trace.by_u[i * t..(i + 1) * t];
        self.by_tokens(kernels, &trace.narrow[i * f..(i + 1) * f], content, offset, by_u);
        let weights = &mut trace.weights[i * t..(i + 1) * t];
        let r = &trace.v_out[(s + i) * c..(s + i + 1) * c];
        self.by_tokens(kernels, r, content, offset, weights);
        for (w, p) in weights.iter_mut().zip(pattern.chunks_exact(t)) {
            *w += T::dot(kernels, p, by_u);
        }
        T::softmax(kernels, weights);
        let m = &mut trace.row;
        let by_rows = MatRef::new(pattern, t, t);
        T::gemm(kernels, MatMut::new(m, 1, t), Fill::Set, MatRef::new(weights, 1, t), by_rows);
        self.mix(kernels, m, content, offset, &mut trace.v_in[i * f..(i + 1) * f]);
        self.mix(kernels, weights, content, offset, &mut trace.z_bar[i * c..(i + 1) * c]);
    }

    /// Adds the gradients of the maps to `g` and of what is shared to `shared`, given the gradient of
    /// the query's final row in the trace.
    pub(super) fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut FoldedTrace<T>,
        g: &mut [T],
        shared: &mut PreparedGrads<T>,
    ) {
        let EmbedDims { d_pos, d_item, d_model: c } = self.dims;
        let (s, f) = (batch.n_sequences, self.f);
        let v = self.top(p, &self.first.v);
        let maps = &self.second;
        let gradient = |g: &mut [T], place: &Range<usize>, left: &[T], right: &[T]| {
            let g = MatMut::new(&mut g[place.clone()], c, c);
            T::gemm(kernels, g, Fill::Add, MatRef::new(left, s, c).t(), MatRef::new(right, s, c));
        };
        // out = h_q + W'_V^T zbar, zbar = sum_j w_j x_j + V^T sum_k m_k x_k
        gradient(g, &maps.v, &trace.z_bar, &trace.d_out);
        let d_z_bar = MatMut::new(&mut trace.v_out[..s * c], s, c);
        T::gemm(kernels, d_z_bar, Fill::Set, MatRef::new(&trace.d_out, s, c), self.whole(p, &maps.v).t());
        let d_mix = MatMut::new(&mut trace.narrow, s, f);
        T::gemm(kernels, d_mix, Fill::Set, MatRef::new(&trace.v_out, s, c), v.t());
        for i in 0..s {
            self.attend_second_backward(kernels, batch, i, trace);
        }
        // u = V r, r = W'_K key_query, key_query = scale W'_Q^T h_q
        let d_u = MatRef::new(&trace.v_in[s * f..], s, f);
        T::gemm(kernels, MatMut::new(&mut trace.d_r, s, c), Fill::Add, d_u, v);
        gradient(g, &maps.k, &trace.d_r, &trace.key_query);
        let d_key_query = MatMut::new(&mut trace.d_key_query, s, c);
        T::gemm(kernels, d_key_query, Fill::Set, MatRef::new(&trace.d_r, s, c), self.whole(p, &maps.k));
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            trace.d_key_query[..s * c].iter_mut().for_each(|x| *x *= scale);
        }
        gradient(g, &maps.q, &trace.h_q, &trace.d_key_query);
        let d_h_q = &mut trace.v_out[2 * s * c..3 * s * c];
        d_h_q.copy_from_slice(&trace.d_out[..s * c]);
        let d_key_query = MatRef::new(&trace.d_key_query, s, c);
        T::gemm(kernels, MatMut::new(d_h_q, s, c), Fill::Add, d_key_query, self.whole(p, &maps.q).t());
        // h_q = x_q + V^T y
        let d_h_q = MatRef::new(d_h_q, s, c);
        T::gemm(kernels, MatMut::new(&mut trace.narrow, s, f), Fill::Set, d_h_q, v.t());
        let (v_in, v_out) = (MatRef::new(&trace.v_in, 3 * s, f), MatRef::new(&trace.v_out, 3 * s, c));
        let place = self.first.v.start..self.first.v.start + f * c;
        T::gemm(kernels, MatMut::new(&mut g[place], f, c), Fill::Add, v_in.t(), v_out);
        for i in 0..s {
            self.attend_first_backward(kernels, batch, i, trace, shared);
        }
        let n_items = s * (batch.n_exemplars + 1);
        let block = &mut shared.a[d_pos * f + d_pos..];
        let d_mapped = MatRef::new(&trace.mapped_items, n_items, d_item);
        let to = MatMut::with_row_stride(block, d_item, d_item, f);
        T::gemm(kernels, to, Fill::Add, MatRef::new(&trace.items, n_items, d_item).t(), d_mapped);
    }

    /// Gradients of the scores of layer 2, of u and r; `narrow` holds that of sum m x.
    fn attend_second_backward<T: Real>(&self, kernels: Kernels, batch: &Batch, i: usize, trace: &mut FoldedTrace<T>) {
        let EmbedDims { d_item: d, d_model: c, .. } = self.dims;
        let (t, f, s) = (self.n_tokens, self.f, batch.n_sequences);
        let offset = batch.offsets[i] as usize;
        let content = &trace.content[i * t * d..(i + 1) * t * d];
        let pattern = &trace.pattern[i * t * t..(i + 1) * t * t];
        let weights = &trace.weights[i * t..(i + 1) * t];
        let by_mix = &mut trace.by_mix[i * t..(i + 1) * t];
        self.by_tokens(kernels, &trace.narrow[i * f..(i + 1) * f], content, offset, by_mix);
        let d_scores = &mut trace.d_scores[i * t..(i + 1) * t];
        self.by_tokens(kernels, &trace.v_out[i * c..(i + 1) * c], content, offset, d_scores);
        for (d_w, p) in d_scores.iter_mut().zip(pattern.chunks_exact(t)) {
            *d_w += T::dot(kernels, p, by_mix);
        }
        let mean = T::dot(kernels, weights, d_scores);
        d_scores.iter_mut().zip(weights).for_each(|(d, &w)| *d = w * (*d - mean));
        let d_by_u = MatMut::new(&mut trace.row, 1, t);
        T::gemm(kernels, d_by_u, Fill::Set, MatRef::new(d_scores, 1, t), MatRef::new(pattern, t, t));
        self.mix(kernels, &trace.row, content, offset, &mut trace.v_in[(s + i) * f..(s + i + 1) * f]);
        self.mix(kernels, d_scores, content, offset, &mut trace.d_r[i * c..(i + 1) * c]);
    }

    /// Gradients of what is shared; `narrow` holds that of y.
    fn attend_first_backward<T: Real>(
        &self,
        kernels: Kernels,
        batch: &Batch,
        i: usize,
        trace: &mut FoldedTrace<T>,
        shared: &mut PreparedGrads<T>,
    ) {
        let EmbedDims { d_pos, d_item: d, .. } = self.dims;
        let (t, f, n) = (self.n_tokens, self.f, batch.n_exemplars);
        let offset = batch.offsets[i] as usize;
        let content = &trace.content[i * t * d..(i + 1) * t * d];
        let pattern = &trace.pattern[i * t * t..(i + 1) * t * t];
        let of = |x: &[T], j: usize| x[i * t + j];
        self.by_tokens(kernels, &trace.narrow[i * f..(i + 1) * f], content, offset, &mut trace.row);
        for (j, (d_row, p_row)) in trace.d_pattern.chunks_exact_mut(t).zip(pattern.chunks_exact(t)).enumerate() {
            // dp_jk = w_j (d_mix . x_k) + ds'_j (u . x_k), and for the query d_y . x_k
            let (w, d_score) = (of(&trace.weights, j), of(&trace.d_scores, j));
            let by = trace.by_mix[i * t..].iter().zip(&trace.by_u[i * t..]);
            d_row.iter_mut().zip(by).for_each(|(d, (&by_mix, &by_u))| *d = w * by_mix + d_score * by_u);
            if j + 1 == t {
                d_row.iter_mut().zip(&trace.row).for_each(|(d, &by_y)| *d += by_y);
            }
            let mean = T::dot(kernels, p_row, d_row);
            d_row.iter_mut().zip(p_row).for_each(|(d, &p)| *d = p * (*d - mean));
        }
        let d_scores = MatRef::new(&trace.d_pattern, t, t);
        let content = MatRef::new(content, t, d);
        T::gemm(kernels, MatMut::new(&mut trace.left, t, d), Fill::Set, d_scores, content);
        T::gemm(kernels, MatMut::new(&mut trace.right, t, d), Fill::Set, d_scores.t(), content);
        let rows = trace.left.chunks_exact(d).zip(trace.right.chunks_exact(d)).take(t);
        for (token, ((d_query, d_key), d_row)) in rows.zip(trace.d_pattern.chunks_exact(t)).enumerate() {
            let position = offset + token;
            let by_positions = &mut shared.a[position * f + offset..][..token + 1];
            by_positions.iter_mut().zip(d_row).for_each(|(to, &d)| *to += d);
            T::axpy(kernels, T::ONE, d_query, &mut shared.a[position * f + d_pos..][..d]);
            T::axpy(kernels, T::ONE, d_key, &mut shared.a_cp_t[position * d..][..d]);
            if token % 2 == 0 {
                trace.mapped_items[(i * (n + 1) + token / 2) * d..][..d].copy_from_slice(d_query);
            } else {
                let label = batch.label_ids[i * n + token / 2] as usize;
                T::axpy(kernels, T::ONE, d_query, &mut shared.labels[label * d..][..d]);
            }
        }
    }

    /// Turns the gradients of what is shared into those of layer 1's W_Q and W_K. `label_table` is
    /// `[L, D]`.
    pub(super) fn finish<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        label_table: &[T],
        shared: &mut PreparedGrads<T>,
        g: &mut [T],
    ) {
        let EmbedDims { d_pos, d_item: d, d_model: c } = self.dims;
        let f = self.f;
        let block = MatMut::with_row_stride(&mut shared.a[d_pos * f + d_pos..], d, d, f);
        let table = MatRef::new(label_table, self.n_labels, d);
        T::gemm(kernels, block, Fill::Add, table.t(), MatRef::new(&shared.labels, self.n_labels, d));
        for (i, row) in shared.a[d_pos * f..].chunks_exact_mut(f).enumerate() {
            for (j, to) in row[..d_pos].iter_mut().enumerate() {
                *to = shared.a_cp_t[j * d + i];
            }
        }
        if self.score_scale != 1.0 {
            let scale = T::from_f64(self.score_scale);
            shared.a.iter_mut().for_each(|a| *a *= scale);
        }
        // A = W_Q W_K^T
        let d_a = MatRef::new(&shared.a, f, f);
        let top = |place: &Range<usize>| place.start..place.start + f * c;
        let d_w_q = MatMut::new(&mut g[top(&self.first.q)], f, c);
        T::gemm(kernels, d_w_q, Fill::Add, d_a, self.top(p, &self.first.k));
        let d_w_k = MatMut::new(&mut g[top(&self.first.k)], f, c);
        T::gemm(kernels, d_w_k, Fill::Add, d_a.t(), self.top(p, &self.first.q));
    }
}
