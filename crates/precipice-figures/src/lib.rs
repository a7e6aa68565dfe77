//! The figures of precipice: pure functions from plain data to SVG, PNG and PDF.
//!
//! They know nothing of runs: whoever has numbers can draw them. The same data give the same bytes:
//! no time stamp, no random identifier, no font of the system. `NaN` means "undefined" and leaves a
//! gap. Data that cannot be drawn are a [`FigureError`] that names the field.
//!
//! # Reading order
//!
//! [`style`] (every color and size), `shades` (of attention), `text` (numbers and widths), `canvas` (one page),
//! `panel`, `legend` and `labels` (axes, lines, words that cover nothing), `marks` (of seeds), `heat` (colored
//! cells), `surface` (loss surfaces), `tokens`, `thumbnail`, `check` (of data), `theme` (other pages), `export`
//! (PNG and PDF), then one file a figure.
//!
//! ```
//! use precipice_figures::{Guess, LearningCurve, Series, learning_curve};
//! let series = |values: [f64; 3]| vec![Series { name: "in context".to_owned(), values: values.to_vec() }];
//! let figure = learning_curve(&LearningCurve {
//!     title: "Copying, N = 8".to_owned(),
//!     steps: vec![0.0, 2000.0, 4000.0],
//!     accuracy: series([0.03, 0.13, 0.99]),
//!     loss: series([3.5, 2.1, 0.05]),
//!     n_labels: 32,
//!     guess: Guess::among(8, 1),
//!     references: Vec::new(),
//!     more: Vec::new(),
//!     jump: None,
//! })?;
//! assert!(figure.svg().contains("1/N = .125"));
//! assert!(figure.pdf()?.starts_with(b"%PDF"));
//! # Ok::<(), precipice_figures::FigureError>(())
//! ```
#![forbid(unsafe_code)]

mod attention;
mod bands;
mod canvas;
mod check;
mod contexts;
mod dependence;
mod ensemble;
mod error;
mod export;
mod growth;
mod heat;
mod interactions;
mod labels;
mod landscape;
mod learning_curve;
mod legend;
mod marks;
mod order_parameters;
mod panel;
mod phase_diagram;
mod scaling;
mod shades;
pub mod style;
mod surface;
mod surface_body;
mod surface_map;
#[cfg(test)]
mod testing;
mod text;
mod theme;
mod theory_over_measurement;
mod thumbnail;
mod tokens;
mod twins;

pub use attention::{AttentionGrid, AttentionMoment, attention};
pub use bands::{BandPanel, BandSeries, Bands, bands};
pub use contexts::{ContextMoment, ContextRow, Contexts, contexts};
pub use dependence::{Dependence, DependencePanel, DependencePoint, DependenceSeries, dependence};
pub use ensemble::{Ensemble, EnsembleMember, ensemble};
pub use error::FigureError;
pub use growth::{Growth, GrowthPanel, growth};
pub use interactions::{InteractionMap, interactions};
pub use landscape::{Curve, Landscape, LandscapeRow, landscape};
pub use learning_curve::{Guess, LearningCurve, MorePanel, learning_curve};
pub use order_parameters::{OrderParameters, order_parameters};
pub use phase_diagram::{PhaseCell, PhaseDiagram, PhaseMap, PhaseUnit, phase_diagram};
pub use scaling::{Scaling, ScalingSeries, scaling};
pub use surface::{Surface, SurfaceAxis, SurfaceMark, SurfacePath};
pub use text::{moment_name, thousands};
pub use theme::Theme;
pub use theory_over_measurement::{TheoryOverMeasurement, theory_over_measurement};
pub use thumbnail::Thumbnail;
pub use twins::{Twin, Twins, twins};

/// A finished figure: [`style::PRINT_WIDTH_INCHES`] wide in print, on an opaque white page unless
/// [`Figure::in_theme`] gives it another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    svg: String,
}

impl Figure {
    /// The figure as an SVG document that scales with its container.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The figure for another page.
    ///
    /// ```
    /// # use precipice_figures::{Guess, Theme, OrderParameters, Series, order_parameters};
    /// # let series = |name: &str, values: [f64; 2]| Series { name: name.to_owned(), values: values.to_vec() };
    /// # let figure = order_parameters(&OrderParameters {
    /// #     title: "Order parameters".to_owned(),
    /// #     steps: vec![0.0, 100.0],
    /// #     parameters: vec![(series("beta", [0.0, 5.0]), vec![0.1, 0.1])],
    /// #     measured_loss: vec![3.4, 0.1],
    /// #     predicted_losses: vec![series("three parameters", [3.4, 0.2])],
    /// #     n_labels: 32,
    /// #     guess: Guess::among(8, 1),
    /// #     jump: None,
    /// # })?;
    /// let dark = figure.in_theme(Theme::Dark);
    /// assert!(figure.svg().contains("#ffffff") && !dark.svg().contains("#ffffff"));
    /// # Ok::<(), precipice_figures::FigureError>(())
    /// ```
    #[must_use]
    pub fn in_theme(&self, theme: Theme) -> Self {
        Self { svg: theme::apply(&self.svg, theme) }
    }

    /// The figure as a PNG of [`style::PNG_SCALE`] pixels per SVG unit.
    ///
    /// # Errors
    /// [`FigureError::Render`] when the SVG cannot be parsed (control characters in a
    /// label) or the page is too large for memory.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        export::png(&self.svg)
    }

    /// The figure as a one-page vector PDF with its font embedded.
    ///
    /// # Errors
    /// [`FigureError::Render`] as for [`Figure::png`].
    pub fn pdf(&self) -> Result<Vec<u8>, FigureError> {
        export::pdf(&self.svg)
    }
}

/// A named quantity with one value per step; `NaN` leaves a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// One value per step.
    pub values: Vec<f64>,
}

/// The transition of one run, all three in optimizer steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// End of the plateau; not mentioned when `NaN`.
    pub onset_step: f64,
    /// Half way between plateau and final accuracy; must be finite.
    pub t50: f64,
    /// From 10 % to 90 % of the rise; no band is drawn when `NaN`.
    pub width_10_90: f64,
}
