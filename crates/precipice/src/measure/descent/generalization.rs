//! A trained network on other distributions than it was trained on, and applied again and again.

use std::sync::{Mutex, PoisonError};

use precipice_num::Kernels;

use super::SquareError;
use crate::measure::scores;
use crate::model::{Description, Model, Params, Reads};
use crate::sequence::{N_SHARDS, shard_range};
use crate::spec::RunSpec;
use crate::task::regression::RegressionSpec;
use crate::task::{Set, TaskSpec};
use crate::train::{TrainState, Trainer};
use crate::workers::Workers;

/// Sequences that are applied together, at most.
const CHUNK: usize = 16;
/// Room for the activations of a roll-out on one thread.
const ROOM_BYTES: usize = 1 << 30;

/// A network of `spec`'s shapes with a state trained under another spec.
///
/// # Panics
/// If the state does not fit, or it is not the regression task.
fn trainer_of(spec: &RunSpec, state: &TrainState, kernels: Kernels) -> Trainer {
    let task = spec.build_task(None).expect("the regression task has no items from files");
    let mut trainer = Trainer::new(spec, task, kernels).expect("the groups of the trained spec");
    trainer.restore(state.clone());
    trainer
}

/// Loss of a trained state on the evaluation set of a changed task.
///
/// # Panics
/// If it is not the regression task.
pub fn loss_under(
    spec: &RunSpec,
    state: &TrainState,
    kernels: Kernels,
    workers: &dyn Workers,
    change: impl FnOnce(&mut RegressionSpec),
) -> f64 {
    let mut spec = spec.clone();
    let TaskSpec::Regression(task) = &mut spec.task else { panic!("the regression task") };
    change(task);
    let trainer = trainer_of(&spec, state, kernels);
    scores::<SquareError>(&trainer, Set::MAIN, spec.eval.sequences, workers).loss()
}

/// Losses after 1, 2, ... applications.
#[derive(Clone, Debug, PartialEq)]
pub struct RollOut {
    /// Mean over the contexts, which belongs to rare ones where the step overshoots.
    pub mean: Vec<f64>,
    /// Median over the contexts.
    pub median: Vec<f64>,
}

/// How a network is applied again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repetition {
    /// How often.
    pub n_applications: usize,
    /// Factor on what every layer adds, beside the network's own.
    pub damping: f64,
    /// Bound on the tokens' entries; von Oswald et al. 2023 cut at 10 beyond three layers.
    pub token_clip: Option<f64>,
    /// Whether y alone is updated. A single layer is trained by what it adds to the query's y, so that the columns of
    /// W_O which write x are as they were drawn, and add noise.
    pub only_y: bool,
}

/// Applies the layers of a trained network again and again, on its evaluation set.
///
/// None where layers differ, so that there is not one step to repeat, and where one sequence would need more than a
/// gigabyte. `workers` are told of every application to a sequence.
pub fn roll_out(
    spec: &RunSpec,
    state: &TrainState,
    repetition: Repetition,
    kernels: Kernels,
    workers: &dyn Workers,
) -> Option<RollOut> {
    let network = Description::of(spec);
    let n_layers = network.n_layers;
    if !network.can_repeat() {
        return None;
    }
    let mut deep = spec.clone();
    let Repetition { n_applications, damping, token_clip, only_y } = repetition;
    deep.model.n_layers = n_layers * n_applications;
    (deep.model.tied_layers, deep.model.token_clip) = (true, token_clip);
    deep.model.damping *= damping;
    let task = deep.build_task(None).expect("the regression task has no items from files");
    let model = Model::<f32>::new(&deep, &task.label_table(), kernels);
    let network = model.description();
    let chunk = CHUNK.min(ROOM_BYTES / sequence_bytes(network));
    if chunk == 0 {
        return None;
    }
    let y_column = network.d_pos + network.d_content - 1;
    let mut params = state.params.clone();
    if only_y {
        write_only(&mut params, y_column);
    }
    let n_sequences = spec.eval.sequences;
    // [sequence of the shard, application]
    let shards: Vec<Mutex<Vec<f64>>> = (0..N_SHARDS).map(|_| Mutex::default()).collect();
    workers.run(N_SHARDS, &|shard| {
        let mut losses = shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let (mut trace, mut batch) = (model.trace(chunk, Reads::All), task.workspace(chunk));
        let (t, c) = (network.n_tokens(), network.d_model);
        let range = shard_range(n_sequences, shard);
        for first in range.clone().step_by(chunk) {
            batch.n_sequences = (range.end - first).min(chunk);
            task.fill(kernels, Set::MAIN, 0, first, &mut batch);
            model.forward(&params, &batch, &mut trace);
            for (s, y) in batch.query_values().enumerate() {
                let query = ((s + 1) * t - 1) * c + y_column;
                let after = (1..=n_applications).map(|applications| {
                    let stream =
                        trace.blocks.get(applications * n_layers).map_or(&trace.resid_final, |block| &block.resid_pre);
                    let error = -f64::from(stream[query]) - y;
                    0.5 * error * error
                });
                losses.extend(after);
            }
            workers.done((batch.n_sequences * n_applications) as u64);
        }
    });
    let losses: Vec<f64> =
        shards.into_iter().flat_map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
    let after = |application: usize| {
        let mut losses: Vec<f64> = losses.iter().skip(application).step_by(n_applications).copied().collect();
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        losses.sort_by(f64::total_cmp);
        (mean, losses[losses.len() / 2])
    };
    let (mean, median) = (0..n_applications).map(after).unzip();
    Some(RollOut { mean, median })
}

/// Activations of one sequence: maps of attention, and some dozen rows for every token.
fn sequence_bytes(network: &Description) -> usize {
    let (t, heads) = (network.n_tokens(), network.n_heads);
    let rows = 4 * network.d_model + 8 * heads * network.d_head + 3 * network.d_mlp;
    4 * network.n_layers * (heads * t * t + t * rows)
}

/// Lets attention add to one column alone.
fn write_only(params: &mut Params<f32>, column: usize) {
    let layout = params.layout.clone();
    for tensor in layout.tensors().iter().filter(|tensor| tensor.name.ends_with("attn.W_O")) {
        let width = tensor.shape[2];
        for row in params.values[tensor.range.clone()].chunks_exact_mut(width) {
            row.iter_mut().enumerate().filter(|(i, _)| *i != column).for_each(|(_, w)| *w = 0.0);
        }
    }
}
