//! The loss over two of the three parameters.

use super::flow::{FlowError, Start, flow};
use super::integrate::integrate;
use super::loss::{Context, Point};
use super::manifold::Manifold;
use super::reach::{OutOfReach, REACH, is_within_reach, within_reach};

/// One of the three parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Position-position strength, layer 1.
    Beta,
    /// Content-buffer strength, layer 2.
    Alpha,
    /// Label-readout overlap.
    Xi,
}

impl Parameter {
    /// All three, in the order of a [`Point`].
    pub const ALL: [Parameter; 3] = [Parameter::Beta, Parameter::Alpha, Parameter::Xi];

    /// Its name.
    pub fn name(self) -> &'static str {
        ["beta", "alpha", "xi"][self as usize]
    }
}

/// What the third parameter does while two vary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Third {
    /// Stands still.
    Fixed(f64),
    /// Takes the value between these two with the least loss.
    Minimized(f64, f64),
    /// Has the value that it has on the flow from a point: β and α determine each other on it
    /// exactly (see [`Manifold`]); ξ is taken where α was the same, because it has no such law.
    OnFlow(Point),
}

/// A plane of two parameters with what the third does in it.
#[derive(Clone, Debug)]
pub struct Plane {
    context: Context,
    x: Parameter,
    y: Parameter,
    third: Third,
    manifold: Manifold,
    /// (α, ξ) along the flow, where ξ follows it.
    path: Vec<(f64, f64)>,
}

/// The values of one parameter that a surface is computed at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// First value.
    pub low: f64,
    /// Last value.
    pub high: f64,
    /// Number of values, at least 2.
    pub n: usize,
}

/// A plane or an axis that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AxisError {
    /// Both axes are the same parameter.
    #[error("x and y are both {0}; they must be two different parameters")]
    Same(&'static str),
    /// A range that is none, or beyond what the theory computes.
    #[error("the range from {low:?} to {high:?} must lie between -{REACH} and {REACH} and its end above its begin")]
    Range {
        /// Its begin.
        low: f64,
        /// Its end.
        high: f64,
    },
    /// A grid that is none, or too large.
    #[error("grid = {0}: must be from 2 to {GRID_MAX} points a side")]
    Grid(usize),
    /// A fixed value or a start beyond what the theory computes.
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
    /// The flow that the third parameter follows has no end.
    #[error("the third parameter cannot follow the flow: {0}")]
    Flow(#[from] FlowError),
}

/// Points a side at most: such a surface takes 134 MB.
const GRID_MAX: usize = 4096;
/// Distance between points of a flow line, and how many there are at most.
const LINE_SPACING: f64 = 0.05;
const LINE_POINTS: f64 = 1000.0;
/// Steps along a flow line at most; ten to a hundred are usual.
const LINE_STEPS: usize = 1000;
/// How long a flow is followed for ξ over α.
const PATH_UNTIL: f64 = 1e6;

/// The loss on a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    /// Values of the first parameter.
    pub x: Vec<f64>,
    /// Values of the second.
    pub y: Vec<f64>,
    /// Loss in nats, `[x][y]`, y fastest.
    pub loss: Vec<f64>,
}

impl Axis {
    /// The axis, if it exists.
    ///
    /// # Errors
    /// If the range is empty or leaves the theory's reach, or the number of points is below 2 or above 4096.
    pub fn checked(self) -> Result<Self, AxisError> {
        let Self { low, high, n } = self;
        if !(low < high && is_within_reach(low) && is_within_reach(high)) {
            return Err(AxisError::Range { low, high });
        }
        if !(2..=GRID_MAX).contains(&n) {
            return Err(AxisError::Grid(n));
        }
        Ok(self)
    }

    /// Its values, evenly spaced.
    pub fn values(&self) -> Vec<f64> {
        let last = (self.n - 1) as f64;
        (0..self.n).map(|i| self.low + (self.high - self.low) * (i as f64 / last)).collect()
    }
}

