//! What theory says of a regression task before anything is trained.

use precipice::measure::descent::closed_forms::{plateaus, spectra, white};
use precipice::spec::{RegressionSpec, RunSpec};
use precipice::theory::regression::{Filter, Mean, Spectra};
use serde::Serialize;

use crate::meter::Meter;

/// What `theory regression` says. Losses are half mean square errors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClosedForms {
    /// Of answering 0.
    pub zero_loss: f64,
    /// Saddles that training stays on for a while, in the order in which it comes to them.
    pub plateaus: Vec<Plateau>,
    /// One step of gradient descent at its best rate; null for other inputs than white ones.
    pub one_step: Option<OneStep>,
    /// Descent and, from two steps on, GD++ at their best rates; null as above.
    pub steps: Option<Vec<Steps>>,
    /// The exact posterior of white inputs; null as above.
    pub ridge: Option<MeanLoss>,
    /// N.
    #[serde(skip)]
    pub n_exemplars: usize,
    /// Contexts whose spectra are averaged over.
    #[serde(skip)]
    pub n_contexts: usize,
}

/// A saddle's loss.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plateau {
    /// In words.
    pub name: String,
    /// Of the network on it.
    pub loss: f64,
}

/// One step of gradient descent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OneStep {
    /// eta.
    pub rate: f64,
    /// At that rate.
    pub loss: f64,
    /// Of a small start under gradient flow, per unit of its time.
    pub growth_rate: f64,
}

/// Some steps at their best rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Steps {
    /// Mean over contexts.
    pub loss: f64,
    /// Of that mean.
    pub standard_error: f64,
    /// `descent` or `GD++`.
    pub predictor: String,
    /// How many.
    pub steps: usize,
    /// eta.
    pub rate: f64,
    /// gamma; null for plain descent.
    pub shrinkage: f64,
}

/// A mean over contexts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeanLoss {
    /// The mean.
    pub loss: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl ClosedForms {
    /// The forms of a spec's task after each number of `steps`. None where it is no regression task or has no
    /// closed forms. The meter counts spectra of contexts and filters that are tried.
    pub fn new(spec: &RunSpec, steps: &[usize], n_contexts: usize, meter: &Meter) -> Option<Self> {
        let task = spec.task.regression()?;
        let plateaus: Vec<Plateau> = plateaus(spec).into_iter().map(|(name, loss)| Plateau { name, loss }).collect();
        // Losses of the forms are in units of w.
        let scale = task.weight_variance();
        let (of_spectrum, of_steps) = work(task, n_contexts);
        if white(task).is_some() {
            let searched = steps.iter().map(|&n| Filter::SHRINKAGES * of_steps(n)).sum::<u64>();
            meter.expect(of_spectrum * n_contexts as u64 + searched);
        }
        let forms = white(task).zip(spectra(spec, n_contexts, || meter.done(of_spectrum)));
        if forms.is_none() && plateaus.is_empty() {
            return None;
        }
        let of_filters = |spectra: &Spectra| -> Vec<Steps> {
            let best = |&n: &usize| {
                let units = of_steps(n);
                best(spectra, n, move || meter.done(units))
            };
            steps.iter().flat_map(best).map(|filter| of_filter(spectra, filter, scale)).collect()
        };
        Some(Self {
            zero_loss: task.zero_loss(),
            plateaus,
            one_step: forms.as_ref().map(|(white, _)| OneStep {
                rate: white.optimal_rate(),
                loss: scale * white.optimal_loss(),
                growth_rate: scale * white.growth_rate(),
            }),
            steps: forms.as_ref().map(|(_, spectra)| of_filters(spectra)),
            ridge: forms.as_ref().map(|(white, spectra)| {
                let Mean { value, standard_error } = spectra.loss(Filter::Ridge { penalty: white.noise });
                MeanLoss { loss: scale * value, standard_error: scale * standard_error }
            }),
            n_exemplars: task.n_exemplars,
            n_contexts: forms.as_ref().map_or(0, |(_, spectra)| spectra.n_contexts()),
        })
    }
}

/// Work on the spectrum of one context, and on one shrinkage of K steps of GD++, in units of one eigenvalue and step.
/// Searches for rates become wider the more steps there are: measured at K = 2 to 20, within a fifth.
fn work(task: &RegressionSpec, n_contexts: usize) -> (u64, impl Fn(usize) -> u64) {
    let (d, size) = (task.d_item, task.d_item.min(task.n_exemplars));
    let of_steps = move |n: usize| if n > 1 { (2 * n_contexts * d * n * (n + 3)) as u64 } else { 0 };
    ((d * size * size) as u64, of_steps)
}

fn best(spectra: &Spectra, steps: usize, told: impl Fn()) -> impl Iterator<Item = Filter> {
    let plus_plus = (steps > 1).then(|| spectra.best_descent_plus_plus(steps, told));
    std::iter::once(spectra.best_descent(steps)).chain(plus_plus)
}

fn of_filter(spectra: &Spectra, filter: Filter, scale: f64) -> Steps {
    let Mean { value, standard_error } = spectra.loss(filter);
    let (predictor, steps, rate, shrinkage) = match filter {
        Filter::Descent { steps, rate } => ("descent", steps, rate, f64::NAN),
        Filter::DescentPlusPlus { steps, rate, shrinkage } => ("GD++", steps, rate, shrinkage),
        Filter::Ridge { .. } => ("ridge", 0, f64::NAN, f64::NAN),
    };
    let predictor = predictor.to_owned();
    Steps { loss: scale * value, standard_error: scale * standard_error, predictor, steps, rate, shrinkage }
}
