//! Losses of filters on sampled contexts. Averages over w, the query and the noise are exact; only the inputs are
//! sampled.

use precipice_num::SymmetricEigen;

use super::Filter;

/// Eigenvalues lambda of S = X^T X / N of contexts with white inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectra {
    n_exemplars: usize,
    d_item: usize,
    /// s2 of the query's coordinates.
    variance: f64,
    /// sigma2 / tau2: the noise of y over the variance of a coordinate of w.
    noise: f64,
    /// `[n_contexts, d]`, 0 where X has no say.
    values: Vec<f64>,
}

/// Mean over the sampled contexts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl Spectra {
    /// Without contexts; w has unit variance.
    pub fn new(n_exemplars: usize, d_item: usize, variance: f64, noise: f64) -> Self {
        Self { n_exemplars, d_item, variance, noise, values: Vec::new() }
    }

    /// Adds the context of inputs `[N, d]`.
    ///
    /// # Panics
    /// If there are not N d numbers.
    pub fn push(&mut self, xs: &[f32]) {
        let (n, d) = (self.n_exemplars, self.d_item);
        assert_eq!(xs.len(), n * d, "inputs that are not [{n}, {d}]");
        // X X^T has the same eigenvalues beside zeros: the smaller of the two is enough.
        let size = n.min(d);
        let x = |i: usize, j: usize| f64::from(if n < d { xs[i * d + j] } else { xs[j * d + i] });
        let entry = |at: usize| (0..n.max(d)).map(|k| x(at / size, k) * x(at % size, k)).sum::<f64>() / n as f64;
        let gram: Vec<f64> = (0..size * size).map(entry).collect();
        self.values.extend(SymmetricEigen::new(&gram, size).values);
        self.values.extend((size..d).map(|_| 0.0));
    }

    /// Contexts.
    pub fn n_contexts(&self) -> usize {
        self.values.len() / self.d_item
    }

    /// Half the square error of a predictor in one context, averaged over w, query and noise.
    fn loss_in(&self, context: &[f64], filter: Filter) -> f64 {
        let n = self.n_exemplars as f64;
        let along = |&value: &f64| {
            // Rounding leaves some of the zeros a little below.
            let value = value.max(0.0);
            let left = filter.left(value, n);
            let of_noise = if self.noise > 0.0 && left < 1.0 { (1.0 - left) * (1.0 - left) / (n * value) } else { 0.0 };
            left * left + self.noise * of_noise
        };
        0.5 * self.variance * context.iter().map(along).sum::<f64>()
    }

    /// The mean loss of a predictor.
    pub fn loss(&self, filter: Filter) -> Mean {
        let losses: Vec<f64> =
            self.values.chunks_exact(self.d_item).map(|context| self.loss_in(context, filter)).collect();
        let n = losses.len() as f64;
        let value = losses.iter().sum::<f64>() / n;
        let variance = losses.iter().map(|loss| (loss - value) * (loss - value)).sum::<f64>() / (n - 1.0);
        Mean { value, standard_error: (variance / n).sqrt() }
    }

    /// K steps of descent at the rate that is best for them.
    pub fn best_descent(&self, steps: usize) -> Filter {
        Filter::best_descent(steps, self.largest(), |filter| self.loss(filter).value)
    }

    /// K steps of GD++ at the two rates that are best for them. `told` as in [`Filter::best_descent_plus_plus`].
    pub fn best_descent_plus_plus(&self, steps: usize, told: impl Fn()) -> Filter {
        let loss = |filter| self.loss(filter).value;
        Filter::best_descent_plus_plus(steps, self.n_exemplars, self.largest(), loss, told)
    }

    fn largest(&self) -> f64 {
        let mean = self.values.iter().sum::<f64>() / self.values.len() as f64;
        Filter::edge(mean, self.n_exemplars, self.d_item)
    }
}

#[cfg(test)]
mod tests {
    use super::super::White;
    use super::*;
    use precipice_num::{Kernels, Rng, StreamId};

    /// Contexts of U(-1/2, 1/2), or of N(0, 1).
    fn sampled(n: usize, d: usize, is_gaussian: bool, noise: f64, n_contexts: usize) -> Spectra {
        let mut spectra = Spectra::new(n, d, if is_gaussian { 1.0 } else { 1.0 / 12.0 }, noise);
        let mut xs = vec![0.0; n * d];
        for context in 0..n_contexts {
            let id = StreamId { seed: 0, purpose: 0, step: 0, lane: context as u32 };
            if is_gaussian {
                Rng::fill_normal(Kernels::detect(), id, 1.0, &mut xs);
            } else {
                Rng::fill_uniform(id, 1.0, &mut xs);
            }
            spectra.push(&xs);
        }
        spectra
    }

