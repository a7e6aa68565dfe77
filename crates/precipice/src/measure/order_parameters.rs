//! (beta, alpha, xi) of a real network: the coordinates that the theory has for an induction head.

use super::interactions::pattern_of;
use super::{Row, Tally, metric};
use crate::model::{Description, MinimalScalars, Model, Params, Trace};
use crate::sequence::Batch;
use crate::task::Facts;
use crate::theory::{Context, ContextError};
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

/// What the order parameters are computed from: sums over traces of [`Reads::Patterns`](crate::model::Reads).
#[derive(Clone, Debug, Default)]
pub struct OrderSums {
    heads: Vec<usize>,
    /// First layer: score of a label token on its item minus its mean on other visible tokens.
    beta: RatioSums,
    /// Last layer: score of the query on its label minus its mean on other tokens, over y.
    alpha: RatioSums,
    /// Score of the right label minus the mean score of other labels, over y.
    alpha_labels: RatioSums,
    /// Mean score of other labels minus the mean score of items.
    beta_2: RatioSums,
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
    fn add(&mut self, model: &Model<f32>, params: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        self.loss += cross_entropy(trace.logits(), &batch.answers[..batch.n_sequences]);
        for s in 0..batch.n_sequences {
            let copies = batch.slots_of(s).count() as f64;
            let (y, z, z_other) = self.attention_of(model, batch, trace, s);
            let (absent_gap, context_gap) = logit_gaps(batch, trace, s);
            match model.minimal() {
                Some(head) => self.add_scalars(head.scalars(&params.values)),
                None => self.add_scores(model, batch, trace, s, y),
            }
            match readout_overlap(model, params, batch.answers[s]) {
                Some(overlap) => self.xi.add(overlap, 1.0),
                None => self.xi.add(absent_gap, copies * z),
            }
            self.xi_context.add(context_gap, copies * (z - z_other));
        }
    }

    fn merge(&mut self, other: Self) {
        self.beta.merge(other.beta);
        self.alpha.merge(other.alpha);
        self.alpha_labels.merge(other.alpha_labels);
        self.beta_2.merge(other.beta_2);
        self.xi.merge(other.xi);
        self.xi_context.merge(other.xi_context);
        self.loss += other.loss;
    }
}

impl OrderSums {
    /// A minimal head's parameters are the theory's own.
    fn add_scalars(&mut self, scalars: MinimalScalars) {
        self.beta.add(scalars.beta, 1.0);
        self.alpha.add(scalars.alpha, 1.0);
        self.alpha_labels.add(scalars.alpha, 1.0);
        self.beta_2.add(scalars.beta_2, 1.0);
    }

    /// A network's, from its scores before soft-max.
    fn add_scores(&mut self, model: &Model<f32>, batch: &Batch, trace: &Trace<f32>, s: usize, y: f64) {
        let (last, t) = (model.n_layers() - 1, batch.n_tokens());
        let scores_of = |layer: usize| Scores::new(model, trace, layer, self.heads[layer], s, t);
        let first = scores_of(0);
        let pairs = pattern_of(0, batch, s);
        let contrast = |&(query, key): &(usize, usize)| {
            let scores = first.of_query(query);
            contrast(&scores, key, |_| true)
        };
        self.beta.add(pairs.iter().map(contrast).sum::<f64>() / pairs.len() as f64, 1.0);
        let scores = scores_of(last).of_query(t - 1);
        let is_label = |key: usize| batch.geometry().is_label(key);
        let rights: Vec<usize> = answering_tokens(batch, s);
        let is_right = |key: usize| rights.contains(&key);
        let mean = |counts: &dyn Fn(usize) -> bool| {
            let keys = || (0..t).filter(|&key| counts(key));
            keys().map(|key| scores[key]).sum::<f64>() / keys().count() as f64
        };
        let right = mean(&is_right);
        self.alpha.add(right - mean(&|key| !is_right(key)), y);
        let other_labels = mean(&|key| is_label(key) && !is_right(key));
        let among_labels = right - other_labels;
        self.alpha_labels.add(among_labels, y);
        self.beta_2.add(right - among_labels - mean(&|key| !is_label(key)), 1.0);
    }

