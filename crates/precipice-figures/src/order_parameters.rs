//! The order parameters of a real network, and the loss the theory predicts from them.

use super::canvas::{Area, Canvas};
use super::learning_curve::{Guess, loss_references};
use super::legend::{EdgeLabel, Entry, Stroke, edge_labels, edge_room, legend};
use super::panel::{Panel, STEP_AXIS_SPACE, step_range, value_range};
use super::surface::letter;
use super::{Figure, FigureError, Jump, Series, check, style, text};

/// The data of the order-parameter figure.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderParameters {
    /// Heading of the page.
    pub title: String,
    /// Optimizer steps, strictly increasing.
    pub steps: Vec<f64>,
    /// Each parameter with its standard errors; the names "beta", "alpha" and "xi" are
    /// written as Greek letters.
    pub parameters: Vec<(Series, Vec<f64>)>,
    /// Nats.
    pub measured_loss: Vec<f64>,
    /// Nats; what predicts each, and its values.
    pub predicted_losses: Vec<Series>,
    /// L, for the line at ln L.
    pub n_labels: usize,
    /// What is reached without the context's help.
    pub guess: Guess,
    /// The transition to mark, if there is one.
    pub jump: Option<Jump>,
}

/// Left end of the panels.
pub(super) const LEFT: f64 = style::PADDING + style::AXIS_SPACE;
const PARAMETER_HEIGHT: f64 = 230.0;
const LOSS_HEIGHT: f64 = 190.0;

/// Draws the parameters with bands of one standard error above the losses.
///
/// # Errors
/// As for [`learning_curve`](super::learning_curve()).
///
/// ```
/// use precipice_figures::{Guess, OrderParameters, Series, order_parameters};
/// let series = |name: &str, values: [f64; 2]| Series { name: name.to_owned(), values: values.to_vec() };
/// let figure = order_parameters(&OrderParameters {
///     title: "Order parameters".to_owned(),
///     steps: vec![0.0, 100.0],
///     parameters: vec![(series("beta", [0.0, 5.0]), vec![0.1, 0.1])],
///     measured_loss: vec![3.4, 0.1],
///     predicted_losses: vec![series("three parameters", [3.4, 0.2])],
///     n_labels: 32,
///     guess: Guess::among(8, 1),
///     jump: None,
/// })?;
/// assert!(figure.svg().contains("β"));
/// # Ok::<(), precipice_figures::FigureError>(())
/// ```
pub fn order_parameters(data: &OrderParameters) -> Result<Figure, FigureError> {
    let mut page = OrderPage::begin(data, &[])?;
    page.parameters(&[], &[], f64::NAN);
    let bottom = page.losses(true);
    Ok(page.canvas.finish(bottom + STEP_AXIS_SPACE))
}

/// The page under construction, for this figure and the one that lays the theory over it.
pub(super) struct OrderPage<'a> {
    pub canvas: Canvas,
    data: &'a OrderParameters,
    entries: Vec<Entry>,
    finals: Vec<(String, f64)>,
    width: f64,
    top: f64,
}

impl<'a> OrderPage<'a> {
    /// Checks the data and sets the title. `labels` are further ones at the right edge.
    pub fn begin(data: &'a OrderParameters, labels: &[String]) -> Result<Self, FigureError> {
        validate(data)?;
        let entries = entries(&data.parameters);
        let finals = final_labels(data, &entries);
        let references = loss_references(data.n_labels, &data.guess);
        let names = finals.iter().chain(&references).map(|(name, _)| name).chain(labels);
        let width = style::WIDTH - 2.0 * style::PADDING - style::AXIS_SPACE - edge_room(names.map(String::as_str));
        let (canvas, top) = Canvas::new(style::WIDTH, &data.title);
        Ok(Self { canvas, data, entries, finals, width, top })
    }

    /// Width of the panels.
    pub fn width(&self) -> f64 {
        self.width
    }

    fn area(&self, top: f64, height: f64) -> Area {
        Area { left: LEFT, top, width: self.width, height }
    }

