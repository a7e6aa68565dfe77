//! (beta, alpha, xi) of a real network: the coordinates that the theory has for an induction head.

use super::Tally;
use super::interactions::pattern_of;
use crate::batch::Batch;
use crate::model::{Model, Params, Trace};
use crate::record::Row;
use crate::spec::RunSpec;
use crate::theory::Context;
use crate::train::loss::cross_entropy;

/// Sums for the ratio of two means over the same sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RatioSums {
    n: f64,
    over: f64,
    under: f64,
    over_squares: f64,
    under_squares: f64,
    products: f64,
}

impl RatioSums {
    /// One sequence's numerator and denominator; the denominator is 1 for a plain mean.
    fn add(&mut self, over: f64, under: f64) {
        self.n += 1.0;
        self.over += over;
        self.under += under;
        self.over_squares += over * over;
        self.under_squares += under * under;
        self.products += over * under;
    }

    fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.over += other.over;
        self.under += other.under;
        self.over_squares += other.over_squares;
        self.under_squares += other.under_squares;
        self.products += other.products;
    }

    /// The ratio r of the means, and its standard error by linearization: that of the residuals
    /// over_s - r under_s, divided by the mean of the denominators.
    fn estimate(&self) -> Estimate {
        let r = self.over / self.under;
        let residual_squares = self.over_squares - 2.0 * r * self.products + r * r * self.under_squares;
        let spread = (residual_squares.max(0.0) / (self.n - 1.0)).sqrt();
        Estimate { value: r, standard_error: spread / self.n.sqrt() / (self.under / self.n).abs() }
    }
}

/// What the order parameters are computed from.
#[derive(Clone, Debug, Default)]
pub struct OrderSums {
    heads: Vec<usize>,
    /// First layer: score of a label token on its item minus its mean on other visible tokens.
    beta: RatioSums,
    /// Last layer: score of the query on its label minus its mean on other tokens, over y.
    alpha: RatioSums,
    /// Logit of the answer minus the mean logit of labels absent from the context, over z.
    xi: RatioSums,
    /// Logit of the answer minus the mean logit of the other labels in the context, over z - z'.
    xi_context: RatioSums,
    loss: f64,
}

impl OrderSums {
    /// Of one head in each layer.
    pub fn of_heads(heads: &[usize]) -> Self {
        Self { heads: heads.to_vec(), ..Self::default() }
    }
}

impl Tally for OrderSums {
    fn add(&mut self, model: &Model<f32>, _: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        let last = model.n_layers() - 1;
        self.loss += cross_entropy(trace.logits(), &batch.answers[..batch.n_sequences]);
        for s in 0..batch.n_sequences {
            let (y, z, z_other) = self.attention_of(model, batch, trace, s);
            let (absent_gap, context_gap) = logit_gaps(batch, trace, s);
            self.beta.add(mean_contrast(model, trace, batch, 0, 0, self.heads[0], s), 1.0);
            self.alpha.add(mean_contrast(model, trace, batch, last, last.max(1), self.heads[last], s), y);
            self.xi.add(absent_gap, z);
            self.xi_context.add(context_gap, z - z_other);
        }
    }

    fn merge(&mut self, other: Self) {
        self.beta.merge(other.beta);
        self.alpha.merge(other.alpha);
        self.xi.merge(other.xi);
        self.xi_context.merge(other.xi_context);
        self.loss += other.loss;
    }
}

impl OrderSums {
    /// (y, z, z') of one sequence: attention of labels to their items, of the query to its label,
    /// and to another label.
    fn attention_of(&self, model: &Model<f32>, batch: &Batch, trace: &Trace<f32>, s: usize) -> (f64, f64, f64) {
        let (t, n, last) = (batch.n_tokens(), batch.n_exemplars, model.n_layers() - 1);
        let mass = |layer: usize, query: usize, key: usize| {
            let head = s * model.attention(layer).n_heads() + self.heads[layer];
            f64::from(trace.blocks[layer].attention.pattern[(head * t + query) * t + key])
        };
        let y = (0..n).map(|i| mass(0, 2 * i + 1, 2 * i)).sum::<f64>() / n as f64;
        let slot = batch.answer_slots[s] as usize;
        let labels: f64 = (0..n).map(|i| mass(last, t - 1, 2 * i + 1)).sum();
        let z = mass(last, t - 1, 2 * slot + 1);
        (y, z, (labels - z) / (n - 1) as f64)
    }
}

