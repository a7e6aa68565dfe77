//! From a regression run to its figures: loss between those of the predictors and nearness to descent, other
//! distributions, roll-outs.

use precipice::measure::descent::closed_forms::plateaus;
use precipice::measure::{Column, metric};
use precipice::spec::FunctionKind;
use precipice::task::Set;
use precipice::workers::Workers;
use precipice_figures::{BandPanel, BandSeries, Bands, thousands};

use crate::error::LabError;
use crate::reports::regression::{Damped, Losses, N_APPLICATIONS, RegressionReport, Scaled};
use crate::runs::StoredRun;

impl StoredRun {
    /// The loss with the predictors' losses, and where probes were on the comparison with gradient descent.
    pub(super) fn regression_curves(&self) -> Bands {
        let facts = self.spec.facts();
        let reached = facts.predictors.iter().map(|predictor| {
            (predictor.words.clone(), self.rows[0].get(&Column::of_predictor(&facts, Set::MAIN, predictor)))
        });
        let panel = |y_name: &str, series| BandPanel {
            heading: String::new(),
            y_name: y_name.to_owned(),
            series,
            references: Vec::new(),
            marks: Vec::new(),
            mark_words: String::new(),
        };
        let loss = vec![self.curve(&facts.eval_sets[0].words, &metric::LOSS.main())];
        let marks = self.drops();
        let mut panels = vec![BandPanel {
            references: reached.chain(plateaus(&self.spec)).collect(),
            mark_words: drop_words(&marks),
            marks,
            ..panel(&metric::LOSS.words, loss)
        }];
        for metric in [metric::SENSITIVITY_COSINE, metric::PREDICTION_DIFFERENCE] {
            let with = facts.predictors.iter().map(|predictor| (predictor, metric.at([&predictor.name])));
            let series: Vec<BandSeries> = with
                .filter(|(_, column)| self.has(column))
                .map(|(predictor, column)| self.curve(&format!("with {}", predictor.words), &column))
                .collect();
            panels.extend((!series.is_empty()).then(|| panel(&metric.words, series)));
        }
        let attention = metric::OWN_VALUE_ATTENTION;
        if self.has(&attention.main()) {
            panels.push(panel(&attention.words, vec![self.curve("layer 1", &attention.main())]));
        }
        for more in self.own_panels() {
            let series = more.series.into_iter().map(|series| self.band(&series.name, series.values));
            panels.push(panel(&more.y_name, series.collect()));
        }
        Bands { title: self.title(), x_name: None, panels }
    }

    /// Where the loss falls half way from one derived plateau to the next; where there are none, the jump.
    fn drops(&self) -> Vec<f64> {
        let zero = self.rows[0].get(&metric::PREDICTOR_LOSS.at(["", "zero"]));
        let levels: Vec<f64> =
            std::iter::once(zero).chain(plateaus(&self.spec).into_iter().map(|(_, at)| at)).collect();
        // One plateau is a saddle beside the way, not a station on it.
        if levels.len() < 3 {
            return self.jump().map(|jump| jump.t50).into_iter().collect();
        }
        let loss = metric::LOSS.main();
        let falls = |pair: &[f64]| {
            let half = pair[0].midpoint(pair[1]);
            let rows = self.rows.windows(2).find(|rows| rows[0].get(&loss) > half && rows[1].get(&loss) <= half)?;
            let (before, after) = (rows[0].get(&loss), rows[1].get(&loss));
            let steps = (rows[1].step - rows[0].step) as f64;
            Some(rows[0].step as f64 + steps * (before - half) / (before - after))
        };
        levels.windows(2).filter_map(falls).collect()
    }

    /// Measures the last checkpoint.
    fn report(&self, workers: &dyn Workers) -> Result<RegressionReport, LabError> {
        let last = self.rows.last().map_or(0, |row| row.step);
        Ok(RegressionReport::new(&self.spec, &self.at_step_with(last, workers)?, workers))
    }

