//! A network beside a predictor: what they answer, and how the answers depend on the query.

use crate::batch::Batch;
use crate::model::{Reads, Trace};
use crate::spec::{AttentionKind, FunctionKind, RegressionSpec, RunSpec, Tokens};
use crate::task::Set;
use crate::task::predictors::Predictor;
use crate::train::Trainer;

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

/// Compares on the first sequences of the evaluation set, one comparison a predictor.
pub fn compare(spec: &RunSpec, trainer: &Trainer, with: &[&Predictor], n_sequences: usize) -> Vec<Comparison> {
    let task = spec.task.regression().expect("a regression spec");
    let (functions, step) = (task.functions, difference(task));
    let mut trace = Trace::new(spec, n_sequences, Reads::QueryOnly);
    let mut network = |batch: &Batch| -> Vec<f64> {
        trainer.model().forward(&trainer.state().params, batch, &mut trace, None);
        trace.logits().iter().map(|&x| f64::from(x)).collect()
    };
    let batch = trainer.task().batch(Set::Eval, 0, n_sequences);
    let ours = (network(&batch), sensitivities(&batch, step, &mut network));
    let compare = |predictor: &&Predictor| {
        let mut theirs = |batch: &Batch| predictor.predictions(batch, functions).collect::<Vec<f64>>();
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
pub fn own_value_attention(spec: &RunSpec, trainer: &Trainer, n_sequences: usize) -> Option<f64> {
    if spec.model.tokens != Tokens::Stream || spec.attention_kind(0) != AttentionKind::Softmax {
        return None;
    }
    let batch = trainer.task().batch(Set::Eval, 0, n_sequences);
    let mut trace = Trace::new(spec, n_sequences, Reads::All);
    trainer.model().forward(&trainer.state().params, &batch, &mut trace, None);
    let (t, n) = (batch.n_tokens(), batch.n_exemplars);
    let of_head = |head: usize| {
        let maps = trace.blocks[0].attention.pattern.chunks_exact(t * t).skip(head).step_by(spec.model.n_heads);
        let to_own = maps.take(n_sequences).flat_map(|map| (0..n).map(|i| f64::from(map[2 * i * t + 2 * i + 1])));
        to_own.sum::<f64>() / (n_sequences * n) as f64
    };
    (0..spec.model.n_heads).map(of_head).max_by(f64::total_cmp)
}
