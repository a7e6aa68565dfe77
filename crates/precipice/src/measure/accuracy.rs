//! Accuracies of evaluation sets, where labels are asked for.

use super::metric::{self, Column, Metric};
use super::row::Row;
use super::scores::{Scores, predictor_scores, scores};
use super::{Probe, Tally};
use crate::model::{Model, Params, Trace};
use crate::sequence::Batch;
use crate::train::Trainer;
use crate::train::loss::log_sum_exp;
use crate::workers::Workers;

/// Counts and sums over sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    n: u64,
    loss: f64,
    correct: u64,
    context_label: u64,
    context_mass: f64,
    context_restricted: u64,
}

impl Accuracy {
    /// Fraction of sequences whose largest logit is the answer.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.n as f64
    }

    /// Appends the five columns.
    pub fn push_columns(&self, prefix: &str, row: &mut Row) {
        let n = self.n as f64;
        row.push(metric::LOSS.on(prefix), self.loss / n);
        row.push(metric::ACCURACY.on(prefix), self.accuracy());
        row.push(metric::CONTEXT_LABEL_ACCURACY.on(prefix), self.context_label as f64 / n);
        row.push(metric::CONTEXT_LABEL_MASS.on(prefix), self.context_mass / n);
        row.push(metric::CONTEXT_RESTRICTED_ACCURACY.on(prefix), self.context_restricted as f64 / n);
    }
}

impl Scores for Accuracy {
    fn add_outputs(&mut self, logits: &[f32], batch: &Batch) {
        let s = batch.n_sequences;
        self.n += s as u64;
        let mut loss = 0.0;
        for (i, row) in logits.chunks_exact(logits.len() / s.max(1)).enumerate() {
            let answer = batch.answers[i];
            let context = batch.labels_of(i);
            let best = argmax((0..row.len() as u32).map(|label| (label, row[label as usize])));
            self.correct += u64::from(best == Some(answer));
            self.context_label += u64::from(best.is_some_and(|label| context.contains(&label)));
            let best_in_context = argmax(context.iter().map(|&label| (label, row[label as usize])));
            self.context_restricted += u64::from(best_in_context == Some(answer));
            let norm = log_sum_exp(row);
            loss += norm - f64::from(row[answer as usize]);
            self.context_mass += context.iter().map(|&l| libm::exp(f64::from(row[l as usize]) - norm)).sum::<f64>();
        }
        self.loss += loss;
    }
}

impl Tally for Accuracy {
    fn add(&mut self, _: &Model<f32>, _: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        self.add_outputs(trace.logits(), batch);
    }

    fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.loss += other.loss;
        self.correct += other.correct;
        self.context_label += other.context_label;
        self.context_mass += other.context_mass;
        self.context_restricted += other.context_restricted;
    }
}

/// The label of the largest value; the first of equals; none where a value is NaN.
pub fn argmax(values: impl Iterator<Item = (u32, f32)>) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (label, value) in values {
        if value.is_nan() {
            return None;
        }
        if best.is_none_or(|(_, top)| value > top) {
            best = Some((label, value));
        }
    }
    best.map(|(label, _)| label)
}

/// Accuracies of the network and of predictors, on every evaluation set.
#[derive(Debug)]
pub struct Accuracies {
    n_sequences: usize,
    /// Of each set's predictors, found when they are first asked for; they do not change.
    predictors: Option<Vec<Vec<f64>>>,
}

impl Accuracies {
    /// On so many sequences of each set, of a task that asks for labels.
    pub fn new(n_sequences: usize) -> Self {
        Self { n_sequences, predictors: None }
    }
}

impl Probe for Accuracies {
    fn metrics(&self) -> Vec<Metric> {
        vec![
            metric::LOSS,
            metric::ACCURACY,
            metric::CONTEXT_LABEL_ACCURACY,
            metric::CONTEXT_LABEL_MASS,
            metric::CONTEXT_RESTRICTED_ACCURACY,
            metric::PREDICTOR_ACCURACY,
        ]
    }

    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row) {
        let (task, facts, n) = (trainer.task(), trainer.task().facts(), self.n_sequences);
        let all = || facts.sets().map(|set| predictor_scores(task, set, n)).collect();
        for (set, predictors) in facts.sets().zip(self.predictors.get_or_insert_with(all).iter()) {
            let (prefix, accuracy) = (facts.prefix(set), scores::<Accuracy>(trainer, set, self.n_sequences, workers));
            accuracy.push_columns(prefix, row);
            for (predictor, &value) in facts.predictors.iter().zip(predictors) {
                row.push(Column::of_predictor(facts, set, predictor), value);
            }
        }
    }
}
