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

use super::{Form, Held, ShardSums, add_up};
use crate::model::layers::attention::Attention;
use crate::model::{Model, Params};
use crate::sequence::{Batch, Chunk};
use crate::workers::Workers;

/// Shapes and places of the layer.
#[derive(Clone, Debug)]
pub struct OneLayer {
    n_heads: usize,
    d_head: usize,
    d_model: usize,
    damping: f64,
    /// W_Q, W_K, W_V `[H, C, E]` and W_O `[H, E, C]`.
    places: [Range<usize>; 4],
    /// Ends of B `[C, C]` and a `[C]` of each head.
    prepared_cuts: Vec<usize>,
}

/// Activations of some sequences, and their gradients.
#[derive(Clone, Debug)]
pub struct OneLayerTrace<T> {
    n_sequences: usize,
    /// y hat of each sequence and its gradient, `[S]`.
    outs: Vec<T>,
    d_outs: Vec<T>,
    /// G a of each sequence, `[S, H, C]`.
    summed: Vec<T>,
    /// b of each sequence, `[S, H, C]`.
    queries: Vec<T>,
    d_reads: Vec<T>,
    d_looks: Vec<T>,
}

impl OneLayer {
    /// Of a network that is one linear layer.
    ///
    /// # Panics
    /// If it is another.
    pub fn new<T: Real>(model: &Model<T>) -> Self {
        assert!(model.description().is_one_linear_layer(), "one linear layer on bare pairs");
        let attention: &Attention = model.attention(0);
        let [w_q, w_k, w_v] = attention.places();
        let w_o = attention.output_place().expect("bare layers write through W_O");
        let (n_heads, d_head, d_model) = (attention.n_heads(), attention.d_head(), attention.d_model());
        let prepared_cuts = (1..=n_heads).map(|heads| heads * d_model * (d_model + 1)).collect();
        let damping = model.description().damping;
        Self { n_heads, d_head, d_model, damping, places: [w_q, w_k, w_v, w_o], prepared_cuts }
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
    fn answer<T: Real>(&self, prepared: &[T], batch: &Batch, trace: &mut OneLayerTrace<T>) {
        let c = self.d_model;
        let OneLayerTrace { summed: all_summed, queries, outs, .. } = trace;
        for (s, out) in outs[..batch.n_sequences].iter_mut().enumerate() {
            let mut sum = T::ZERO;
            for h in 0..self.n_heads {
                let place = (s * self.n_heads + h) * c..(s * self.n_heads + h + 1) * c;
                let (summed, query) = (&mut all_summed[place.clone()], &mut queries[place]);
                let (looks, reads) = prepared[h * c * (c + 1)..(h + 1) * c * (c + 1)].split_at(c * c);
                gram_product(batch, s, reads, summed);
                query.fill(T::ZERO);
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
    fn add_gradients<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut OneLayerTrace<T>,
        g: &mut [T],
    ) {
        let (c, e) = (self.d_model, self.d_head);
        trace.d_reads.fill(T::ZERO);
        trace.d_looks.fill(T::ZERO);
        let mut gram_query = vec![T::ZERO; c];
        for s in 0..batch.n_sequences {
            let d = trace.d_outs[s];
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

impl<T: Real> Form<T> for OneLayer {
    type Room = OneLayerTrace<T>;
    type Scratch = ();

    const EVAL_CHUNK: usize = 4;

    fn room(&self, _: &Model<T>, capacity: usize) -> OneLayerTrace<T> {
        let (heads, c) = (self.n_heads, self.d_model);
        let zeros = |len: usize| vec![T::ZERO; len];
        OneLayerTrace {
            n_sequences: 0,
            outs: zeros(capacity),
            d_outs: zeros(capacity),
            summed: zeros(capacity * heads * c),
            queries: zeros(capacity * heads * c),
            d_reads: zeros(heads * c),
            d_looks: zeros(heads * c * c),
        }
    }

    fn sums_len(&self, model: &Model<T>) -> usize {
        model.layout().len()
    }

    fn scratch(&self, _: &Model<T>) {}

    fn prepared_cuts(&self) -> &[usize] {
        &self.prepared_cuts
    }

    /// B and a of one head.
    fn prepare(&self, model: &Model<T>, params: &Params<T>, part: usize, to: &mut [T]) {
        let (c, e, p) = (self.d_model, self.d_head, &params.values);
        let (looks, reads) = to.split_at_mut(c * c);
        let [w_q, w_k] = [0, 1].map(|tensor| MatRef::new(self.of_head(p, tensor, part), c, e));
        T::gemm(model.kernels(), MatMut::new(looks, c, c), Fill::Set, w_q, w_k.t());
        let (w_v, w_o) = (self.of_head(p, 2, part), self.of_head(p, 3, part));
        for (row, a) in reads.iter_mut().enumerate() {
            *a = (0..e).map(|k| w_v[row * e + k] * w_o[k * c + c - 1]).sum();
        }
    }

    fn forward(&self, _: &Model<T>, _: &Params<T>, prepared: &[T], batch: &Batch, room: &mut OneLayerTrace<T>) {
        room.n_sequences = batch.n_sequences;
        self.answer(prepared, batch, room);
    }

    fn outputs(room: &mut OneLayerTrace<T>) -> (&[T], &mut [T]) {
        (&room.outs[..room.n_sequences], &mut room.d_outs[..room.n_sequences])
    }

    fn backward(
        &self,
        model: &Model<T>,
        params: &Params<T>,
        _: &[T],
        batch: &Batch,
        chunks: &[Chunk],
        room: &mut OneLayerTrace<T>,
        sums: &mut ShardSums<T>,
    ) {
        let kernels = model.kernels();
        self.add_gradients(kernels, &params.values, batch, room, sums.of(kernels, chunks[0].shard));
    }

    fn reduce(
        &self,
        model: &Model<T>,
        _: &Params<T>,
        held: &Held<'_, T, Self>,
        (): &mut (),
        grads: &mut [T],
        workers: &dyn Workers,
    ) {
        add_up(model, held.sums, grads, workers);
    }
}

/// x of the query.
fn query_item(batch: &Batch, s: usize) -> &[f32] {
    batch.item_of(s, batch.n_exemplars)
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
