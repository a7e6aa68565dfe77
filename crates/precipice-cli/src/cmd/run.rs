//! `precipice run`: train one network.

use std::path::Path;

use precipice::measure::attention::{INDUCTION_HEAD, is_induction_head};
use precipice::measure::transition::Transition;
use precipice::measure::{Column, metric};
use precipice::spec::RunSpec;
use precipice::task::{Facts, PredictorName, Set};
use precipice_lab::error::LabError;
use precipice_lab::input::spec_file::Changes;
use precipice_lab::reports::run::RunReport;
use precipice_lab::runs::{Keep, Options, Report};
use precipice_lab::store::manifest::StoredTransition;
use precipice_lab::store::{Manifest, RunDir, RunOutcome, names, spec_text};
use precipice_lab::whole_run::branch_and_draw;
use serde_json::Value;

use crate::args::{RunArgs, SaidArgs, SpecArgs};
use crate::numbers::{commas, duration, fixed, fraction, step};
use crate::output::{note, say, say_json, say_text};
use crate::progress::{Progress, progress_words};
use crate::{Ending, interrupt};

/// The changes that the command line makes to a spec.
pub fn changes(args: &SpecArgs) -> Changes {
    Changes { overrides: args.set.clone(), seed: args.seed, steps: args.steps }
}

pub fn run(args: RunArgs) -> anyhow::Result<Ending> {
    let spec = spec_text::load(&args.spec.spec, &changes(&args.spec))?;
    let options = Options {
        out: args.out,
        threads: args.threads.count(),
        resume: args.resume,
        force: args.force,
        keep: Keep::All,
        arithmetic: args.how.arithmetic,
    };
    train(&spec, &[], &options, &args.said)
}

/// Trains the network of a spec while a person watches, and says what came of it; `known` are runs that a branch may take
/// its beginning from.
pub fn train(spec: &RunSpec, known: &[RunDir], options: &Options, said: &SaidArgs) -> anyhow::Result<Ending> {
    interrupt::listen();
    let threads = options.threads;
    let label = format!(
        "{} · {} · {} steps · {threads} thread{}",
        spec.name,
        spec.facts().sizes,
        commas(spec.train.steps),
        if threads == 1 { "" } else { "s" }
    );
    let mut progress = Progress::new(&label, spec, said.quiet).keep_curve();
    let report = branch_and_draw(spec.clone(), known, options, &mut progress);
    drop(progress);
    let report = match report {
        Err(LabError::Stopped { path }) => {
            note(&format!("stopped in the steps of its parent, which are made again\ngo on: {}", go_on(&path)));
            return Ok(Ending::Stopped);
        }
        report => report?,
    };
    if report.was_stored {
        names::touch(&report.run_dir);
    }
    report.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
    if said.json {
        say_json(&RunReport::from(&report))?;
    } else {
        say_text(&verdict(&report, spec))?;
        if report.manifest.outcome == RunOutcome::Stopped {
            say(&format!("go on: {}", go_on(report.run_dir.root())))?;
        }
    }
    match report.manifest.outcome {
        RunOutcome::Diverged => Ok(Ending::Failed),
        RunOutcome::Stopped => Ok(Ending::Stopped),
        RunOutcome::Transition | RunOutcome::Both | RunOutcome::Iw | RunOutcome::None | RunOutcome::Lost => {
            Ok(Ending::Done)
        }
    }
}

/// In one line, however long, so that it can be pasted.
fn go_on(root: &Path) -> String {
    RunDir::new(root).resume_command()
}

/// The final loss between those of the predictors, and how near the network is to those that descend.
fn ending_of_values(facts: &Facts, column: &dyn Fn(&Column) -> f64) -> String {
    let mut text = format!("final loss {}", fixed(column(&metric::LOSS.main()), 4));
    for (i, predictor) in facts.predictors.iter().enumerate() {
        let loss = column(&Column::of_predictor(facts, Set::MAIN, predictor));
        text += &format!("{} {} {}", if i == 0 { ";" } else { "," }, predictor.words, fixed(loss, 4));
    }
    for PredictorName { name, words } in &facts.predictors {
        let cosine = column(&metric::SENSITIVITY_COSINE.at([name]));
        if cosine.is_finite() {
            let difference = column(&metric::PREDICTION_DIFFERENCE.at([name]));
            text += &format!(
                "\nbeside {words}: cosine of sensitivities {cosine:.4}, mean difference of predictions {}",
                fixed(difference, 4)
            );
        }
    }
    text
}

