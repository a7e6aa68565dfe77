//! The minimal induction head (Reddy 2024): two attention layers whose only parameters are scalars.
//!
//! ```text
//! p1_ij = softmax_{j <= i}(β [j = i - 1]),            v_i = sum_j p1_ij u_j
//! p2_qj = softmax_{j <= q}(α u_q . v_j + β₂ [q - j odd]),   w_q = sum_j p2_qj u_j
//! ```
//!
//! u is content alone, w goes to a buffer beside it. With two parameters β₂ stands still. v is never
//! computed: u_q . v_j needs only the overlaps g_i = u_q . u_i, and with y_j = e^β / (e^β + j)
//!
//! ```text
//! a_j = u_q . v_j = y_j g_{j-1} + (1 - y_j) mean_{i <= j, i != j-1} g_i,     a_0 = g_0
//! ```

use std::ops::Range;

use precipice_num::{Kernels, Real};

use super::clamp::clamped_keys;
use crate::model::description::Description;
use crate::model::params::{Init, Layout};
use crate::model::trace::Trace;
use crate::sequence::{Batch, Geometry};
use crate::spec::{ClampPattern, MinimalSpec};

/// Places of the three scalars.
#[derive(Clone, Debug)]
pub struct MinimalHead {
    beta: Range<usize>,
    alpha: Range<usize>,
    beta_2: Range<usize>,
    trains_beta_2: bool,
    /// `[2]` where a layer looks, if that is set by hand.
    clamps: [Option<ClampPattern>; 2],
    geometry: Geometry,
    n_tokens: usize,
    d_item: usize,
    /// Columns that the readout reads: w, or u and w.
    d_read: usize,
}

/// The scalars of a minimal head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinimalScalars {
    /// Previous-token strength, layer 1.
    pub beta: f64,
    /// Match strength, layer 2.
    pub alpha: f64,
    /// Preference of layer 2 for label tokens.
    pub beta_2: f64,
}

impl MinimalHead {
    pub(in crate::model) fn new(description: &Description, minimal: &MinimalSpec, layout: &mut Layout) -> Self {
        let mut scalar = |name: &str, start: f64| layout.push(format!("minimal.{name}"), &[1], Init::Constant(start));
        Self {
            beta: scalar("beta", minimal.beta),
            alpha: scalar("alpha", minimal.alpha),
            beta_2: scalar("beta_2", minimal.beta_2),
            trains_beta_2: minimal.trains_beta_2,
            clamps: [0, 1].map(|layer| {
                let clamp = description.clamps.iter().find(|clamp| clamp.layer == layer);
                clamp.map(|clamp| clamp.pattern)
            }),
            geometry: description.geometry,
            n_tokens: description.n_tokens(),
            d_item: description.d_item,
            d_read: description.d_read,
        }
    }

    /// The scalars among the parameters.
    pub fn scalars<T: Real>(&self, p: &[T]) -> MinimalScalars {
        let [beta, alpha, beta_2] = [&self.beta, &self.alpha, &self.beta_2].map(|at| p[at.start].to_f64());
        MinimalScalars { beta, alpha, beta_2 }
    }

    /// y_j: attention of token j to the one before it, 0 for the first. At 1 nothing depends on beta.
    fn previous<T: Real>(&self, p: &[T]) -> Vec<f64> {
        let is_clamped = self.clamps[0].is_some();
        let small = if is_clamped { 0.0 } else { libm::exp(-self.scalars(p).beta) };
        (0..self.n_tokens).map(|j| if j == 0 { 0.0 } else { 1.0 / (1.0 + j as f64 * small) }).collect()
    }

    /// Reads the embedding `[M, C]` in the first block's trace; writes the patterns of both layers
    /// and [u | w] of each computed row to `resid_final`.
    pub(in crate::model) fn forward<T: Real>(&self, kernels: Kernels, p: &[T], batch: &Batch, trace: &mut Trace<T>) {
        let y = self.previous(p);
        let rows = trace.blocks[1].attention.rows_per_sequence;
        for i in 0..batch.n_sequences {
            if rows > 1 {
                self.write_first_pattern(&y, i, trace);
            }
            for row in 0..rows {
                self.forward_row(kernels, p, &y, batch, i, row, rows, trace);
            }
        }
    }

    /// Layer 1 is the same for every sequence; only probes look at it.
    fn write_first_pattern<T: Real>(&self, y: &[f64], i: usize, trace: &mut Trace<T>) {
        let t = self.n_tokens;
        let pattern = &mut trace.blocks[0].attention.pattern[i * t * t..(i + 1) * t * t];
        for (query, row) in pattern.chunks_exact_mut(t).enumerate() {
            row.fill(T::ZERO);
            let others = (1.0 - y[query]) / query.max(1) as f64;
            row[..=query].fill(T::from_f64(others));
            row[query.saturating_sub(1)] = T::from_f64(if query == 0 { 1.0 } else { y[query] });
        }
    }

