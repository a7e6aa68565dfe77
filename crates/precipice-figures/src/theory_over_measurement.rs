//! The theory laid over a measured run: parameters, losses, and the jump foretold from before it.

use super::canvas::{Area, Canvas};
use super::legend::{EdgeLabel, Entry, Stroke, edge_labels, legend};
use super::order_parameters::{LEFT, OrderPage, OrderParameters, formula_color};
use super::panel::{Panel, STEP_AXIS_SPACE, step_range};
use super::{Figure, FigureError, Series, check, style};

/// The data of the figure.
#[derive(Clone, Debug, PartialEq)]
pub struct TheoryOverMeasurement {
    /// What was measured, and the losses predicted from it.
    pub measured: OrderParameters,
    /// Steps of the fitted flow, strictly increasing; empty if there is none.
    pub fitted_steps: Vec<f64>,
    /// The fitted flow's parameters, in the order of the measured ones.
    pub fitted: Vec<Series>,
    /// The last step that the fit knows.
    pub fitted_until: f64,
    /// Last steps that the forecasts know, strictly increasing; empty if there are none.
    pub forecast_steps: Vec<f64>,
    /// Step of p(correct) = 1/2, foretold from no more than that.
    pub forecasts: Vec<Series>,
    /// The step at which it was measured; `NaN` if it was not.
    pub half_step: f64,
}

const FORECAST_HEIGHT: f64 = 200.0;

/// Draws the measured parameters with the fitted flow, the losses, and the forecasts.
///
/// # Errors
/// As for [`learning_curve`](super::learning_curve()).
pub fn theory_over_measurement(data: &TheoryOverMeasurement) -> Result<Figure, FigureError> {
    validate(data)?;
    let mut page = OrderPage::begin(&data.measured, &["measured p = ½".to_owned()])?;
    page.parameters(&data.fitted_steps, &data.fitted, data.fitted_until);
    let has_forecasts = !data.forecast_steps.is_empty();
    let bottom = page.losses(!has_forecasts);
    if !has_forecasts {
        return Ok(page.canvas.finish(bottom + STEP_AXIS_SPACE));
    }
    let entries = forecast_entries(data);
    let (left, right) = (LEFT, style::WIDTH - style::PADDING);
    let top = legend(&mut page.canvas, &entries, left, right, bottom + 20.0) + 10.0;
    let area = Area { left, top, width: page.width(), height: FORECAST_HEIGHT };
    draw_forecasts(&mut page.canvas, data, &entries, area);
    Ok(page.canvas.finish(area.bottom() + STEP_AXIS_SPACE))
}

fn validate(data: &TheoryOverMeasurement) -> Result<(), FigureError> {
    if !data.fitted_steps.is_empty() {
        check::steps(&data.fitted_steps)?;
    }
    if !data.forecast_steps.is_empty() {
        check::steps(&data.forecast_steps)?;
    }
    check::series("fitted", &data.fitted, data.fitted_steps.len())?;
    check::series("forecasts", &data.forecasts, data.forecast_steps.len())
}

/// A forecast "FORMULA, HOW" has the color of the formula's loss; a formula's second forecast is dashed.
fn forecast_entries(data: &TheoryOverMeasurement) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let losses = &data.measured.predicted_losses;
    for (i, series) in data.forecasts.iter().enumerate() {
        let is_of = |loss: &Series| series.name.strip_prefix(&loss.name).is_some_and(|rest| rest.starts_with(','));
        let color = formula_color(losses.iter().position(is_of).unwrap_or(i));
        let is_second = entries.iter().any(|entry| entry.color == color);
        let stroke = if is_second { Stroke::Dashed } else { Stroke::Solid };
        entries.push(Entry { name: series.name.clone(), color, stroke });
    }
    entries
}

