//! Gradient flow d(β, α, ξ)/dt = -∇L, through the cliff and long after it.
//!
//! Dormand and Prince's pair of order 5(4) (1980) with the continuous extension of order 4 of
//! Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", II.6. The flow slows
//! down after the cliff, where the curvature falls as fast as the time scale grows, so an explicit
//! method lasts to any time.

use super::loss::{Context, Point};

/// Where the flow begins and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// (β, α, ξ) at t = 0.
    pub point: Point,
    /// Parameters that stand still.
    pub frozen: [bool; 3],
    /// End of the flow.
    pub until: f64,
}

/// A point on the flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowPoint {
    /// Time, at unit rates.
    pub t: f64,
    /// (β, α, ξ).
    pub point: Point,
    /// L.
    pub loss: f64,
    /// e^-L.
    pub p_correct: f64,
}

/// A trajectory with a continuous extension.
#[derive(Clone, Debug)]
pub struct Flow {
    context: Context,
    frozen: [bool; 3],
    steps: Vec<Step>,
    last: FlowPoint,
}

/// Why a flow could not be followed.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FlowError {
    /// A start or an end that is not a number.
    #[error("start and end of the flow must be finite, and the end above 0")]
    NotFinite,
    /// More steps than any flow of this model should need.
    #[error("the flow was not followed beyond t = {t}: {steps} steps were not enough")]
    TooLong {
        /// Time reached.
        t: f64,
        /// Steps made.
        steps: usize,
    },
}

/// One accepted step: y(t + θ h) is a polynomial of degree 4 in θ.
#[derive(Clone, Copy, Debug)]
struct Step {
    t: f64,
    h: f64,
    /// The five coefficients of Hairer's nested form.
    dense: [Point; 5],
}

const TOLERANCE: f64 = 1e-11;
const STEPS_MAX: usize = 1_000_000;

/// Stages: A[i] are the weights of k_0 ... k_i in the argument of k_(i+1).
const A: [&[f64]; 6] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
/// Order 5 minus order 4.
const ERROR: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];
/// The fifth coefficient of the continuous extension.
const DENSE: [f64; 7] = [
    -12715105075.0 / 11282082432.0,
    0.0,
    87487479700.0 / 32700410799.0,
    -10690763975.0 / 1880347072.0,
    701980252875.0 / 199316789632.0,
    -1453857185.0 / 822651844.0,
    69997945.0 / 29380423.0,
];

/// Follows the flow from its start to its end.
///
/// # Errors
/// If the start is not finite, or the flow needs more than a million steps.
pub fn flow(context: Context, start: Start) -> Result<Flow, FlowError> {
    let is_finite = start.point.iter().all(|x| x.is_finite()) && start.until.is_finite();
    if !is_finite || start.until <= 0.0 {
        return Err(FlowError::NotFinite);
    }
    let velocity = |point: Point| -> Point {
        let (_, gradient) = context.gradient(point);
        std::array::from_fn(|i| if start.frozen[i] { 0.0 } else { -gradient[i] })
    };
    let (mut t, mut y, mut h) = (0.0, start.point, 1e-3_f64.min(start.until));
    let mut k0 = velocity(y);
    let mut steps = Vec::new();
    while t < start.until {
        if steps.len() >= STEPS_MAX {
            return Err(FlowError::TooLong { t, steps: steps.len() });
        }
        h = h.min(start.until - t);
        let (next, k, error) = try_step(&velocity, y, k0, h);
        if error <= 1.0 {
            steps.push(Step { t, h, dense: dense_of(y, next, &k, h) });
            // The last step lands on the end to the bit, so that the loop ends.
            t = if h >= start.until - t { start.until } else { t + h };
            (y, k0) = (next, k[6]);
        }
        h *= (0.9 * libm::pow(error.max(1e-10), -0.2)).clamp(0.2, 5.0);
    }
    let last = at(&context, t, y);
    Ok(Flow { context, frozen: start.frozen, steps, last })
}

/// The point after h, the seven stages, and the error in units of the tolerance.
fn try_step(velocity: &impl Fn(Point) -> Point, y: Point, k0: Point, h: f64) -> (Point, [Point; 7], f64) {
    let mut k = [k0; 7];
    let mut next = y;
    for (i, weights) in A.iter().enumerate() {
        next = std::array::from_fn(|j| y[j] + h * weights.iter().zip(&k).map(|(a, k)| a * k[j]).sum::<f64>());
        k[i + 1] = velocity(next);
    }
    let scaled = |j: usize| {
        let error = h * ERROR.iter().zip(&k).map(|(e, k)| e * k[j]).sum::<f64>();
        error / (TOLERANCE * (1e-3 + y[j].abs().max(next[j].abs())))
    };
    (next, k, (0..3).map(|j| scaled(j).abs()).fold(0.0, f64::max))
}

