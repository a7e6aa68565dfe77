//! A measured path of (β, α, ξ) and the flow that follows it best.
//!
//! The theory has free time scales: how fast each parameter of the formula moves when a network
//! takes a step. Along a measured path the formula gives the force -dL/dθ at every point, so the
//! rates follow without any search, from
//!
//! ```text
//! θ(s) - θ(s_0) = r ∫ -dL/dθ ds        over the measured path, by least squares through 0
//! ```

use super::flow::{Flow, FlowError, Motion, Start, flow_in};
use super::loss::{Context, Point};
use super::reach::{OutOfReach, within_reach};
use super::schedule::Schedule;

/// Steps of a flow along a path at most, because a forecast is made of every part of it; some hundred are usual.
const FLOW_STEPS: usize = 10_000;

/// Order parameters of a network at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathPoint {
    /// Optimizer step.
    pub step: f64,
    /// (β, α, ξ).
    pub point: Point,
    /// β₂; 0 where the three-parameter model is meant.
    pub label_strength: f64,
}

/// A measured path: points in order of steps, all finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    context: Context,
    points: Vec<PathPoint>,
}

/// Rates of the three parameters, in units of flow time a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Each parameter's own; below 0 where it moves against its force.
    pub rates: Point,
    /// Standard errors from the scatter around the fit. Points along a path are not independent, so
    /// these are lower bounds.
    pub standard_errors: Point,
    /// One rate for all three.
    pub common: f64,
}

/// A measured path that the theory cannot compute with.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("measured at step {step}: {out}")]
pub struct PathError {
    /// The first step out of reach.
    pub step: f64,
    /// What is out of reach there.
    pub out: OutOfReach,
}

impl Path {
    /// The points that are finite, in order of steps.
    pub fn new(context: Context, points: impl IntoIterator<Item = PathPoint>) -> Self {
        let is_finite = |p: &PathPoint| p.point.iter().chain([&p.step, &p.label_strength]).all(|x| x.is_finite());
        let mut points: Vec<PathPoint> = points.into_iter().filter(is_finite).collect();
        points.sort_by(|a, b| a.step.total_cmp(&b.step));
        points.dedup_by(|a, b| a.step == b.step);
        Self { context, points }
    }

    /// The part up to a step.
    pub fn until(&self, step: f64) -> Self {
        let points = self.points.iter().copied().filter(|point| point.step <= step).collect();
        Self { context: self.context, points }
    }

    /// Its points.
    pub fn points(&self) -> &[PathPoint] {
        &self.points
    }

    /// Refuses a path that leaves what the theory computes, as that of a network whose scores explode.
    ///
    /// # Errors
    /// Naming the first step and parameter out of reach.
    pub fn check(&self) -> Result<(), PathError> {
        for PathPoint { step, point, label_strength } in &self.points {
            within_reach(*point).map_err(|out| PathError { step: *step, out })?;
            let context = Context { label_strength: *label_strength, ..self.context };
            let beta_2 = OutOfReach { name: "beta_2", value: *label_strength };
            context.checked().map_err(|_| PathError { step: *step, out: beta_2 })?;
        }
        Ok(())
    }

    fn context_at(&self, point: &PathPoint) -> Context {
        Context { label_strength: point.label_strength, ..self.context }
    }

    /// Loss of the formula at a point of the path.
    pub fn predicted_loss(&self, point: &PathPoint) -> f64 {
        self.context_at(point).loss(point.point)
    }

    /// ∫ -dL/d(β, α, ξ) ds from the first point to each, by the trapezoid rule.
    fn impulses(&self) -> Vec<Point> {
        let forces: Vec<Point> =
            self.points.iter().map(|p| self.context_at(p).gradient(p.point).1.map(|g| -g)).collect();
        let mut sum = [0.0; 3];
        let mut impulses = vec![sum; self.points.len()];
        for i in 1..self.points.len() {
            let half = 0.5 * (self.points[i].step - self.points[i - 1].step);
            sum = std::array::from_fn(|j| sum[j] + half * (forces[i][j] + forces[i - 1][j]));
            impulses[i] = sum;
        }
        impulses
    }

    /// The flow from one point of the path, at a fit's rates, over a number of steps. Time 0 is the
    /// point's step. β₂ goes on as it was measured and stays where the measurement ends.
    ///
    /// # Errors
    /// As for [`flow`](super::flow()).
    pub fn flow_from(&self, index: usize, rates: Point, steps: f64) -> Result<Flow, FlowError> {
        let origin = self.points[index];
        let measured = self.points[index..].iter().map(|p| (p.step - origin.step, p.label_strength)).collect();
        let start = Start {
            motions: rates.map(|rate| Motion::Descent(rate.max(0.0))),
            label_strength: Schedule::new(measured).ok(),
            ..Start::at(origin.point, steps)
        };
        flow_in(self.context, start, FLOW_STEPS)
    }

