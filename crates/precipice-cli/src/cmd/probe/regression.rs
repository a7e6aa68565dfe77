//! What `precipice probe` says of a network of the regression task.

use precipice::measure::{Column, Metric, metric};
use precipice::task::{Facts, Set};
use precipice_lab::reports::regression::{Between, Damped, RegressionReport, Scaled};

use crate::numbers::{commas, fraction};

pub fn to_text(report: &RegressionReport, facts: &Facts) -> String {
    let mut lines =
        vec![format!("step {}: loss {}", commas(report.step), fraction4(report.column(&metric::LOSS.main())))];
    lines.push("\npredictor                   loss  predictions apart  sensitivities apart  cosine".to_owned());
    let own = (facts.eval_sets[0].words.clone(), metric::LOSS.main(), None);
    let predictors = facts.predictors.iter().map(|predictor| {
        (predictor.words.clone(), Column::of_predictor(facts, Set::MAIN, predictor), Some(&predictor.name))
    });
    for (words, loss, name) in [own].into_iter().chain(predictors) {
        let compared = |metric: &Metric| name.map_or(f64::NAN, |name| report.column(&metric.at([name])));
        let measures = [metric::PREDICTION_DIFFERENCE, metric::SENSITIVITY_DIFFERENCE, metric::SENSITIVITY_COSINE];
        let [predictions, sensitivities, cosine] = measures.map(|metric| fraction4(compared(&metric)));
        let loss = fraction4(report.column(&loss));
        lines.push(format!("{words:<21} {loss:>10} {predictions:>18} {sensitivities:>20} {cosine:>7}"));
    }
    let attention = report.column(&metric::OWN_VALUE_ATTENTION.main());
    if attention.is_finite() {
        lines.push(format!("\nattention of x to its own y, layer 1: {}", fraction(attention)));
    }
    for (layer, weights) in report.weights.iter().enumerate() {
        lines.push(format!(
            "\nlayer {}, read off its weights: eta/N {}, gamma {}",
            layer + 1,
            fraction4(weights.rate_per_exemplar),
            fraction4(weights.shrinkage)
        ));
    }
    if !report.interpolation.is_empty() {
        let shares = report.interpolation.iter().map(|Between { share, loss }| format!("{share} {}", fraction4(*loss)));
        lines.push(format!("loss on the way to the constructed step: {}", shares.collect::<Vec<_>>().join(", ")));
    }
    lines.push("\nfactor    loss, inputs scaled (closed form)    labels scaled (closed form)".to_owned());
    for (inputs, labels) in report.inputs.iter().zip(&report.labels) {
        let cell = |scaled: &Scaled| format!("{} ({})", fraction4(scaled.loss), fraction4(scaled.closed_form));
        lines.push(format!("{:<7} {:>36} {:>30}", inputs.factor, cell(inputs), cell(labels)));
    }
    if report.roll_outs.is_empty() {
        lines.push(
            "\nnot applied again and again: layers differ, have no output projection, or need too much memory"
                .to_owned(),
        );
        return lines.join("\n");
    }
    let shown = [1, 2, 3, 5, 10, 20, 50];
    lines.push("\napplied again and again, mean loss".to_owned());
    lines.push(format!("{:<29}{}", "times", shown.map(|n| format!("{n:>7}")).concat()));
    let line = |name: String, losses: &[f64]| {
        format!("{name:<29}{}", shown.map(|n| format!("{:>7}", fraction4(losses[n - 1]))).concat())
    };
    for Damped { losses, damping } in &report.roll_outs {
        lines.push(line(format!("damping {damping}"), &losses.mean));
        lines.push(line("  median over contexts".to_owned(), &losses.median));
    }
    if let Some(losses) = &report.descent_roll_out {
        lines.push(line("gradient descent at that rate".to_owned(), &losses.mean));
        lines.push(line("  median over contexts".to_owned(), &losses.median));
    }
    lines.join("\n")
}

/// Four digits, or "-" where nothing was measured.
fn fraction4(value: f64) -> String {
    match value {
        value if value.is_nan() => "-".to_owned(),
        value if value.abs() >= 1e4 => format!("{value:.1e}"),
        value => format!("{value:.4}"),
    }
}
