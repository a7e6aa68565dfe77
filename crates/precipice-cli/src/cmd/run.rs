//! `precipice run`: train one network.

use precipice::spec::RunSpec;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::reports::run::RunReport;
use precipice_lab::runs::{Keep, Options, Report};
use precipice_lab::store::RunOutcome;
use precipice_lab::whole_run::train_and_draw;
use serde_json::Value;

use super::{note, say, say_json};
use crate::args::{RunArgs, SpecArgs};
use crate::numbers::{commas, duration, fraction, step};
use crate::progress::Progress;
use crate::{Ending, interrupt};

/// The changes that the command line makes to a spec.
pub fn changes(args: &SpecArgs) -> Changes {
    Changes { overrides: args.set.clone(), seed: args.seed, steps: args.steps }
}

pub fn run(args: RunArgs) -> anyhow::Result<Ending> {
    let spec = spec_file::load(&args.spec.spec, &changes(&args.spec))?;
    interrupt::listen();
    let threads = args.threads.count();
    let label = format!(
        "{} · {} · {} steps · {threads} thread{}",
        spec.name,
        spec.task.sizes(),
        commas(spec.train.steps),
        if threads == 1 { "" } else { "s" }
    );
    let mut progress = Progress::new(&label, &spec, args.quiet).keep_curve();
    let options = Options { out: args.out, threads, resume: args.resume, force: args.force, keep: Keep::All };
    let report = train_and_draw(spec.clone(), &options, &mut progress);
    drop(progress);
    let report = report?;
    report.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
    if args.json {
        say_json(&RunReport::from(&report))?;
    } else {
        say(&verdict(&report, &spec))?;
    }
    match report.manifest.outcome {
        RunOutcome::Diverged | RunOutcome::Stopped => Ok(Ending::Failed),
        RunOutcome::Transition | RunOutcome::Both | RunOutcome::Iw | RunOutcome::None | RunOutcome::Lost => {
            Ok(Ending::Done)
        }
    }
}

/// The final loss between those of the predictors, and how near the network is to gradient descent.
fn regression_ending(column: &dyn Fn(&str) -> f64) -> String {
    let loss = |name: &str| format!("{:.4}", column(name));
    let mut text =
        format!("final loss {}; answering 0 {}, gradient descent {}", loss("loss"), loss("zero_loss"), loss("gd_loss"));
    let others = [("gd_plus_plus_loss", "GD++"), ("pool_loss", "exact posterior of the pool"), ("ridge_loss", "ridge")];
    for (name, words) in others.into_iter().filter(|(name, _)| column(name).is_finite()) {
        text += &format!(", {words} {}", loss(name));
    }
    for (name, words) in [("gd", "gradient descent"), ("gd_plus_plus", "GD++")] {
        let cosine = column(&format!("{name}_sensitivity_cosine"));
        if cosine.is_finite() {
            let difference = column(&format!("{name}_prediction_difference"));
            text += &format!(
                "\nbeside {words}: cosine of sensitivities {cosine:.4}, mean difference of predictions {difference:.4}"
            );
        }
    }
    text
}

/// When the jump came, how wide, what the attention looks like, and where everything is.
fn verdict(report: &Report, spec: &RunSpec) -> String {
    let manifest = &report.manifest;
    let column = |name: &str| manifest.final_row.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let in_context = spec.task.progress_column();
    let is_regression = spec.task.regression().is_some();
    let mut lines = Vec::new();
    if report.was_stored {
        lines.push("already finished; this is the stored result (--force computes it again)".to_owned());
    }
    let steps = commas(manifest.steps);
    lines.push(match (manifest.outcome, manifest.transition) {
        (RunOutcome::Transition | RunOutcome::Both | RunOutcome::Lost, Some(jump)) => format!(
            "jumped at step {}: 10-90 % in {} steps, after a plateau at {} ({} = {}) that ended at step {}{}",
            step(jump.t50),
            step(jump.width_10_90),
            fraction(jump.plateau_accuracy.unwrap_or(f64::NAN)),
            spec.task.context_guess_name(),
            fraction(spec.task.context_guess()),
            step(jump.onset_step),
            if manifest.outcome == RunOutcome::Lost { "; the solution was lost again" } else { "" }
        ),
        (RunOutcome::Diverged, _) => {
            format!("diverged: the loss was not finite after {steps} steps; try a smaller learning rate")
        }
        (RunOutcome::Stopped, _) => {
            format!("stopped after {steps} steps, state saved; the same command with --resume goes on")
        }
        _ => {
            let what = if is_regression { "share of the way to gradient descent" } else { "accuracy" };
            format!("no jump within {steps} steps: {what} {} at the end", fraction(column(&in_context)))
        }
    });
    let mut ending = if is_regression {
        regression_ending(&column)
    } else {
        format!("final accuracy {}, loss {}", fraction(column("accuracy")), fraction(column("loss")))
    };
    let named = [
        ("ic_accuracy", "on classes never seen"),
        ("ic_nearest_neighbor_accuracy", "nearest neighbor there"),
        ("ic_swap_accuracy", "labels swapped"),
        ("iw_accuracy", "labels by heart"),
    ];
    for (name, words) in named.into_iter().filter(|(name, _)| column(name).is_finite()) {
        ending += &format!("; {words} {}", fraction(column(name)));
    }
    lines.push(ending);
    if column("ila1").is_finite() {
        let (ila1, tila2) = (column("ila1"), column("tila2"));
        let is_head = ila1 > 0.5 && tila2 > 0.5;
        lines.push(format!(
            "attention: label to its item {} (layer 1), query to its label {} (last layer){}",
            fraction(ila1),
            fraction(tila2),
            if is_head { ": an induction head" } else { "" }
        ));
    }
    lines.push(format!(
        "{} at {:.0} steps/s, digest {}",
        duration(manifest.seconds),
        manifest.steps_per_s,
        &manifest.digest[..16]
    ));
    lines.push(format!("{}", report.run_dir.root().display()));
    lines.extend(report.figures.iter().map(|path| format!("{}", path.display())));
    lines.join("\n")
}
