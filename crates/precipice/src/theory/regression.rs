//! Closed forms of in-context linear regression by one linear attention layer, which at its best is one step of
//! gradient descent: yhat = eta x_q . X^T y / N (von Oswald et al. 2023).
//!
//! w ~ N(0, I), x of d independent coordinates with variance s2 and kurtosis kappa, y = w . x + noise of variance
//! sigma2 in the context, S = X^T X / N. Losses are half the mean square error of the query's noiseless y. What all
//! of them rest on is E S A S = s2^2 (A (1 + 1/N) + (tr A + (kappa - 3) diag A) / N) for a symmetric A.

use precipice_num::Cholesky;

/// White inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct White {
    /// N.
    pub n_exemplars: usize,
    /// d.
    pub d_item: usize,
    /// s2, variance of a coordinate of x.
    pub variance: f64,
    /// kappa = E x^4 / s2^2: 3 for Gaussian x, 9/5 for uniform.
    pub kurtosis: f64,
    /// sigma2.
    pub noise: f64,
}

impl White {
    /// Loss of answering 0: s2 d / 2.
    pub fn zero_loss(&self) -> f64 {
        0.5 * self.variance * self.d_item as f64
    }

    /// Z = (N + d + kappa - 2) / N, so that E S S = s2^2 Z I.
    pub fn spread(&self) -> f64 {
        let n = self.n_exemplars as f64;
        (n + self.d_item as f64 + self.kurtosis - 2.0) / n
    }

    /// eta* = N / (s2 (N + d + kappa - 2) + sigma2).
    pub fn optimal_rate(&self) -> f64 {
        1.0 / (self.variance * self.spread() + self.noise / self.n_exemplars as f64)
    }

    /// L(eta) = (s2 d / 2) (1 - 2 s2 eta + s2 eta^2 / eta*).
    pub fn loss(&self, rate: f64) -> f64 {
        self.zero_loss() * (1.0 - 2.0 * self.variance * rate + self.variance * rate * rate / self.optimal_rate())
    }

    /// L* = (s2 d / 2) (1 - s2 eta*).
    pub fn optimal_loss(&self) -> f64 {
        self.loss(self.optimal_rate())
    }

    /// Loss of a step of that rate on inputs that are `factor` times as large.
    pub fn loss_at_scale(&self, rate: f64, factor: f64) -> f64 {
        White { variance: self.variance * factor * factor, ..*self }.loss(rate)
    }

    /// Loss of the rank-one saddle (s2 / 2) (d - 1 / Z): values read x, keys read y. Its answer is c (a . x_q) times
    /// sum_i (a . x_i) y_i along one direction a; it learns the one component of w, and the other d - 1 not at all.
    /// Without noise.
    pub fn rank_one_saddle_loss(&self) -> f64 {
        0.5 * self.variance * (self.d_item as f64 - 1.0 / self.spread())
    }

    /// m(t) of yhat = m x_q . X^T y / N under gradient flow of merged key-query weights from an aligned small start:
    /// m = e^(rt) / (s2 Z (e^(rt) - 1) + 1 / m0), r = 2 sqrt(d) s2^2. One abrupt rise to 1 / (s2 Z). Without noise.
    pub fn logistic(&self, start: f64, t: f64) -> f64 {
        // Divided by e^(rt), which overflows.
        let decay = libm::exp(-self.growth_rate() * t);
        1.0 / (self.variance * self.spread() * (1.0 - decay) + decay / start)
    }

    /// r.
    pub fn growth_rate(&self) -> f64 {
        2.0 * (self.d_item as f64).sqrt() * self.variance * self.variance
    }

    /// Time at which m has made half its way from a random small start of size s0:
    /// ln(m* sqrt(d) / s0) / r, m* = 1 / (s2 Z).
    pub fn half_time(&self, size: f64) -> f64 {
        let target = (self.d_item as f64).sqrt() / (self.variance * self.spread());
        libm::log(target / size) / self.growth_rate()
    }
}

/// Gaussian inputs with a covariance, answered by yhat = x_q^T M X^T y / N.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlated {
    /// N.
    pub n_exemplars: usize,
    /// Lambda, `[d, d]`, symmetric and positive definite.
    pub covariance: Vec<f64>,
    /// d.
    pub d_item: usize,
    /// sigma2.
    pub noise: f64,
}

impl Correlated {
    fn trace(&self) -> f64 {
        trace(&self.covariance, self.d_item)
    }

