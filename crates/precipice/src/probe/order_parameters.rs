//! (beta, alpha, xi) of a real network: the coordinates that the theory has for an induction head.

use super::Tally;
use super::attention::AttentionScores;
use super::interactions::pattern_of;
use crate::batch::Batch;
use crate::model::{Model, Params, Trace};
use crate::record::Row;
use crate::spec::RunSpec;
use crate::theory::{Context, predicted_loss};
use crate::train::loss::cross_entropy;

/// Sum and sum of squares of one number a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.n += 1.0;
        self.sum += x;
        self.squares += x * x;
    }

    fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    /// Mean over sequences.
    pub fn mean(&self) -> f64 {
        self.sum / self.n
    }

    /// Standard error of the mean.
    pub fn standard_error(&self) -> f64 {
        let variance = (self.squares / self.n - self.mean() * self.mean()).max(0.0);
        (variance / (self.n - 1.0)).sqrt()
    }
}

/// What the order parameters are computed from.
#[derive(Clone, Debug, Default)]
pub struct OrderSums {
    heads: Vec<usize>,
    /// Score of a label token on its item minus its mean on other visible tokens, first layer.
    first_contrast: Moments,
    /// Score of the query on its label minus its mean on other tokens, last layer.
    last_contrast: Moments,
    /// Attention of the query to another label token, last layer.
    other_label_attention: Moments,
    /// Logit of the answer minus the mean logit of labels absent from the context.
    absent_gap: Moments,
    /// Logit of the answer minus the mean logit of the other labels in the context.
    context_gap: Moments,
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
            self.first_contrast.add(mean_contrast(model, trace, batch, 0, 0, self.heads[0], s));
            self.last_contrast.add(mean_contrast(model, trace, batch, last, last.max(1), self.heads[last], s));
            self.add_attention(model, batch, trace, last, s);
            self.add_gaps(batch, trace, s);
        }
    }

    fn merge(&mut self, other: Self) {
        self.first_contrast.merge(other.first_contrast);
        self.last_contrast.merge(other.last_contrast);
        self.other_label_attention.merge(other.other_label_attention);
        self.absent_gap.merge(other.absent_gap);
        self.context_gap.merge(other.context_gap);
        self.loss += other.loss;
    }
}

impl OrderSums {
    fn add_attention(&mut self, model: &Model<f32>, batch: &Batch, trace: &Trace<f32>, last: usize, s: usize) {
        let (t, n) = (batch.n_tokens(), batch.n_exemplars);
        let attention = &trace.blocks[last].attention;
        let pattern = &attention.pattern[(s * model.attention(last).n_heads() + self.heads[last]) * t * t..][..t * t];
        let query = &pattern[(t - 1) * t..];
        let others = (0..n).filter(|&i| i != batch.answer_slots[s] as usize);
        let mass: f64 = others.map(|i| f64::from(query[2 * i + 1])).sum();
        self.other_label_attention.add(mass / (n - 1) as f64);
    }

    fn add_gaps(&mut self, batch: &Batch, trace: &Trace<f32>, s: usize) {
        let n_labels = trace.logits().len() / batch.n_sequences;
        let logits = &trace.logits()[s * n_labels..(s + 1) * n_labels];
        let context = batch.labels_of(s);
        let answer = f64::from(logits[batch.answers[s] as usize]);
        let total: f64 = logits.iter().map(|&x| f64::from(x)).sum();
        let in_context: f64 = context.iter().map(|&label| f64::from(logits[label as usize])).sum();
        let n = context.len() as f64;
        self.absent_gap.add(answer - (total - in_context) / (n_labels as f64 - n));
        self.context_gap.add(answer - (in_context - answer) / (n - 1.0));
    }
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
    /// beta from the scores of layer 1; alpha = layer-2 contrast / ILA1; xi = logit gap / TILA2.
    pub fn new(spec: &RunSpec, attention: &AttentionScores, sums: &OrderSums) -> Self {
        let (y, z) = (attention.first().item_label_association(), attention.last().induction_score());
        let z_other = sums.other_label_attention.mean();
        let over = |moments: &Moments, by: f64| Estimate {
            value: moments.mean() / by,
            standard_error: moments.standard_error() / by.abs(),
        };
        let beta = over(&sums.first_contrast, 1.0);
        let alpha = over(&sums.last_contrast, y);
        let xi_context = over(&sums.context_gap, z - z_other);
        let copying = spec.copying();
        let has_absent_labels = copying.n_labels > copying.n_exemplars;
        let xi = if has_absent_labels { over(&sums.absent_gap, z) } else { xi_context };
        let context = Context { n_exemplars: copying.n_exemplars, n_labels: copying.n_labels };
        let predicted_loss = predicted_loss(context, beta.value, alpha.value, xi.value);
        let measured_loss = sums.loss / sums.first_contrast.n;
        Self { beta, alpha, xi, xi_context, predicted_loss, measured_loss }
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
