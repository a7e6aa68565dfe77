//! Inputs with a covariance, and functions of a finite pool: the best matrix between query and descent.

use precipice_num::Cholesky;

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
fn second_moment(functions: &[f64], d: usize) -> Vec<f64> {
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
    use super::super::White;
    use super::*;

    fn close(found: f64, expected: f64, digits: i32) {
        assert!((found - expected).abs() < 0.6 * 10.0_f64.powi(-digits), "{found} {expected}");
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
}
