//! A landscape as numbers, for whoever draws it elsewhere.

use serde::Serialize;

use super::formula::{FlowRow, Parameters};
use super::landscape::{Landscape, Request};
use super::serial::in_order;

/// A value at every point of the grid, `[x][y]`.
pub type Grid = Vec<Vec<f64>>;

/// What `theory landscape` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SurfaceReport {
    /// First axis.
    pub x: AxisValues,
    /// Second axis.
    pub y: AxisValues,
    /// The parameter that is no axis.
    pub third: ThirdValues,
    /// In nats.
    pub loss: Grid,
    /// Minus the gradient within the plane, by axis.
    #[serde(serialize_with = "in_order")]
    pub velocity: Vec<(String, Grid)>,
    /// The flow from the start with unit rates, to three times its t50.
    pub flow: Vec<FlowRow>,
    /// Time at which p(correct) = 1/2, if it comes.
    pub t50: Option<f64>,
    /// Where the flow bends down most, if it does.
    pub edge: Option<FlowRow>,
    /// The saddle on the surface that the flow stays on.
    pub saddle: Option<Parameters>,
    /// (alpha, xi) from the saddle outward, to either side.
    pub separatrix: Vec<Vec<[f64; 2]>>,
}

/// A parameter and its values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AxisValues {
    /// `beta`, `alpha` or `xi`.
    pub name: String,
    /// Rising.
    pub values: Vec<f64>,
}

/// A parameter that depends on the two others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThirdValues {
    /// `beta`, `alpha` or `xi`.
    pub name: String,
    /// At every point.
    pub values: Grid,
}

impl From<&Landscape> for SurfaceReport {
    fn from(landscape: &Landscape) -> Self {
        let Request { x: (x, _), y: (y, _), .. } = landscape.request;
        let (surface, plane) = (&landscape.surface, &landscape.plane);
        let grid = |at: &dyn Fn(f64, f64) -> f64| -> Grid {
            surface.x.iter().map(|&a| surface.y.iter().map(|&b| at(a, b)).collect()).collect()
        };
        let other = plane.other();
        let velocity = |axis: usize| grid(&|a, b| plane.velocity(a, b)[axis]);
        Self {
            x: AxisValues { name: x.name().to_owned(), values: surface.x.clone() },
            y: AxisValues { name: y.name().to_owned(), values: surface.y.clone() },
            third: ThirdValues {
                name: other.name().to_owned(),
                values: grid(&|a, b| plane.point(a, b)[other as usize]),
            },
            loss: surface.loss.chunks(surface.y.len()).map(<[f64]>::to_vec).collect(),
            velocity: vec![(x.name().to_owned(), velocity(0)), (y.name().to_owned(), velocity(1))],
            flow: landscape.flow.points().into_iter().map(FlowRow::from).collect(),
            t50: landscape.t50,
            edge: landscape.edge.map(FlowRow::from),
            saddle: landscape.saddle.map(Parameters::from),
            separatrix: landscape.separatrix.clone(),
        }
    }
}
