//! `precipice probe`: look inside a trained network.

mod regression;

use anyhow::{Context, anyhow, bail};
use precipice::measure::interactions::PARTS;
use precipice::spec::{AblationMode, AblationSpec, ModelSpec, RunSpec, SpecError};
use precipice_lab::meter::Metered;
use precipice_lab::reports::network::{AblatedHead, Interaction, NetworkReport};
use precipice_lab::reports::regression::RegressionReport;
use precipice_lab::runs::at_step_with;
use precipice_lab::runs::threads::Pool;
use precipice_lab::store::RunDir;

use crate::Ending;
use crate::args::ProbeArgs;
use crate::numbers::{fixed, fraction};
use crate::output::{run_named, say, say_json, say_text};
use crate::progress::Working;

pub fn probe(args: ProbeArgs) -> anyhow::Result<Ending> {
    let run_dir = RunDir::new(run_named(&args.run)?).with_items(args.moved.items);
    let mut spec = run_dir.spec()?;
    let steps = if args.step.is_none() { run_dir.checkpoint_steps(&spec)? } else { Vec::new() };
    let Some(step) = args.step.or(steps.last().copied()) else {
        bail!("{}: has no checkpoints; `precipice run --resume` makes some", run_dir.root().display());
    };
    let working = Working::on("measuring the network", false);
    let pool = Pool::new(args.threads.count())?;
    let replaying = Metered { workers: &pool, meter: working.meter() };
    let trainer = pool.with(|| at_step_with(&run_dir, &spec, step, &replaying))?;
    take_out(&args.ablate, &mut spec)?;
    if spec.task.regression().is_some() {
        let report = RegressionReport::new(&spec, &trainer, &Metered { workers: &pool, meter: working.meter() });
        drop(working);
        if args.json {
            say_json(&report)?;
        } else {
            let figures = format!("\nfigures: precipice figure generalization {}", run_dir.root().display());
            say_text(&(regression::to_text(&report, &spec.facts()) + &figures))?;
        }
        return Ok(Ending::Done);
    }
    let report = NetworkReport::new(&spec, &trainer, &pool).context("probes are enabled, but gave no report")?;
    drop(working);
    if args.json {
        say_json(&report)?;
    } else {
        say_text(&to_text(&report))?;
        say(&format!("\nattention maps: precipice figure attention {}", run_dir.root().display()))?;
    }
    Ok(Ending::Done)
}

/// Asks for the accuracy without each of these heads.
fn take_out(heads: &[(usize, usize)], spec: &mut RunSpec) -> anyhow::Result<()> {
    if heads.is_empty() {
        return Ok(());
    }
    if !spec.facts().targets.are_labels() {
        bail!("--ablate: is for networks that answer with labels; this one answers with values");
    }
    if spec.model.minimal.is_some() {
        bail!("--ablate: a minimal head is wired by hand and has no heads to take out; train one with other scalars");
    }
    let modes = [AblationMode::Zero, AblationMode::Mean];
    let each = heads.iter().flat_map(|&(layer, head)| modes.map(|mode| AblationSpec { layer, head, mode }));
    spec.probes.enabled = true;
    spec.probes.ablations = each.collect();
    spec.validate().map_err(|SpecError { value, expected, .. }| {
        let ModelSpec { n_layers, n_heads, .. } = spec.model;
        let there_are = format!("there are layers 0 to {} of heads 0 to {}", n_layers - 1, n_heads - 1);
        anyhow!("--ablate: {value} {expected}; {there_are}")
    })
}

fn to_text(report: &NetworkReport) -> String {
    let mut lines = vec![format!(
        "step {}: accuracy {}, context-label accuracy {}, ILA1 {}, TILA2 {}, TLA2 {}",
        crate::numbers::commas(report.step),
        fraction(report.accuracy),
        fraction(report.context_label_accuracy),
        fraction(report.ila1),
        fraction(report.tila2),
        fraction(report.tla2)
    )];
    lines.push("\nhead     previous token   induction   duplicate token".to_owned());
    for head in &report.heads {
        lines.push(format!(
            "{}.{} {:>19} {:>11} {:>17}",
            head.layer,
            head.head,
            fraction(head.previous_token_score),
            fraction(head.induction_score),
            fraction(head.duplicate_token_score)
        ));
    }
    lines.extend(report.lack_of_interactions.iter().map(|why| format!("\nno interactions: {why}")));
    for (layer, (parts, cross_share)) in report.interactions.iter().zip(&report.cross_shares).enumerate() {
        lines.push(format!(
            "\nlayer {}: what makes the score (contrast on the pattern, share of variance)\n{:<18}{:>16}{:>16}{:>16}",
            layer + 1,
            "query \\ key",
            PARTS[0],
            PARTS[1],
            PARTS[2]
        ));
        for (of_query, name) in parts.iter().zip(PARTS) {
            let cell = |part: &Interaction| {
                format!("{:>16}", format!("{} ({})", fixed(part.contrast, 2), fraction(part.variance_share)))
            };
            lines.push(format!("{name:<18}{}", of_query.iter().map(cell).collect::<String>()));
        }
        lines.push(format!("between parts: {} of the variance", fraction(*cross_share)));
    }
    if let Some(order) = &report.order_parameters {
        let parameters = [
            ("beta", order.beta, order.beta_se),
            ("alpha, against all other tokens", order.alpha, order.alpha_se),
            ("alpha among labels", order.alpha_labels, order.alpha_labels_se),
            ("beta_2, label attention", order.beta_2, order.beta_2_se),
            ("xi", order.xi, order.xi_se),
        ];
        lines.push("\norder parameters".to_owned());
        lines.extend(
            parameters.map(|(name, value, error)| format!("{name:<32} {:>9} ± {}", fixed(value, 3), fixed(error, 3))),
        );
        lines.push(format!(
            "loss {}; predicted from beta, alpha, xi {}; with label attention {}",
            fixed(order.measured_loss, 4),
            fixed(order.predicted_loss, 4),
            fixed(order.predicted_loss_labels, 4)
        ));
    }
    lines.extend(report.lack_of_order_parameters.iter().map(|why| format!("\nno order parameters: {why}")));
    if !report.ablations.is_empty() {
        lines.push("\naccuracy without a head, on the probe's sequences".to_owned());
    }
    lines.extend(report.ablations.iter().map(|AblatedHead { layer, head, mode, accuracy }| {
        let by = if *mode == AblationMode::Zero.name() { "nothing" } else { "its mean" };
        format!("{layer}.{head} replaced by {by:<10} {}", fraction(*accuracy))
    }));
    lines.join("\n")
}
