//! Predictors that answer through a function of X^T X alone: several steps of descent, GD++, ridge.

use precipice_num::golden_section;

/// What is left of w along an eigenvector of S, r(lambda), decides a loss:
/// L = (s2 / 2) E sum_i (r_i^2 + sigma2 (1 - r_i)^2 / (N lambda_i)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filter {
    /// K steps of gradient descent from 0: r = (1 - eta lambda)^K.
    Descent {
        /// K.
        steps: usize,
        /// eta.
        rate: f64,
    },
    /// GD++, which moves the inputs too (von Oswald et al. 2023): r <- r (1 - eta lambda a^2),
    /// a <- a (1 - gamma N lambda a^2) from r = a = 1.
    DescentPlusPlus {
        /// K.
        steps: usize,
        /// eta.
        rate: f64,
        /// gamma.
        shrinkage: f64,
    },
    /// Least squares with the penalty p |w|^2: r = p / (N lambda + p). The exact posterior mean at p = sigma2.
    Ridge {
        /// p.
        penalty: f64,
    },
}

/// Largest rate tried, in units of one over the largest eigenvalue: from 2 on a step of descent diverges there.
const RATE_MAX: f64 = 4.0;
/// How often GD++ may double it.
const DOUBLINGS: usize = 10;

impl Filter {
    /// Shrinkages for which the best rate of GD++ is sought.
    pub const SHRINKAGES: u64 = 32;

    /// r at an eigenvalue of S.
    pub fn left(self, value: f64, n: f64) -> f64 {
        match self {
            Filter::Descent { steps, rate } => (0..steps).fold(1.0, |left, _| left * (1.0 - rate * value)),
            Filter::DescentPlusPlus { steps, rate, shrinkage } => {
                let step = |(left, a): (f64, f64), _| {
                    let square = value * a * a;
                    (left * (1.0 - rate * square), a * (1.0 - shrinkage * n * square))
                };
                (0..steps).fold((1.0, 1.0), step).0
            }
            // Without a penalty all is known that X says.
            Filter::Ridge { penalty: 0.0 } => f64::from(u8::from(value <= 0.0)),
            Filter::Ridge { penalty } => penalty / (n * value + penalty),
        }
    }

    /// The K steps of descent with the least loss, where the largest eigenvalue of S is about `largest`.
    pub fn best_descent(steps: usize, largest: f64, loss: impl Fn(Filter) -> f64) -> Filter {
        let descent = |rate: f64| Filter::Descent { steps, rate };
        descent(golden_section(0.0, RATE_MAX / largest, |rate| loss(descent(rate))))
    }

    /// The K steps of GD++ with the least loss. The two rates pull at one another, so that the best rate is sought
    /// for every shrinkage; `told` hears of each of those [`Filter::SHRINKAGES`].
    pub fn best_descent_plus_plus(
        steps: usize,
        n_exemplars: usize,
        largest: f64,
        loss: impl Fn(Filter) -> f64,
        told: impl Fn(),
    ) -> Filter {
        let filter = |rate: f64, shrinkage: f64| Filter::DescentPlusPlus { steps, rate, shrinkage };
        let best_rate = |shrinkage: f64| {
            // Inputs shrink from step to step, and so allow the larger rates the more steps there are.
            let (mut rate, mut rate_max) = (0.0, RATE_MAX / largest);
            for _ in 0..DOUBLINGS {
                rate = golden_section(0.0, rate_max, |rate| loss(filter(rate, shrinkage)));
                if rate < 0.9 * rate_max {
                    break;
                }
                rate_max *= 2.0;
            }
            told();
            rate
        };
        // Beyond it the largest direction turns around.
        let shrinkage_max = 1.0 / (n_exemplars as f64 * largest);
        let shrinkage = golden_section(0.0, shrinkage_max, |shrinkage| loss(filter(best_rate(shrinkage), shrinkage)));
        filter(best_rate(shrinkage), shrinkage)
    }

    /// About the largest eigenvalue of S, given the mean one: the edge of the density of Marchenko and Pastur (1967).
    pub fn edge(mean: f64, n_exemplars: usize, d_item: usize) -> f64 {
        let root = 1.0 + (d_item as f64 / n_exemplars as f64).sqrt();
        mean * root * root
    }
}
