//! Gradient flow of (β, α, ξ), through the cliff and long after it.
//!
//! The flow slows down after the cliff, where the curvature falls as fast as the time scale grows,
//! so an explicit method lasts to any time.

use super::integrate::{Step, TooLong, integrate};
use super::loss::{Context, Point};
use super::reach::{OutOfReach, is_within_reach, within_reach};
use super::schedule::Schedule;

/// How one parameter moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Motion {
    /// Down the gradient at this rate: dθ/dt = -rate dL/dθ. A rate of 0 stands still.
    Descent(f64),
    /// As told.
    Schedule(Schedule),
}

/// Where the flow begins, how its parameters move and how long it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// (β, α, ξ) at t = 0; a scheduled parameter begins where its schedule does.
    pub point: Point,
    /// How each of them moves.
    pub motions: [Motion; 3],
    /// β₂ over time; without it, the context's.
    pub label_strength: Option<Schedule>,
    /// End of the flow.
    pub until: f64,
}

impl Start {
    /// Plain gradient flow: unit rates.
    pub fn at(point: Point, until: f64) -> Self {
        Self { point, motions: std::array::from_fn(|_| Motion::Descent(1.0)), label_strength: None, until }
    }
}

/// A point on the flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowPoint {
    /// Time.
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
    start: Start,
    steps: Vec<Step>,
    last: FlowPoint,
}

/// Why a flow could not be followed.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FlowError {
    /// A rate or an end that is not a number.
    #[error("rates and end of the flow must be finite, rates 0 or more, and the end above 0")]
    NotFinite,
    /// A start or a schedule beyond what the theory computes.
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
    /// More steps than any flow of this model should need.
    #[error("the flow was not followed beyond t = {t}: {steps} steps were not enough")]
    TooLong {
        /// Time reached.
        t: f64,
        /// Steps made.
        steps: usize,
    },
}

/// Steps of a flow at most. The slowest of the theory's tables takes some thousand.
const STEPS_MAX: usize = 200_000;

/// Follows the flow from its start to its end.
///
/// # Errors
/// If the start or a schedule is out of the theory's reach, or the flow needs more than 200,000 steps.
///
/// ```
/// use precipice::theory::{Context, Start, flow};
/// let flow = flow(Context::new(8, 32)?, Start::at([0.0; 3], 1e4)).unwrap();
/// let t50 = flow.time_of(0.5).unwrap();
/// assert!((flow.at(t50).p_correct - 0.5).abs() < 1e-9);
/// assert!(flow.edge().unwrap().t < t50);
/// # Ok::<(), precipice::theory::ContextError>(())
/// ```
pub fn flow(context: Context, start: Start) -> Result<Flow, FlowError> {
    flow_in(context, start, STEPS_MAX)
}

/// The same in so many steps, and some more for each bend of its schedules.
pub(super) fn flow_in(context: Context, start: Start, tries: usize) -> Result<Flow, FlowError> {
    start.check()?;
    let mut y: Point = std::array::from_fn(|i| match &start.motions[i] {
        Motion::Descent(_) => start.point[i],
        Motion::Schedule(schedule) => schedule.at(0.0),
    });
    let mut steps = Vec::new();
    let mut begin = 0.0;
    let bends = start.bends();
    let tries = tries + 8 * bends.len();
    // Steps end where a schedule bends, so that the velocity is smooth inside them.
    for end in bends {
        let middle = 0.5 * (begin + end);
        let velocity = |t: f64, point: Point| start.velocity(&context, t, middle, point);
        y = integrate(&velocity, y, [begin, end], tries.saturating_sub(steps.len()), &mut steps)
            .map_err(|TooLong { t, steps }| FlowError::TooLong { t, steps })?;
        begin = end;
    }
    let last = flow_point(&start.context_at(&context, start.until), start.until, y);
    Ok(Flow { context, start, steps, last })
}

