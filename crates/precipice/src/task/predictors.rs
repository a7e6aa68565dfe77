//! Predictors of the regression task that need no training: what a network's loss is compared with.

use precipice_num::{Cholesky, Kernels, SymmetricEigen};

use super::{Set, Task};
use crate::batch::Batch;
use crate::spec::{FunctionKind, RegressionSpec};
use crate::theory::regression::Filter;

/// A rule from a context and a query to a prediction of the query's y.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictor {
    /// 0, which is the mean of y.
    Zero,
    /// The mean of the context's y.
    Average,
    /// Steps of gradient descent on |W x - y|^2 / (2N) from W = 0.
    GradientDescent {
        /// K.
        steps: usize,
        /// eta.
        rate: f64,
    },
    /// The same, and every step moves the inputs too: x <- x - gamma X^T X x (von Oswald et al. 2023, GD++).
    GradientDescentPlusPlus {
        /// K.
        steps: usize,
        /// eta.
        rate: f64,
        /// gamma.
        shrinkage: f64,
    },
    /// Least squares with the penalty lambda |w|^2: the posterior mean where lambda = sigma^2 / tau^2.
    /// lambda = 0 is least squares, the shortest solution where there are several.
    Ridge {
        /// lambda.
        penalty: f64,
    },
    /// The posterior mean over a finite pool of functions.
    Pool {
        /// The functions, `[M, d]`.
        functions: Vec<f32>,
        /// sigma^2; at 0 the functions that fit best share the answer.
        noise: f64,
    },
}

impl Predictor {
    /// As the column of its loss is called.
    pub fn name(&self) -> &'static str {
        match self {
            Predictor::Zero => "zero",
            Predictor::Average => "average",
            Predictor::GradientDescent { .. } => "gd",
            Predictor::GradientDescentPlusPlus { .. } => "gd_plus_plus",
            Predictor::Ridge { .. } => "ridge",
            Predictor::Pool { .. } => "pool",
        }
    }

    /// The prediction at a query `[d]`, given x `[N, d]` and y `[N]` of the context.
    pub fn predict(&self, xs: &[f64], ys: &[f64], query: &[f64]) -> f64 {
        match self {
            Predictor::Zero => 0.0,
            Predictor::Average => ys.iter().sum::<f64>() / ys.len() as f64,
            &Predictor::GradientDescent { steps, rate } => descend(xs, ys, query, steps, rate, 0.0),
            &Predictor::GradientDescentPlusPlus { steps, rate, shrinkage } => {
                descend(xs, ys, query, steps, rate, shrinkage)
            }
            &Predictor::Ridge { penalty } => ridge(xs, ys, query, penalty),
            Predictor::Pool { functions, noise } => pooled(functions, *noise, xs, ys, query),
        }
    }

    /// Predictions for the sequences of a batch, in the features of its functions.
    pub fn predictions<'a>(&'a self, batch: &'a Batch, functions: FunctionKind) -> impl Iterator<Item = f64> + 'a {
        (0..batch.n_sequences).map(move |s| {
            let [xs, query, ys] = context(batch, s, functions);
            self.predict(&xs, &ys, &query)
        })
    }

    /// Sum of half the square errors over a batch.
    pub fn loss(&self, batch: &Batch, functions: FunctionKind) -> f64 {
        self.predictions(batch, functions).zip(batch.query_values()).map(|(p, y)| 0.5 * (p - y) * (p - y)).sum()
    }
}

/// Features of x and of the query, and y, of one sequence.
pub fn context(batch: &Batch, s: usize, functions: FunctionKind) -> [Vec<f64>; 3] {
    let (xs, query) = batch.items_of(s).split_at(batch.n_exemplars * batch.d_item);
    let ys = batch.values_of(s)[..batch.n_exemplars].iter().map(|&y| f64::from(y)).collect();
    [functions.features(xs), functions.features(query), ys]
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// K steps on tokens: y_j <- y_j - (eta / N) sum_i y_i x_i . x_j and x_j <- x_j - gamma sum_i x_i x_i . x_j, from
/// the same old values; minus the query's y is the prediction.
fn descend(xs: &[f64], ys: &[f64], query: &[f64], steps: usize, rate: f64, shrinkage: f64) -> f64 {
    let (n, d) = (ys.len(), query.len());
    let (mut xs, mut ys) = ([xs, query].concat(), [ys, &[0.0]].concat());
    let (mut pull, mut gram) = (vec![0.0; d], vec![0.0; d * d]);
    for _ in 0..steps {
        pull.fill(0.0);
        gram.fill(0.0);
        for (x, &y) in xs.chunks_exact(d).zip(&ys).take(n) {
            pull.iter_mut().zip(x).for_each(|(p, x)| *p += rate / n as f64 * y * x);
            if shrinkage != 0.0 {
                for (row, &a) in gram.chunks_exact_mut(d).zip(x) {
                    row.iter_mut().zip(x).for_each(|(g, x)| *g += shrinkage * a * x);
                }
            }
        }
        for (x, y) in xs.chunks_exact_mut(d).zip(&mut ys) {
            *y -= dot(&pull, x);
            if shrinkage != 0.0 {
                let moved: Vec<f64> = gram.chunks_exact(d).zip(&*x).map(|(row, &old)| old - dot(row, x)).collect();
                x.copy_from_slice(&moved);
            }
        }
    }
    -ys[n]
}

/// x_q^T (X^T X + lambda)^-1 X^T y, in the smaller of the two spaces.
fn ridge(xs: &[f64], ys: &[f64], query: &[f64], penalty: f64) -> f64 {
    let (n, d) = (ys.len(), query.len());
    let row = |i: usize| &xs[i * d..(i + 1) * d];
    let size = n.min(d);
    let mut gram = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..=i {
            gram[i * size + j] = if n < d { dot(row(i), row(j)) } else { (0..n).map(|k| row(k)[i] * row(k)[j]).sum() };
        }
        gram[i * size + i] += penalty;
    }
    let mut side: Vec<f64> =
        if n < d { ys.to_vec() } else { (0..d).map(|i| (0..n).map(|k| row(k)[i] * ys[k]).sum()).collect() };
    // A repeated input makes the system singular; a penalty far below its scale picks the shortest solution.
    let factor = Cholesky::new(&gram, size).unwrap_or_else(|| {
        let trace: f64 = (0..size).map(|i| gram[i * size + i]).sum();
        (0..size).for_each(|i| gram[i * size + i] += 1e-10 * trace.max(f64::MIN_POSITIVE));
        Cholesky::new(&gram, size).expect("a Gram matrix with a ridge is positive definite")
    });
    factor.solve(&mut side);
    if n < d { (0..n).map(|i| side[i] * dot(row(i), query)).sum() } else { dot(&side, query) }
}

