//! From a run's rows to the data of figures over steps.

use precipice::probe::interactions::PARTS;
use precipice::probe::transition::transition_of;
use precipice_figures::{self as figure, Series};

use crate::reports::theory::{Comparison, Forecast, Formula, compare, half_step};
use crate::runs::StoredRun;

impl StoredRun {
    pub(super) fn title(&self) -> String {
        format!("{} · {}", self.spec.name, self.spec.task.sizes())
    }

    pub(super) fn steps(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.step as f64).collect()
    }

    pub(super) fn column(&self, name: &str) -> Vec<f64> {
        self.rows.iter().map(|row| row.get(name)).collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.get(name).is_finite())
    }

    pub(super) fn jump(&self) -> Option<figure::Jump> {
        let (_, transition) = transition_of(&self.spec, &self.rows);
        let jump = |t: precipice::probe::transition::Transition| figure::Jump {
            onset_step: t.onset_step,
            t50: t.t50,
            width_10_90: t.width_10_90,
        };
        transition.filter(|t| t.t50.is_finite()).map(jump)
    }

    pub(super) fn learning_curve(&self) -> figure::LearningCurve {
        let series = |name: &str, column: &str| Series { name: name.to_owned(), values: self.column(column) };
        let sets = [
            (if self.has("ic_accuracy") { "as trained" } else { "accuracy" }, ""),
            ("novel classes (ic)", "ic_"),
            ("labels swapped (ic_swap)", "ic_swap_"),
            ("by heart (iw)", "iw_"),
        ];
        let of = |column: &str| -> Vec<Series> {
            let known = sets.iter().map(|(name, prefix)| (name, format!("{prefix}{column}")));
            known.filter(|(_, column)| self.has(column)).map(|(name, column)| series(name, &column)).collect()
        };
        let (accuracy, mut loss) = (of("accuracy"), of("loss"));
        // Far beyond the others where labels are known by heart, and the same story.
        loss.retain(|series| !series.name.contains("swap"));
        let neighbor = if self.has("ic_nearest_neighbor_accuracy") { "ic_" } else { "" };
        let neighbor = self.rows[0].get(&format!("{neighbor}nearest_neighbor_accuracy"));
        let task = &self.spec.task;
        figure::LearningCurve {
            title: self.title(),
            steps: self.steps(),
            accuracy,
            loss,
            n_labels: task.n_labels(),
            n_exemplars: task.n_exemplars(),
            burstiness: task.copies(),
            reference: neighbor.is_finite().then(|| ("nearest neighbor".to_owned(), neighbor)),
            jump: self.jump(),
        }
    }

    pub(super) fn interactions(&self) -> Result<figure::InteractionMap, String> {
        if !self.has("interaction_0_content_content_contrast") {
            return Err(
                "the log has no interactions (probes off, a network with LayerNorm, or a minimal head)".to_owned()
            );
        }
        let layer = |layer: usize| -> Vec<Series> {
            let pair = |(query, key): (&str, &str)| Series {
                name: format!("{query} × {key}"),
                values: self.column(&format!("interaction_{layer}_{query}_{key}_contrast")),
            };
            PARTS.iter().flat_map(|query| PARTS.iter().map(|key| (*query, *key))).map(pair).collect()
        };
        let layers = (0..self.spec.model.n_layers).map(layer).collect();
        Ok(figure::InteractionMap { title: self.title(), steps: self.steps(), layers, jump: self.jump() })
    }

    pub(super) fn order_parameters(&self) -> Result<figure::OrderParameters, String> {
        if !self.has("beta") {
            return Err("the log has no order parameters (probes were off)".to_owned());
        }
        let parameter = |name: &str| {
            let series = Series { name: name.to_owned(), values: self.column(name) };
            (series, self.column(&format!("{name}_se")))
        };
        let task = &self.spec.task;
        Ok(figure::OrderParameters {
            title: self.title(),
            steps: self.steps(),
            parameters: ["beta", "alpha", "xi"].map(parameter).to_vec(),
            measured_loss: self.column("measured_loss"),
            predicted_losses: self.predicted_losses(),
            n_labels: task.n_labels(),
            n_exemplars: task.n_exemplars(),
            burstiness: task.copies(),
            jump: self.jump(),
        })
    }

    /// The formulas that say something of their own about this network.
    pub(super) fn formulas(&self) -> &'static [Formula] {
        let has_label_attention = self.column("beta_2").iter().any(|beta_2| *beta_2 != 0.0);
        if has_label_attention { &Formula::ALL } else { &[Formula::Three] }
    }

    pub(super) fn predicted_losses(&self) -> Vec<Series> {
        let series =
            |formula: &Formula| Series { name: formula.name().to_owned(), values: self.column(formula.loss_column()) };
        self.formulas().iter().map(series).collect()
    }

    pub(super) fn theory_over_measurement(&self) -> Result<figure::TheoryOverMeasurement, String> {
        let mut measured = self.order_parameters()?;
        let formulas = self.formulas();
        let comparisons: Vec<Comparison> =
            formulas.iter().filter_map(|formula| compare(*formula, &self.spec, &self.rows)).collect();
        let best = comparisons.last().ok_or("the log has no order parameters")?;
        let [_, alpha, _] = best.formula.columns();
        let named = |name: &str, values| Series { name: name.to_owned(), values };
        measured.parameters[1] = (named("alpha", self.column(alpha)), self.column(&format!("{alpha}_se")));
        let fitted = |(j, name): (usize, &str)| named(name, best.fitted.iter().map(|at| at.point[j]).collect());
        let names = ["beta", "alpha", "xi"];
        let fitted =
            if best.fitted.is_empty() { Vec::new() } else { names.into_iter().enumerate().map(fitted).collect() };
        let forecast_steps: Vec<f64> = best.forecasts.iter().map(|forecast| forecast.until_step).collect();
        let mut forecasts = Vec::new();
        for comparison in &comparisons {
            let series = |words: &str, value: fn(&Forecast) -> Option<f64>| {
                let at = |step: &f64| {
                    let known = comparison.forecasts.iter().find(|forecast| forecast.until_step == *step);
                    known.and_then(value).unwrap_or(f64::NAN)
                };
                named(&format!("{}, {words}", comparison.formula.name()), forecast_steps.iter().map(at).collect())
            };
            forecasts.push(series("own rates", |forecast| forecast.own_rates));
            forecasts.push(series("one rate", |forecast| forecast.common_rate));
        }
        Ok(figure::TheoryOverMeasurement {
            measured,
            fitted_steps: best.fitted.iter().map(|at| at.t).collect(),
            fitted,
            fitted_until: best.until_step,
            forecast_steps,
            forecasts,
            half_step: half_step(&self.spec, &self.rows).unwrap_or(f64::NAN),
        })
    }
}