impl Start {
    fn check(&self) -> Result<(), FlowError> {
        let are_rates = self.motions.iter().all(|m| !matches!(m, Motion::Descent(r) if !(r.is_finite() && *r >= 0.0)));
        if !are_rates || !self.until.is_finite() || self.until <= 0.0 {
            return Err(FlowError::NotFinite);
        }
        within_reach(self.point)?;
        for (name, motion) in ["beta", "alpha", "xi"].into_iter().zip(&self.motions) {
            let Motion::Schedule(schedule) = motion else { continue };
            if let Some(value) = schedule.values().find(|value| !is_within_reach(*value)) {
                return Err(OutOfReach { name, value }.into());
            }
        }
        Ok(())
    }

    /// Times at which a schedule bends, then the end.
    fn bends(&self) -> Vec<f64> {
        let scheduled = self.motions.iter().filter_map(|motion| match motion {
            Motion::Schedule(schedule) => Some(schedule),
            Motion::Descent(_) => None,
        });
        let times = scheduled.chain(&self.label_strength).flat_map(Schedule::times);
        let mut times: Vec<f64> = times.filter(|t| *t > 0.0 && *t < self.until).chain([self.until]).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }

    fn context_at(&self, context: &Context, t: f64) -> Context {
        match &self.label_strength {
            Some(schedule) => Context { label_strength: schedule.at(t), ..*context },
            None => *context,
        }
    }

    /// d(β, α, ξ)/dt at time t; `inside` is a time of the same piece of every schedule.
    fn velocity(&self, context: &Context, t: f64, inside: f64, point: Point) -> Point {
        let (_, gradient) = self.context_at(context, t).gradient(point);
        std::array::from_fn(|i| match &self.motions[i] {
            Motion::Descent(rate) => -rate * gradient[i],
            Motion::Schedule(schedule) => schedule.slope(inside),
        })
    }
}

fn flow_point(context: &Context, t: f64, point: Point) -> FlowPoint {
    let loss = context.loss(point);
    FlowPoint { t, point, loss, p_correct: libm::exp(-loss) }
}

impl Flow {
    /// Its end.
    pub fn last(&self) -> FlowPoint {
        self.last
    }

    fn point_at(&self, t: f64, point: Point) -> FlowPoint {
        flow_point(&self.start.context_at(&self.context, t), t, point)
    }

    /// The flow at the ends of the integrator's steps, dense where it is fast.
    pub fn points(&self) -> Vec<FlowPoint> {
        let begins = self.steps.iter().map(|step| self.point_at(step.t, step.begin()));
        begins.chain([self.last]).collect()
    }

    /// The flow at a time between 0 and its end.
    pub fn at(&self, t: f64) -> FlowPoint {
        let after = self.steps.partition_point(|step| step.t <= t).max(1);
        match self.steps.get(after - 1) {
            Some(step) if t < self.last.t => self.point_at(t, step.at((t - step.t) / step.h)),
            _ => self.last,
        }
    }

