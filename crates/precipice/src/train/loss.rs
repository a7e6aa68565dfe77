//! Cross-entropy of the query's label; half the square error of its value.

use precipice_num::{Kernels, Real};

/// Sum over the sequences of -ln softmax(logits)_answer, in f64. `logits` is `[S, L]`.
pub fn cross_entropy<T: Real>(logits: &[T], answers: &[u32]) -> f64 {
    rows(logits, answers).map(|(row, answer)| log_sum_exp(row) - row[answer].to_f64()).sum()
}

/// Writes d(loss)/d(logits) = scale (softmax(logits) - onehot(answer)) and returns the loss's sum.
///
/// `scale` is 1 / batch size where the loss is the batch's mean.
pub fn cross_entropy_gradient<T: Real>(
    kernels: Kernels,
    logits: &[T],
    answers: &[u32],
    scale: f64,
    d_logits: &mut [T],
) -> f64 {
    let n_labels = logits.len() / answers.len().max(1);
    d_logits.copy_from_slice(logits);
    let (mut loss, scale) = (0.0, T::from_f64(scale));
    for ((logits, answer), row) in rows(logits, answers).zip(d_logits.chunks_exact_mut(n_labels.max(1))) {
        T::softmax(kernels, row);
        // The largest probability is 1 / sum_j e^(x_j - max x).
        loss += largest(logits) - logits[answer].to_f64() - libm::log(largest(row));
        row[answer] -= T::ONE;
        row.iter_mut().for_each(|d| *d *= scale);
    }
    loss
}

fn largest<T: Real>(row: &[T]) -> f64 {
    row.iter().copied().fold(T::from_f64(f64::NEG_INFINITY), |max, x| if x > max { x } else { max }).to_f64()
}

fn rows<'a, T>(logits: &'a [T], answers: &'a [u32]) -> impl Iterator<Item = (&'a [T], usize)> {
    let n_labels = logits.len() / answers.len().max(1);
    logits.chunks_exact(n_labels.max(1)).zip(answers.iter().map(|&answer| answer as usize))
}

/// ln sum_j e^(x_j)
pub fn log_sum_exp<T: Real>(row: &[T]) -> f64 {
    let max = row.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    max + libm::log(row.iter().map(|x| libm::exp(x.to_f64() - max)).sum())
}

/// Half the square error of a prediction.
pub fn square(prediction: f64, value: f64) -> f64 {
    0.5 * (prediction - value) * (prediction - value)
}

/// Writes d(loss)/d(prediction) = scale (prediction - value) and returns the sum of [`square`].
pub fn square_gradient<T: Real>(
    predictions: &[T],
    values: impl Iterator<Item = f64>,
    scale: f64,
    d_predictions: &mut [T],
) -> f64 {
    let pairs = predictions.iter().map(|prediction| prediction.to_f64()).zip(values);
    pairs.zip(d_predictions).fold(0.0, |loss, ((prediction, value), d)| {
        *d = T::from_f64(scale * (prediction - value));
        loss + square(prediction, value)
    })
}
