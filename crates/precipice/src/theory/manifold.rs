//! Why the flow is two-dimensional, and the saddle that decides where it goes.
//!
//! β and α reach the loss only through h = α y(β), so dβ/dα = α (1 - y) along every flow with equal
//! rates, whatever ξ does. With 1 / (1 - y) = 1 + e^β / N this integrates to
//!
//! ```text
//! β + e^β / N - α² / 2 = constant
//! ```
//!
//! The flow from a point never leaves the surface of its constant, on which (α, ξ) are coordinates.

use super::integrate::integrate;
use super::loss::{Context, Point};

/// Newton's steps at most; five to ten are usual.
const NEWTON_STEPS: usize = 100;
/// How often the search for a saddle doubles its distance; it lies within [`REACH`](super::reach::REACH) or nowhere.
const DOUBLINGS: usize = 10;
/// Steps along a separatrix at most; some hundred are usual.
const SEPARATRIX_STEPS: usize = 10_000;

/// A surface of constant β + e^β / N - α² / 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manifold {
    context: Context,
    constant: f64,
}

impl Manifold {
    /// The surface that the flow from `start` stays on.
    pub fn through(context: Context, start: Point) -> Self {
        let n = context.n_exemplars as f64;
        Self { context, constant: start[0] + libm::exp(start[0]) / n - start[1] * start[1] / 2.0 }
    }

    /// β where α is given.
    pub fn beta(&self, alpha: f64) -> f64 {
        let n = self.context.n_exemplars as f64;
        let sum = self.constant + alpha * alpha / 2.0;
        // From above the solution, because Newton's steps on a convex function then all go down.
        let mut beta = if n * sum > 1.0 { sum.min(libm::log(n * sum)) } else { sum };
        for _ in 0..NEWTON_STEPS {
            let e = libm::exp(beta) / n;
            let next = beta - (beta + e - sum) / (1.0 + e);
            if next >= beta || beta - next < 1e-15 * beta.abs() {
                return next;
            }
            beta = next;
        }
        beta
    }

    /// The positive α where β is given; 0 where β is below all of the surface.
    pub fn alpha(&self, beta: f64) -> f64 {
        let n = self.context.n_exemplars as f64;
        (2.0 * (beta + libm::exp(beta) / n - self.constant)).max(0.0).sqrt()
    }

    /// The point of the surface at (α, ξ).
    pub fn point(&self, alpha: f64, xi: f64) -> Point {
        [self.beta(alpha), alpha, xi]
    }

    /// The saddle: ξ = 0 and s = e^h = (N/B - 1) / (L - 1), where a wrong match is worth as much as
    /// a right one. At L = N that is the origin; more labels move it to negative α, so that the
    /// origin lies on the learning side. None where the context holds one label only.
    pub fn saddle(&self) -> Option<Point> {
        let n_labels = self.context.n_labels as f64;
        let distinct = (self.context.n_exemplars / self.context.burstiness) as f64;
        if distinct < 2.0 {
            return None;
        }
        let h = libm::log((distinct - 1.0) / (n_labels - 1.0));
        // α y(β(α)) grows with α, so halves find it.
        let match_score = |alpha: f64| self.context.match_score(self.beta(alpha), alpha);
        let low = (0..=DOUBLINGS as i32).map(|n| -libm::exp2(f64::from(n))).find(|low| match_score(*low) <= h);
        let mut low = low?;
        let mut high = 0.0;
        if h < 0.0 {
            while high - low > 1e-15 * low.abs() {
                let middle = 0.5 * (low + high);
                if middle <= low || middle >= high {
                    break;
                }
                if match_score(middle) < h { low = middle } else { high = middle }
            }
        }
        Some(self.point(high, 0.0))
    }

    /// Growth and decay rate at the saddle, and d(α, ξ) along its stable direction.
    pub fn rates_at_saddle(&self) -> Option<([f64; 2], [f64; 2])> {
        let saddle = self.saddle()?;
        let hessian = self.context.evaluate(saddle).hessian;
        let [_, alpha, _] = saddle;
        let not_y = 1.0 / (1.0 + libm::exp(saddle[0]) / self.context.n_exemplars as f64);
        // dα/dt = a ξ, dξ/dt = b α' + c ξ around the saddle, α' the distance in α.
        let a = -hessian[1][2];
        let b = -(hessian[1][2] + hessian[0][2] * alpha * not_y);
        let c = -hessian[2][2];
        let root = (c * c / 4.0 + a * b).sqrt();
        let rates = [c / 2.0 + root, c / 2.0 - root];
        Some((rates, [a, rates[1]]))
    }

