//! What the last layer's heads compare, where items are pairs: read off the weights.
//!
//! The query's content x_q meets the item x_i that layer 1 has written beside its label:
//!
//! ```text
//! score = x_q M x_iᵀ,   M = W_Q (V W_K)ᵀ on the content columns, V all that layer 1 writes of what it attends to
//! ```
//!
//! For pairs x = [a b] of length 1 the mean of M's diagonal is the score on the query's own pair, that of its swapped
//! halves the score on the reverse.

use super::metric::{self, Metric};
use super::{Probe, Row};
use crate::model::{Description, Params};
use crate::train::Trainer;
use crate::workers::Workers;

/// Scores on the query's own pair and on its reverse, of each head of the last of two layers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Halves;

impl Probe for Halves {
    fn metrics(&self) -> Vec<Metric> {
        vec![metric::SCORE_ON_SAME, metric::SCORE_ON_REVERSE]
    }

    fn measure(&mut self, trainer: &Trainer, _: &dyn Workers, row: &mut Row) {
        let network = trainer.model().description();
        if !network.has_composed_scores() {
            return;
        }
        let written = written_by_first(network, &trainer.state().params);
        for head in 0..network.n_heads {
            let [same, reverse] = scores(network, &trainer.state().params, &written, head);
            row.push(metric::SCORE_ON_SAME.at([head]), same);
            row.push(metric::SCORE_ON_REVERSE.at([head]), reverse);
        }
    }
}

/// V, `[D, C]`: what layer 1 writes of a content that all its heads attend to.
fn written_by_first(network: &Description, params: &Params<f32>) -> Vec<f64> {
    let &Description { d_model: c, d_head: e, d_item, d_pos, n_heads, damping, .. } = network;
    let get = |name: &str| params.get(name).unwrap_or(&[]);
    let (w_v, w_o) = (get("blocks.0.attn.W_V"), get("blocks.0.attn.W_O"));
    let mut written = vec![0.0; d_item * c];
    for (row, to) in written.chunks_exact_mut(c).enumerate() {
        for head in 0..n_heads {
            let values = &w_v[(head * c + d_pos + row) * e..][..e];
            for (k, &value) in values.iter().enumerate() {
                if w_o.is_empty() {
                    // Heads side by side.
                    to[head * e + k] += f64::from(value);
                } else {
                    let out = &w_o[(head * e + k) * c..][..c];
                    to.iter_mut().zip(out).for_each(|(to, &o)| *to += damping * f64::from(value) * f64::from(o));
                }
            }
        }
    }
    written
}

/// Of one head of layer 2: on the own pair, and on the reverse.
fn scores(network: &Description, params: &Params<f32>, written: &[f64], head: usize) -> [f64; 2] {
    let &Description { d_model: c, d_head: e, d_item, d_pos, scale_scores, .. } = network;
    let of_head = |name: &str| &params.get(name).unwrap_or(&[])[head * c * e..(head + 1) * c * e];
    let (w_q, w_k) = (of_head("blocks.1.attn.W_Q"), of_head("blocks.1.attn.W_K"));
    // Keys of contents, [D, E].
    let mut keys = vec![0.0; d_item * e];
    for (key, written) in keys.chunks_exact_mut(e).zip(written.chunks_exact(c)) {
        for (&from, map) in written.iter().zip(w_k.chunks_exact(e)) {
            key.iter_mut().zip(map).for_each(|(to, &w)| *to += from * f64::from(w));
        }
    }
    let entry = |i: usize, j: usize| -> f64 {
        let query = &w_q[(d_pos + i) * e..][..e];
        query.iter().zip(&keys[j * e..(j + 1) * e]).map(|(&q, k)| f64::from(q) * k).sum()
    };
    let half = d_item / 2;
    let scale = if scale_scores { 1.0 / (e as f64).sqrt() } else { 1.0 };
    let mean = |of: &dyn Fn(usize) -> usize| scale * (0..d_item).map(|i| entry(i, of(i))).sum::<f64>() / d_item as f64;
    [mean(&|i| i), mean(&|i| (i + half) % d_item)]
}