fn pooled(functions: &[f32], noise: f64, xs: &[f64], ys: &[f64], query: &[f64]) -> f64 {
    let d = query.len();
    let function = |w: &[f32]| w.iter().map(|&w| f64::from(w)).collect::<Vec<_>>();
    let misfit = |w: &[f64]| xs.chunks_exact(d).zip(ys).map(|(x, y)| (y - dot(w, x)) * (y - dot(w, x))).sum::<f64>();
    let all: Vec<(f64, f64)> = functions.chunks_exact(d).map(function).map(|w| (misfit(&w), dot(&w, query))).collect();
    let best = all.iter().map(|(misfit, _)| *misfit).fold(f64::INFINITY, f64::min);
    // Inputs are single precision: misfits that differ by less than its rounding are equal.
    let rounding = 1e-12 * (1.0 + dot(ys, ys));
    let weight = |misfit: f64| match noise {
        0.0 => f64::from(u8::from(misfit <= best + rounding)),
        noise => libm::exp((best - misfit) / (2.0 * noise)),
    };
    let (sum, norm) = all
        .iter()
        .fold((0.0, 0.0), |(sum, norm), &(misfit, answer)| (sum + weight(misfit) * answer, norm + weight(misfit)));
    sum / norm
}

/// Contexts on which rates are tuned, at most; other ones than those of the evaluation. On 1,024 the loss of GD++ is up
/// to 3 % above its best.
const N_TUNING: usize = 4096;
/// Operations, about, that tuning may take: wide contexts are alike, and a few are enough.
const TUNING_OPS: usize = 1 << 31;
/// Step of the evaluation seed's sequences that they are.
const TUNING_STEP: u64 = 1;

/// The predictors that a run of the task is compared with, with the rates of `steps` steps tuned on
/// contexts of their own.
pub fn predictors(task: &Task, spec: &RegressionSpec, steps: usize) -> Vec<Predictor> {
    let size = spec.n_exemplars.min(spec.d_item);
    // One step has a closed form; others are decomposed once and tried some 2,000 times.
    let ops = 64 * size.pow(3) + 2048 * size * steps;
    let n_contexts = if steps == 1 { 1024 } else { (TUNING_OPS / ops).clamp(16, N_TUNING) };
    let mut batch = task.workspace(n_contexts);
    batch.n_sequences = n_contexts;
    task.fill(Kernels::detect(), Set::Eval, TUNING_STEP, 0, &mut batch);
    let mut all = vec![Predictor::Zero, Predictor::Average];
    all.extend(tune(&batch, steps, spec.functions));
    all.push(Predictor::Ridge { penalty: spec.noise / spec.weight_variance() });
    if let Some(functions) = task.pool() {
        all.push(Predictor::Pool { functions: functions.to_vec(), noise: spec.noise });
    }
    all
}

/// Gradient descent and, from two steps on, GD++ at the rates that are best on a batch.
pub fn tune(batch: &Batch, steps: usize, functions: FunctionKind) -> Vec<Predictor> {
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
        Filter::best_descent_plus_plus(steps, n, largest, loss).into(),
    ]
}

/// The rule whose loss a filter gives.
impl From<Filter> for Predictor {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::Descent { steps, rate } => Predictor::GradientDescent { steps, rate },
            Filter::DescentPlusPlus { steps, rate, shrinkage } => {
                Predictor::GradientDescentPlusPlus { steps, rate, shrinkage }
            }
            Filter::Ridge { penalty } => Predictor::Ridge { penalty },
        }
    }
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
    use crate::spec::{RunSpec, TaskSpec};

    #[test]
    fn along_eigenvectors_an_answer_is_the_same() {
        for n_exemplars in [3, 9] {
            let regression = RegressionSpec { n_exemplars, d_item: 5, noise: 0.1, ..RegressionSpec::default() };
            let spec = RunSpec { task: TaskSpec::Regression(regression), ..RunSpec::default() };
            let batch = Task::new(&spec, None).unwrap().batch(Set::Eval, 0, 20);
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
