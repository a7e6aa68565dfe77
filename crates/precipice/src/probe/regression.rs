//! A trained network of the regression task beside gradient descent: losses, predictions, sensitivities.

use precipice_num::Kernels;

use super::query::{QueryRooms, Scores};
use crate::batch::Batch;
use crate::model::{Reads, Trace};
use crate::record::Row;
use crate::spec::{FunctionKind, RegressionSpec, RunSpec};
use crate::task::predictors::{Predictor, predictors};
use crate::task::{Set, Task};
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
        let all = predictors(task, regression, spec.model.n_layers);
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

/// Distance of a network from a predictor (von Oswald et al. 2023, section 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Mean |ŷ_network - ŷ_predictor|.
    pub prediction_difference: f64,
    /// Mean |∂ŷ/∂x_q of the network - that of the predictor|.
    pub sensitivity_difference: f64,
    /// Mean cosine of the angle between the two.
    pub sensitivity_cosine: f64,
}

/// Step of the central differences, in units of the inputs' scale. Where the prediction is linear in the query any is
/// exact, but for rounding; sines want a smaller one.
fn difference(task: &RegressionSpec) -> f32 {
    let relative = match task.functions {
        FunctionKind::Linear => 0.05,
        FunctionKind::Sine => 0.001,
    };
    relative * task.input_scale as f32
}

/// Compares on the first sequences of the evaluation set, one comparison a predictor.
pub fn compare(spec: &RunSpec, trainer: &Trainer, with: &[&Predictor], n_sequences: usize) -> Vec<Comparison> {
    let task = spec.task.regression().expect("a regression spec");
    let (functions, step) = (task.functions, difference(task));
    let mut trace = Trace::new(spec, n_sequences, Reads::QueryOnly);
    let mut network = |batch: &Batch| -> Vec<f64> {
        trainer.model().forward(&trainer.state().params, batch, &mut trace, None);
        trace.logits().iter().map(|&x| f64::from(x)).collect()
    };
    let batch = trainer.task().batch(Set::Eval, 0, n_sequences);
    let ours = (network(&batch), sensitivities(&batch, step, &mut network));
    let compare = |predictor: &&Predictor| {
        let mut theirs = |batch: &Batch| predictor.predictions(batch, functions).collect::<Vec<f64>>();
        let (predictions, slopes) = (theirs(&batch), sensitivities(&batch, step, &mut theirs));
        let (n, d) = (n_sequences as f64, batch.d_item);
        let prediction_difference = ours.0.iter().zip(&predictions).map(|(a, b)| (a - b).abs()).sum::<f64>() / n;
        let pairs = || ours.1.chunks_exact(d).zip(slopes.chunks_exact(d));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let distance = |a: &[f64], b: &[f64]| (dot(a, a) + dot(b, b) - 2.0 * dot(a, b)).max(0.0).sqrt();
        Comparison {
            prediction_difference,
            sensitivity_difference: pairs().map(|(a, b)| distance(a, b)).sum::<f64>() / n,
            sensitivity_cosine: pairs().map(|(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).sum::<f64>() / n,
        }
    };
    with.iter().map(compare).collect()
}

/// ∂ŷ/∂x_q of every sequence, `[S, d]`.
fn sensitivities(batch: &Batch, step: f32, predict: &mut dyn FnMut(&Batch) -> Vec<f64>) -> Vec<f64> {
    let (n, d) = (batch.n_exemplars, batch.d_item);
    let mut slopes = vec![0.0; batch.n_sequences * d];
    for column in 0..d {
        let [above, below] = [step, -step].map(|step| {
            let mut moved = batch.clone();
            for s in 0..batch.n_sequences {
                moved.items[(s * (n + 1) + n) * d + column] += step;
            }
            predict(&moved)
        });
        for (s, (above, below)) in above.iter().zip(below).enumerate() {
            slopes[s * d + column] = (above - below) / (2.0 * f64::from(step));
        }
    }
    slopes
}