    /// The upper panel, with the flow that was fitted to the steps up to `until` if there is one.
    pub fn parameters(&mut self, fitted_steps: &[f64], fitted: &[Series], until: f64) {
        let mut entries = self.entries.clone();
        if !fitted.is_empty() {
            let steps = text::thousands(until);
            let name = format!("dashed on each color: flow of the formula, fitted to the steps up to {steps}");
            entries.push(Entry { name, color: style::INK, stroke: Stroke::Dashed });
        }
        let right = style::WIDTH - style::PADDING;
        self.top = legend(&mut self.canvas, &entries, LEFT, right, self.top) + 10.0;
        if self.data.jump.is_some() {
            self.top += style::line_height(style::BODY_SIZE);
        }
        let area = self.area(self.top, PARAMETER_HEIGHT);
        let finals = std::mem::take(&mut self.finals);
        let fitted = Fitted { steps: fitted_steps, series: fitted };
        draw_parameters(&mut self.canvas, self.data, &self.entries, finals, fitted, area);
        self.top = area.bottom() + 20.0;
    }

    /// The panel of the losses; returns where it ends.
    pub fn losses(&mut self, lowest: bool) -> f64 {
        let losses = loss_entries(&self.data.predicted_losses);
        let right = style::WIDTH - style::PADDING;
        let top = legend(&mut self.canvas, &losses, LEFT, right, self.top) + 10.0;
        let area = self.area(top, LOSS_HEIGHT);
        draw_losses(&mut self.canvas, self.data, &losses, lowest, area);
        area.bottom()
    }
}

/// A flow to draw over the measured parameters.
struct Fitted<'a> {
    steps: &'a [f64],
    series: &'a [Series],
}

fn validate(data: &OrderParameters) -> Result<(), FigureError> {
    let n_steps = data.steps.len();
    check::steps(&data.steps)?;
    check::non_empty("parameters", data.parameters.len())?;
    for (series, errors) in &data.parameters {
        check::series("parameters", std::slice::from_ref(series), n_steps)?;
        let name = format!("standard errors of \"{}\"", series.name);
        check::length(&name, errors.len(), n_steps)?;
    }
    check::length("measured_loss", data.measured_loss.len(), n_steps)?;
    check::series("predicted_losses", &data.predicted_losses, n_steps)?;
    check::positive("n_labels", data.n_labels)?;
    check::jump(data.jump.as_ref())
}

fn entries(parameters: &[(Series, Vec<f64>)]) -> Vec<Entry> {
    let entry = |(idx, (series, _)): (usize, &(Series, Vec<f64>))| Entry {
        name: legend_name(&series.name),
        color: style::parameter_color(&series.name).unwrap_or(style::series_color(idx)),
        stroke: Stroke::Solid,
    };
    parameters.iter().enumerate().map(entry).collect()
}

/// "α ± standard error"; a letter that needs a word has it in brackets.
fn legend_name(name: &str) -> String {
    let words = if name == "alpha among labels" { " (among labels)" } else { "" };
    format!("{}{words} ± standard error", letter(name))
}

fn loss_entries(predicted: &[Series]) -> Vec<Entry> {
    let measured = Entry { name: "measured loss".into(), color: style::INK, stroke: Stroke::Solid };
    let entry = |(i, series): (usize, &Series)| Entry {
        name: format!("predicted: {}", series.name),
        color: formula_color(i),
        stroke: Stroke::Dashed,
    };
    [measured].into_iter().chain(predicted.iter().enumerate().map(entry)).collect()
}

/// The color of the `i`-th formula, in all panels.
pub(super) fn formula_color(i: usize) -> &'static str {
    style::FORMULAS[i % style::FORMULAS.len()]
}

/// The last defined value of each parameter with its label; `NaN` if there is none.
fn final_labels(data: &OrderParameters, entries: &[Entry]) -> Vec<(String, f64)> {
    let label = |((series, _), _): (&(Series, Vec<f64>), &Entry)| {
        let defined = series.values.iter().rev().find(|v| check::is_shown(**v));
        let value = defined.copied().unwrap_or(f64::NAN);
        let shown = text::decimal(value, 2);
        (format!("{} = {shown}", letter(&series.name)), value)
    };
    data.parameters.iter().zip(entries).map(label).collect()
}