/// Forecasts over what they know, the measured jump, and the line of "now".
fn draw_forecasts(canvas: &mut Canvas, data: &TheoryOverMeasurement, entries: &[Entry], area: Area) {
    let (low, high) = step_range(&data.measured.steps);
    let top = if check::is_shown(data.half_step) { 1.5 * data.half_step } else { high };
    let mut panel = Panel::new(area, (low, high), (0.0, top));
    let now = Entry { name: String::new(), color: style::MUTED, stroke: Stroke::Dashed };
    let end = high.min(top);
    panel.series(&[low.max(0.0), end], &[low.max(0.0), end], &now);
    for (series, entry) in data.forecasts.iter().zip(entries) {
        let within = |v: &f64| if *v <= top { *v } else { f64::NAN };
        let values: Vec<f64> = series.values.iter().map(within).collect();
        panel.series(&data.forecast_steps, &values, entry);
    }
    let mut labels = vec![EdgeLabel { y: panel.map_y(end), text: "now".into(), color: style::MUTED }];
    if let Some(jump) = &data.measured.jump {
        panel.jump(jump);
    }
    if check::is_shown(data.half_step) {
        panel.reference(data.half_step);
        let y = panel.map_y(data.half_step);
        labels.push(EdgeLabel { y, text: "measured p = ½".into(), color: style::INK });
    }
    if end < high {
        // The line of "now" leaves through the top.
        labels.remove(0);
    }
    panel.draw(canvas, "step of p = ½, foretold", true);
    edge_labels(canvas, area, labels);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Guess;
    use crate::Jump;
    use crate::testing::{assert_draws, series, shows, sigmoid, steps};

    fn data() -> TheoryOverMeasurement {
        let steps = steps();
        let values = sigmoid(&steps, 0.0, 6.0);
        TheoryOverMeasurement {
            measured: OrderParameters {
                title: "Theory over measurement".into(),
                parameters: vec![(series("beta", values.clone()), vec![0.1; steps.len()])],
                measured_loss: sigmoid(&steps, 2.1, 0.05),
                predicted_losses: vec![series("three parameters", sigmoid(&steps, 2.0, 0.02))],
                n_labels: 32,
                guess: Guess::among(8, 1),
                jump: Some(Jump { onset_step: 2300.0, t50: 2520.0, width_10_90: 240.0 }),
                steps: steps.clone(),
            },
            fitted_steps: steps.clone(),
            fitted: vec![series("beta", values)],
            fitted_until: 2300.0,
            forecast_steps: vec![500.0, 1000.0, 2000.0],
            forecasts: vec![series("own rates", vec![1e9, f64::NAN, 2400.0])],
            half_step: 2560.0,
        }
    }

    #[test]
    fn fit_losses_and_forecasts_are_named() {
        let figure = theory_over_measurement(&data()).unwrap();
        assert_draws(&figure, || theory_over_measurement(&data()));
        let labels = [
            "β ± standard error",
            "fitted to the steps",
            "three parameters",
            "own rates",
            "measured p = ½",
            "foretold",
        ];
        shows(&figure, &labels);
    }

    #[test]
    fn a_formula_has_one_color_and_no_parameter_shares_it() {
        let mut data = data();
        data.measured.predicted_losses.push(series("with label attention", vec![1.0; data.measured.steps.len()]));
        let forecast = |name: &str| series(name, vec![1000.0, 2000.0, 2400.0]);
        let names = ["three parameters, own rates", "three parameters, one rate", "with label attention, own rates"];
        data.forecasts = names.map(forecast).to_vec();
        let entries = forecast_entries(&data);
        let colors = [style::FORMULAS[0], style::FORMULAS[0], style::FORMULAS[1]];
        assert_eq!(entries.iter().map(|entry| entry.color).collect::<Vec<_>>(), colors);
        assert_eq!([entries[0].stroke, entries[1].stroke], [Stroke::Solid, Stroke::Dashed]);
        let parameters = ["beta", "alpha", "alpha among labels", "xi", "beta_2"].map(style::parameter_color);
        assert!((0..5).all(|i| !parameters[..i].contains(&parameters[i])));
        assert!(style::FORMULAS.iter().all(|color| !parameters.contains(&Some(color))));
    }

    #[test]
    fn a_run_without_fit_and_forecasts_is_drawn() {
        let mut data = data();
        data.fitted_steps.clear();
        data.fitted.clear();
        data.forecast_steps.clear();
        data.forecasts.clear();
        data.measured.jump = None;
        let figure = theory_over_measurement(&data).unwrap();
        assert!(!figure.svg().contains("foretold") && figure.png().is_ok());
    }

    #[test]
    fn bad_shapes_are_errors() {
        let mut short = data();
        short.forecasts[0].values.pop();
        let error = theory_over_measurement(&short).unwrap_err().to_string();
        assert!(error.contains("own rates") && error.contains("expected 3"), "{error}");
        let mut twice = data();
        twice.fitted_steps[1] = 0.0;
        assert!(theory_over_measurement(&twice).is_err());
    }
}