    /// M* = (Lambda (1 + 1/N) + (tr Lambda + sigma2) I / N)^-1, `[d, d]`.
    ///
    /// # Panics
    /// If the covariance is not positive definite.
    pub fn optimum(&self) -> Vec<f64> {
        let (d, n) = (self.d_item, self.n_exemplars as f64);
        let mut matrix: Vec<f64> = self.covariance.iter().map(|value| value * (1.0 + 1.0 / n)).collect();
        (0..d).for_each(|i| matrix[i * d + i] += (self.trace() + self.noise) / n);
        inverse(&matrix, d)
    }

    /// The loss of a symmetric M: (tr Lambda - 2 tr Lambda M Lambda + tr M Lambda M (E S S + sigma2 Lambda / N)) / 2
    /// with E S S = Lambda^2 (1 + 1/N) + Lambda tr Lambda / N.
    pub fn loss(&self, m: &[f64]) -> f64 {
        let (d, n) = (self.d_item, self.n_exemplars as f64);
        let times = |a: &[f64], b: &[f64]| product(a, b, d);
        let lambda = &self.covariance;
        let square = times(lambda, lambda);
        let scale = (self.trace() + self.noise) / n;
        let spread: Vec<f64> = square.iter().zip(lambda).map(|(s, l)| s * (1.0 + 1.0 / n) + l * scale).collect();
        let quadratic = times(&times(m, lambda), &times(m, &spread));
        0.5 * (self.trace() - 2.0 * trace(&times(&square, m), d) + trace(&quadratic, d))
    }
}

/// Plateaus of separate rank-one keys and queries, twice the loss, as the eigenvalues lam_1 > lam_2 > ... of the
/// covariance are learned one after the other: L_m = tr Lambda - sum_(i <= m) lam_i / (1 + (1 + tr Lambda / lam_i) / N),
/// from L_0 on.
pub fn eigenvalue_plateaus(spectrum: &[f64], n_exemplars: usize) -> Vec<f64> {
    let (trace, n) = (spectrum.iter().sum::<f64>(), n_exemplars as f64);
    let mut levels = vec![trace];
    for value in spectrum {
        levels.push(levels[levels.len() - 1] - value / (1.0 + (1.0 + trace / value) / n));
    }
    levels
}

/// The best M for a finite pool of functions and Gaussian x with unit variance:
/// M* = R ((1 + 1/N) R + ((tr R + sigma2) / N) I)^-1, R = sum w w^T / M. `functions` is `[M, d]`.
///
/// # Panics
/// If d is 0 or no function differs from 0 and there is no noise.
pub fn pool_optimum(functions: &[f64], d_item: usize, n_exemplars: usize, noise: f64) -> Vec<f64> {
    let (d, n) = (d_item, n_exemplars as f64);
    let second = second_moment(functions, d);
    let mut matrix: Vec<f64> = second.iter().map(|value| value * (1.0 + 1.0 / n)).collect();
    (0..d).for_each(|i| matrix[i * d + i] += (trace(&second, d) + noise) / n);
    product(&second, &inverse(&matrix, d), d)
}

/// R = sum w w^T / M.
pub fn second_moment(functions: &[f64], d: usize) -> Vec<f64> {
    let n_functions = (functions.len() / d) as f64;
    let mut second = vec![0.0; d * d];
    for w in functions.chunks_exact(d) {
        for (row, a) in second.chunks_exact_mut(d).zip(w) {
            row.iter_mut().zip(w).for_each(|(r, b)| *r += a * b / n_functions);
        }
    }
    second
}

fn trace(matrix: &[f64], d: usize) -> f64 {
    (0..d).map(|i| matrix[i * d + i]).sum()
}

fn product(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let entry = |at: usize| (0..d).map(|k| a[at / d * d + k] * b[k * d + at % d]).sum();
    (0..d * d).map(entry).collect()
}

