//! A trained network of the regression task beside gradient descent.
//!
//! [`evaluate`] and [`Baselines`]: losses. [`compare`]: predictions and sensitivities. [`weights`]: what a head
//! computes. [`generalization`]: other distributions, and the network applied again and again. [`closed_forms`]: what
//! theory says of the task.

pub mod closed_forms;
mod compare;
pub mod generalization;
pub mod weights;

pub use compare::{Comparison, compare, own_value_attention};

use precipice_num::Kernels;

use super::query::{QueryRooms, Scores};
use crate::batch::Batch;
use crate::record::Row;
use crate::spec::RunSpec;
use crate::task::predictors::Predictor;
use crate::task::{Set, Task, tuned_predictors};
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

    fn add_part(&mut self, other: Self) {
        self.n += other.n;
        self.loss += other.loss;
    }
}

/// The loss on the evaluation set of `spec`, which may be another task than the network was trained on.
pub fn evaluate(spec: &RunSpec, trainer: &Trainer, workers: &dyn Workers) -> SquareError {
    let n = spec.eval.sequences;
    QueryRooms::new(spec, trainer, n).scores(trainer, Set::Eval, n, workers)
}

/// Predictors with their losses on the evaluation set, which do not change during a run.
#[derive(Clone, Debug)]
pub struct Baselines {
    /// Each with its loss.
    pub losses: Vec<(Predictor, f64)>,
}

impl Baselines {
    /// On the evaluation set of a regression run.
    pub fn new(spec: &RunSpec, task: &Task) -> Option<Self> {
        let regression = spec.task.regression()?;
        let all = tuned_predictors(task, regression, spec.model.n_layers);
        let (n, mut batch) = (spec.eval.sequences, task.workspace(super::CHUNK));
        let mut sums = vec![0.0; all.len()];
        for first in (0..n).step_by(super::CHUNK) {
            batch.n_sequences = (n - first).min(super::CHUNK);
            task.fill(Kernels::detect(), Set::Eval, 0, first, &mut batch);
            sums.iter_mut().zip(&all).for_each(|(sum, predictor)| *sum += predictor.loss(&batch, regression.functions));
        }
        Some(Self { losses: all.into_iter().zip(sums).map(|(predictor, sum)| (predictor, sum / n as f64)).collect() })
    }

    /// Appends `zero_loss` and its like.
    pub fn push_columns(&self, row: &mut Row) {
        for (predictor, loss) in &self.losses {
            row.push(format!("{}_loss", predictor.name()), *loss);
        }
    }
}
