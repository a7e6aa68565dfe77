//! The order parameters of a real network, and the loss the theory predicts from them.

use super::canvas::{Area, Canvas};
use super::learning_curve::loss_references;
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
    /// Nats.
    pub predicted_loss: Vec<f64>,
    /// L, for the line at ln L.
    pub n_labels: usize,
    /// N, for the line at ln N.
    pub n_exemplars: usize,
    /// The transition to mark, if there is one.
    pub jump: Option<Jump>,
}

const PARAMETER_HEIGHT: f64 = 230.0;
const LOSS_HEIGHT: f64 = 190.0;

/// Draws the parameters with bands of one standard error above the two losses.
///
/// # Errors
/// As for [`learning_curve`](super::learning_curve()).
pub fn order_parameters(data: &OrderParameters) -> Result<Figure, FigureError> {
    validate(data)?;
    let entries = entries(&data.parameters);
    let references = loss_references(data.n_labels, data.n_exemplars);
    let finals = final_labels(data, &entries);
    let names = finals.iter().chain(&references).map(|(name, _)| name.as_str());
    let width = style::WIDTH - 2.0 * style::PADDING - style::AXIS_SPACE - edge_room(names);
    let (mut canvas, top) = Canvas::new(style::WIDTH, &data.title);
    let left = style::PADDING + style::AXIS_SPACE;
    let right = style::WIDTH - style::PADDING;
    let area = |top: f64, height: f64| Area { left, top, width, height };
    let mut top = legend(&mut canvas, &entries, left, right, top) + 10.0;
    if data.jump.is_some() {
        top += style::line_height(style::BODY_SIZE);
    }
    let upper = area(top, PARAMETER_HEIGHT);
    draw_parameters(&mut canvas, data, &entries, finals, upper);
    let losses = loss_entries();
    let top = legend(&mut canvas, &losses, left, right, upper.bottom() + 20.0) + 10.0;
    let lower = area(top, LOSS_HEIGHT);
    draw_losses(&mut canvas, data, &losses, references, lower);
    Ok(canvas.finish(lower.bottom() + STEP_AXIS_SPACE))
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
    check::length("predicted_loss", data.predicted_loss.len(), n_steps)?;
    check::positive("n_labels", data.n_labels)?;
    check::positive("n_exemplars", data.n_exemplars)?;
    check::jump(data.jump.as_ref())
}

fn entries(parameters: &[(Series, Vec<f64>)]) -> Vec<Entry> {
    let entry = |(idx, (series, _)): (usize, &(Series, Vec<f64>))| Entry {
        name: format!("{} ± standard error", letter(&series.name)),
        color: style::series_color(idx),
        stroke: Stroke::Solid,
    };
    parameters.iter().enumerate().map(entry).collect()
}

fn loss_entries() -> [Entry; 2] {
    [
        Entry { name: "measured loss".into(), color: style::INK, stroke: Stroke::Solid },
        Entry { name: "loss predicted from the parameters".into(), color: style::PREDICTION, stroke: Stroke::Dashed },
    ]
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

fn draw_losses(
    canvas: &mut Canvas,
    data: &OrderParameters,
    entries: &[Entry; 2],
    references: Vec<(String, f64)>,
    area: Area,
) {
    let values = data.measured_loss.iter().chain(&data.predicted_loss).copied();
    let shown = values.chain(references.iter().map(|(_, value)| *value));
    let y = (0.0, value_range(shown.chain([0.0])).1);
    let mut panel = Panel::new(area, step_range(&data.steps), y);
    panel.series(&data.steps, &data.measured_loss, &entries[0]);
    panel.series(&data.steps, &data.predicted_loss, &entries[1]);
    if let Some(jump) = &data.jump {
        panel.jump(jump);
    }
    let mut labels = Vec::new();
    for (text, value) in references {
        panel.reference(value);
        labels.push(EdgeLabel { y: panel.map_y(value), text, color: style::MUTED });
    }
    panel.draw(canvas, "loss (nats)", true);
    edge_labels(canvas, area, labels);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::testing::{assert_draws, series, shows, sigmoid, steps};

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
            predicted_loss: sigmoid(&steps, 2.08, 0.02),
            steps,
            n_labels: 32,
            n_exemplars: 8,
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
            "loss predicted",
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
            predicted_loss: vec![1.0],
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
