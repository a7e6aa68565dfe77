//! From a run's rows to the data of figures over steps.

use precipice::measure::interactions::PARTS;
use precipice::measure::transition::transition_of;
use precipice::measure::{Column, Metric, Unit, metric};
use precipice::model::Description;
use precipice::spec::RunSpec;
use precipice::task::{Facts, Set};
use precipice_figures::{self as figure, Guess, MorePanel, Series};

use crate::reports::theory::{Comparison, Forecast, Formula, NoPath, compare, formula_of, half_step};
use crate::runs::StoredRun;

impl StoredRun {
    pub(super) fn title(&self) -> String {
        format!("{} · {}", self.spec.name, self.spec.facts().sizes)
    }

    pub(super) fn steps(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.step as f64).collect()
    }

    pub(super) fn column(&self, column: &Column) -> Vec<f64> {
        self.rows.iter().map(|row| row.get(column)).collect()
    }

    pub(super) fn has(&self, column: &Column) -> bool {
        self.rows.iter().any(|row| row.get(column).is_finite())
    }

    pub(super) fn series(&self, name: &str, column: &Column) -> Series {
        Series { name: name.to_owned(), values: self.column(column) }
    }

    pub(super) fn jump(&self) -> Option<figure::Jump> {
        let (_, transition) = transition_of(&self.spec.facts(), &self.rows);
        let jump = |t: precipice::measure::transition::Transition| figure::Jump {
            onset_step: t.onset_step,
            t50: t.t50,
            width_10_90: t.width_10_90,
        };
        transition.filter(|t| t.t50.is_finite()).map(jump)
    }

    pub(super) fn learning_curve(&self) -> figure::LearningCurve {
        let facts = self.spec.facts();
        let of = |metric: &Metric| -> Vec<Series> {
            let sets = facts.eval_sets.iter().map(|set| (&set.words, metric.on(&set.prefix)));
            let known = sets.filter(|(_, column)| self.has(column));
            known.map(|(words, column)| self.series(words, &column)).collect()
        };
        let (accuracy, mut loss) = (of(&metric::ACCURACY), of(&metric::LOSS));
        // Far beyond the others where labels are known by heart, and the same story.
        loss.retain(|series| !series.name.contains("swap"));
        let set = facts.novel_set.unwrap_or(Set::MAIN);
        let reached = facts.predictors.iter().map(|predictor| {
            (predictor.words.clone(), self.rows[0].get(&Column::of_predictor(&facts, set, predictor)))
        });
        figure::LearningCurve {
            title: self.title(),
            steps: self.steps(),
            accuracy,
            loss,
            n_labels: facts.n_labels(),
            guess: guess(&facts),
            references: reached.collect(),
            more: self.own_panels(),
            jump: self.jump(),
        }
    }

    /// What a program's own probes measured, and what the heads of pairs compare: one panel a unit.
    pub(super) fn own_panels(&self) -> Vec<MorePanel> {
        let mut panels: Vec<(Unit, MorePanel)> = Vec::new();
        for metric in metric::ALL.iter().filter(|metric| metric.group == "relations").chain(&self.own_metrics) {
            let names: Vec<&String> =
                self.rows[0].columns.iter().map(|(name, _)| name).filter(|name| metric.is_of(name)).collect();
            for name in &names {
                // Several columns of one metric are told apart by their names.
                let words =
                    if names.len() == 1 { metric.words.to_string() } else { format!("{} ({name})", metric.words) };
                let values = self.rows.iter().map(|row| row.value(name).unwrap_or(f64::NAN)).collect();
                let series = Series { name: words, values };
                match panels.iter_mut().find(|(unit, _)| *unit == metric.unit) {
                    Some((unit, panel)) => {
                        // Curves of several metrics have the unit in common.
                        if panel.y_name != metric.words {
                            panel.y_name = unit.words().to_owned();
                        }
                        panel.series.push(series);
                    }
                    None => {
                        let y_name = metric.words.to_string();
                        panels.push((metric.unit, MorePanel { y_name, series: vec![series] }));
                    }
                }
            }
        }
        panels.into_iter().map(|(_, panel)| panel).collect()
    }

    pub(super) fn interactions(&self) -> Result<figure::InteractionMap, String> {
        if !self.has(&metric::INTERACTION_CONTRAST.at(["0", "content", "content"])) {
            return Err(
                "the log has no interactions (probes off, a network with LayerNorm, or a minimal head)".to_owned()
            );
        }
        let layer = |layer: usize| -> Vec<Series> {
            let pair = |(query, key): (&str, &str)| Series {
                name: format!("{query} × {key}"),
                values: self.column(&metric::INTERACTION_CONTRAST.at([&layer.to_string(), query, key])),
            };
            PARTS.iter().flat_map(|query| PARTS.iter().map(|key| (*query, *key))).map(pair).collect()
        };
        let layers = (0..Description::of(&self.spec).n_layers).map(layer).collect();
        Ok(figure::InteractionMap {
            title: self.title(),
            steps: self.steps(),
            layers,
            jump: self.jump(),
            note: buffer_words(&self.spec),
        })
    }

    pub(super) fn order_parameters(&self) -> Result<figure::OrderParameters, NoPath> {
        formula_of(&self.spec)?;
        if !self.has(&metric::BETA.main()) {
            return Err(NoPath::of_log(&self.spec));
        }
        let facts = self.spec.facts();
        let mut parameters = Formula::Three.parameters().to_vec();
        // The match among labels is another quantity where the last layer prefers labels whatever they say.
        if self.formulas().contains(&Formula::LabelAttention) {
            let [_, among_labels, _] = Formula::LabelAttention.parameters();
            parameters.push(among_labels);
        }
        Ok(figure::OrderParameters {
            title: self.title(),
            steps: self.steps(),
            parameters: self.parameters(&parameters),
            measured_loss: self.column(&metric::MEASURED_LOSS.main()),
            predicted_losses: self.predicted_losses(),
            n_labels: facts.n_labels(),
            guess: guess(&facts),
            jump: self.jump(),
        })
    }

    /// Order parameters with their standard errors.
    fn parameters(&self, of: &[[Metric; 2]]) -> Vec<(Series, Vec<f64>)> {
        let parameter =
            |[metric, error]: &[Metric; 2]| (self.series(&metric.words, &metric.main()), self.column(&error.main()));
        of.iter().map(parameter).collect()
    }

    /// The formulas that say something of their own about this network.
    pub(super) fn formulas(&self) -> &'static [Formula] {
        let has_label_attention = self.column(&metric::BETA_2.main()).iter().any(|beta_2| *beta_2 != 0.0);
        if has_label_attention { &Formula::ALL } else { &[Formula::Three] }
    }

    pub(super) fn predicted_losses(&self) -> Vec<Series> {
        self.formulas().iter().map(|formula| self.series(formula.name(), &formula.loss_column())).collect()
    }

    pub(super) fn theory_over_measurement(&self) -> Result<figure::TheoryOverMeasurement, NoPath> {
        let measured = self.order_parameters()?;
        let compare = |formula: &Formula| compare(*formula, &self.spec, &self.rows);
        let comparisons = self.formulas().iter().map(compare).collect::<Result<Vec<Comparison>, _>>()?;
        let best = &comparisons[comparisons.len() - 1];
        let named = |name: &str, values| Series { name: name.to_owned(), values };
        // The parameters that the best formula has.
        let parameters = best.formula.parameters();
        let measured = figure::OrderParameters { parameters: self.parameters(&parameters), ..measured };
        let names = parameters.map(|[metric, _]| metric.words);
        let fitted = |(j, name): (usize, &std::borrow::Cow<'static, str>)| {
            named(name, best.fitted.iter().map(|at| at.point[j]).collect())
        };
        let fitted = if best.fitted.is_empty() { Vec::new() } else { names.iter().enumerate().map(fitted).collect() };
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

/// What "buffer" means: where it came from, whatever the coordinates it lies in.
fn buffer_words(spec: &RunSpec) -> String {
    let mut words = "buffer: what earlier layers wrote into the stream, nothing yet in layer 1".to_owned();
    if spec.model.d_buffer == 0 {
        words +=
            "; this network has no coordinates for it alone (d_buffer = 0), it lies on those of content and position";
    }
    words
}

/// A guess among the context's labels, as figures say it.
pub(super) fn guess(facts: &Facts) -> Guess {
    let progress = &facts.progress;
    let loss_words = match &progress.floor_words[..] {
        "1/N" => "ln N".to_owned(),
        "B/N" => "ln N/B".to_owned(),
        "1/L" => "ln L".to_owned(),
        words => format!("−ln {words}"),
    };
    Guess { accuracy: progress.floor, words: progress.floor_words.clone(), loss_words }
}