    /// Step at which the flow from the path's end, at these rates, has p(correct) = 1/2; none if it
    /// does not within `horizon` steps.
    pub fn forecast(&self, rates: Point, horizon: f64) -> Option<f64> {
        let last = self.points.len().checked_sub(1)?;
        let flow = self.flow_from(last, rates, horizon).ok()?;
        Some(self.points[last].step + flow.time_of(0.5)?)
    }
}

/// Fits the rates. None with fewer than four points, or where the formula exerts no force.
pub fn fit(path: &Path) -> Option<Fit> {
    if path.points.len() < 4 {
        return None;
    }
    let impulses = path.impulses();
    let origin = path.points[0].point;
    let n = (path.points.len() - 1) as f64;
    let sums = |j: usize| {
        let pairs = path.points.iter().zip(&impulses).map(|(p, impulse)| (impulse[j], p.point[j] - origin[j]));
        pairs.fold((0.0, 0.0, 0.0), |(xx, xy, yy), (x, y)| (xx + x * x, xy + x * y, yy + y * y))
    };
    let all: [(f64, f64, f64); 3] = std::array::from_fn(sums);
    if all.iter().any(|(xx, ..)| *xx == 0.0) {
        return None;
    }
    let rates = all.map(|(xx, xy, _)| xy / xx);
    let standard_errors = all.map(|(xx, xy, yy)| ((yy - xy * xy / xx).max(0.0) / (n - 1.0) / xx).sqrt());
    let total = |f: fn(&(f64, f64, f64)) -> f64| all.iter().map(f).sum::<f64>();
    Some(Fit { rates, standard_errors, common: total(|s| s.1) / total(|s| s.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::flow;

    fn simulated(rates: Point, until: f64) -> Path {
        let context = Context::new(8, 32).unwrap();
        let start = Start { motions: rates.map(Motion::Descent), ..Start::at([0.0, 0.05, 0.0], 3000.0) };
        let flow = flow(context, start).unwrap();
        let point = |step: f64| PathPoint { step, point: flow.at(step).point, label_strength: 0.0 };
        Path::new(context, (0..=30).map(|i| point(until * f64::from(i) / 30.0)))
    }

    /// Data that the theory made are fitted, and their jump is foretold from before it.
    #[test]
    fn it_finds_what_made_the_data() {
        let rates = [0.05, 0.1, 0.2];
        let context = Context::new(8, 32).unwrap();
        let start = Start { motions: rates.map(Motion::Descent), ..Start::at([0.0, 0.05, 0.0], 3000.0) };
        let t50 = flow(context, start).unwrap().time_of(0.5).unwrap();
        let path = simulated(rates, 0.7 * t50);
        let fitted = fit(&path).unwrap();
        for j in 0..3 {
            assert!((fitted.rates[j] / rates[j] - 1.0).abs() < 0.01, "{fitted:?}");
            assert!(fitted.standard_errors[j] < 0.01 * rates[j], "{fitted:?}");
        }
        let forecast = path.forecast(fitted.rates, 10_000.0).unwrap();
        assert!((forecast / t50 - 1.0).abs() < 0.01, "{forecast} {t50}");
        assert_eq!(path.forecast([0.0; 3], 100.0), None);
        assert!(fitted.common > 0.05 && fitted.common < 0.2);
    }

    #[test]
    fn too_little_is_not_fitted() {
        let path = simulated([0.1; 3], 300.0);
        assert_eq!(fit(&path.until(20.0)), None);
        assert_eq!(path.until(20.0).points().len(), 3);
        let nan = PathPoint { step: 1.0, point: [f64::NAN; 3], label_strength: 0.0 };
        assert!(Path::new(Context::new(8, 32).unwrap(), [nan]).points().is_empty());
    }

    #[test]
    fn an_exploded_path_is_refused() {
        let path = |alpha: f64, label_strength: f64| {
            let point = |step: f64, alpha: f64| PathPoint { step, point: [0.0, alpha, 0.0], label_strength };
            Path::new(Context::new(8, 32).unwrap(), [point(0.0, 0.0), point(5.0, alpha)])
        };
        assert_eq!(path(5.0, 1.0).check(), Ok(()));
        let error = path(-8e9, 1.0).check().unwrap_err();
        assert_eq!((error.step, error.out.name), (5.0, "alpha"));
        assert_eq!(path(5.0, 1e3).check().unwrap_err().out.name, "beta_2");
    }
}
