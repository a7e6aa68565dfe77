//! The theory's landscape with what moves on it, and its figure.

use precipice::theory::{
    Axis, AxisError, Context, Flow, FlowError, FlowPoint, Manifold, Parameter, Plane, Point, Start, Surface, Third,
    flow,
};
use precipice_figures::{self as figure, Figure, Guess};

use crate::error::LabError;
use crate::meter::Meter;

/// Two axes, what the third parameter does, and where the flow on them starts.
#[derive(Clone, Debug)]
pub struct Request {
    /// N, L, burstiness, noise, label attention.
    pub context: Context,
    /// First axis and its range; without one, what the flow needs.
    pub x: (Parameter, Option<(f64, f64)>),
    /// Second axis and its range.
    pub y: (Parameter, Option<(f64, f64)>),
    /// What the third does.
    pub third: Third,
    /// Start of the flow.
    pub start: Point,
    /// Points a side.
    pub grid: usize,
}

/// A landscape that cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum LandscapeError {
    /// Axes that cannot be used.
    #[error(transparent)]
    Axis(#[from] AxisError),
    /// A flow that cannot be followed.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

/// A landscape and the flow on it.
#[derive(Clone, Debug)]
pub struct Landscape {
    /// What was asked for.
    pub request: Request,
    /// The plane of the two axes.
    pub plane: Plane,
    /// The loss on the grid.
    pub surface: Surface,
    /// The flow from the start with unit rates, to three times its t50.
    pub flow: Flow,
    /// Time at which p(correct) = 1/2, if it comes.
    pub t50: Option<f64>,
    /// Where the flow bends down most, if it does.
    pub edge: Option<FlowPoint>,
    /// The saddle on the surface that the flow stays on.
    pub saddle: Option<Point>,
    /// (α, ξ) along the line between the basins, on the same surface; far from the origin where
    /// there are more labels than the context holds.
    pub separatrix: Vec<Vec<[f64; 2]>>,
}

/// How long a cliff is waited for; the slowest of the theory's tables comes at 15,049.
const PATIENCE: f64 = 1e6;
/// Where nothing moves from the origin, both basins are shown, this far.
const RANGE_WITHOUT_CLIFF: f64 = 6.0;
/// How far a separatrix is followed.
const SEPARATRIX_LENGTH: f64 = 30.0;

impl Landscape {
    /// Computes it; the meter counts points of the surface.
    ///
    /// # Errors
    /// If the axes are no axes, or the flow runs into numbers that are none.
    ///
    /// ```
    /// use precipice::theory::{Context, Parameter, Third};
    /// use precipice_lab::meter::Meter;
    /// use precipice_lab::reports::landscape::{Landscape, Request};
    /// let origin = [0.0; 3];
    /// let landscape = Landscape::new(Request {
    ///     context: Context::new(8, 32)?,
    ///     x: (Parameter::Alpha, None),
    ///     y: (Parameter::Xi, None),
    ///     third: Third::OnFlow(origin),
    ///     start: origin,
    ///     grid: 16,
    /// }, &Meter::default())?;
    /// assert!(landscape.saddle.is_some() && landscape.t50.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(request: Request, meter: &Meter) -> Result<Self, LandscapeError> {
        let Request { context, x, y, third, start, grid } = request.clone();
        let plane = Plane::new(context, x.0, y.0, third)?;
        let whole = flow(context, Start::at(start, PATIENCE))?;
        let (t50, edge) = (whole.time_of(0.5), whole.edge());
        let until = 3.0 * t50.unwrap_or_else(|| patience_without_cliff(context));
        let flow = flow(context, Start::at(start, until))?;
        let range = |(parameter, range): (Parameter, Option<(f64, f64)>)| {
            range.unwrap_or_else(|| range_of(&flow, parameter, t50.is_some()))
        };
        let axis = |which| {
            let (low, high) = range(which);
            Axis { low, high, n: grid }.checked()
        };
        let (x, y) = (axis(x)?, axis(y)?);
        meter.expect((x.n * y.n) as u64);
        let surface = plane.surface(x, y, |n| meter.done(n));
        let manifold = Manifold::through(context, start);
        let (saddle, separatrix) = (manifold.saddle(), manifold.separatrix(SEPARATRIX_LENGTH));
        Ok(Self { request, plane, surface, flow, t50, edge, saddle, separatrix })
    }

    /// The landscape figure: the flow's loss and p(correct), the surface as a body and as a map.
    ///
    /// # Errors
    /// If the surface cannot be drawn.
    pub fn figure(&self, title: &str) -> Result<Figure, LabError> {
        let row = figure::LandscapeRow {
            heading: String::new(),
            curve: self.curve(),
            surface: self.drawing(),
            has_map: true,
        };
        let data = figure::Landscape { title: title.to_owned(), rows: vec![row] };
        figure::landscape(&data).map_err(|e| LabError::figure("landscape", e))
    }

    /// p(correct) and loss along the flow.
    fn curve(&self) -> figure::Curve {
        const POINTS: u32 = 600;
        let end = 1.6 * self.t50.unwrap_or(self.flow.last().t / 3.0);
        let points: Vec<FlowPoint> =
            (0..=POINTS).map(|i| self.flow.at(end * f64::from(i) / f64::from(POINTS))).collect();
        let accuracy =
            figure::Series { name: "p(correct)".to_owned(), values: points.iter().map(|at| at.p_correct).collect() };
        let events = self.events();
        figure::Curve {
            x_name: "time of the flow".to_owned(),
            x: points.iter().map(|at| at.t).collect(),
            accuracy,
            loss: points.iter().map(|at| at.loss).collect(),
            n_labels: self.request.context.n_labels,
            guess: Guess::among(self.request.context.n_exemplars, self.request.context.burstiness),
            jump: self.t50,
            marks: events.into_iter().map(|(label, at)| (label.to_owned(), at.t, at.loss)).collect(),
        }
    }

    /// Plateau, edge and drop; none of them where the flow does not get over the cliff.
    fn events(&self) -> Vec<(&'static str, FlowPoint)> {
        let (Some(t50), Some(edge), Some(end)) = (self.t50, self.edge, self.flow.time_of(0.75)) else {
            return Vec::new();
        };
        vec![("plateau", self.flow.at(0.5 * t50)), ("edge", edge), ("drop", self.flow.at(end))]
    }

    /// The surface as the figure needs it, with the flow and the separatrix on it.
    pub fn drawing(&self) -> figure::Surface {
        let Request { x: (x, _), y: (y, _), third, context, .. } = self.request;
        let on_page = |point: Point| [point[x as usize], point[y as usize]];
        let axis = |parameter: Parameter, values: &[f64]| figure::SurfaceAxis {
            name: parameter.name().to_owned(),
            values: values.to_vec(),
        };
        let lift = |place: [f64; 2]| self.lift(place);
        let flow = self.flow.points();
        let mut marks: Vec<figure::SurfaceMark> =
            self.events().into_iter().map(|(label, at)| mark(label, lift(on_page(at.point)))).collect();
        let is_reached = matches!(third, Third::OnFlow(_)) && self.plane.other() == Parameter::Beta;
        let mut separatrix = Vec::new();
        if is_reached {
            let turned = |[alpha, xi]: [f64; 2]| if x == Parameter::Alpha { [alpha, xi] } else { [xi, alpha] };
            separatrix = self.separatrix.iter().map(|half| half.iter().map(|p| turned(*p)).collect()).collect();
            marks.extend(self.saddle.map(|saddle| mark("saddle", lift(on_page(saddle)))));
        }
        let path = |name: &str, flow: &[FlowPoint]| figure::SurfacePath {
            name: name.to_owned(),
            points: flow.iter().map(|at| lift(on_page(at.point))).collect(),
            is_measured: false,
        };
        let mut paths = vec![path("flow of the formula", &flow)];
        if self.t50.is_none() {
            // Nothing moves from the saddle; what happens beside it shows where it could go.
            paths[0].name.clear();
            let names = ["flow from beside the saddle", ""];
            let words = ["attends to the match", "attends away from it"];
            for ((flow, name), words) in self.beside_saddle().iter().zip(names).zip(words) {
                paths.push(path(name, flow));
                let is_inside = |at: &&FlowPoint| at.point.iter().all(|value| value.abs() < 0.6 * RANGE_WITHOUT_CLIFF);
                marks.extend(flow.iter().rev().find(is_inside).map(|at| mark(words, lift(on_page(at.point)))));
            }
        }
        figure::Surface {
            x: axis(x, &self.surface.x),
            y: axis(y, &self.surface.y),
            loss: self.surface.loss.clone(),
            ceiling: ceiling(context.n_labels),
            third: third_words(third, self.plane.other()),
            flow_lines: self.flow_lines(),
            separatrix,
            paths,
            marks,
        }
    }

    /// A place of the plane with the loss there.
    pub fn lift(&self, [x, y]: [f64; 2]) -> [f64; 3] {
        [x, y, self.request.context.loss(self.plane.point(x, y))]
    }

    /// The flows from a little to either side of the saddle.
    fn beside_saddle(&self) -> Vec<Vec<FlowPoint>> {
        const OFFSET: f64 = 0.02;
        let context = self.request.context;
        let manifold = Manifold::through(context, self.request.start);
        let from = |[_, alpha, xi]: Point, sign: f64| {
            let start = manifold.point(alpha + sign * OFFSET, xi + sign * OFFSET);
            flow(context, Start::at(start, PATIENCE)).ok().map(|flow| flow.points())
        };
        self.saddle.iter().flat_map(|saddle| [from(*saddle, 1.0), from(*saddle, -1.0)]).flatten().collect()
    }

    /// Short lines of descent from points spread over the surface.
    fn flow_lines(&self) -> Vec<Vec<[f64; 2]>> {
        const COLUMNS: usize = 9;
        const ROWS: usize = 7;
        let ends = |values: &[f64]| (values[0], values[values.len() - 1]);
        let ((x0, x1), (y0, y1)) = (ends(&self.surface.x), ends(&self.surface.y));
        let (dx, dy) = ((x1 - x0) / COLUMNS as f64, (y1 - y0) / ROWS as f64);
        let length = 0.7 * dx.min(dy);
        let place = |i: usize, j: usize| [x0 + (i as f64 + 0.5) * dx, y0 + (j as f64 + 0.5) * dy];
        let places = (0..COLUMNS).flat_map(|i| (0..ROWS).map(move |j| place(i, j)));
        places.map(|start| self.plane.flow_line(start, length)).collect()
    }
}