/// Of a symmetric positive definite matrix.
fn inverse(matrix: &[f64], d: usize) -> Vec<f64> {
    let factor = Cholesky::new(matrix, d).expect("a positive definite matrix");
    let mut columns = vec![0.0; d * d];
    for (i, column) in columns.chunks_exact_mut(d).enumerate() {
        column[i] = 1.0;
        factor.solve(column);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(n: usize, width: f64) -> White {
        White { n_exemplars: n, d_item: n, variance: width * width / 12.0, kurtosis: 1.8, noise: 0.0 }
    }

    fn close(found: f64, expected: f64, digits: i32) {
        assert!((found - expected).abs() < 0.6 * 10.0_f64.powi(-digits), "{found} {expected}");
    }

    #[test]
    fn published_rates_and_losses() {
        close(uniform(10, 1.0).optimal_rate(), 6.0606, 4);
        close(uniform(10, 1.0).optimal_loss(), 0.206229, 6);
        close(uniform(10, 2.0).optimal_rate(), 1.51515, 5);
        close(uniform(10, 2.0).optimal_loss(), 0.824916, 6);
        let gaussian = White { variance: 1.0, kurtosis: 3.0, ..uniform(10, 1.0) };
        close(gaussian.optimal_rate(), 0.476190, 6);
        close(gaussian.optimal_loss(), 2.619048, 6);
        for (n, loss) in [(5, 0.10204), (10, 0.20623), (20, 0.41457), (35, 0.72708), (50, 1.03958)] {
            close(uniform(n, 1.0).optimal_loss(), loss, 5);
        }
        let trained = uniform(10, 1.0);
        let at = |factor| trained.loss_at_scale(trained.optimal_rate(), factor);
        for (factor, loss, digits) in
            [(0.5, 0.081, 3), (0.8, 0.149, 3), (1.1, 0.261, 3), (1.4, 0.784, 3), (1.7, 2.77, 2), (2.0, 8.40, 2)]
        {
            close(at(factor), loss, digits);
        }
        close(trained.rank_one_saddle_loss(), 0.395_623, 6);
    }

    #[test]
    fn covariances_plateaus_and_pools() {
        let plateaus = eigenvalue_plateaus(&[0.4, 0.3, 0.2, 0.1], 31);
        for (found, expected) in plateaus.iter().zip([1.0, 0.6406, 0.3774, 0.2098, 0.1360]) {
            close(*found, expected, 4);
        }
        let identity = |scale: f64| (0..9).map(|at| if at % 4 == 0 { scale } else { 0.0 }).collect::<Vec<f64>>();
        let white = White { n_exemplars: 7, d_item: 3, variance: 0.5, kurtosis: 3.0, noise: 0.2 };
        let same = Correlated { n_exemplars: 7, covariance: identity(0.5), d_item: 3, noise: 0.2 };
        close(same.loss(&identity(0.9)), white.loss(0.9), 12);
        close(same.optimum()[0], white.optimal_rate(), 12);
        // An optimum: every direction is uphill, twice as far four times as much.
        let mixed = Correlated { covariance: vec![2.0, 0.6, 0.1, 0.6, 0.5, 0.0, 0.1, 0.0, 0.3], ..same };
        let best = mixed.optimum();
        let at = |step: f64| {
            let moved: Vec<f64> = best.iter().zip(identity(step)).map(|(m, e)| m + e).collect();
            mixed.loss(&moved) - mixed.loss(&best)
        };
        assert!(at(0.01) > 0.0);
        close(at(0.02) / at(0.01), 4.0, 6);
        // As many functions as directions, all alike: the pool is white.
        let functions: Vec<f64> = identity(3.0_f64.sqrt());
        let pooled = pool_optimum(&functions, 3, 7, 0.2);
        close(pooled[0], White { variance: 1.0, ..white }.optimal_rate(), 12);
    }

    #[test]
    fn the_logistic_curve_solves_its_equation() {
        let white = uniform(10, 1.0);
        let (start, step) = (1e-3, 1e-3);
        close(white.logistic(start, 0.0), start, 12);
        // dm/dt = r m (1 - s2 Z m)
        for t in [0.0, 50.0, 150.0, 200.0, 400.0] {
            let m = white.logistic(start, t);
            let slope = (white.logistic(start, t + step) - white.logistic(start, t - step)) / (2.0 * step);
            let expected = white.growth_rate() * m * (1.0 - white.variance * white.spread() * m);
            assert!((slope - expected).abs() < 1e-8, "{t}: {slope} {expected}");
        }
        close(white.logistic(start, 1e6), white.optimal_rate(), 9);
        // An aligned start m0 has the size m0 sqrt(d).
        let half = white.half_time(start * 10.0_f64.sqrt());
        let reached = white.logistic(start, half) / white.optimal_rate();
        assert!((reached - 0.5).abs() < start, "{reached}");
    }
}