/// Final accuracies on all sets, with what predictors reach on the set that shows what is learned in context.
fn ending_of_labels(facts: &Facts, column: &dyn Fn(&Column) -> f64) -> String {
    let [accuracy, loss] = [metric::ACCURACY.main(), metric::LOSS.main()].map(|c| fraction(column(&c)));
    let which = if facts.eval_sets.len() > 1 { format!(" {}", facts.eval_sets[0].words) } else { String::new() };
    let mut text = format!("final accuracy{which} {accuracy}, loss {loss}");
    for set in facts.eval_sets.iter().skip(1) {
        text += &format!("; {} {}", set.words, fraction(column(&metric::ACCURACY.on(&set.prefix))));
    }
    let set = facts.novel_set.unwrap_or(facts.probed_set);
    for predictor in &facts.predictors {
        let reached = column(&Column::of_predictor(facts, set, predictor));
        text += &format!("; {} {}", predictor.words, fraction(reached));
    }
    text
}

/// When the rise came and how wide it is; it is called a jump where it is one.
fn rise(jump: &StoredTransition, facts: &Facts) -> String {
    let floor = format!("{} = {}", facts.progress.floor_words, fraction(facts.progress.floor));
    let (t50, width) = (step(jump.t50), step(jump.width_10_90));
    if Transition::from(*jump).has_plateau() {
        let plateau = fraction(jump.plateau_accuracy.unwrap_or(f64::NAN));
        let onset = step(jump.onset_step);
        format!(
            "jumped at step {t50}: 10-90 % in {width} steps, after a plateau at {plateau} ({floor}) that ended at step {onset}"
        )
    } else {
        format!("rose without a plateau from {floor}: half way at step {t50}, 10-90 % in {width} steps")
    }
}

/// A column of the last row.
fn last(manifest: &Manifest, column: &Column) -> f64 {
    manifest.final_row.get(column.name()).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// How a run ended: when the jump came and how wide it is, or that there was none.
pub fn outcome(manifest: &Manifest, spec: &RunSpec) -> String {
    let facts = spec.facts();
    let steps = commas(manifest.steps);
    match (manifest.outcome, manifest.transition) {
        (RunOutcome::Transition | RunOutcome::Both | RunOutcome::Lost, Some(jump)) => {
            rise(&jump, &facts)
                + if manifest.outcome == RunOutcome::Lost { "; the solution was lost again" } else { "" }
        }
        (RunOutcome::Diverged, _) => {
            format!("diverged: the loss was not finite after {steps} steps; try a smaller learning rate")
        }
        (RunOutcome::Stopped, _) => {
            format!("stopped after {steps} steps, state saved")
        }
        _ => {
            let reached = fraction(last(manifest, &Column::of_progress(&facts)));
            let words = progress_words(&facts);
            format!("no jump within {steps} steps: {words} {reached} at the end; more --steps may show one")
        }
    }
}

/// When the jump came, how wide, what the attention looks like, and where everything is.
fn verdict(report: &Report, spec: &RunSpec) -> String {
    let manifest = &report.manifest;
    let column = |column: &Column| last(manifest, column);
    let facts = spec.facts();
    let mut lines = Vec::new();
    if report.was_stored {
        lines.push("already finished; this is the stored result (--force computes it again)".to_owned());
    }
    lines.push(outcome(manifest, spec));
    if manifest.outcome == RunOutcome::Stopped {
        return lines.join("\n");
    }
    let is_of_labels = facts.targets.are_labels();
    lines.push(if is_of_labels { ending_of_labels(&facts, &column) } else { ending_of_values(&facts, &column) });
    if column(&metric::ILA1.main()).is_finite() {
        let (ila1, tila2) = (column(&metric::ILA1.main()), column(&metric::TILA2.main()));
        let is_clamped = !spec.model.clamps.is_empty();
        let [ila1_min, tila2_min] = INDUCTION_HEAD.map(fraction);
        let what = match is_induction_head(ila1, tila2) {
            _ if is_clamped => "; clamped by the spec".to_owned(),
            true => ": an induction head".to_owned(),
            false => format!("; an induction head has more than {ila1_min} and {tila2_min}"),
        };
        lines.push(format!(
            "attention: label to its item {} (layer 1), query to its label {} (last layer){}",
            fraction(ila1),
            fraction(tila2),
            what
        ));
    }
    lines.push(format!(
        "{} at {} steps/s, digest {}",
        duration(manifest.seconds),
        commas(manifest.steps_per_s as u64),
        &manifest.digest[..16]
    ));
    lines.push(format!("{}", report.run_dir.root().display()));
    lines.extend(report.figures.iter().map(|path| format!("{}", path.display())));
    lines.join("\n")
}
