//! `precipice probe`: look inside a trained network.

mod regression;

use anyhow::{Context, bail};
use precipice::batch::Batch;
use precipice::model::Trace;
use precipice::probe::interactions::{Interactions, PARTS};
use precipice::probe::{Observer, ProbeReport, look};
use precipice::record::Row;
use precipice_lab::reports::regression::RegressionReport;
use precipice_lab::runs::at_step;
use precipice_lab::runs::threads::Pool;
use precipice_lab::store::manifest::number;
use precipice_lab::store::{RunDir, checkpoint};
use serde_json::{Value, json};

use super::{say, say_json};
use crate::Ending;
use crate::args::ProbeArgs;
use crate::numbers::fraction;

pub fn probe(args: ProbeArgs) -> anyhow::Result<Ending> {
    let run_dir = RunDir::new(&args.run);
    let mut spec = run_dir.spec()?;
    let steps = checkpoint::steps(&run_dir.checkpoints())?;
    let Some(step) = args.step.or(steps.last().copied()) else {
        bail!("{}: has no checkpoints; `precipice run --resume` makes some", args.run.display());
    };
    let trainer = at_step(&run_dir, &spec, step)?;
    if spec.task.regression().is_some() {
        let pool = Pool::new(args.threads.count())?;
        let report = RegressionReport::new(&spec, &trainer, &pool);
        if args.json {
            say_json(&regression::to_json(&report))?;
        } else {
            let figures = format!("\nfigures: precipice figure generalization {}", args.run.display());
            say(&(regression::to_text(&report) + &figures))?;
        }
        return Ok(Ending::Done);
    }
    // Probes can be looked at even where the run did not log them.
    spec.probes.enabled = true;
    let pool = Pool::new(args.threads.count())?;
    let (row, report) = Observer::new(&spec, &trainer).observe(&trainer, f64::NAN, &pool);
    let report = report.context("probes are enabled, but gave no report")?;
    if args.json {
        let (batch, trace, _) = look(&spec, &trainer, trainer.task().probed_set(), 1);
        let mut object = to_json(&report, &row);
        object["attention"] = attention_json(&batch, &trace);
        say_json(&object)?;
    } else {
        say(&to_text(&report, &row))?;
        say(&format!("\nattention maps: precipice figure attention {}", args.run.display()))?;
    }
    Ok(Ending::Done)
}

/// Attention of the first evaluation sequence, `[layer][head][query][key]`, and what its tokens are.
fn attention_json(batch: &Batch, trace: &Trace<f32>) -> Value {
    let t = batch.n_tokens();
    let map = |pattern: &[f32]| -> Value {
        let row = |row: &[f32]| row.iter().map(|&p| number(f64::from(p))).collect::<Value>();
        pattern.chunks_exact(t).map(row).collect()
    };
    let layers =
        trace.blocks.iter().map(|block| block.attention.pattern.chunks_exact(t * t).map(map).collect::<Value>());
    json!({
        "layers": layers.collect::<Value>(),
        "context_labels": batch.labels_of(0),
        "answer_slot": batch.slots_of(0).next(),
        "answer_slots": batch.slots_of(0).collect::<Vec<_>>(),
    })
}

fn to_json(report: &ProbeReport, row: &Row) -> Value {
    let mut heads = Vec::new();
    for (layer, of_layer) in report.attention.heads.iter().enumerate() {
        for (head, scores) in of_layer.iter().enumerate() {
            heads.push(json!({
                "layer": layer,
                "head": head,
                "previous_token_score": number(scores.previous_token_score()),
                "induction_score": number(scores.induction_score()),
                "duplicate_token_score": number(scores.duplicate_token_score()),
            }));
        }
    }
    let order = &report.order_parameters;
    json!({
        "step": row.step,
        "heads": heads,
        "ila1": number(row.get("ila1")),
        "tila2": number(row.get("tila2")),
        "tla2": number(row.get("tla2")),
        "accuracy": number(row.get("accuracy")),
        "context_label_accuracy": number(row.get("context_label_accuracy")),
        "interactions": interactions_json(&report.interactions),
        "order_parameters": {
            "beta": number(order.beta.value),
            "alpha": number(order.alpha.value),
            "xi": number(order.xi.value),
            "beta_se": number(order.beta.standard_error),
            "alpha_se": number(order.alpha.standard_error),
            "xi_se": number(order.xi.standard_error),
            "predicted_loss": number(order.predicted_loss),
            "measured_loss": number(order.measured_loss),
        },
    })
}

/// `[layer][query part][key part]`
fn interactions_json(interactions: &Interactions) -> Value {
    let of_layer = |layer: &precipice::probe::interactions::LayerInteractions| -> Value {
        let part = |a: usize, b: usize| {
            let part = layer.part(a, b);
            json!({
                "mean_on_pattern": number(part.mean_on_pattern),
                "contrast": number(part.contrast),
                "variance_share": number(part.variance_share),
            })
        };
        (0..3).map(|a| (0..3).map(|b| part(a, b)).collect::<Value>()).collect()
    };
    interactions.layers.iter().map(of_layer).collect()
}

fn to_text(report: &ProbeReport, row: &Row) -> String {
    let mut lines = vec![format!(
        "step {}: accuracy {}, context-label accuracy {}, ILA1 {}, TILA2 {}, TLA2 {}",
        crate::numbers::commas(row.step),
        fraction(row.get("accuracy")),
        fraction(row.get("context_label_accuracy")),
        fraction(row.get("ila1")),
        fraction(row.get("tila2")),
        fraction(row.get("tla2"))
    )];
    lines.push("\nhead     previous token   induction   duplicate token".to_owned());
    for (layer, heads) in report.attention.heads.iter().enumerate() {
        for (head, scores) in heads.iter().enumerate() {
            lines.push(format!(
                "{layer}.{head} {:>19} {:>11} {:>17}",
                fraction(scores.previous_token_score()),
                fraction(scores.induction_score()),
                fraction(scores.duplicate_token_score())
            ));
        }
    }
    if report.interactions.layers.is_empty() {
        lines.push("\nno interactions: with LayerNorm scores do not split exactly".to_owned());
    }
    for (layer, sums) in report.interactions.layers.iter().enumerate() {
        lines.push(format!(
            "\nlayer {}: what makes the score (contrast on the pattern, share of variance)\n{:<18}{:>16}{:>16}{:>16}",
            layer + 1,
            "query \\ key",
            PARTS[0],
            PARTS[1],
            PARTS[2]
        ));
        for (a, name) in PARTS.iter().enumerate() {
            let cell = |b: usize| {
                let part = sums.part(a, b);
                format!("{:>16}", format!("{:.2} ({})", part.contrast, fraction(part.variance_share)))
            };
            lines.push(format!("{name:<18}{}", (0..3).map(cell).collect::<String>()));
        }
        lines.push(format!("between parts: {} of the variance", fraction(sums.cross_share())));
    }
    let order = &report.order_parameters;
    let estimate =
        |e: precipice::probe::order_parameters::Estimate| format!("{:.3} ± {:.3}", e.value, e.standard_error);
    lines.push(format!(
        "\norder parameters: beta {}, alpha {}, xi {}\npredicted loss {:.4}, measured loss {:.4}",
        estimate(order.beta),
        estimate(order.alpha),
        estimate(order.xi),
        order.predicted_loss,
        order.measured_loss
    ));
    for (name, value) in row.columns.iter().filter(|(name, _)| name.starts_with("accuracy_ablate")) {
        lines.push(format!("{name} {}", fraction(*value)));
    }
    lines.join("\n")
}
