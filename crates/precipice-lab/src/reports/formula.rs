//! The three nested soft-maxes as numbers: at a point, along the flow, along a descent.

use precipice::theory::{Context, Descent, DescentError, Evaluation, Flow, FlowPoint, Point, descend};
use serde::Serialize;

use crate::meter::Meter;

/// Levels of p(correct) whose times are of interest.
pub const LEVELS: [f64; 6] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9];
/// Rows of a descent at most, evenly spaced over the steps.
const ROWS_MAX: u64 = 1000;

/// One value for each parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Parameters {
    /// Position-position strength, layer 1.
    pub beta: f64,
    /// Content-buffer strength, layer 2.
    pub alpha: f64,
    /// Label-readout overlap.
    pub xi: f64,
}

impl From<Point> for Parameters {
    fn from([beta, alpha, xi]: Point) -> Self {
        Self { beta, alpha, xi }
    }
}

/// Everything at one point; what `theory loss` says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PointReport {
    /// In nats.
    pub loss: f64,
    /// e^-loss.
    pub p_correct: f64,
    /// Attention to the previous token.
    pub y: f64,
    /// Attention to each copy of the right label.
    pub z: f64,
    /// Attention to every other label, and without label attention to every other token.
    pub z_other: f64,
    /// Logit of the answer minus that of another label of the context.
    pub u: f64,
    /// Logit of the answer minus that of a label not in the context.
    pub u_prime: f64,
    /// Of the loss.
    pub gradient: Parameters,
    /// Of the loss, in the order beta, alpha, xi.
    pub hessian: [Point; 3],
}

impl From<Evaluation> for PointReport {
    fn from(at: Evaluation) -> Self {
        let Evaluation { loss, p_correct, y, z, z_other, u, u_prime, gradient, hessian } = at;
        Self { loss, p_correct, y, z, z_other, u, u_prime, gradient: gradient.into(), hessian }
    }
}

/// A point on the way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FlowRow {
    /// Time of the flow, or steps of a descent.
    pub t: f64,
    /// Position-position strength, layer 1.
    pub beta: f64,
    /// Content-buffer strength, layer 2.
    pub alpha: f64,
    /// Label-readout overlap.
    pub xi: f64,
    /// In nats.
    pub loss: f64,
    /// e^-loss.
    pub p_correct: f64,
}

impl From<FlowPoint> for FlowRow {
    fn from(at: FlowPoint) -> Self {
        let FlowPoint { t, point: [beta, alpha, xi], loss, p_correct } = at;
        Self { t, beta, alpha, xi, loss, p_correct }
    }
}

/// A flow and its events; what `theory flow` says.
///
/// ```
/// use precipice::theory::{Context, Start, flow};
/// use precipice_lab::reports::formula::FlowReport;
/// let report = FlowReport::from(&flow(Context::new(8, 32)?, Start::at([0.0; 3], 1e4))?);
/// assert!(report.edge.unwrap().t < report.t50.unwrap());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowReport {
    /// Time at which p(correct) = 1/2, if it comes.
    pub t50: Option<f64>,
    /// Where it bends down most, if it does.
    pub edge: Option<FlowRow>,
    /// At the integrator's steps.
    pub rows: Vec<FlowRow>,
}

impl From<&Flow> for FlowReport {
    fn from(flow: &Flow) -> Self {
        let rows = flow.points().into_iter().map(FlowRow::from).collect();
        Self { t50: flow.time_of(0.5), edge: flow.edge().map(FlowRow::from), rows }
    }
}

/// A descent in steps of finite size; what `theory descent` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DescentReport {
    /// The first step with p(correct) of at least 1/2, if there is one.
    pub t50: Option<u64>,
    /// At most about 1000, the first and the last included.
    pub rows: Vec<FlowRow>,
    /// The first point at or above each of [`LEVELS`] that is reached.
    #[serde(skip)]
    pub levels: Vec<FlowRow>,
}

/// Steps after which a meter is told: each takes a tenth of a microsecond.
const TOLD_EVERY: u64 = 1024;

impl DescentReport {
    /// Descends.
    ///
    /// # Errors
    /// If the start, a rate, the noise or the number of steps makes no sense.
    pub fn new(context: Context, descent: &Descent, meter: &Meter) -> Result<Self, DescentError> {
        let every = descent.steps.div_ceil(ROWS_MAX);
        meter.expect(descent.steps);
        let mut rows = Vec::new();
        let mut levels: [Option<FlowRow>; LEVELS.len()] = [None; LEVELS.len()];
        descend(context, descent, |at| {
            for (level, found) in LEVELS.iter().zip(&mut levels) {
                if at.p_correct >= *level {
                    found.get_or_insert(at.into());
                }
            }
            let step = at.t as u64;
            if step.is_multiple_of(TOLD_EVERY) {
                meter.done(TOLD_EVERY);
            }
            if step.is_multiple_of(every) || step == descent.steps {
                rows.push(at.into());
            }
            true
        })?;
        let half = LEVELS.iter().zip(&levels).find(|(level, _)| **level == 0.5).and_then(|(_, found)| *found);
        Ok(Self { t50: half.map(|at| at.t as u64), rows, levels: levels.into_iter().flatten().collect() })
    }
}
