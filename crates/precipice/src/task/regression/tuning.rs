//! The rates at which predictors are best, found on contexts of their own.

use precipice_num::{Kernels, SymmetricEigen};

use super::predictors::{Predictor, context, dot};
use super::{FunctionKind, Regression, RegressionSpec};
use crate::sequence::Batch;
use crate::task::{Set, Task};
use crate::theory::regression::Filter;

/// Contexts on which rates are tuned, at most; other ones than those of the evaluation. On 1,024 the loss of GD++ is up
/// to 3 % above its best.
const N_TUNING: usize = 4096;
/// Operations, about, that tuning may take: wide contexts are alike, and a few are enough.
const TUNING_OPS: usize = 1 << 31;
/// Step of the evaluation seed's sequences that they are.
const TUNING_STEP: u64 = 1;

/// The predictors that a run of the task is compared with, with the rates of `steps` steps tuned on
/// contexts of their own.
pub fn tuned_predictors(task: &Regression, spec: &RegressionSpec, steps: usize) -> Vec<Predictor> {
    let size = spec.n_exemplars.min(spec.d_item);
    // One step has a closed form; others are decomposed once and tried some 2,000 times.
    let ops = 64 * size.pow(3) + 2048 * size * steps;
    let n_contexts = if steps == 1 { 1024 } else { (TUNING_OPS / ops).clamp(16, N_TUNING) };
    let mut batch = task.workspace(n_contexts);
    batch.n_sequences = n_contexts;
    task.fill(Kernels::detect(), Set::MAIN, TUNING_STEP, 0, &mut batch);
    let mut all = vec![Predictor::Zero, Predictor::Average];
    all.extend(tune(&batch, steps, spec.functions));
    all.push(Predictor::Ridge { penalty: spec.noise / spec.weight_variance() });
    if let Some(functions) = task.pool() {
        all.push(Predictor::Pool { functions: functions.to_vec(), noise: spec.noise });
    }
    all
}

/// Gradient descent and, from two steps on, GD++ at the rates that are best on a batch.
fn tune(batch: &Batch, steps: usize, functions: FunctionKind) -> Vec<Predictor> {
    if steps == 1 {
        return vec![Predictor::GradientDescent { steps, rate: best_rate_of_one_step(batch, functions) }];
    }
    let n = batch.n_exemplars;
    let contexts: Vec<Decomposed> = (0..batch.n_sequences)
        .zip(batch.query_values())
        .map(|(s, y)| Decomposed::new(context(batch, s, functions), y))
        .collect();
    let loss = |filter: Filter| contexts.iter().map(|context| context.loss(filter, n as f64)).sum::<f64>();
    let [_, query, _] = context(batch, 0, functions);
    let d = query.len();
    let total: f64 = contexts.iter().flat_map(|context| &context.values).sum();
    let largest = Filter::edge(total / (contexts.len() * d) as f64, n, d);
    vec![
        Filter::best_descent(steps, largest, loss).into(),
        Filter::best_descent_plus_plus(steps, n, largest, loss, || ()).into(),
    ]
}

/// The answer of one step is eta times that of a unit rate a: eta = sum a y / sum a^2.
fn best_rate_of_one_step(batch: &Batch, functions: FunctionKind) -> f64 {
    let unit = Predictor::GradientDescent { steps: 1, rate: 1.0 };
    let answers = unit.predictions(batch, functions).zip(batch.query_values());
    let (along, square) = answers.fold((0.0, 0.0), |(along, square), (a, y)| (along + a * y, square + a * a));
    along / square
}

/// A context along the eigenvectors v of S = X^T X / N, where an answer costs d operations a step instead of some N d.
struct Decomposed {
    /// Eigenvalues, `[min(N, d)]`.
    values: Vec<f64>,
    /// (v . x_q) (v . X^T y); likewise (u . X x_q) (u . y) with the eigenvectors u of X X^T / N where N < d.
    overlaps: Vec<f64>,
    /// y of the query.
    answer: f64,
}

impl Decomposed {
    fn new([xs, query, ys]: [Vec<f64>; 3], answer: f64) -> Self {
        let (n, d) = (ys.len(), query.len());
        let rows = || xs.chunks_exact(d);
        // X^T X and X X^T have the same eigenvalues beside zeros, along which nothing is answered.
        let (size, left, right) = if n < d {
            let seen: Vec<f64> = rows().map(|x| dot(x, &query)).collect();
            (n, seen, ys)
        } else {
            let pull = (0..d).map(|i| rows().zip(&ys).map(|(x, y)| x[i] * y).sum()).collect();
            (d, query, pull)
        };
        let x = |i: usize, k: usize| if n < d { xs[i * d + k] } else { xs[k * d + i] };
        let entry = |at: usize| {
            let (i, j) = (at / size, at % size);
            (0..n.max(d)).map(|k| x(i, k) * x(j, k)).sum::<f64>() / n as f64
        };
        let gram: Vec<f64> = (0..size * size).map(entry).collect();
        let SymmetricEigen { values, vectors } = SymmetricEigen::new(&gram, size);
        let overlaps = vectors.chunks_exact(size).map(|v| dot(v, &left) * dot(v, &right)).collect();
        Self { values, overlaps, answer }
    }

    /// Half the square error: the predicted w is (1 - r) (N S)^-1 X^T y.
    fn loss(&self, filter: Filter, n: f64) -> f64 {
        let along = |(&value, &overlap): (&f64, &f64)| match value {
            // X^T y is 0 where X is.
            value if value <= 0.0 => 0.0,
            value => overlap * (1.0 - filter.left(value, n)) / (n * value),
        };
        let answer: f64 = self.values.iter().zip(&self.overlaps).map(along).sum();
        0.5 * (answer - self.answer) * (answer - self.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Reader, Seeds};

    #[test]
    fn along_eigenvectors_an_answer_is_the_same() {
        for n_exemplars in [3, 9] {
            let regression = RegressionSpec { n_exemplars, d_item: 5, noise: 0.1, ..RegressionSpec::default() };
            let reader = Reader { n_layers: 3, ..Reader::default() };
            let batch = Regression::new(&regression, reader, 0, Seeds::default()).batch(Set::MAIN, 0, 20);
            let (steps, rate, shrinkage) = (3, 4.0, 0.2);
            for filter in [
                Filter::Descent { steps, rate },
                Filter::DescentPlusPlus { steps, rate, shrinkage },
                Filter::Ridge { penalty: 0.3 },
            ] {
                let predictor = Predictor::from(filter);
                let losses = (0..20).zip(batch.query_values()).map(|(s, y)| {
                    let [xs, query, ys] = context(&batch, s, FunctionKind::Linear);
                    let exact = predictor.predict(&xs, &ys, &query) - y;
                    (0.5 * exact * exact, Decomposed::new([xs, query, ys], y).loss(filter, n_exemplars as f64))
                });
                for (expected, found) in losses {
                    assert!((found - expected).abs() < 1e-12 * (1.0 + expected), "{filter:?}: {found} {expected}");
                }
            }
        }
    }
}
