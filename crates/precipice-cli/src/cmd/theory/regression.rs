//! `precipice theory regression`: what theory says of a regression task, before anything is trained.

use anyhow::bail;
use precipice::probe::regression::closed_forms::{plateaus, spectra, white};
use precipice::theory::regression::{Filter, Mean, Spectra, White};
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::store::manifest::number;
use serde_json::{Value, json};

use crate::args::RegressionArgs;
use crate::cmd::{say, say_json};

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
    let scale = task.weight_variance();
    let levels = plateaus(&spec);
    let forms = white(task).zip(spectra(&spec, args.contexts));
    if forms.is_none() && levels.is_empty() {
        bail!(
            "{}: has no closed forms here; they are for linear functions without a pool, of white inputs or of heads \
             of rank one",
            args.spec
        );
    }
    let forms = forms.map(|(white, spectra)| Forms { white, spectra, scale, steps: &args.steps });
    if args.json {
        let named = levels.iter().map(|(name, loss)| json!({ "name": name, "loss": number(*loss) }));
        return say_json(&json!({
            "zero_loss": number(task.zero_loss()),
            "plateaus": named.collect::<Value>(),
            "one_step": forms.as_ref().map(Forms::one_step_json),
            "steps": forms.as_ref().map(Forms::steps_json),
            "ridge": forms.as_ref().map(|forms| loss_json(forms.ridge())),
        }));
    }
    let mut lines = vec![format!("answering 0                loss {:.6}", task.zero_loss())];
    lines.extend(levels.iter().map(|(name, loss)| format!("plateau, {name:<17} loss {loss:.6}")));
    if let Some(forms) = &forms {
        lines.extend(forms.lines());
    }
    say(&lines.join("\n"))
}

/// The forms of white inputs.
struct Forms<'a> {
    white: White,
    spectra: Spectra,
    /// What losses in units of w are multiplied by.
    scale: f64,
    steps: &'a [usize],
}

impl Forms<'_> {
    fn loss(&self, filter: Filter) -> Mean {
        let Mean { value, standard_error } = self.spectra.loss(filter);
        Mean { value: self.scale * value, standard_error: self.scale * standard_error }
    }

    fn ridge(&self) -> Mean {
        self.loss(Filter::Ridge { penalty: self.white.noise })
    }

    /// Descent and, from two steps on, GD++ at their best rates.
    fn best(&self, steps: usize) -> impl Iterator<Item = Filter> {
        let plus_plus = (steps > 1).then(|| self.spectra.best_descent_plus_plus(steps));
        std::iter::once(self.spectra.best_descent(steps)).chain(plus_plus)
    }

    fn one_step_json(&self) -> Value {
        json!({
            "rate": number(self.white.optimal_rate()),
            "loss": number(self.scale * self.white.optimal_loss()),
            "growth_rate": number(self.scale * self.white.growth_rate()),
        })
    }

    fn steps_json(&self) -> Value {
        let entry = |filter: Filter| {
            let mut object = loss_json(self.loss(filter));
            let (name, steps, rate, shrinkage) = parts(filter);
            object["predictor"] = json!(name);
            object["steps"] = json!(steps);
            object["rate"] = number(rate);
            object["shrinkage"] = number(shrinkage);
            object
        };
        self.steps.iter().flat_map(|&steps| self.best(steps)).map(entry).collect()
    }

    fn lines(&self) -> Vec<String> {
        let (white, n) = (&self.white, self.white.n_exemplars as f64);
        let ridge = self.ridge();
        let mut lines = vec![
            format!(
                "one step, closed form      loss {:.6}   eta {:.6}   eta/N {:.6}",
                self.scale * white.optimal_loss(),
                white.optimal_rate(),
                white.optimal_rate() / n
            ),
            format!("ridge, the exact posterior loss {:.6} ± {:.6}", ridge.value, ridge.standard_error),
            format!(
                "growth of a small start    rate {:.6} (logistic, merged keys and queries)",
                self.scale * white.growth_rate()
            ),
            format!("\nbest rates, averaged over the spectra of {} contexts", self.spectra.n_contexts()),
            format!("{:<10} {:>6} {:>10} {:>10} {:>10} ± s.e.", "predictor", "steps", "eta/N", "gamma", "loss"),
        ];
        for filter in self.steps.iter().flat_map(|&steps| self.best(steps)) {
            let Mean { value, standard_error } = self.loss(filter);
            let (name, steps, rate, shrinkage) = parts(filter);
            let gamma = if shrinkage.is_nan() { "-".to_owned() } else { format!("{shrinkage:.4}") };
            let rate = rate / n;
            lines.push(format!("{name:<10} {steps:>6} {rate:>10.4} {gamma:>10} {value:>10.6} ± {standard_error:.6}"));
        }
        lines
    }
}

fn loss_json(loss: Mean) -> Value {
    json!({ "loss": number(loss.value), "standard_error": number(loss.standard_error) })
}

/// Name, steps, eta and gamma; NaN where there is none.
fn parts(filter: Filter) -> (&'static str, usize, f64, f64) {
    match filter {
        Filter::Descent { steps, rate } => ("descent", steps, rate, f64::NAN),
        Filter::DescentPlusPlus { steps, rate, shrinkage } => ("GD++", steps, rate, shrinkage),
        Filter::Ridge { .. } => ("ridge", 0, f64::NAN, f64::NAN),
    }
}
