//! When the cliff comes, against one size, and its figure.

use precipice::theory::{Exponent, Over, ScalingError, ScalingPoint, exponent, scaling};
use precipice_figures::{self as figure, Figure};
use serde::Serialize;

use crate::error::LabError;

/// What `theory scaling` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScalingReport {
    /// In the order asked for.
    pub points: Vec<ScalingRow>,
    /// Of the power law through the points; null where it needs more of them.
    pub exponent: Option<FittedExponent>,
    /// For large N; null where there is no law.
    pub derived_exponent: Option<f64>,
    #[serde(skip)]
    over: Over,
}

/// One time of the cliff.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScalingRow {
    /// The value that varies.
    pub value: f64,
    /// Time at which p(correct) = 1/2 under gradient flow with unit rates; null if it is not reached.
    pub t50: Option<f64>,
    /// Time of the derived law for large N; null where there is no law.
    pub law: Option<f64>,
}

/// A power law fitted to points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FittedExponent {
    /// Slope of ln t over ln x, by least squares.
    pub value: f64,
    /// Its standard error from the scatter around the line; 0 with two points.
    pub standard_error: f64,
    /// The same slope between the last two points.
    pub last: f64,
}

impl ScalingReport {
    /// Follows the flow at every value.
    ///
    /// # Errors
    /// If a value makes no context, or a flow runs into numbers that are none.
    ///
    /// ```
    /// use precipice::theory::Over;
    /// use precipice_lab::reports::scaling::ScalingReport;
    /// let report = ScalingReport::new(Over::Exemplars { labels_per_exemplar: 4.0 }, &[8.0, 16.0, 32.0])?;
    /// assert!(report.figure()?.svg().contains("<svg"));
    /// assert_eq!(report.points.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(over: Over, values: &[f64]) -> Result<Self, ScalingError> {
        let points = scaling(over, values)?;
        let pairs: Vec<(f64, f64)> =
            points.iter().filter_map(|point| Some((over.abscissa(point.value), point.t50?))).collect();
        let row = |&ScalingPoint { value, t50, law }: &ScalingPoint| ScalingRow { value, t50, law };
        let fitted = |Exponent { value, standard_error, last }| FittedExponent { value, standard_error, last };
        Ok(Self {
            points: points.iter().map(row).collect(),
            exponent: exponent(&pairs).map(fitted),
            derived_exponent: over.law().map(|(power, _)| power),
            over,
        })
    }

    /// Times of the cliff with the derived law, both axes logarithmic.
    ///
    /// # Errors
    /// If no time is finite.
    pub fn figure(&self) -> Result<Figure, LabError> {
        let over = self.over;
        let (title, x_name) = match over {
            Over::Exemplars { labels_per_exemplar } => {
                (format!("When the cliff comes · L = {labels_per_exemplar} N"), "context size N")
            }
            Over::Labels { n_exemplars } => (format!("When the cliff comes · N = {n_exemplars}"), "1 − N/L"),
            Over::FrozenReadout { n_exemplars, n_labels } => {
                (format!("A frozen readout · N = {n_exemplars}, L = {n_labels}"), "overlap ξ₀ of the readout")
            }
            Over::HeadStart { n_exemplars, n_labels } => {
                (format!("A readout with a head start · N = {n_exemplars}, L = {n_labels}"), "overlap ξ₀ at the start")
            }
        };
        let at = |f: fn(&ScalingRow) -> Option<f64>| {
            self.points.iter().filter_map(|point| Some((over.abscissa(point.value), f(point)?))).collect()
        };
        let measured = match self.exponent {
            Some(fit) => format!("flow: exponent {:.3}, {:.3} at the end", fit.value, fit.last),
            None => "flow".to_owned(),
        };
        let mut series = vec![figure::ScalingSeries { name: measured, points: at(|p| p.t50), is_law: false }];
        if let Some((power, _)) = over.law() {
            let name = format!("law for large N: exponent {power}");
            series.push(figure::ScalingSeries { name, points: at(|p| p.law), is_law: true });
        }
        let data =
            figure::Scaling { title, x_name: x_name.to_owned(), y_name: "time to p(correct) = 1/2".to_owned(), series };
        figure::scaling(&data).map_err(|e| LabError::figure("scaling", e))
    }
}