    /// The two halves of the separatrix, the curve of (α, ξ) from which the flow ends in the saddle,
    /// each from the saddle outward over a distance of `length`. On one side of it the flow learns to
    /// match; on the other it learns to attend away from the match and to read with the wrong sign.
    /// A half that cannot be followed so far ends early.
    pub fn separatrix(&self, length: f64) -> Vec<Vec<[f64; 2]>> {
        let (Some([_, alpha, xi]), Some((_, [d_alpha, d_xi]))) = (self.saddle(), self.rates_at_saddle()) else {
            return Vec::new();
        };
        const OFFSET: f64 = 1e-4;
        let norm = d_alpha.hypot(d_xi);
        if !(norm > 0.0 && norm.is_finite()) {
            return Vec::new();
        }
        let half = |sign: f64| {
            let start = [alpha + sign * OFFSET * d_alpha / norm, xi + sign * OFFSET * d_xi / norm, 0.0];
            // Back in time, at unit speed.
            let velocity = |_: f64, [alpha, xi, _]: Point| {
                let (_, [_, g_alpha, g_xi]) = self.context.gradient(self.point(alpha, xi));
                let speed = g_alpha.hypot(g_xi).max(f64::MIN_POSITIVE);
                [g_alpha / speed, g_xi / speed, 0.0]
            };
            let mut steps = Vec::new();
            let end = integrate(&velocity, start, [0.0, length], SEPARATRIX_STEPS, &mut steps);
            let samples = steps.iter().flat_map(|step| (0..4).map(|i| step.at(f64::from(i) / 4.0)));
            let outward = samples.chain(end.ok()).map(|[alpha, xi, _]| [alpha, xi]);
            [[alpha, xi]].into_iter().chain(outward).collect()
        };
        vec![half(1.0), half(-1.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::{Start, flow};

    #[test]
    fn the_flow_stays_on_its_surface() {
        let noisy = Context { within_class_noise: 0.5, burstiness: 2, ..Context::new(8, 32).unwrap() };
        for (context, start) in [
            (Context::new(8, 32).unwrap(), [0.0; 3]),
            (Context::new(8, 8).unwrap(), [-0.5, 0.3, -0.2]),
            (noisy, [1.0, -0.5, 2.0]),
        ] {
            let manifold = Manifold::through(context, start);
            for at in flow(context, Start::at(start, 2000.0)).unwrap().points() {
                assert!((manifold.beta(at.point[1]) - at.point[0]).abs() < 1e-8, "{at:?}");
            }
        }
    }

    #[test]
    fn beta_and_alpha_invert_each_other() {
        let manifold = Manifold::through(Context::new(8, 32).unwrap(), [0.0; 3]);
        for alpha in [0.0, 1e-3, 0.5, 3.0, 40.0, 1e4] {
            let beta = manifold.beta(alpha);
            assert!((manifold.alpha(beta) - alpha).abs() < 1e-6 * (1.0 + alpha), "{alpha} {beta}");
            assert_eq!(beta, manifold.beta(-alpha));
        }
        assert_eq!(manifold.alpha(-1.0), 0.0);
    }

    /// At L = N it is the origin with the derived rates; with more labels it lies at negative α, and
    /// the gradient vanishes there.
    #[test]
    fn the_saddle_moves_away_from_the_origin_with_more_labels() {
        let origin = Manifold::through(Context::new(8, 8).unwrap(), [0.0; 3]);
        assert!(origin.saddle().unwrap().iter().all(|x| x.abs() < 1e-15));
        let rate = 7.0 / 8.0 / (9.0 * 17.0);
        let ([growth, decay], [d_alpha, d_xi]) = origin.rates_at_saddle().unwrap();
        assert!((growth - rate).abs() < 1e-15 && (decay + rate).abs() < 1e-15 && (d_alpha + d_xi).abs() < 1e-15);
        let mut before = 0.0;
        for labels in [9, 16, 32, 256] {
            let context = Context::new(8, labels).unwrap();
            let saddle = Manifold::through(context, [0.0; 3]).saddle().unwrap();
            assert!(saddle[1] < before);
            let (_, gradient) = context.gradient(saddle);
            assert!(gradient.iter().all(|g| g.abs() < 1e-12), "{saddle:?} {gradient:?}");
            before = saddle[1];
        }
        assert_eq!(Manifold::through(Context::new(1, 4).unwrap(), [0.0; 3]).saddle(), None);
    }

    /// A step to either side of the separatrix decides between matching and its opposite.
    #[test]
    fn the_separatrix_parts_the_basins() {
        for labels in [8, 9] {
            let context = Context::new(8, labels).unwrap();
            let manifold = Manifold::through(context, [0.0; 3]);
            for half in manifold.separatrix(4.0) {
                for &[alpha, xi] in half.iter().skip(half.len() / 4).step_by(half.len() / 5) {
                    let end = |shift: f64| {
                        let start = manifold.point(alpha + shift, xi + shift);
                        flow(context, Start::at(start, 1e6)).unwrap().last()
                    };
                    let (learns, opposes) = (end(1e-3), end(-1e-3));
                    assert!(learns.point[1] > 1.0 && learns.p_correct > 0.99, "{alpha} {xi}: {learns:?}");
                    assert!(opposes.point[1] < -1.0 && opposes.point[2] < -1.0, "{alpha} {xi}: {opposes:?}");
                }
            }
        }
    }

    /// The opposite of matching excludes the other labels of the context: a solution where there are
    /// no absent labels, and a guess among the answer and the absent ones otherwise.
    #[test]
    fn opposing_ends_at_elimination() {
        for (labels, loss) in [(8, 0.0), (9, libm::log(2.0)), (12, libm::log(5.0))] {
            let context = Context::new(8, labels).unwrap();
            let end = flow(context, Start::at([0.0, -6.0, -6.0], 1e7)).unwrap().last();
            assert!(end.point[1] < 0.0 && end.point[2] < 0.0 && (end.loss - loss).abs() < 0.02, "{end:?}");
        }
    }
}
