//! A trained network of the regression task, looked at: beside predictors, by its weights, on other distributions, and
//! applied again and again.

use precipice::measure::descent::closed_forms::one_step;
use precipice::measure::descent::generalization::{Repetition, RollOut, loss_under, roll_out};
use precipice::measure::descent::weights::{Circuits, DescentWeights};
use precipice::measure::{Column, Observer, metric};
use precipice::model::Description;
use precipice::spec::{RegressionSpec, RunSpec};
use precipice::train::{TrainState, Trainer};
use precipice::workers::Workers;
use precipice_num::Kernels;
use serde::Serialize;

use super::serial::in_order;

/// Factors on inputs and labels (von Oswald et al. 2023).
pub const FACTORS: [f64; 12] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.55, 1.7, 2.0];
/// Factors on what a layer adds, in roll-outs.
pub const DAMPINGS: [f64; 3] = [1.0, 0.875, 0.75];
/// Applications in a roll-out.
pub const N_APPLICATIONS: usize = 50;
/// Bound on tokens in roll-outs, in units of the inputs' and the labels' scale where these are above 1.
pub const TOKEN_CLIP: f64 = 10.0;
/// Shares of the way from the trained to the constructed weights.
const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Contexts at most; the square error has heavy tails, and losses are to a percent or so.
const N_CONTEXTS: usize = 20_000;

/// A loss at a factor on inputs or labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scaled {
    /// The factor.
    pub factor: f64,
    /// Loss of the network.
    pub loss: f64,
    /// Loss of one step of descent at the best rate for factor 1; NaN where there is no closed form.
    pub closed_form: f64,
}

/// A step of descent as a layer's weights hold it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LayerWeights {
    /// eta / N.
    pub rate_per_exemplar: f64,
    /// gamma of GD++.
    pub shrinkage: f64,
}

/// A loss on the way from the trained to the constructed weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Between {
    /// Share of the way: 0 trained, 1 constructed.
    pub share: f64,
    /// Loss there.
    pub loss: f64,
}

/// Losses after 1, 2, ... applications.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Losses {
    /// Mean over the contexts, which belongs to rare ones where the step overshoots.
    pub mean: Vec<f64>,
    /// Median over the contexts.
    pub median: Vec<f64>,
}

/// A roll-out with what a layer adds damped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Damped {
    /// After each application.
    #[serde(flatten)]
    pub losses: Losses,
    /// Factor on what every layer adds.
    pub damping: f64,
}

/// What `probe` says of a regression network. Losses are half mean square errors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegressionReport {
    /// Updates done.
    pub step: u64,
    /// What the log has of this step, without the loss of training.
    #[serde(serialize_with = "in_order")]
    pub columns: Vec<(String, f64)>,
    /// Of each layer with parameters of its own; none where heads do not reduce to two numbers.
    pub weights: Vec<LayerWeights>,
    /// Loss at shares of the way to the constructed step, of a single layer.
    pub interpolation: Vec<Between>,
    /// Inputs scaled.
    pub inputs: Vec<Scaled>,
    /// Labels scaled.
    pub labels: Vec<Scaled>,
    /// Roll-outs with their dampings; none where layers differ.
    pub roll_outs: Vec<Damped>,
    /// The same of gradient descent at the rate that the weights of a single layer hold, undamped.
    pub descent_roll_out: Option<Losses>,
}

impl From<RollOut> for Losses {
    fn from(RollOut { mean, median }: RollOut) -> Self {
        Self { mean, median }
    }
}

impl RegressionReport {
    /// Measures a network, on at most 20,000 contexts; `workers` are told of every context that a network was applied
    /// to.
    ///
    /// # Panics
    /// If it is not of the regression task.
    pub fn new(spec: &RunSpec, trainer: &Trainer, workers: &dyn Workers) -> Self {
        let mut spec = spec.clone();
        spec.probes.enabled = true;
        spec.eval.sequences = spec.eval.sequences.min(N_CONTEXTS);
        let scored = Weighed { workers, weight: weight_of_scores(trainer.model().description()) };
        workers.expect(n_passes(&spec, trainer.model().description()) * spec.eval.sequences as u64);
        let row = Observer::new(&spec, trainer).observe(trainer, f64::NAN, &scored);
        let (network, kernels) = (trainer.model().description(), trainer.model().kernels());
        let state = trainer.state();
        let n_own = if network.tied_layers { 1 } else { network.n_layers };
        let circuits: Vec<Circuits> =
            (0..n_own).map_while(|layer| Circuits::of(network, &state.params, layer)).collect();
        let weights: Vec<DescentWeights> = circuits.iter().map(Circuits::descent).collect();
        let [inputs, labels] = scaled(&spec, state, kernels, &scored);
        let only_y = network.n_layers == 1;
        let task = spec.task.regression().expect("the regression task");
        let scale = task.input_scale.max((2.0 * task.zero_loss()).sqrt()).max(1.0);
        let token_clip = network.token_clip.or(Some(TOKEN_CLIP * scale));
        let repeat = |state: &TrainState, damping: f64| {
            let repetition = Repetition { n_applications: N_APPLICATIONS, damping, token_clip, only_y };
            roll_out(&spec, state, repetition, kernels, workers).map(Losses::from)
        };
        let roll_outs =
            DAMPINGS.iter().filter_map(|&damping| Some(Damped { losses: repeat(state, damping)?, damping }));
        // The same layer with all that is no descent taken away.
        let descent_roll_out = match (&circuits[..], &weights[..]) {
            ([circuits], [weights]) if network.n_layers == 1 => {
                let params = circuits.towards_descent(&state.params, weights.rate_per_exemplar, 1.0);
                params.and_then(|params| repeat(&TrainState { params, ..state.clone() }, 1.0))
            }
            _ => None,
        };
        Self {
            interpolation: interpolation(&spec, state, &circuits, kernels, &scored),
            roll_outs: roll_outs.collect(),
            descent_roll_out,
            step: row.step,
            columns: row.columns.into_iter().filter(|(name, _)| !metric::TRAIN_LOSS.is_of(name)).collect(),
            weights: weights.iter().map(LayerWeights::from).collect(),
            inputs,
            labels,
        }
    }