fn dense_of(y: Point, next: Point, k: &[Point; 7], h: f64) -> [Point; 5] {
    let change: Point = std::array::from_fn(|j| next[j] - y[j]);
    let bend: Point = std::array::from_fn(|j| h * k[0][j] - change[j]);
    let twist: Point = std::array::from_fn(|j| change[j] - h * k[6][j] - bend[j]);
    let fifth: Point = std::array::from_fn(|j| h * DENSE.iter().zip(k).map(|(d, k)| d * k[j]).sum::<f64>());
    [y, change, bend, twist, fifth]
}

fn at(context: &Context, t: f64, point: Point) -> FlowPoint {
    let loss = context.loss(point);
    FlowPoint { t, point, loss, p_correct: libm::exp(-loss) }
}

impl Flow {
    /// Its end.
    pub fn last(&self) -> FlowPoint {
        self.last
    }

    /// The flow at the ends of the integrator's steps, dense where it is fast.
    pub fn points(&self) -> Vec<FlowPoint> {
        let begins = self.steps.iter().map(|step| at(&self.context, step.t, step.dense[0]));
        begins.chain([self.last]).collect()
    }

    /// The flow at a time between 0 and its end.
    pub fn at(&self, t: f64) -> FlowPoint {
        let after = self.steps.partition_point(|step| step.t <= t).max(1);
        match self.steps.get(after - 1) {
            Some(step) if t < self.last.t => at(&self.context, t, step.at((t - step.t) / step.h)),
            _ => self.last,
        }
    }

    /// Time at which p(correct) rises through a level; none if it does not by the end.
    pub fn time_of(&self, p_correct: f64) -> Option<f64> {
        let p_at = |t: f64| self.at(t).p_correct;
        if p_at(0.0) >= p_correct || self.last.p_correct < p_correct {
            return None;
        }
        // p never falls along the flow, so the steps can be searched by halves, and then the step.
        let after = self.steps.partition_point(|step| p_at(step.t) < p_correct);
        let step = self.steps[after - 1];
        let (mut low, mut high) = (step.t, step.t + step.h);
        while high - low > 1e-14 * high {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if p_at(middle) < p_correct { low = middle } else { high = middle }
        }
        Some(0.5 * (low + high))
    }