    /// (y, z, z') of one sequence: attention of labels to their items, of the query to each copy of
    /// its label, and to another label.
    fn attention_of(&self, model: &Model<f32>, batch: &Batch, trace: &Trace<f32>, s: usize) -> (f64, f64, f64) {
        let (t, n, last) = (batch.n_tokens(), batch.n_exemplars, model.n_layers() - 1);
        let label = |slot: usize| batch.geometry().label_token(slot);
        let mass = |layer: usize, query: usize, key: usize| {
            let head = s * model.n_heads(layer) + self.heads[layer];
            f64::from(trace.blocks[layer].attention.patterns()[(head * t + query) * t + key])
        };
        let y = pattern_of(0, batch, s).into_iter().map(|(label, item)| mass(0, label, item)).sum::<f64>() / n as f64;
        let labels: f64 = (0..n).map(|i| mass(last, t - 1, label(i))).sum();
        let right: f64 = batch.slots_of(s).map(|slot| mass(last, t - 1, label(slot))).sum();
        let copies = batch.slots_of(s).count();
        (y, right / copies as f64, (labels - right) / (n - copies) as f64)
    }
}

/// Logit of the answer minus the mean logit of absent labels, and of the context's other labels.
fn logit_gaps(batch: &Batch, trace: &Trace<f32>, s: usize) -> (f64, f64) {
    let n_labels = trace.logits().len() / batch.n_sequences;
    let logits = &trace.logits()[s * n_labels..(s + 1) * n_labels];
    let mut context = batch.labels_of(s).to_vec();
    context.sort_unstable();
    context.dedup();
    let answer = f64::from(logits[batch.answers[s] as usize]);
    let total: f64 = logits.iter().map(|&x| f64::from(x)).sum();
    let in_context: f64 = context.iter().map(|&label| f64::from(logits[label as usize])).sum();
    let n = context.len() as f64;
    (answer - (total - in_context) / (n_labels as f64 - n), answer - (in_context - answer) / (n - 1.0))
}

/// Overlap of a label's vector with its own row of a minimal head's linear readout, minus the mean
/// overlap with the other rows: ξ itself. None for other networks, whose readout sees no label vectors.
fn readout_overlap(model: &Model<f32>, params: &Params<f32>, answer: u32) -> Option<f64> {
    model.minimal()?;
    let d = model.embed_dims().d_item;
    let weight = params.get("readout.0.weight").filter(|weight| weight.len() == model.label_table().len())?;
    let vector = &model.label_table()[answer as usize * d..(answer as usize + 1) * d];
    let dot = |row: &[f32]| row.iter().zip(vector).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
    let overlaps: Vec<f64> = weight.chunks_exact(d).map(dot).collect();
    Some(contrast(&overlaps, answer as usize, |_| true))
}

/// The label tokens that answer the query.
fn answering_tokens(batch: &Batch, s: usize) -> Vec<usize> {
    batch.slots_of(s).map(|slot| batch.geometry().label_token(slot)).collect()
}

/// One value minus the mean of the others that count.
fn contrast(values: &[f64], at: usize, counts: impl Fn(usize) -> bool) -> f64 {
    let others = || (0..values.len()).filter(|&i| i != at && counts(i));
    values[at] - others().map(|i| values[i]).sum::<f64>() / others().count() as f64
}

/// Scores before soft-max of one head on one sequence.
#[derive(Clone, Copy)]
struct Scores<'a> {
    /// `[T, T]`
    of_head: &'a [f32],
    n_tokens: usize,
}

impl<'a> Scores<'a> {
    fn new(model: &Model<f32>, trace: &'a Trace<f32>, layer: usize, head: usize, s: usize, n_tokens: usize) -> Self {
        let all = trace.blocks[layer].attention.all.as_ref().expect("a trace of patterns, which keeps scores");
        let at = (s * model.n_heads(layer) + head) * n_tokens * n_tokens;
        Self { of_head: &all.scores[at..at + n_tokens * n_tokens], n_tokens }
    }

