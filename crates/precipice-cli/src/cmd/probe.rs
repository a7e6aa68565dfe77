//! `precipice probe`: look inside a trained network.

mod regression;

use anyhow::{Context, bail};
use precipice::measure::interactions::PARTS;
use precipice_lab::meter::Metered;
use precipice_lab::reports::network::{Interaction, NetworkReport};
use precipice_lab::reports::regression::RegressionReport;
use precipice_lab::runs::at_step;
use precipice_lab::runs::threads::Pool;
use precipice_lab::store::RunDir;

use crate::Ending;
use crate::args::ProbeArgs;
use crate::numbers::{fixed, fraction};
use crate::output::{say, say_json};
use crate::progress::Working;

pub fn probe(args: ProbeArgs) -> anyhow::Result<Ending> {
    let run_dir = RunDir::new(&args.run).with_items(args.moved.items);
    let spec = run_dir.spec()?;
    let steps = if args.step.is_none() { run_dir.checkpoint_steps(&spec)? } else { Vec::new() };
    let Some(step) = args.step.or(steps.last().copied()) else {
        bail!("{}: has no checkpoints; `precipice run --resume` makes some", args.run.display());
    };
    let working = Working::on("measuring the network", false);
    let trainer = at_step(&run_dir, &spec, step)?;
    if spec.task.regression().is_some() {
        let pool = Pool::new(args.threads.count())?;
        let report = RegressionReport::new(&spec, &trainer, &Metered { workers: &pool, meter: working.meter() });
        drop(working);
        if args.json {
            say_json(&report)?;
        } else {
            let figures = format!("\nfigures: precipice figure generalization {}", args.run.display());
            say(&(regression::to_text(&report, &spec.facts()) + &figures))?;
        }
        return Ok(Ending::Done);
    }
    let pool = Pool::new(args.threads.count())?;
    let report = NetworkReport::new(&spec, &trainer, &pool).context("probes are enabled, but gave no report")?;
    drop(working);
    if args.json {
        say_json(&report)?;
    } else {
        say(&to_text(&report))?;
        say(&format!("\nattention maps: precipice figure attention {}", args.run.display()))?;
    }
    Ok(Ending::Done)
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
    if report.interactions.is_empty() {
        lines.push("\nno interactions: with LayerNorm scores do not split exactly".to_owned());
    }
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
    lines.extend(report.ablations.iter().map(|(name, accuracy)| format!("{name} {}", fraction(*accuracy))));
    lines.join("\n")
}