fn mark(label: &str, at: [f64; 3]) -> figure::SurfaceMark {
    figure::SurfaceMark { label: label.to_owned(), at }
}

/// A flow that stays where it is is shown as long as one with more labels would take.
fn patience_without_cliff(context: Context) -> f64 {
    4.0 * (context.n_exemplars as f64).powf(1.5)
}

/// A round height a little above a blind guess.
fn ceiling(n_labels: usize) -> f64 {
    (1.15 * (n_labels.max(2) as f64).ln() * 2.0).ceil() / 2.0
}

/// What the flow needs, the origin included, or both basins where it does not move.
fn range_of(flow: &Flow, parameter: Parameter, has_cliff: bool) -> (f64, f64) {
    if !has_cliff {
        return (-RANGE_WITHOUT_CLIFF, RANGE_WITHOUT_CLIFF);
    }
    let values = flow.points().into_iter().map(|at| at.point[parameter as usize]);
    let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let spare = 0.12 * (high - low);
    (low - spare, high + spare)
}

fn third_words(third: Third, other: Parameter) -> String {
    let name = match other {
        Parameter::Beta => "β",
        Parameter::Alpha => "α",
        Parameter::Xi => "ξ",
    };
    match third {
        Third::Fixed(value) => format!("{name} = {value}"),
        Third::Minimized(low, high) => format!("{name} of least loss between {low} and {high}"),
        Third::OnFlow(_) => format!("{name} as on the flow"),
    }
}