impl Plane {
    /// The plane of `x` and `y`.
    ///
    /// # Errors
    /// If they are the same parameter, or the third is told something out of the theory's reach.
    ///
    /// ```
    /// use precipice::theory::{Axis, Context, Parameter, Plane, Third};
    /// let plane = Plane::new(Context::new(8, 32)?, Parameter::Alpha, Parameter::Xi, Third::OnFlow([0.0; 3])).unwrap();
    /// let axis = |high| Axis { low: 0.0, high, n: 8 };
    /// let surface = plane.surface(axis(8.0), axis(12.0), |_| ());
    /// assert!((surface.loss[0] - libm::log(32.0)).abs() < 1e-12, "ln L at the origin");
    /// assert!(surface.loss[63] < 0.1, "learned, far from it");
    /// # Ok::<(), precipice::theory::ContextError>(())
    /// ```
    pub fn new(context: Context, x: Parameter, y: Parameter, third: Third) -> Result<Self, AxisError> {
        if x == y {
            return Err(AxisError::Same(x.name()));
        }
        let other = Parameter::ALL[3 - x as usize - y as usize];
        let start = match third {
            Third::Fixed(value) if is_within_reach(value) => [0.0; 3],
            Third::Fixed(value) => return Err(OutOfReach { name: other.name(), value }.into()),
            Third::Minimized(low, high) => {
                Axis { low, high, n: 2 }.checked()?;
                [0.0; 3]
            }
            Third::OnFlow(start) => start,
        };
        within_reach(start)?;
        let manifold = Manifold::through(context, start);
        let mut plane = Self { context, x, y, third, manifold, path: Vec::new() };
        if let (Third::OnFlow(start), Parameter::Xi) = (third, plane.other()) {
            let flow = flow(context, Start::at(start, PATH_UNTIL))?;
            plane.path = flow.points().iter().map(|at| (at.point[1], at.point[2])).collect();
            plane.path.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        Ok(plane)
    }

    /// The parameter that is not an axis.
    pub fn other(&self) -> Parameter {
        Parameter::ALL[3 - self.x as usize - self.y as usize]
    }

    /// (β, α, ξ) at a place of the plane.
    pub fn point(&self, x: f64, y: f64) -> Point {
        let mut point = [0.0; 3];
        (point[self.x as usize], point[self.y as usize]) = (x, y);
        point[self.other() as usize] = self.third_at(point);
        point
    }

    fn third_at(&self, point: Point) -> f64 {
        match (self.third, self.other()) {
            (Third::Fixed(value), _) => value,
            (Third::OnFlow(_), Parameter::Beta) => self.manifold.beta(point[1]),
            (Third::OnFlow(_), Parameter::Alpha) => self.manifold.alpha(point[0]),
            (Third::OnFlow(_), Parameter::Xi) => interpolate(&self.path, point[1]),
            (Third::Minimized(low, high), Parameter::Xi) => self.best_xi(point, low, high),
            (Third::Minimized(low, high), other) => {
                // The loss is monotone in h = α y(β), and h in either of the two.
                let loss_at = |value: f64| {
                    let mut point = point;
                    point[other as usize] = value;
                    self.context.loss(point)
                };
                if loss_at(low) < loss_at(high) { low } else { high }
            }
        }
    }

    /// The loss is convex in ξ, so its slope has one zero. Halves find it in less than the bits of a number.
    fn best_xi(&self, [beta, alpha, _]: Point, mut low: f64, mut high: f64) -> f64 {
        let slope = |xi: f64| self.context.gradient([beta, alpha, xi]).1[2];
        if slope(low) >= 0.0 {
            return low;
        }
        if slope(high) <= 0.0 {
            return high;
        }
        for _ in 0..f64::MANTISSA_DIGITS {
            if high - low <= 1e-10 * low.abs().max(high.abs()) {
                break;
            }
            let middle = 0.5 * (low + high);
            if slope(middle) < 0.0 { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }

    /// Direction of descent in the plane: -(dL/dx, dL/dy), the third as it is there.
    pub fn velocity(&self, x: f64, y: f64) -> [f64; 2] {
        let (_, gradient) = self.context.gradient(self.point(x, y));
        [-gradient[self.x as usize], -gradient[self.y as usize]]
    }

    /// The line of descent from a place, over a distance of `length` at most; it ends early where
    /// the descent does, or where it cannot be followed. At most some two thousand points.
    pub fn flow_line(&self, start: [f64; 2], length: f64) -> Vec<[f64; 2]> {
        // Unit speed, slowing down only where there is next to no slope.
        const FLAT: f64 = 1e-9;
        let velocity = |_: f64, [x, y, _]: Point| {
            let [dx, dy] = self.velocity(x, y);
            let speed = dx.hypot(dy) + FLAT;
            [dx / speed, dy / speed, 0.0]
        };
        let mut steps = Vec::new();
        let end = integrate(&velocity, [start[0], start[1], 0.0], [0.0, length], LINE_STEPS, &mut steps);
        let spacing = LINE_SPACING.max(length / LINE_POINTS);
        // The speed is 1, so h is the length of a step.
        let samples = steps.iter().flat_map(|step| {
            let n = (step.h / spacing).ceil().max(1.0) as usize;
            (0..n).map(move |i| step.at(i as f64 / n as f64))
        });
        samples.chain(end.ok()).map(|[x, y, _]| [x, y]).collect()
    }

    /// The loss on a grid. `told` hears how many points more are done.
    pub fn surface(&self, x: Axis, y: Axis, mut told: impl FnMut(u64)) -> Surface {
        let (x, y) = (x.values(), y.values());
        let mut loss = vec![0.0; x.len() * y.len()];
        for (&x, losses) in x.iter().zip(loss.chunks_exact_mut(y.len())) {
            // ξ alone changes nothing that β or α follow.
            let row = (self.y == Parameter::Xi && matches!(self.third, Third::OnFlow(_))).then(|| self.point(x, 0.0));
            for (&y, loss) in y.iter().zip(losses) {
                let point = row.map_or_else(|| self.point(x, y), |[beta, alpha, _]| [beta, alpha, y]);
                *loss = self.context.loss(point);
            }
            told(y.len() as u64);
        }
        Surface { x, y, loss }
    }
}

/// Linear between (x, y) points in order of x, constant outside.
fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let after = points.partition_point(|point| point.0 <= x);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some((x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some((_, y)), None) | (None, Some(&(_, y))) => y,
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Parameter::{Alpha, Beta, Xi};

    fn context() -> Context {
        Context::new(8, 32).unwrap()
    }

    fn plane(x: Parameter, y: Parameter, third: Third) -> Plane {
        Plane::new(context(), x, y, third).unwrap()
    }

    #[test]
    fn a_surface_is_the_loss_in_its_order() {
        let axis = |low, high, n| Axis { low, high, n }.checked().unwrap();
        for third in [Third::Fixed(0.7), Third::Minimized(-3.0, 3.0), Third::OnFlow([0.0; 3])] {
            for (x, y) in [(Alpha, Xi), (Xi, Alpha), (Beta, Xi), (Alpha, Beta)] {
                let plane = plane(x, y, third);
                let surface = plane.surface(axis(0.0, 4.0, 3), axis(-1.0, 5.0, 4), |_| ());
                assert_eq!((surface.x.len(), surface.y.len(), surface.loss.len()), (3, 4, 12));
                assert_eq!((surface.x[2], surface.y[3]), (4.0, 5.0));
                let point = plane.point(2.0, 3.0);
                assert_eq!((point[x as usize], point[y as usize]), (2.0, 3.0));
                assert_eq!(surface.loss[4 + 2], context().loss(point));
            }
        }
    }

    /// No value on a fine grid has less loss than the slaved one.
    #[test]
    fn minimized_is_the_minimum() {
        for (x, y) in [(Alpha, Xi), (Beta, Xi), (Beta, Alpha)] {
            let plane = plane(x, y, Third::Minimized(-4.0, 6.0));
            for (a, b) in [(0.5, 0.5), (3.0, -2.0), (-2.0, 3.0), (-1.0, -1.0)] {
                let best = plane.point(a, b);
                for i in 0..=1000 {
                    let mut other = best;
                    other[plane.other() as usize] = -4.0 + 0.01 * f64::from(i);
                    assert!(context().loss(best) <= context().loss(other) + 1e-12, "{best:?} {other:?}");
                }
            }
        }
    }

    /// On the slaved surface the theory's flow is a line of descent.
    #[test]
    fn flow_lines_are_the_flow() {
        let flow = flow(context(), Start::at([0.0; 3], 200.0)).unwrap();
        let plane = plane(Alpha, Xi, Third::OnFlow([0.0; 3]));
        let line = plane.flow_line([0.0, 0.0], 14.0);
        for at in flow.points().iter().step_by(20) {
            let [beta, alpha, xi] = at.point;
            assert!((plane.point(alpha, xi)[0] - beta).abs() < 1e-8);
            let distance = line.iter().map(|p| (p[0] - alpha).hypot(p[1] - xi)).fold(f64::INFINITY, f64::min);
            assert!(distance < 0.1, "{alpha} {xi}: {distance}");
        }
        let along = self::plane(Alpha, Beta, Third::OnFlow([0.0; 3]));
        let at = flow.at(98.0).point;
        assert!((along.point(at[1], at[0])[2] - at[2]).abs() < 1e-2);
    }

    #[test]
    fn planes_and_axes_that_do_not_exist() {
        let new = |x, y, third| Plane::new(context(), x, y, third).unwrap_err();
        assert_eq!(new(Xi, Xi, Third::Fixed(0.0)), AxisError::Same("xi"));
        assert!(matches!(new(Alpha, Xi, Third::Fixed(f64::NAN)), AxisError::OutOfReach(out) if out.name == "beta"));
        assert!(matches!(new(Alpha, Xi, Third::OnFlow([1e4, 0.0, 0.0])), AxisError::OutOfReach(_)));
        assert!(matches!(new(Alpha, Xi, Third::Minimized(-1e308, 1e308)), AxisError::Range { .. }));
        assert!(matches!(new(Alpha, Xi, Third::Minimized(1.0, 1.0)), AxisError::Range { .. }));
        assert_eq!(Axis { low: 0.0, high: 1.0, n: 0 }.checked(), Err(AxisError::Grid(0)));
        assert_eq!(Axis { low: 0.0, high: 1.0, n: 1 << 40 }.checked(), Err(AxisError::Grid(1 << 40)));
        assert!(Axis { low: 1.0, high: 0.0, n: 9 }.checked().is_err());
        assert!(Axis { low: 0.0, high: f64::INFINITY, n: 9 }.checked().is_err());
        assert!(Axis { low: -1e308, high: 1e308, n: 9 }.checked().is_err());
    }

    /// As far out as the theory goes, everything ends, and in few points.
    #[test]
    fn work_is_bounded_everywhere() {
        let far = [-REACH, -1.0, 0.0, 1.0, REACH];
        let starts = far.iter().flat_map(|b| far.iter().flat_map(move |a| far.map(|x| [*b, *a, x])));
        for start in starts {
            for (n, labels) in [(1, 4), (4, 16), (8, 8), (1 << 20, 1 << 40)] {
                let context = Context::new(n, labels).unwrap();
                let manifold = Manifold::through(context, start);
                for half in manifold.separatrix(REACH) {
                    assert!(half.len() < 50_000 && half.iter().flatten().all(|x| x.is_finite()), "{start:?}");
                }
                for third in [Third::Fixed(REACH), Third::Minimized(-REACH, REACH)] {
                    let line = plane(Alpha, Xi, third).flow_line([start[1], start[2]], 2.0 * REACH);
                    assert!(line.len() < 5000, "{start:?} {}", line.len());
                }
            }
        }
    }
}
