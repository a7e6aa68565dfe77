//! A network beside a predictor: what they answer, and how the answers depend on the query.

use crate::model::Reads;
use crate::sequence::{Batch, Role};
use crate::spec::AttentionKind;
use crate::task::Set;
use crate::task::regression::{FunctionKind, RegressionSpec};
use crate::train::Trainer;
use crate::workers::Workers;

/// Distance of a network from a predictor (von Oswald et al. 2023, section 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Mean |ŷ_network - ŷ_predictor|.
    pub prediction_difference: f64,
    /// Mean |∂ŷ/∂x_q of the network - that of the predictor|.
    pub sensitivity_difference: f64,
    /// Mean cosine of the angle between the two.
    pub sensitivity_cosine: f64,
}

/// Step of the central differences. Where the prediction is linear in the query any is exact, but for rounding, and
/// soft-max networks bend little over it; sines have a scale of their own.
fn difference(task: &RegressionSpec) -> f32 {
    match task.functions {
        FunctionKind::Linear => 0.05 * task.input_scale as f32,
        FunctionKind::Sine => (0.001 * task.input_scale as f32).min(0.01),
    }
}

/// Compares with predictors, numbered as in the facts, on the first sequences of the evaluation set.
pub fn compare(
    task: &RegressionSpec,
    trainer: &Trainer,
    with: &[usize],
    n_sequences: usize,
    workers: &dyn Workers,
) -> Vec<Comparison> {
    let step = difference(task);
    let mut network =
        |batch: &Batch| -> Vec<f64> { trainer.answers(batch, workers).into_iter().map(f64::from).collect() };
    let batch = trainer.task().batch(Set::MAIN, 0, n_sequences);
    let ours = (network(&batch), sensitivities(&batch, step, &mut network));
    let compare = |&predictor: &usize| {
        let mut theirs = |batch: &Batch| trainer.task().predict(predictor, batch);
        let (predictions, slopes) = (theirs(&batch), sensitivities(&batch, step, &mut theirs));
        let (n, d) = (n_sequences as f64, batch.d_item);
        let prediction_difference = ours.0.iter().zip(&predictions).map(|(a, b)| (a - b).abs()).sum::<f64>() / n;
        let pairs = || ours.1.chunks_exact(d).zip(slopes.chunks_exact(d));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let distance = |a: &[f64], b: &[f64]| (dot(a, a) + dot(b, b) - 2.0 * dot(a, b)).max(0.0).sqrt();
        Comparison {
            prediction_difference,
            sensitivity_difference: pairs().map(|(a, b)| distance(a, b)).sum::<f64>() / n,
            sensitivity_cosine: pairs().map(|(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).sum::<f64>() / n,
        }
    };
    with.iter().map(compare).collect()
}

/// ∂ŷ/∂x_q of every sequence, `[S, d]`.
fn sensitivities(batch: &Batch, step: f32, predict: &mut dyn FnMut(&Batch) -> Vec<f64>) -> Vec<f64> {
    let (n, d) = (batch.n_exemplars, batch.d_item);
    let mut slopes = vec![0.0; batch.n_sequences * d];
    for column in 0..d {
        let [above, below] = [step, -step].map(|step| {
            let mut moved = batch.clone();
            for s in 0..batch.n_sequences {
                moved.items[(s * (n + 1) + n) * d + column] += step;
            }
            predict(&moved)
        });
        for (s, (above, below)) in above.iter().zip(below).enumerate() {
            slopes[s * d + column] = (above - below) / (2.0 * f64::from(step));
        }
    }
    slopes
}

/// Attention that the x tokens of a stream pay to their own y, in the first layer: the mean over the first evaluation
/// sequences, of the head where it is largest. None where tokens are pairs or the layer has no soft-max.
pub fn own_value_attention(trainer: &Trainer, n_sequences: usize) -> Option<f64> {
    let (model, description) = (trainer.model(), trainer.model().description());
    let has_value_tokens = matches!(description.geometry.role(1), Role::Value(_));
    if !has_value_tokens || description.attention[0] != AttentionKind::Softmax {
        return None;
    }
    let batch = trainer.task().batch(Set::MAIN, 0, n_sequences);
    let mut trace = model.trace(n_sequences, Reads::All);
    model.forward(&trainer.state().params, &batch, &mut trace);
    let (t, n, geometry) = (batch.n_tokens(), batch.n_exemplars, batch.geometry());
    let of_head = |head: usize| {
        let maps = trace.blocks[0].attention.pattern.chunks_exact(t * t).skip(head).step_by(description.n_heads);
        let own = |map: &[f32], slot: usize| f64::from(map[geometry.item_token(slot) * t + geometry.label_token(slot)]);
        let to_own = maps.take(n_sequences).flat_map(|map| (0..n).map(move |slot| own(map, slot)));
        to_own.sum::<f64>() / (n_sequences * n) as f64
    };
    (0..description.n_heads).map(of_head).max_by(f64::total_cmp)
}