    /// Of a query on the keys that it sees.
    fn of_query(&self, query: usize) -> Vec<f64> {
        self.of_head[query * self.n_tokens..][..=query].iter().map(|&x| f64::from(x)).collect()
    }
}

/// The context that the formula has in a network's probed set: the only place that decides whether its parameters exist.
///
/// # Errors
/// Why they do not.
pub fn context_of(facts: &Facts, network: &Description) -> Result<Context, NoFormula> {
    let context = facts.formula.ok_or_else(|| NoFormula::Task { family: facts.family.clone() })?;
    match network.lack_of_order_parameters() {
        Some(why) => Err(NoFormula::Network { why }),
        None => Ok(context.checked()?),
    }
}

/// The same where the formula's flow is followed too, as on landscapes and in forecasts.
///
/// # Errors
/// Why it is not.
pub fn flow_context_of(facts: &Facts, network: &Description) -> Result<Context, NoFormula> {
    let context = context_of(facts, network)?;
    network.lack_of_flow().map_or(Ok(context), |why| Err(NoFormula::Network { why }))
}

/// Why the formula's parameters do not exist.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoFormula {
    /// Another task.
    #[error("the formula of three nested soft-maxes does not describe the {family} task")]
    Task {
        /// Its family.
        family: String,
    },
    /// Another network.
    #[error("the formula of three nested soft-maxes {why}; this network is another")]
    Network {
        /// What the formula is about.
        why: &'static str,
    },
    /// A context that it does not have.
    #[error(transparent)]
    Context(#[from] ContextError),
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
    /// The same among labels only, and how much other labels are preferred to items (β₂): what the
    /// three-parameter model has no place for.
    pub alpha_labels: Estimate,
    /// Preference of the last layer for label tokens, whatever they say.
    pub beta_2: Estimate,
    /// Overlap of attended label and readout, from labels absent from the context; at L = N, where
    /// there are none, from the other labels of the context.
    pub xi: Estimate,
    /// The same from the other labels of the context, as a cross-check.
    pub xi_context: Estimate,
    /// Loss of the three nested soft-maxes at (beta, alpha, xi).
    pub predicted_loss: f64,
    /// The same at (beta, alpha among labels, xi) with label attention beta_2.
    pub predicted_loss_labels: f64,
    /// Loss of the network on the same sequences.
    pub measured_loss: f64,
}

impl OrderParameters {
    /// beta from the scores of layer 1; alpha = layer-2 contrast / y; xi = logit gap / z.
    pub fn new(context: Context, sums: &OrderSums) -> Self {
        let sums_of = [&sums.beta, &sums.alpha, &sums.alpha_labels, &sums.beta_2, &sums.xi_context];
        let [beta, alpha, alpha_labels, beta_2, xi_context] = sums_of.map(RatioSums::estimate);
        // Without absent labels, only a readout whose weights are known says it directly.
        let direct = sums.xi.estimate();
        let xi = if direct.value.is_finite() { direct } else { xi_context };
        let loss =
            |label_strength: f64, alpha: f64| Context { label_strength, ..context }.loss([beta.value, alpha, xi.value]);
        let predicted_loss = loss(0.0, alpha.value);
        let predicted_loss_labels = loss(beta_2.value, alpha_labels.value);
        let measured_loss = sums.loss / sums.beta.n;
        Self { beta, alpha, alpha_labels, beta_2, xi, xi_context, predicted_loss, predicted_loss_labels, measured_loss }
    }

    /// Appends estimates, standard errors and the two losses.
    pub fn push_columns(&self, row: &mut Row) {
        let estimates = [self.beta, self.alpha, self.alpha_labels, self.beta_2, self.xi, self.xi_context];
        for ((parameter, error), estimate) in metric::ORDER_PARAMETERS.iter().zip(estimates) {
            row.push(parameter.main(), estimate.value);
            row.push(error.main(), estimate.standard_error);
        }
        row.push(metric::PREDICTED_LOSS.main(), self.predicted_loss);
        row.push(metric::PREDICTED_LOSS_LABELS.main(), self.predicted_loss_labels);
        row.push(metric::MEASURED_LOSS.main(), self.measured_loss);
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
