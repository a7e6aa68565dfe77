//! A learned embedding of pairs (x, y): e = (x, y) W_E, content = e + mlp(e).
//!
//! An MLP in front of attention lets a step of gradient descent work on features of x (von Oswald et al. 2023, section
//! on nonlinear regression).

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::mlp::{Mlp, MlpTrace};
use crate::model::description::Description;
use crate::model::params::{Init, Layout};
use crate::spec::EmbeddingSpec;

#[derive(Clone, Debug)]
pub(in crate::model) struct Embedding {
    /// d + 1.
    d_pair: usize,
    d_embed: usize,
    /// `[d_pair, d_embed]`
    weight: Range<usize>,
    mlp: Mlp,
}

/// Activations and gradients of an embedding; empty where there is none.
#[derive(Clone, Debug)]
pub(in crate::model) struct EmbeddingTrace<T> {
    d_pair: usize,
    /// (x, y) of every token, `[M, d_pair]`.
    pairs: Vec<T>,
    /// e, `[M, d_embed]`.
    linear: Vec<T>,
    /// e + mlp(e).
    contents: Vec<T>,
    mlp: MlpTrace<T>,
    d_linear: Vec<T>,
    d_contents: Vec<T>,
}

impl<T: Real> EmbeddingTrace<T> {
    pub(in crate::model) fn new(description: &Description, capacity: usize) -> Self {
        let (d_embed, d_mlp) = description.embedding.map_or((0, 0), |embedding| (embedding.d_embed, embedding.d_mlp));
        let rows = capacity * description.n_tokens();
        let d_pair = if d_embed > 0 { description.d_item + 1 } else { 0 };
        let zeros = |width: usize| vec![T::ZERO; rows * width];
        Self {
            d_pair,
            pairs: zeros(d_pair),
            linear: zeros(d_embed),
            contents: zeros(d_embed),
            mlp: MlpTrace::new(d_mlp, description.activation, rows),
            d_linear: zeros(d_embed),
            d_contents: zeros(d_embed),
        }
    }

    /// Where the pair of a token is written.
    pub(in crate::model) fn pair(&mut self, token: usize) -> &mut [T] {
        &mut self.pairs[token * self.d_pair..(token + 1) * self.d_pair]
    }
}

impl Embedding {
    pub(in crate::model) fn new(description: &Description, embedding: EmbeddingSpec, layout: &mut Layout) -> Self {
        let EmbeddingSpec { d_embed, d_mlp } = embedding;
        let d_pair = description.d_item + 1;
        // As for the attention's weights, whose d_model is their fan-in.
        let gain = description.init_scale.unwrap_or(1.0);
        let weight = layout.push("embed.pairs", &[d_pair, d_embed], Init::Normal((gain / d_pair as f64).sqrt()));
        let mlp = Mlp::new("embed.mlp", [d_embed, d_mlp], description.activation, [gain; 2], layout);
        Self { d_pair, d_embed, weight, mlp }
    }

    /// Contents `[M, d_embed]` of the pairs in the trace.
    pub(in crate::model) fn forward<'a, T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        m: usize,
        trace: &'a mut EmbeddingTrace<T>,
    ) -> &'a [T] {
        let e = self.d_embed;
        let EmbeddingTrace { pairs, linear, contents, mlp, .. } = trace;
        let (linear, contents) = (&mut linear[..m * e], &mut contents[..m * e]);
        let pairs = MatRef::new(pairs, m, self.d_pair);
        let weight = MatRef::new(&p[self.weight.clone()], self.d_pair, e);
        T::gemm(kernels, MatMut::new(linear, m, e), Fill::Set, pairs, weight);
        contents.copy_from_slice(linear);
        self.mlp.forward(kernels, p, linear, mlp, contents);
        contents
    }

    /// Adds the parameters' gradients, given those of the contents, row by row.
    pub(in crate::model) fn backward<'a, T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        d_rows: impl Iterator<Item = &'a [T]>,
        trace: &mut EmbeddingTrace<T>,
        g: &mut [T],
    ) {
        let e = self.d_embed;
        let EmbeddingTrace { pairs, linear, mlp, d_linear, d_contents, .. } = trace;
        let mut m = 0;
        for (to, row) in d_contents.chunks_exact_mut(e).zip(d_rows) {
            to.copy_from_slice(row);
            m += 1;
        }
        let (d_linear, d_contents) = (&mut d_linear[..m * e], &d_contents[..m * e]);
        // content = e + mlp(e)
        self.mlp.backward(kernels, p, &linear[..m * e], d_contents, mlp, g, d_linear);
        T::axpy(kernels, T::ONE, d_contents, d_linear);
        // e = pair W_E
        let pairs = MatRef::new(pairs, m, self.d_pair);
        let to = MatMut::new(&mut g[self.weight.clone()], self.d_pair, e);
        T::gemm(kernels, to, Fill::Add, pairs.t(), MatRef::new(d_linear, m, e));
    }
}
