//! `precipice theory regression`: what theory says of a regression task, before anything is trained.

use anyhow::bail;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::reports::closed_forms::{ClosedForms, MeanLoss, OneStep, Plateau, Steps};

use crate::args::RegressionArgs;
use crate::output::{say, say_json};
use crate::progress::Working;

/// Steps and contexts at most: a table, not a simulation.
const STEPS_MAX: usize = 1000;
const CONTEXTS_MAX: usize = 1_000_000;
/// Contexts times the cube of their eigenvalues, at most: about a minute.
const CUBES_MAX: usize = 2_000_000_000;

pub fn regression(args: &RegressionArgs) -> anyhow::Result<()> {
    if let Some(steps) = args.steps.iter().find(|&&steps| steps == 0 || steps > STEPS_MAX) {
        bail!("--steps {steps}: must be from 1 to {STEPS_MAX}");
    }
    if !(2..=CONTEXTS_MAX).contains(&args.contexts) {
        bail!("--contexts {}: must be from 2 to {CONTEXTS_MAX}", args.contexts);
    }
    let changes = Changes { overrides: args.overrides.clone(), ..Changes::default() };
    let spec = spec_file::load(&args.spec, &changes)?;
    let Some(task) = spec.task.regression() else {
        bail!("{}: is no regression task; name one, for example `regression`", args.spec);
    };
    let most = CUBES_MAX / task.n_exemplars.min(task.d_item).pow(3);
    if args.contexts > most.max(2) {
        let (n, d) = (task.n_exemplars, task.d_item);
        bail!("--contexts {}: at N = {n}, d = {d} take at most {}, or it takes long", args.contexts, most.max(2));
    }
    let working = Working::on("closed forms", false);
    let forms = ClosedForms::new(&spec, &args.steps, args.contexts, working.meter());
    drop(working);
    let Some(forms) = forms else {
        bail!(
            "{}: has no closed forms here; they are for linear functions without a pool, of white inputs or of heads \
             of rank one",
            args.spec
        );
    };
    if args.json {
        return say_json(&forms);
    }
    let mut lines = vec![format!("answering 0                loss {:.6}", forms.zero_loss)];
    let plateau = |Plateau { name, loss }: &Plateau| format!("plateau, {name:<17} loss {loss:.6}");
    lines.extend(forms.plateaus.iter().map(plateau));
    if let ClosedForms { one_step: Some(one_step), ridge: Some(ridge), steps: Some(steps), .. } = &forms {
        lines.extend(of_white_inputs(&forms, *one_step, *ridge, steps));
    }
    say(&lines.join("\n"))
}

fn of_white_inputs(forms: &ClosedForms, one_step: OneStep, ridge: MeanLoss, steps: &[Steps]) -> Vec<String> {
    let n = forms.n_exemplars as f64;
    let mut lines = vec![
        format!(
            "one step, closed form      loss {:.6}   eta {:.6}   eta/N {:.6}",
            one_step.loss,
            one_step.rate,
            one_step.rate / n
        ),
        format!("ridge, the exact posterior loss {:.6} ± {:.6}", ridge.loss, ridge.standard_error),
        format!("growth of a small start    rate {:.6} (logistic, merged keys and queries)", one_step.growth_rate),
        format!("\nbest rates, averaged over the spectra of {} contexts", forms.n_contexts),
        format!("{:<10} {:>6} {:>10} {:>10} {:>10} ± s.e.", "predictor", "steps", "eta/N", "gamma", "loss"),
    ];
    for Steps { loss, standard_error, predictor, steps, rate, shrinkage } in steps {
        let gamma = if shrinkage.is_nan() { "-".to_owned() } else { format!("{shrinkage:.4}") };
        let rate = rate / n;
        lines.push(format!("{predictor:<10} {steps:>6} {rate:>10.4} {gamma:>10} {loss:>10.6} ± {standard_error:.6}"));
    }
    lines
}
