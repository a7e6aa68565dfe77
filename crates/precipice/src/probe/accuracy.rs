//! Accuracies of one evaluation set.

use precipice_num::Kernels;

use super::Tally;
use super::query::Scores;
use crate::batch::Batch;
use crate::model::{Model, Params, Trace};
use crate::record::Row;
use crate::spec::RunSpec;
use crate::task::{Set, Task, oracle};
use crate::train::loss::{cross_entropy, log_sum_exp};

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
        row.push(format!("{prefix}loss"), self.loss / n);
        row.push(format!("{prefix}accuracy"), self.accuracy());
        row.push(format!("{prefix}context_label_accuracy"), self.context_label as f64 / n);
        row.push(format!("{prefix}context_label_mass"), self.context_mass / n);
        row.push(format!("{prefix}context_restricted_accuracy"), self.context_restricted as f64 / n);
    }
}

impl Scores for Accuracy {
    fn add_outputs(&mut self, logits: &[f32], batch: &Batch) {
        let s = batch.n_sequences;
        self.n += s as u64;
        self.loss += cross_entropy(logits, &batch.answers[..s]);
        for (i, row) in logits.chunks_exact(logits.len() / s.max(1)).enumerate() {
            let answer = batch.answers[i];
            let context = batch.labels_of(i);
            let best = argmax((0..row.len() as u32).map(|label| (label, row[label as usize])));
            self.correct += u64::from(best == Some(answer));
            self.context_label += u64::from(best.is_some_and(|label| context.contains(&label)));
            let best_in_context = argmax(context.iter().map(|&label| (label, row[label as usize])));
            self.context_restricted += u64::from(best_in_context == Some(answer));
            let norm = log_sum_exp(row);
            self.context_mass += context.iter().map(|&l| libm::exp(f64::from(row[l as usize]) - norm)).sum::<f64>();
        }
    }

    fn add_part(&mut self, other: Self) {
        self.n += other.n;
        self.loss += other.loss;
        self.correct += other.correct;
        self.context_label += other.context_label;
        self.context_mass += other.context_mass;
        self.context_restricted += other.context_restricted;
    }
}

impl Tally for Accuracy {
    fn add(&mut self, _: &Model<f32>, _: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        self.add_outputs(trace.logits(), batch);
    }

    fn merge(&mut self, other: Self) {
        self.add_part(other);
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

/// Accuracy of picking the context item most similar to the query, on the sequences of a set.
pub fn nearest_neighbor(spec: &RunSpec, task: &Task, set: Set) -> f64 {
    let n = spec.eval.sequences;
    let mut batch = task.workspace(super::CHUNK);
    let mut correct = 0;
    for first in (0..n).step_by(super::CHUNK) {
        batch.n_sequences = (n - first).min(super::CHUNK);
        task.fill(Kernels::detect(), set, 0, first, &mut batch);
        correct += oracle::nearest_neighbor_correct(&batch);
    }
    correct as f64 / n as f64
}
