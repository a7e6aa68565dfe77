//! Predictors of the regression task that need no training: what a network's loss is compared with.

use precipice_num::Cholesky;

use super::FunctionKind;
use crate::sequence::Batch;
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

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
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
    let factor = Cholesky::new(&gram, size).or_else(|| {
        let trace: f64 = (0..size).map(|i| gram[i * size + i]).sum();
        (0..size).for_each(|i| gram[i * size + i] += 1e-10 * trace.max(f64::MIN_POSITIVE));
        Cholesky::new(&gram, size)
    });
    // Inputs that are not finite have no answer.
    let Some(factor) = factor else { return f64::NAN };
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
