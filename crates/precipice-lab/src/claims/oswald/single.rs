//! One linear layer: a step of gradient descent, at all sizes, on other distributions, and repeated.

use precipice::measure::descent::generalization::{Repetition, loss_under, roll_out as repeat};
use precipice::measure::descent::weights::Circuits;
use precipice::measure::metric;
use precipice::train::{TrainState, Trainer};
use precipice_num::Kernels;

use super::runs::{SPEC, free, n_seeds, pool, trained, white};
use crate::claims::claim::{CaseRow, Evidence, Lookout, Settings, summary};
use crate::claims::seeds::{Finished, run_seeds};
use crate::error::LabError;
use crate::reports::regression::TOKEN_CLIP;

/// The network that a run ended with, and what it computes with.
fn opened(run: &Finished) -> Result<(Trainer, Kernels), LabError> {
    let trainer = trained(run)?;
    let kernels = trainer.model().kernels();
    Ok((trainer, kernels))
}

pub(super) fn trained_is_descent(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (runs, words) = free(run_seeds(settings, watcher, SPEC, &[], n_seeds(settings))?);
    let (mut cases, mut losses, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let pool = pool(settings)?;
    for run in &runs {
        let theory = white(&run.spec);
        let per_exemplar = theory.optimal_rate() / theory.n_exemplars as f64;
        let (trainer, kernels) = opened(run)?;
        let state = trainer.state();
        let circuits = Circuits::of(trainer.model().description(), &state.params, 0).expect("a single head on pairs");
        let rate = circuits.descent().rate_per_exemplar;
        let params = circuits.towards_descent(&state.params, per_exemplar, 0.5).expect("a head as wide as a token");
        let between = TrainState { params, ..state.clone() };
        let (loss, cosine) = (run.last(&metric::LOSS.main()), run.last(&metric::SENSITIVITY_COSINE.at(["gd"])));
        let lost = loss_under(&run.spec, &between, kernels, &pool, |_| {}) / loss - 1.0;
        let holds = (loss - theory.optimal_loss()).abs() < 0.003
            && cosine > 0.995
            && (rate / per_exemplar - 1.0).abs() < 0.03
            && lost < 0.01;
        cases.push(run.row(holds, &[("loss", loss), ("cosine", cosine), ("eta/N", rate), ("half way loses", lost)]));
        losses.push(loss);
        rates.push(rate);
    }
    let measured = format!("{}; {}{words}", summary("loss", &losses), summary("eta/N", &rates));
    Ok(Evidence { measured, cases, figure: runs.first().and_then(|run| run.figure("learning-curve")) })
}

pub(super) fn sizes_and_scales(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (mut cases, mut deviations, mut untrapped) = (Vec::new(), Vec::new(), Vec::new());
    let mut trapped = String::new();
    let mut judge = |case: String, seed: u64, loss: f64, expected: f64, tolerance: f64| {
        let deviation = loss / expected - 1.0;
        deviations.push(deviation);
        let values = [("loss", loss), ("closed form", expected), ("deviation", deviation)];
        cases.push(CaseRow::new(format!("{case}, seed {seed}"), Some(seed), deviation.abs() < tolerance, &values));
    };
    let pool = pool(settings)?;
    // Wider tokens need more steps at the same clipped gradient, and then a rate that falls.
    let wide: &[&str] =
        &["train.steps=8000", "train.schedule.shape=\"cosine\"", "eval.every=4000", "checkpoint.every=4000"];
    let sizes: [(usize, &[&str]); 5] = [(5, &[]), (10, &[]), (20, &["train.steps=10000"]), (35, wide), (50, wide)];
    let n_sizes = if settings.fast { 3 } else { sizes.len() };
    for (n, more) in sizes.into_iter().take(n_sizes) {
        let mut changes = vec![format!("task.regression.n_exemplars={n}"), format!("task.regression.d_item={n}")];
        changes.extend(more.iter().map(|change| (*change).to_owned()));
        let n_runs = match (settings.fast, n > 20) {
            (true, _) | (_, true) => 2,
            _ => 6,
        };
        let (runs, words) = free(run_seeds(settings, watcher, SPEC, &changes, n_runs)?);
        if !words.is_empty() {
            trapped += &format!("{words} at N = {n}");
        }
        untrapped.push((n, runs.len()));
        for run in &runs {
            let theory = white(&run.spec);
            judge(format!("N = d = {n}"), run.seed(), run.last(&metric::LOSS.main()), theory.optimal_loss(), 0.02);
            if n != 10 {
                continue;
            }
            let (trainer, kernels) = opened(run)?;
            let state = trainer.state();
            for factor in [0.5, 0.8, 1.4, 2.0] {
                let of_inputs = loss_under(&run.spec, state, kernels, &pool, |task| task.input_scale *= factor);
                let expected = theory.loss_at_scale(theory.optimal_rate(), factor);
                judge(format!("inputs x {factor}"), run.seed(), of_inputs, expected, 0.05);
                let of_labels = loss_under(&run.spec, state, kernels, &pool, |task| task.label_scale *= factor);
                let expected = factor * factor * theory.optimal_loss();
                judge(format!("labels x {factor}"), run.seed(), of_labels, expected, 0.05);
            }
        }
    }
    // A size of which nothing is known is not reproduced.
    for (n, _) in untrapped.into_iter().filter(|&(_, n_runs)| n_runs == 0) {
        cases.push(CaseRow::new(format!("N = d = {n}, all seeds"), None, false, &[]));
    }
    let measured = summary("deviation from the closed form", &deviations) + &trapped;
    Ok(Evidence { measured, cases, figure: None })
}

/// Applications after which the loss is looked at.
const REPEATED: [(&str, usize); 6] = [("1 application", 1), ("2", 2), ("3", 3), ("4", 4), ("5", 5), ("50", 50)];

pub(super) fn roll_out(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (runs, words) = free(run_seeds(settings, watcher, SPEC, &[], n_seeds(settings))?);
    let (mut cases, mut fifth, mut damped_losses) = (Vec::new(), Vec::new(), Vec::new());
    let pool = pool(settings)?;
    for run in &runs {
        let (trainer, kernels) = opened(run)?;
        let mut spec = run.spec.clone();
        spec.eval.sequences = 50_000;
        let mean = |damping: f64, only_y: bool| {
            let repetition = Repetition { n_applications: 50, damping, token_clip: Some(TOKEN_CLIP), only_y };
            repeat(&spec, trainer.state(), repetition, kernels, &pool).map_or(vec![f64::NAN; 50], |losses| losses.mean)
        };
        let (undamped, damped, of_all) = (mean(1.0, true), mean(0.75, true)[49], mean(1.0, false)[4]);
        let expected = [0.157, 0.133, 0.120, 0.113];
        let is_descent =
            undamped[1..5].iter().zip(expected).all(|(loss, expected)| (loss / expected - 1.0).abs() < 0.06);
        let mut values: Vec<(&str, f64)> = REPEATED.iter().map(|&(name, n)| (name, undamped[n - 1])).collect();
        values.extend([("50, damping .75", damped), ("5, x updated too", of_all)]);
        cases.push(run.row(is_descent && undamped[49] > undamped[0] && damped < 0.065, &values));
        fifth.push(undamped[4]);
        damped_losses.push(damped);
    }
    let measured =
        format!("{}; {}{words}", summary("loss after 5", &fifth), summary("after 50 damped by .75", &damped_losses));
    Ok(Evidence { measured, cases, figure: None })
}