/// Logit of the answer minus the mean logit of absent labels, and of the context's other labels.
fn logit_gaps(batch: &Batch, trace: &Trace<f32>, s: usize) -> (f64, f64) {
    let n_labels = trace.logits().len() / batch.n_sequences;
    let logits = &trace.logits()[s * n_labels..(s + 1) * n_labels];
    let context = batch.labels_of(s);
    let answer = f64::from(logits[batch.answers[s] as usize]);
    let total: f64 = logits.iter().map(|&x| f64::from(x)).sum();
    let in_context: f64 = context.iter().map(|&label| f64::from(logits[label as usize])).sum();
    let n = context.len() as f64;
    (answer - (total - in_context) / (n_labels as f64 - n), answer - (in_context - answer) / (n - 1.0))
}

/// Score on the key that matters minus the mean on other visible keys, mean over a sequence's queries.
fn mean_contrast(
    model: &Model<f32>,
    trace: &Trace<f32>,
    batch: &Batch,
    layer: usize,
    pattern_layer: usize,
    head: usize,
    s: usize,
) -> f64 {
    let attention = &trace.blocks[layer].attention;
    let (n_heads, e, t) = (model.attention(layer).n_heads(), model.attention(layer).d_head(), batch.n_tokens());
    let row = |x: &'_ [f32], token: usize| -> Vec<f64> {
        x[((s * t + token) * n_heads + head) * e..][..e].iter().map(|&x| f64::from(x)).collect()
    };
    let pairs = pattern_of(pattern_layer, batch, s);
    let contrast = |&(query, key): &(usize, usize)| {
        let q = row(&attention.q, query);
        let score = |j: usize| q.iter().zip(row(&attention.k, j)).map(|(a, b)| a * b).sum::<f64>();
        let total: f64 = (0..=query).map(score).sum();
        score(key) - (total - score(key)) / query as f64
    };
    pairs.iter().map(contrast).sum::<f64>() / pairs.len() as f64
}

/// An estimate with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
}

/// (beta, alpha, xi) with standard errors, and the loss that the theory predicts from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrderParameters {
    /// Strength of the previous-token attention.
    pub beta: Estimate,
    /// Strength of the match attention.
    pub alpha: Estimate,
    /// Overlap of attended label and readout, from labels absent from the context; at L = N, where
    /// there are none, from the other labels of the context.
    pub xi: Estimate,
    /// The same from the other labels of the context, as a cross-check.
    pub xi_context: Estimate,
    /// Loss of the three nested soft-maxes at (beta, alpha, xi).
    pub predicted_loss: f64,
    /// Loss of the network on the same sequences.
    pub measured_loss: f64,
}

impl OrderParameters {
    /// beta from the scores of layer 1; alpha = layer-2 contrast / y; xi = logit gap / z.
    pub fn new(spec: &RunSpec, sums: &OrderSums) -> Self {
        let copying = spec.copying();
        let has_absent_labels = copying.n_labels > copying.n_exemplars;
        let [beta, alpha, xi_context] = [sums.beta, sums.alpha, sums.xi_context].map(|sums| sums.estimate());
        let xi = if has_absent_labels { sums.xi.estimate() } else { xi_context };
        let context = Context {
            n_exemplars: copying.n_exemplars,
            n_labels: copying.n_labels,
            burstiness: 1,
            within_class_noise: 0.0,
        };
        let predicted_loss = context.loss([beta.value, alpha.value, xi.value]);
        Self { beta, alpha, xi, xi_context, predicted_loss, measured_loss: sums.loss / sums.beta.n }
    }

    /// Appends estimates, standard errors and the two losses.
    pub fn push_columns(&self, row: &mut Row) {
        let named = [("beta", self.beta), ("alpha", self.alpha), ("xi", self.xi), ("xi_context", self.xi_context)];
        for (name, estimate) in named {
            row.push(name, estimate.value);
            row.push(format!("{name}_se"), estimate.standard_error);
        }
        row.push("predicted_loss", self.predicted_loss);
        row.push("measured_loss", self.measured_loss);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numerators 3 x denominators without noise: the ratio is exact however the denominators vary.
    #[test]
    fn a_proportional_ratio_has_no_error() {
        let mut sums = RatioSums::default();
        for i in 1..20 {
            sums.add(3.0 * f64::from(i), f64::from(i));
        }
        let Estimate { value, standard_error } = sums.estimate();
        assert!((value - 3.0).abs() < 1e-12 && standard_error < 1e-6);
    }

    /// With denominator 1 it is the mean and its standard error.
    #[test]
    fn a_plain_mean_has_its_usual_error() {
        let mut sums = RatioSums::default();
        [1.0, 2.0, 3.0, 6.0].into_iter().for_each(|x| sums.add(x, 1.0));
        let Estimate { value, standard_error } = sums.estimate();
        // Variance of the sample 14/3, over 4.
        assert!((value - 3.0).abs() < 1e-12 && (standard_error - (14.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }
}