    /// A column; NaN where it was not measured.
    pub fn column(&self, column: &Column) -> f64 {
        self.columns.iter().find(|(name, _)| name == column.name()).map_or(f64::NAN, |(_, value)| *value)
    }
}

impl From<&DescentWeights> for LayerWeights {
    fn from(&DescentWeights { rate_per_exemplar, shrinkage }: &DescentWeights) -> Self {
        Self { rate_per_exemplar, shrinkage }
    }
}

/// How often a report applies a network to a context: once for its loss, at every factor and share, and in roll-outs.
fn n_passes(spec: &RunSpec, network: &Description) -> u64 {
    let n_scored = 1 + 2 * FACTORS.len() + if one_step(spec).is_some() { SHARES.len() } else { 0 };
    let n_roll_outs = if network.can_repeat() {
        DAMPINGS.len() + usize::from(network.n_layers == 1 && network.is_step(0))
    } else {
        0
    };
    n_scored as u64 * weight_of_scores(network) + (n_roll_outs * N_APPLICATIONS) as u64
}

/// Time of a pass whose loss is taken, with its data drawn, in units of one application in a roll-out: measured on the
/// built-in specs.
fn weight_of_scores(network: &Description) -> u64 {
    if network.embedding.is_some() {
        6
    } else if network.is_one_linear_layer() {
        1
    } else {
        2
    }
}

/// Workers whose work counts more.
struct Weighed<'a> {
    workers: &'a dyn Workers,
    weight: u64,
}

impl Workers for Weighed<'_> {
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        self.workers.run(n_jobs, job);
    }

    fn n_threads(&self) -> usize {
        self.workers.n_threads()
    }

    fn expect(&self, units: u64) {
        self.workers.expect(self.weight * units);
    }

    fn done(&self, units: u64) {
        self.workers.done(self.weight * units);
    }
}

/// Losses with scaled inputs, and with scaled labels.
fn scaled(spec: &RunSpec, state: &TrainState, kernels: Kernels, workers: &dyn Workers) -> [Vec<Scaled>; 2] {
    let task = spec.task.regression().expect("the regression task");
    let one_step = one_step(spec).filter(|white| white.noise == 0.0);
    let of_inputs = |factor: f64| one_step.map(|white| white.loss_at_scale(white.optimal_rate(), factor));
    let of_labels = |factor: f64| one_step.map(|white| factor * factor * white.optimal_loss());
    let measure = |change: fn(&mut RegressionSpec, f64), closed: &dyn Fn(f64) -> Option<f64>| {
        let at = |&factor: &f64| Scaled {
            factor,
            loss: loss_under(spec, state, kernels, workers, |task| change(task, factor)),
            closed_form: closed(factor).map_or(f64::NAN, |loss| loss * task.weight_variance()),
        };
        FACTORS.iter().map(at).collect()
    };
    [
        measure(|task, factor| task.input_scale *= factor, &of_inputs),
        measure(|task, factor| task.label_scale *= factor, &of_labels),
    ]
}

fn interpolation(
    spec: &RunSpec,
    state: &TrainState,
    circuits: &[Circuits],
    kernels: Kernels,
    workers: &dyn Workers,
) -> Vec<Between> {
    let (Some(white), [circuits]) = (one_step(spec), circuits) else { return Vec::new() };
    let rate = white.optimal_rate() / white.n_exemplars as f64;
    let at = |&share: &f64| {
        let params = circuits.towards_descent(&state.params, rate, share)?;
        Some(Between {
            share,
            loss: loss_under(spec, &TrainState { params, ..state.clone() }, kernels, workers, |_| {}),
        })
    };
    SHARES.iter().map_while(at).collect()
}
