//! A trained network of the regression task beside gradient descent.
//!
//! [`Losses`]: of the network and of predictors. [`compare`]: predictions and sensitivities. [`weights`]: what a head
//! computes. [`generalization`]: other distributions, and the network applied again and again. [`closed_forms`]: what
//! theory says of the task.

pub mod closed_forms;
mod compare;
pub mod generalization;
pub mod weights;

pub use compare::{Comparison, compare, own_value_attention};

use super::metric::{self, Column, Metric};
use super::scores::{Scores, predictor_scores, scores};
use super::{Probe, Row, Tally};
use crate::model::{Model, Params, Trace};
use crate::sequence::Batch;
use crate::task::regression::RegressionSpec;
use crate::train::Trainer;
use crate::train::loss::square;
use crate::workers::Workers;

/// Sum of half the square errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SquareError {
    n: u64,
    loss: f64,
}

impl SquareError {
    /// Mean over the sequences.
    pub fn loss(&self) -> f64 {
        self.loss / self.n as f64
    }
}

impl Scores for SquareError {
    fn add_outputs(&mut self, outputs: &[f32], batch: &Batch) {
        self.n += batch.n_sequences as u64;
        self.loss += outputs.iter().zip(batch.query_values()).map(|(&p, y)| square(f64::from(p), y)).sum::<f64>();
    }
}

impl Tally for SquareError {
    fn add(&mut self, _: &Model<f32>, _: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        self.add_outputs(trace.logits(), batch);
    }

    fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.loss += other.loss;
    }
}

/// Losses of the network and of predictors, where values are asked for.
#[derive(Debug)]
pub struct Losses {
    n_sequences: usize,
    /// Of each set's predictors, found when they are first asked for; they do not change.
    predictors: Option<Vec<Vec<f64>>>,
}

impl Losses {
    /// On so many sequences of each set, of a task that asks for values.
    pub fn new(n_sequences: usize) -> Self {
        Self { n_sequences, predictors: None }
    }
}

impl Probe for Losses {
    fn metrics(&self) -> Vec<Metric> {
        vec![metric::LOSS, metric::PREDICTOR_LOSS, metric::GD_SHARE]
    }

    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row) {
        let (task, facts, n) = (trainer.task(), trainer.task().facts(), self.n_sequences);
        let all = || facts.sets().map(|set| predictor_scores(task, set, n)).collect();
        for (set, predictors) in facts.sets().zip(self.predictors.get_or_insert_with(all).iter()) {
            let prefix = facts.prefix(set);
            row.push(metric::LOSS.on(prefix), scores::<SquareError>(trainer, set, self.n_sequences, workers).loss());
            for (predictor, &value) in facts.predictors.iter().zip(predictors) {
                row.push(Column::of_predictor(facts, set, predictor), value);
            }
        }
        if facts.progress.column == metric::GD_SHARE.name {
            let [zero, descent] = ["zero", "gd"].map(|name| row.get(&metric::PREDICTOR_LOSS.at(["", name])));
            row.push(metric::GD_SHARE.main(), (zero - row.get(&metric::LOSS.main())) / (zero - descent));
        }
    }
}

/// How near the network is to the descents among its task's predictors.
#[derive(Debug)]
pub struct DescentProbe {
    task: RegressionSpec,
    n_sequences: usize,
}

impl DescentProbe {
    /// On the first sequences of the evaluation set.
    pub fn new(task: &RegressionSpec, n_sequences: usize) -> Self {
        Self { task: task.clone(), n_sequences }
    }
}

impl Probe for DescentProbe {
    fn metrics(&self) -> Vec<Metric> {
        vec![
            metric::PREDICTION_DIFFERENCE,
            metric::SENSITIVITY_DIFFERENCE,
            metric::SENSITIVITY_COSINE,
            metric::OWN_VALUE_ATTENTION,
        ]
    }

    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row) {
        let predictors = &trainer.task().facts().predictors;
        let is_descent = |&idx: &usize| predictors[idx].name.starts_with("gd");
        let descents: Vec<usize> = (0..predictors.len()).filter(is_descent).collect();
        let compared = compare(&self.task, trainer, &descents, self.n_sequences, workers);
        for (&idx, comparison) in descents.iter().zip(compared) {
            let name = &predictors[idx].name;
            row.push(metric::PREDICTION_DIFFERENCE.at([name]), comparison.prediction_difference);
            row.push(metric::SENSITIVITY_DIFFERENCE.at([name]), comparison.sensitivity_difference);
            row.push(metric::SENSITIVITY_COSINE.at([name]), comparison.sensitivity_cosine);
        }
        if let Some(value) = own_value_attention(trainer, self.n_sequences) {
            row.push(metric::OWN_VALUE_ATTENTION.main(), value);
        }
    }
}
