//! What `precipice probe` says of a network of the regression task.

use precipice::probe::regression::generalization::RollOut;
use precipice_lab::reports::regression::{RegressionReport, Scaled};
use precipice_lab::store::manifest::number;
use serde_json::{Value, json};

use crate::numbers::{commas, fraction};

pub fn to_json(report: &RegressionReport) -> Value {
    let columns = report.row.columns.iter().filter(|(name, _)| name != "train_loss");
    let columns: serde_json::Map<String, Value> = columns.map(|(name, value)| (name.clone(), number(*value))).collect();
    let scaled = |scaled: &Scaled| {
        json!({
            "factor": scaled.factor,
            "loss": number(scaled.loss),
            "closed_form": number(scaled.closed_form),
        })
    };
    let numbers = |values: &[f64]| values.iter().copied().map(number).collect::<Value>();
    let roll_out = |roll_out: &RollOut| json!({ "mean": numbers(&roll_out.mean), "median": numbers(&roll_out.median) });
    let weights = report.weights.iter().map(
        |weights| json!({ "rate_per_exemplar": number(weights.rate_per_exemplar), "shrinkage": number(weights.shrinkage) }),
    );
    let damped = report.roll_outs.iter().map(|(damping, losses)| {
        let mut object = roll_out(losses);
        object["damping"] = json!(damping);
        object
    });
    let share = |&(share, loss): &(f64, f64)| json!({ "share": share, "loss": number(loss) });
    json!({
        "step": report.row.step,
        "columns": columns,
        "weights": weights.collect::<Value>(),
        "interpolation": report.interpolation.iter().map(share).collect::<Value>(),
        "inputs": report.inputs.iter().map(scaled).collect::<Value>(),
        "labels": report.labels.iter().map(scaled).collect::<Value>(),
        "roll_outs": damped.collect::<Value>(),
        "descent_roll_out": report.descent_roll_out.as_ref().map(roll_out),
    })
}

pub fn to_text(report: &RegressionReport) -> String {
    let row = &report.row;
    let mut lines = vec![format!("step {}: loss {}", commas(row.step), fraction4(row.get("loss")))];
    lines.push("\npredictor           loss   difference of predictions   of sensitivities   their cosine".to_owned());
    for (column, loss) in &row.columns {
        let Some(name) = column.strip_suffix("_loss").filter(|name| *name != "train") else { continue };
        let compared = |measure: &str| fraction4(row.get(&format!("{name}_{measure}")));
        let [predictions, sensitivities, cosine] =
            ["prediction_difference", "sensitivity_difference", "sensitivity_cosine"].map(compared);
        lines.push(format!(
            "{:<13} {:>10} {predictions:>27} {sensitivities:>18} {cosine:>14}",
            words(name),
            fraction4(*loss)
        ));
    }
    let attention = row.get("own_value_attention");
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
        let shares = report.interpolation.iter().map(|(share, loss)| format!("{share} {}", fraction4(*loss)));
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
    let shown = [1, 2, 3, 4, 5, 10, 20, 50];
    lines.push(format!("\napplied again and again, mean loss {}", shown.map(|n| format!("{n:>10}")).concat()));
    let line = |name: String, losses: &[f64]| {
        format!("{name:<34} {}", shown.map(|n| format!("{:>10}", fraction4(losses[n - 1]))).concat())
    };
    for (damping, losses) in &report.roll_outs {
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

fn words(name: &str) -> &str {
    match name {
        "zero" => "answering 0",
        "average" => "mean of y",
        "gd" => "descent",
        "gd_plus_plus" => "GD++",
        "ridge" => "ridge",
        "pool" => "pool",
        name => name,
    }
}