    /// Losses with inputs and labels scaled, beside the closed forms.
    pub(super) fn generalization(&self, workers: &dyn Workers) -> Result<Bands, LabError> {
        let report = self.report(workers)?;
        let zero = report.column(&metric::PREDICTOR_LOSS.at(["", "zero"]));
        let is_sine = self.spec.task.regression().is_some_and(|task| task.functions == FunctionKind::Sine);
        let panel = |what: &str, scaled: &[Scaled], is_inputs: bool| {
            // A sine's y does not grow with x.
            let relative =
                |at: &Scaled, loss: f64| loss / (zero * if is_inputs && is_sine { 1.0 } else { at.factor * at.factor });
            let x: Vec<f64> = scaled.iter().map(|at| at.factor).collect();
            let series = |name: &str, values: Vec<f64>| BandSeries {
                name: name.to_owned(),
                x: x.clone(),
                values: values.into_iter().map(|value| [value; 3]).collect(),
            };
            let mut all = vec![series("trained network", scaled.iter().map(|at| relative(at, at.loss)).collect())];
            if scaled.iter().any(|at| at.closed_form.is_finite()) {
                all.push(series(
                    "closed form of one step",
                    scaled.iter().map(|at| relative(at, at.closed_form)).collect(),
                ));
            }
            BandPanel {
                heading: what.to_owned(),
                y_name: "loss / answering 0".to_owned(),
                series: all,
                references: vec![("answering 0".to_owned(), 1.0)],
                marks: vec![1.0],
                mark_words: "dashed: the scale of training".to_owned(),
            }
        };
        let panels = vec![panel("inputs scaled", &report.inputs, true), panel("labels scaled", &report.labels, false)];
        Ok(Bands { title: self.title(), x_name: Some("factor on the scale of training".to_owned()), panels })
    }

    /// Losses after 1, 2, ... applications, beside those of descent.
    pub(super) fn roll_out(&self, workers: &dyn Workers) -> Result<Bands, LabError> {
        let report = self.report(workers)?;
        let zero = report.column(&metric::PREDICTOR_LOSS.at(["", "zero"]));
        let x: Vec<f64> = (1..=N_APPLICATIONS).map(|n| n as f64).collect();
        let descent = report.descent_roll_out.iter().map(|losses| ("gradient descent".to_owned(), losses));
        let damped = report.roll_outs.iter().map(|Damped { losses, damping }| (format!("damping {damping}"), losses));
        let all: Vec<_> = damped.chain(descent).collect();
        // A diverging curve leaves the panel where it is of no more use than answering 0.
        let shown = |&loss: &f64| if loss < 1.05 * zero { [loss; 3] } else { [f64::NAN; 3] };
        let panel = |y_name: &str, of: fn(&Losses) -> &Vec<f64>, references: Vec<(String, f64)>| {
            let series = all.iter().map(|(name, losses)| BandSeries {
                name: name.clone(),
                x: x.clone(),
                values: of(losses).iter().map(shown).collect(),
            });
            BandPanel {
                heading: String::new(),
                y_name: y_name.to_owned(),
                series: series.collect(),
                references,
                marks: Vec::new(),
                mark_words: String::new(),
            }
        };
        let panels = vec![
            panel("mean loss", |losses| &losses.mean, vec![("answering 0".to_owned(), zero)]),
            panel("median loss", |losses| &losses.median, Vec::new()),
        ];
        Ok(Bands { title: self.title(), x_name: Some("applications".to_owned()), panels })
    }

    /// One column of one run: a band without width.
    fn curve(&self, name: &str, column: &Column) -> BandSeries {
        self.band(name, self.column(column))
    }

    fn band(&self, name: &str, values: Vec<f64>) -> BandSeries {
        let values = values.into_iter().map(|value| [value; 3]).collect();
        BandSeries { name: name.to_owned(), x: self.steps(), values }
    }
}

/// "jump at 900", "drops at 380, 860 and 2,150".
fn drop_words(marks: &[f64]) -> String {
    let steps: Vec<String> = marks.iter().map(|at| thousands(*at)).collect();
    match &steps[..] {
        [] => String::new(),
        [one] => format!("jump at {one}"),
        [most @ .., last] => format!("drops at {} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use precipice::record::MemoryRecorder;
    use precipice::workers::Sequential;

    use crate::input::spec_file::{self, Changes};
    use crate::run_figures::{Kind, draw};
    use crate::runs::{Keep, Options, train};

    use super::*;

    /// One thread that counts what it is given.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Workers for Counting {
        fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
            self.0.fetch_add(n_jobs, Ordering::Relaxed);
            Sequential.run(n_jobs, job);
        }
    }

    #[test]
    fn drops_are_told() {
        assert_eq!(
            [&[][..], &[900.4], &[380.0, 860.0, 2150.0]].map(drop_words),
            ["", "jump at 900", "drops at 380, 860 and 2,150"]
        );
    }

    #[test]
    fn figures_measure_on_the_threads_they_are_lent() {
        let folder = tempfile::tempdir().unwrap();
        let overrides = vec!["eval.sequences=8".to_owned(), "probes.sequences=8".to_owned()];
        let spec = spec_file::load("regression", &Changes { overrides, steps: Some(1), seed: None }).unwrap();
        let out = Some(folder.path().join("run"));
        let options = Options { out, threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
        let report = train(spec, &options, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
        let run = StoredRun::open(report.run_dir.root()).unwrap();
        for kind in [Kind::Generalization, Kind::RollOut] {
            let workers = Counting::default();
            draw(kind, &run, &workers).unwrap();
            assert!(workers.0.into_inner() > 0, "{kind:?} measures elsewhere");
        }
    }
}