fn draw_parameters(
    canvas: &mut Canvas,
    data: &OrderParameters,
    entries: &[Entry],
    finals: Vec<(String, f64)>,
    fitted: Fitted<'_>,
    area: Area,
) {
    let ends = data.parameters.iter().flat_map(|(series, errors)| {
        let pairs = series.values.iter().zip(errors);
        pairs.flat_map(|(value, error)| [*value, value - error, value + error])
    });
    let y = value_range(ends.chain([0.0]));
    let mut panel = Panel::new(area, step_range(&data.steps), y);
    for ((series, errors), entry) in data.parameters.iter().zip(entries) {
        panel.band(&data.steps, &series.values, errors, entry.color);
        panel.series(&data.steps, &series.values, entry);
    }
    for (series, entry) in fitted.series.iter().zip(entries) {
        // A flow that leaves the panel is broken off there.
        let within = |v: &f64| if (y.0..=y.1).contains(v) { *v } else { f64::NAN };
        let values: Vec<f64> = series.values.iter().map(within).collect();
        // Dashes on the parameter's color, so that each flow is seen to be of its parameter.
        panel.series(fitted.steps, &values, entry);
        panel.series(fitted.steps, &values, &Entry { stroke: Stroke::Dashed, color: style::INK, ..entry.clone() });
    }
    if let Some(jump) = &data.jump {
        panel.jump(jump);
        panel.jump_label(canvas, jump, style::JUMP_INK);
    }
    let label =
        |((text, value), entry): ((String, f64), &Entry)| EdgeLabel { y: panel.map_y(value), text, color: entry.color };
    let labels = finals.into_iter().zip(entries).map(label).collect();
    panel.draw(canvas, "order parameter", false);
    edge_labels(canvas, area, labels);
}

fn draw_losses(canvas: &mut Canvas, data: &OrderParameters, entries: &[Entry], lowest: bool, area: Area) {
    let references = loss_references(data.n_labels, &data.guess);
    let lists = || [&data.measured_loss].into_iter().chain(data.predicted_losses.iter().map(|series| &series.values));
    let shown = lists().flatten().copied().chain(references.iter().map(|(_, value)| *value));
    let y = (0.0, value_range(shown.chain([0.0])).1);
    let mut panel = Panel::new(area, step_range(&data.steps), y);
    for (values, entry) in lists().zip(entries) {
        panel.series(&data.steps, values, entry);
    }
    if let Some(jump) = &data.jump {
        panel.jump(jump);
    }
    let mut labels = Vec::new();
    for (text, value) in references {
        panel.reference(value);
        labels.push(EdgeLabel { y: panel.map_y(value), text, color: style::MUTED });
    }
    panel.draw(canvas, "loss (nats)", lowest);
    edge_labels(canvas, area, labels);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_draws, series, shows, sigmoid, steps};

    fn data() -> OrderParameters {
        let steps = steps();
        let one = |name, high| {
            let values = sigmoid(&steps, 0.0, high);
            let errors = vec![0.1; values.len()];
            (series(name, values), errors)
        };
        OrderParameters {
            title: "Order parameters".into(),
            parameters: vec![one("beta", 6.0), one("alpha", 9.0), one("xi", 12.0)],
            measured_loss: sigmoid(&steps, 2.1, 0.05),
            predicted_losses: vec![series("three parameters", sigmoid(&steps, 2.08, 0.02))],
            steps,
            n_labels: 32,
            guess: Guess::among(8, 1),
            jump: Some(Jump { onset_step: f64::NAN, t50: 2520.0, width_10_90: 240.0 }),
        }
    }

    #[test]
    fn parameters_losses_and_references_are_named() {
        let figure = order_parameters(&data()).unwrap();
        assert_draws(&figure, || order_parameters(&data()));
        let labels = [
            "β ± standard error",
            "α ± standard error",
            "ξ ± standard error",
            "β = 6.00",
            "ξ = 12.00",
            "measured loss",
            "predicted: three parameters",
            "ln L = 3.47",
            "ln N = 2.08",
            "jump at 2,520",
        ];
        shows(&figure, &labels);
    }

    #[test]
    fn undefined_values_and_a_single_row_are_drawn() {
        let mut gaps = data();
        gaps.parameters[2].0.values.fill(f64::NAN);
        gaps.parameters[0].1.fill(f64::NAN);
        shows(&order_parameters(&gaps).unwrap(), &["β = 6.00"]);
        let single = OrderParameters {
            steps: vec![7.0],
            parameters: vec![(series("xi", vec![1.0]), vec![0.5])],
            measured_loss: vec![f64::NAN],
            predicted_losses: vec![series("three parameters", vec![1.0])],
            ..data()
        };
        assert!(order_parameters(&single).unwrap().png().is_ok());
    }

    #[test]
    fn bad_shapes_are_errors() {
        let mut short = data();
        short.parameters[1].1.pop();
        let error = order_parameters(&short).unwrap_err().to_string();
        assert!(error.contains("standard errors of \"alpha\" has 40 values"));
        let empty = OrderParameters { parameters: vec![], ..data() };
        assert!(order_parameters(&empty).is_err());
    }
}