    /// Within four standard errors (a chance of 1 in 16,000) and the rounding of the printed digits.
    fn agree(Mean { value, standard_error }: Mean, expected: f64, digits: i32) {
        let tolerance = 4.0 * standard_error + 0.6 * 10.0_f64.powi(-digits);
        assert!((value - expected).abs() < tolerance, "{value} +- {standard_error}, expected {expected}");
        assert!(standard_error < 0.02 * value, "{value} +- {standard_error}");
    }

    #[test]
    fn one_step_is_the_closed_form() {
        for (is_gaussian, noise) in [(false, 0.0), (true, 0.0), (true, 0.5)] {
            let spectra = sampled(10, 10, is_gaussian, noise, 8000);
            let (variance, kurtosis) = if is_gaussian { (1.0, 3.0) } else { (1.0 / 12.0, 1.8) };
            let white = White { n_exemplars: 10, d_item: 10, variance, kurtosis, noise };
            agree(spectra.loss(Filter::Descent { steps: 1, rate: white.optimal_rate() }), white.optimal_loss(), 9);
            let Filter::Descent { rate, .. } = spectra.best_descent(1) else { unreachable!() };
            assert!((rate / white.optimal_rate() - 1.0).abs() < 0.01, "{rate}");
        }
    }

    #[test]
    fn moments_of_gaussian_contexts() {
        // r^2 of two steps needs E tr S^k up to k = 4: the moments of a real Wishart matrix.
        let (n, d, rate): (f64, f64, f64) = (12.0, 5.0, 0.3);
        let cubes = n * n * n + d * d * d + 6.0 * n * n * d + 6.0 * n * d * d;
        let rest = 6.0 * n * n + 6.0 * d * d + 17.0 * n * d + 21.0 * n + 21.0 * d + 20.0;
        let moments = [
            d,
            d,
            d * (n + d + 1.0) / n,
            d * (n * n + d * d + 3.0 * n * d + 3.0 * n + 3.0 * d + 4.0) / n.powi(2),
            d * (cubes + rest) / n.powi(3),
        ];
        let binomial = [1.0, -4.0, 6.0, -4.0, 1.0];
        let exact: f64 = 0.5 * (0..5).map(|k| binomial[k] * rate.powi(k as i32) * moments[k]).sum::<f64>();
        agree(sampled(12, 5, true, 0.0, 20_000).loss(Filter::Descent { steps: 2, rate }), exact, 9);
    }

    #[test]
    fn published_losses_of_several_steps() {
        let spectra = sampled(10, 10, false, 0.0, 8000);
        for (steps, loss) in [(2, 0.1567), (3, 0.1330), (5, 0.1091), (10, 0.0842)] {
            agree(spectra.loss(spectra.best_descent(steps)), loss, 4);
        }
        let Filter::Descent { rate, .. } = spectra.best_descent(2) else { unreachable!() };
        assert!((rate / 10.0 - 0.599).abs() < 0.005, "{rate}");
        for (steps, loss) in [(2, 0.1106), (3, 0.0780)] {
            agree(spectra.loss(spectra.best_descent_plus_plus(steps, || ())), loss, 4);
        }
    }

    #[test]
    fn published_shrinkages_of_two_steps() {
        for (n, expected) in [(10, 0.176), (25, 0.0989), (50, 0.0561), (100, 0.0297)] {
            let spectra = sampled(n, 10, false, 0.0, 3000);
            let Filter::DescentPlusPlus { rate, shrinkage, .. } = spectra.best_descent_plus_plus(2, || ()) else {
                unreachable!()
            };
            assert!((shrinkage / expected - 1.0).abs() < 0.03, "N = {n}: gamma {shrinkage}, published {expected}");
            assert!(n != 10 || (rate / 10.0 - 1.350).abs() < 0.03, "{rate}");
        }
    }

    #[test]
    fn published_risks_of_ridge() {
        let published = [
            1.0, 0.880, 0.7615, 0.6456, 0.5335, 0.4276, 0.3309, 0.2476, 0.1816, 0.1337, 0.1007, 0.0781, 0.0626, 0.0516,
            0.0436, 0.0375,
        ];
        for (n, &expected) in published.iter().enumerate().skip(1) {
            let spectra = sampled(n, 8, true, 0.25, 4000);
            let Mean { value, standard_error } = spectra.loss(Filter::Ridge { penalty: 0.25 });
            // Twice the loss a dimension.
            let risk = Mean { value: value / 4.0, standard_error: standard_error / 4.0 };
            agree(risk, expected, if n > 2 { 4 } else { 3 });
            // No other penalty is better.
            for penalty in [0.2, 0.3] {
                assert!(spectra.loss(Filter::Ridge { penalty }).value > value, "N = {n}");
            }
        }
    }
}