    /// Row `row` of the last `rows` tokens of sequence `i`.
    #[expect(clippy::too_many_arguments, reason = "one row of a batch, with what its sequences share")]
    fn forward_row<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        y: &[f64],
        batch: &Batch,
        i: usize,
        row: usize,
        rows: usize,
        trace: &mut Trace<T>,
    ) {
        let (t, d, c) = (self.n_tokens, self.d_item, 2 * self.d_item);
        let query = t - rows + row;
        let Trace { blocks, resid_final, minimal, .. } = trace;
        let [first, second] = &mut blocks[..] else { unreachable!("a minimal head has two layers") };
        let embedded = &first.resid_pre[i * t * c..(i + 1) * t * c];
        let content = |j: usize| &embedded[j * c..j * c + d];
        let pattern = &mut second.attention.pattern[(i * rows + row) * t..(i * rows + row + 1) * t];
        // A probe's trace keeps the last row's matches, which nobody reads.
        let matches = &mut minimal.matches[i * t..(i + 1) * t];
        let slopes = &mut minimal.slopes[i * t..(i + 1) * t];
        // g_j for now; then a_j from the right, where the sum of g up to j is still needed.
        let mut sum = T::ZERO;
        for j in 0..=query {
            pattern[j] = T::dot(kernels, content(query), content(j));
            sum += pattern[j];
            if j == 0 {
                (matches[0], slopes[0]) = (pattern[0], T::ZERO);
                continue;
            }
            let before = pattern[j - 1];
            let others = (sum - before) * T::from_f64(1.0 / j as f64);
            let y_j = T::from_f64(y[j]);
            matches[j] = others + y_j * (before - others);
            slopes[j] = y_j * T::from_f64(1.0 - y[j]) * (before - others);
        }
        let (alpha, beta_2) = (p[self.alpha.start], p[self.beta_2.start]);
        for j in 0..=query {
            let label = if (query - j) % 2 == 1 { beta_2 } else { T::ZERO };
            pattern[j] = alpha * matches[j] + label;
        }
        T::softmax(kernels, &mut pattern[..=query]);
        pattern[query + 1..].fill(T::ZERO);
        if let Some(keys) = clamped_keys(self.clamps[1], &self.geometry, query, batch.slots_of(i)) {
            pattern.fill(T::ZERO);
            keys.iter().for_each(|&key| pattern[key] = T::from_f64(1.0 / keys.len() as f64));
        }
        let out = &mut resid_final[(i * rows + row) * c..(i * rows + row + 1) * c];
        out[..d].copy_from_slice(content(query));
        out[d..].fill(T::ZERO);
        for j in 0..=query {
            T::axpy(kernels, pattern[j], content(j), &mut out[d..]);
        }
    }

    /// Adds the scalars' gradients, given the gradient of what is read of each query's row,
    /// `[S, d_read]`.
    pub(in crate::model) fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &Trace<T>,
        g: &mut [T],
    ) {
        let (t, d, c) = (self.n_tokens, self.d_item, 2 * self.d_item);
        let alpha = p[self.alpha.start];
        let rows = trace.blocks[1].attention.rows_per_sequence;
        for i in 0..batch.n_sequences {
            if clamped_keys(self.clamps[1], &self.geometry, t - 1, batch.slots_of(i)).is_some() {
                continue;
            }
            let d_w = &trace.d_query[(i + 1) * self.d_read - d..(i + 1) * self.d_read];
            let pattern = &trace.blocks[1].attention.pattern[((i + 1) * rows - 1) * t..][..t];
            let content = |j: usize| &trace.blocks[0].resid_pre[(i * t + j) * c..][..d];
            // w = sum_j p_j u_j
            let d_pattern = |j: usize| T::dot(kernels, d_w, content(j));
            let mean = (0..t).map(|j| pattern[j] * d_pattern(j)).sum::<T>();
            let (mut d_alpha, mut d_beta, mut d_beta_2) = (T::ZERO, T::ZERO, T::ZERO);
            for j in 0..t {
                let d_score = pattern[j] * (d_pattern(j) - mean);
                // score_j = α a_j + β₂ [q - j odd]
                d_alpha += d_score * trace.minimal.matches[i * t + j];
                d_beta += d_score * alpha * trace.minimal.slopes[i * t + j];
                if (t - 1 - j) % 2 == 1 {
                    d_beta_2 += d_score;
                }
            }
            g[self.alpha.start] += d_alpha;
            g[self.beta.start] += d_beta;
            if self.trains_beta_2 {
                g[self.beta_2.start] += d_beta_2;
            }
        }
    }
}