    /// Time at which p(correct) first rises through a level; none if it does not by the end.
    pub fn time_of(&self, p_correct: f64) -> Option<f64> {
        let p_at = |t: f64| self.at(t).p_correct;
        if p_at(0.0) >= p_correct {
            return None;
        }
        let step = self.steps.iter().find(|step| p_at(step.t + step.h) >= p_correct)?;
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

    /// Edge of the cliff: where the landscape bends down most along the flow per length of path, that is
    /// where vᵀ H v / vᵀ v is smallest, v the velocity. (By time, where vᵀ H v is, it comes a little later.)
    /// None where it nowhere bends down.
    pub fn edge(&self) -> Option<FlowPoint> {
        let bend = |t: f64| self.curvature(self.at(t));
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

    /// vᵀ H v / vᵀ v over the parameters that descend; 0 where nothing moves.
    fn curvature(&self, at: FlowPoint) -> f64 {
        let evaluation = self.start.context_at(&self.context, at.t).evaluate(at.point);
        let v: Point = std::array::from_fn(|i| match self.start.motions[i] {
            Motion::Descent(rate) => -rate * evaluation.gradient[i],
            Motion::Schedule(_) => 0.0,
        });
        let square: f64 = v.iter().map(|x| x * x).sum();
        let bent = |i: usize| -> f64 { (0..3).map(|j| v[i] * evaluation.hessian[i][j] * v[j]).sum() };
        if square > 0.0 { (0..3).map(bent).sum::<f64>() / square } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(point: Point, n: usize, labels: usize, until: f64) -> Flow {
        flow(Context::new(n, labels).unwrap(), Start::at(point, until)).unwrap()
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
        assert!((edge.t - 96.53).abs() < 0.01, "by length of path: {edge:?}");
        // By time it is a little later.
        let by_time = |t: &f64| {
            let point = flow.at(*t).point;
            let evaluation = Context::new(8, 32).unwrap().evaluate(point);
            let v = evaluation.gradient;
            (0..3).flat_map(|i| (0..3).map(move |j| (i, j))).map(|(i, j)| v[i] * evaluation.hessian[i][j] * v[j]).sum()
        };
        let times = (9_000..10_000).map(|i| f64::from(i) * 0.01);
        let least = times.min_by(|a, b| f64::total_cmp(&by_time(a), &by_time(b))).unwrap();
        assert!((least - 97.05).abs() < 0.02, "by time: {least}");
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
        let mut start = Start::at([0.0, 0.0, 2.0], 1000.0);
        start.motions[2] = Motion::Descent(0.0);
        let flow = flow(Context::new(8, 32).unwrap(), start).unwrap();
        assert_eq!(flow.last().point[2], 2.0);
        assert!(flow.last().point[1] > 1.0);
    }

    /// ξ led along the path that it takes by itself pulls β and α along their own paths.
    #[test]
    fn a_scheduled_parameter_leads() {
        let context = Context::new(8, 32).unwrap();
        let free = from([0.0; 3], 8, 32, 97.0);
        let knots = (0..=970).map(|i| (f64::from(i) / 10.0, free.at(f64::from(i) / 10.0).point[2])).collect();
        let mut start = Start::at([0.0; 3], 97.0);
        start.motions[2] = Motion::Schedule(Schedule::new(knots).unwrap());
        let led = flow(context, start).unwrap();
        for i in 0..3 {
            assert!((led.last().point[i] - free.last().point[i]).abs() < 1e-3, "{:?} {:?}", led.last(), free.last());
        }
    }

    /// The rates set the clock: twice the rate of all three is half the time.
    #[test]
    fn rates_set_the_clock() {
        let context = Context::new(8, 32).unwrap();
        let motions = std::array::from_fn(|_| Motion::Descent(2.0));
        let fast = flow(context, Start { motions, ..Start::at([0.0; 3], 100.0) }).unwrap();
        close(fast.time_of(0.5), from([0.0; 3], 8, 32, 200.0).time_of(0.5).unwrap() / 2.0, 1e-9);
    }

    /// Attention to labels, once it is there, brings the context guess and then the cliff sooner.
    #[test]
    fn label_attention_is_a_curriculum_too() {
        let with = Context { label_strength: 3.0, ..Context::new(8, 32).unwrap() };
        let t50 = |context| flow(context, Start::at([0.0; 3], 500.0)).unwrap().time_of(0.5).unwrap();
        assert!(t50(with) < 0.7 * t50(Context::new(8, 32).unwrap()));
    }

    #[test]
    fn starts_that_are_no_numbers_are_refused() {
        let context = Context::new(8, 32).unwrap();
        let mut start = Start::at([0.0; 3], 1.0);
        start.motions[0] = Motion::Descent(-1.0);
        assert_eq!(flow(context, start).unwrap_err(), FlowError::NotFinite);
        for far in [f64::NAN, 1e4, -1e308] {
            let error = flow(context, Start::at([far, 0.0, 0.0], 1.0)).unwrap_err();
            assert!(matches!(error, FlowError::OutOfReach(OutOfReach { name: "beta", .. })), "{error}");
        }
        let mut led = Start::at([0.0; 3], 1.0);
        led.motions[2] = Motion::Schedule(Schedule::new(vec![(0.0, 0.0), (1.0, 1e9)]).unwrap());
        assert!(flow(context, led).unwrap_err().to_string().contains("xi = 1e9"));
        assert_eq!(flow(context, Start::at([0.0; 3], f64::INFINITY)).unwrap_err(), FlowError::NotFinite);
    }
}
