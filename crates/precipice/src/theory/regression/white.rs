//! Inputs whose coordinates are independent and alike.

/// White inputs.
///
/// ```
/// use precipice::theory::regression::White;
/// let white = White { n_exemplars: 10, d_item: 10, variance: 1.0, kurtosis: 3.0, noise: 0.0 };
/// assert_eq!(white.zero_loss(), 5.0);
/// assert!(white.optimal_loss() < white.loss(1.1 * white.optimal_rate()));
/// ```
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