    /// Edge of the cliff: where the landscape bends down most along the flow, that is where
    /// gᵀ H g / gᵀ g is smallest. None where it nowhere bends down.
    pub fn edge(&self) -> Option<FlowPoint> {
        let bend = |t: f64| self.curvature(self.at(t).point);
        let times: Vec<f64> = self.steps.iter().flat_map(|s| (0..4).map(|i| s.t + s.h * f64::from(i) / 4.0)).collect();
        let lowest = (0..times.len()).min_by(|&a, &b| bend(times[a]).total_cmp(&bend(times[b])))?;
        if bend(times[lowest]) >= 0.0 {
            return None;
        }
        let mut low = times[lowest.saturating_sub(1)];
        let mut high = times.get(lowest + 1).copied().unwrap_or(self.last.t);
        const GOLDEN: f64 = 0.618_033_988_749_894_8;
        while high - low > 1e-9 * high.max(1e-9) {
            let (a, b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
            if bend(a) < bend(b) { high = b } else { low = a }
        }
        Some(self.at(0.5 * (low + high)))
    }

    /// gᵀ H g / gᵀ g over the parameters that move; 0 where nothing moves.
    fn curvature(&self, point: Point) -> f64 {
        let evaluation = self.context.evaluate(point);
        let g: Point = std::array::from_fn(|i| if self.frozen[i] { 0.0 } else { evaluation.gradient[i] });
        let square: f64 = g.iter().map(|x| x * x).sum();
        let bent = |i: usize| -> f64 { (0..3).map(|j| g[i] * evaluation.hessian[i][j] * g[j]).sum() };
        if square > 0.0 { (0..3).map(bent).sum::<f64>() / square } else { 0.0 }
    }
}

impl Step {
    fn at(&self, theta: f64) -> Point {
        let [y, change, bend, twist, fifth] = &self.dense;
        let rest = 1.0 - theta;
        std::array::from_fn(|j| y[j] + theta * (change[j] + rest * (bend[j] + theta * (twist[j] + rest * fifth[j]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(point: Point, n: usize, labels: usize, until: f64) -> Flow {
        flow(Context::new(n, labels).unwrap(), Start { point, frozen: [false; 3], until }).unwrap()
    }

    fn close(got: Option<f64>, want: f64, digits: f64) {
        let got = got.unwrap();
        assert!((got / want - 1.0).abs() < digits, "{got}, expected {want}");
    }

    #[test]
    fn t50_at_four_labels_an_exemplar() {
        let table = [(4, 42.143), (8, 98.673), (16, 254.30), (32, 688.53), (64, 1908.2), (128, 5345.4), (256, 15049.0)];
        for (n, want) in table {
            close(from([0.0; 3], n, 4 * n, 20_000.0).time_of(0.5), want, 3e-5);
        }
    }

    #[test]
    fn t50_over_labels_and_head_starts() {
        let labels = [
            (9, 239.80),
            (12, 147.48),
            (16, 121.32),
            (24, 104.92),
            (48, 93.333),
            (64, 90.961),
            (128, 87.83),
            (256, 86.639),
        ];
        for (labels, want) in labels {
            close(from([0.0; 3], 8, labels, 400.0).time_of(0.5), want, 6e-5);
        }
        for (xi, want) in [(1.0, 78.74), (2.0, 63.65), (4.0, 43.90), (8.0, 25.50), (16.0, 13.37)] {
            close(from([0.0, 0.0, xi], 8, 32, 200.0).time_of(0.5), want, 5e-4);
        }
    }

    #[test]
    fn l_equal_n_leaves_the_saddle_at_the_derived_rate() {
        for (d, want) in [(0.1, 383.65), (0.01, 811.07), (0.001, 1219.7), (1e-4, 1623.2)] {
            close(from([d; 3], 8, 8, 3000.0).time_of(0.5), want, 5e-5);
        }
        for (d, want) in [(0.1, 605.07), (0.01, 1051.3), (0.001, 1461.9), (1e-4, 1865.6)] {
            close(from([d, -d / 2.0, d], 8, 8, 3000.0).time_of(0.5), want, 5e-5);
        }
        // From the saddle itself, and along its stable direction to second order, nothing is learned.
        let still = from([0.0; 3], 8, 8, 1e6);
        assert_eq!(still.last().point, [0.0; 3]);
        assert_eq!((still.time_of(0.5), still.edge()), (None, None));
    }

    #[test]
    fn sharpness_of_the_cliff() {
        let flow = from([0.0; 3], 8, 32, 200.0);
        for (p, want) in [(0.05, 94.33), (0.1, 96.85), (0.25, 97.82), (0.5, 98.68), (0.75, 100.32), (0.9, 105.21)] {
            close(flow.time_of(p), want, 1e-4);
        }
        let edge = flow.edge().unwrap();
        assert!((94.0..98.7).contains(&edge.t), "the edge comes before the middle of the drop: {edge:?}");
    }

    #[test]
    fn points_of_the_trajectory() {
        let flow = from([0.0; 3], 8, 32, 300.0);
        let table = [
            (40.0, [0.0207, 0.2159, 1.7590], 3.38680),
            (80.0, [0.4556, 1.0273, 3.6150], 3.27492),
            (95.0, [1.7899, 2.1970, 4.6000], 2.91641),
            (98.0, [3.2920, 3.6136, 5.2333], 1.19881),
            (100.0, [3.9435, 4.5318, 5.8025], 0.32594),
            (200.0, [4.7720, 6.2316, 8.5212], 0.00904),
        ];
        for (t, point, loss) in table {
            let got = flow.at(t);
            assert!(got.point.iter().zip(point).all(|(a, b)| (a - b).abs() < 1e-4), "{got:?}");
            assert!((got.loss - loss).abs() < 2e-5, "{got:?}");
        }
    }

    /// After the cliff ξ ~ ln((L - 1) t) and the loss falls as 1/t.
    #[test]
    fn it_lasts() {
        let flow = from([0.0; 3], 8, 32, 1e6);
        let last = flow.last();
        assert!(flow.steps.len() < 20_000, "{}", flow.steps.len());
        assert!((last.point[2] / libm::log(31.0 * 1e6) - 1.0).abs() < 0.1, "{last:?}");
        assert!((last.loss * last.t - flow.at(1e5).loss * 1e5).abs() < 0.1, "{last:?}");
    }

    #[test]
    fn a_frozen_parameter_stands_still() {
        let start = Start { point: [0.0, 0.0, 2.0], frozen: [false, false, true], until: 1000.0 };
        let flow = flow(Context::new(8, 32).unwrap(), start).unwrap();
        assert_eq!(flow.last().point[2], 2.0);
        assert!(flow.last().point[1] > 1.0);
    }

    /// On a problem with a known solution the error falls with the fifth power of the step.
    #[test]
    fn the_method_has_its_order() {
        let velocity = |y: Point| [y[1], -y[0], 0.0];
        let error = |n: usize| {
            let (mut y, h) = ([0.0, 1.0, 0.0], 1.0 / n as f64);
            for _ in 0..n {
                y = try_step(&velocity, y, velocity(y), h).0;
            }
            (y[0] - libm::sin(1.0)).abs()
        };
        let order = libm::log2(error(8) / error(16));
        assert!((order - 5.0).abs() < 0.3, "{order}");
    }

    /// The continuous extension has order 4: its error inside a step falls with the fifth power.
    #[test]
    fn the_dense_output_has_its_order() {
        let velocity = |y: Point| [y[1], -y[0], 0.0];
        let error = |h: f64| {
            let y = [0.0, 1.0, 0.0];
            let (next, k, _) = try_step(&velocity, y, velocity(y), h);
            let step = Step { t: 0.0, h, dense: dense_of(y, next, &k, h) };
            (step.at(0.4)[0] - libm::sin(0.4 * h)).abs()
        };
        let order = libm::log2(error(0.5) / error(0.25));
        assert!(order > 4.5, "{order}");
    }
}
