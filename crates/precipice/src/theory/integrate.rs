//! Ordinary differential equations in three unknowns.
//!
//! Dormand and Prince's pair of order 5(4) (1980) with the continuous extension of order 4 of
//! Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", II.6.

use super::loss::Point;

/// One accepted step: y(t + θ h) is a polynomial of degree 4 in θ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub t: f64,
    pub h: f64,
    /// The five coefficients of Hairer's nested form.
    dense: [Point; 5],
}

/// More steps than were allowed, or a velocity that is no number: the time reached and the steps tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLong {
    pub t: f64,
    pub steps: usize,
}

const TOLERANCE: f64 = 1e-11;

/// Stages: A[i] are the weights of k_0 ... k_i in the argument of k_(i+1), at time t + C[i] h.
const A: [&[f64]; 6] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
const C: [f64; 6] = [0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];
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

/// Follows dy/dt = velocity(t, y) from `begin` to `end`, during which the velocity is smooth.
/// Appends the accepted steps and returns the last point.
///
/// # Errors
/// If so many tries do not reach the end, or none is possible any more.
pub(super) fn integrate(
    velocity: &impl Fn(f64, Point) -> Point,
    start: Point,
    [begin, end]: [f64; 2],
    tries: usize,
    steps: &mut Vec<Step>,
) -> Result<Point, TooLong> {
    let (mut t, mut y, mut h) = (begin, start, 1e-3_f64.min(end - begin));
    let mut k0 = velocity(t, y);
    let mut tried = 0;
    while t < end {
        h = h.min(end - t);
        // A step that does not move the time would be tried for ever.
        if tried == tries || t + h == t {
            return Err(TooLong { t, steps: tried });
        }
        tried += 1;
        let (next, k, error) = try_step(velocity, t, y, k0, h);
        if error <= 1.0 {
            steps.push(Step { t, h, dense: dense_of(y, next, &k, h) });
            // The last step lands on the end to the bit, so that the loop ends.
            t = if h >= end - t { end } else { t + h };
            (y, k0) = (next, k[6]);
        }
        h *= (0.9 * libm::pow(error.max(1e-10), -0.2)).clamp(0.2, 5.0);
    }
    Ok(y)
}

/// The point after h, the seven stages, and the error in units of the tolerance.
fn try_step(velocity: &impl Fn(f64, Point) -> Point, t: f64, y: Point, k0: Point, h: f64) -> (Point, [Point; 7], f64) {
    let mut k = [k0; 7];
    let mut next = y;
    for (i, weights) in A.iter().enumerate() {
        next = std::array::from_fn(|j| y[j] + h * weights.iter().zip(&k).map(|(a, k)| a * k[j]).sum::<f64>());
        k[i + 1] = velocity(t + C[i] * h, next);
    }
    let scaled = |j: usize| {
        let error = h * ERROR.iter().zip(&k).map(|(e, k)| e * k[j]).sum::<f64>();
        error / (TOLERANCE * (1e-3 + y[j].abs().max(next[j].abs())))
    };
    // What is no number is an error without bound.
    let size = |error: f64| if error.is_nan() { f64::INFINITY } else { error.abs() };
    (next, k, (0..3).map(|j| size(scaled(j))).fold(0.0, f64::max))
}

fn dense_of(y: Point, next: Point, k: &[Point; 7], h: f64) -> [Point; 5] {
    let change: Point = std::array::from_fn(|j| next[j] - y[j]);
    let bend: Point = std::array::from_fn(|j| h * k[0][j] - change[j]);
    let twist: Point = std::array::from_fn(|j| change[j] - h * k[6][j] - bend[j]);
    let fifth: Point = std::array::from_fn(|j| h * DENSE.iter().zip(k).map(|(d, k)| d * k[j]).sum::<f64>());
    [y, change, bend, twist, fifth]
}

impl Step {
    /// Where it begins.
    pub fn begin(&self) -> Point {
        self.dense[0]
    }

    /// The point at a fraction θ of the step.
    pub fn at(&self, theta: f64) -> Point {
        let [y, change, bend, twist, fifth] = &self.dense;
        let rest = 1.0 - theta;
        std::array::from_fn(|j| y[j] + theta * (change[j] + rest * (bend[j] + theta * (twist[j] + rest * fifth[j]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turning oscillator whose third unknown is the integral of cos t.
    fn velocity(t: f64, y: Point) -> Point {
        [y[1], -y[0], libm::cos(t)]
    }

    fn error(got: Point, t: f64) -> f64 {
        (got[0] - libm::sin(t)).abs().max((got[2] - libm::sin(t)).abs())
    }

    /// On a problem with a known solution the error falls with the fifth power of the step.
    #[test]
    fn the_method_has_its_order() {
        let after = |n: usize| {
            let (mut y, h) = ([0.0, 1.0, 0.0], 1.0 / n as f64);
            for i in 0..n {
                let t = i as f64 * h;
                y = try_step(&velocity, t, y, velocity(t, y), h).0;
            }
            error(y, 1.0)
        };
        let order = libm::log2(after(8) / after(16));
        assert!((order - 5.0).abs() < 0.4, "{order}");
    }

    /// The continuous extension has order 4: its error inside a step falls with the fifth power.
    #[test]
    fn the_dense_output_has_its_order() {
        let inside = |h: f64| {
            let y = [0.0, 1.0, 0.0];
            let (next, k, _) = try_step(&velocity, 0.0, y, velocity(0.0, y), h);
            let step = Step { t: 0.0, h, dense: dense_of(y, next, &k, h) };
            error(step.at(0.4), 0.4 * h)
        };
        let order = libm::log2(inside(0.5) / inside(0.25));
        assert!(order > 4.5, "{order}");
    }

    #[test]
    fn it_arrives_where_it_should() {
        let mut steps = Vec::new();
        let end = integrate(&velocity, [0.0, 1.0, 0.0], [0.0, 30.0], 2000, &mut steps).unwrap();
        assert!(error(end, 30.0) < 1e-8 && steps.len() < 2000);
    }

    #[test]
    fn it_gives_up() {
        let tried = |velocity: &dyn Fn(f64, Point) -> Point| {
            let mut steps = Vec::new();
            let velocity = |t: f64, y: Point| velocity(t, y);
            let end = integrate(&velocity, [0.0, 1.0, 0.0], [0.0, 30.0], 500, &mut steps);
            (end.unwrap_err().steps, steps.len())
        };
        assert!(tried(&|_, _| [f64::NAN, 0.0, 0.0]).0 < 500, "no step is small enough");
        assert_eq!(tried(&|_, _| [f64::NAN, 0.0, 0.0]).1, 0);
        assert_eq!(tried(&|t, _| [libm::sin(1e6 * t), 0.0, 0.0]).0, 500, "too fast");
        // It blows up at t = 1.
        assert!(tried(&|_, y| [0.0, y[1] * y[1], 0.0]).0 <= 500);
    }
}
