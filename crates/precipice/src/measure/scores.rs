//! Sums over sequences that need the network's outputs alone: forward passes in the form that training computes.

use std::sync::{Mutex, PoisonError};

use super::Tally;
use crate::sequence::{Batch, N_SHARDS};
use crate::task::{Set, Task};
use crate::train::Trainer;
use crate::train::loss::square;
use crate::workers::Workers;

/// A tally that needs no trace, only the outputs.
pub trait Scores: Tally + Default {
    /// Adds the sequences of a batch, given the query's logits `[S, L]` or the predicted values `[S]`.
    fn add_outputs(&mut self, outputs: &[f32], batch: &Batch);
}

/// Over the first sequences of a set, in fixed shards added in order.
///
/// ```
/// use precipice::measure::accuracy::Accuracy;
/// use precipice::measure::scores;
/// use precipice::{spec::RunSpec, task::Set, train::Trainer, workers::Sequential};
/// let spec = RunSpec::default();
/// let trainer = Trainer::new(&spec, spec.build_task(None)?, precipice_num::Kernels::detect())?;
/// let accuracy: Accuracy = scores(&trainer, Set::MAIN, 64, &Sequential);
/// assert!(accuracy.accuracy() < 0.2);
/// # Ok::<(), precipice::run::RunError>(())
/// ```
pub fn scores<A: Scores>(trainer: &Trainer, set: Set, n_sequences: usize, workers: &dyn Workers) -> A {
    let parts: [Mutex<A>; N_SHARDS] = std::array::from_fn(|_| Mutex::new(A::default()));
    trainer.outputs(set, n_sequences, workers, &|shard, outputs, batch| {
        parts[shard].lock().unwrap_or_else(PoisonError::into_inner).add_outputs(outputs, batch);
    });
    let parts = parts.map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner));
    parts.into_iter().fold(A::default(), |mut all, part| {
        all.merge(part);
        all
    })
}

/// What the predictors of a task reach on a set, which no training changes: accuracies, or mean losses where values
/// are asked for.
pub fn predictor_scores(task: &dyn Task, set: Set, n_sequences: usize) -> Vec<f64> {
    let facts = task.facts();
    let mut sums = vec![0.0; facts.predictors.len()];
    if sums.is_empty() {
        return sums;
    }
    let mut batch = task.workspace(super::CHUNK);
    for first in (0..n_sequences).step_by(super::CHUNK) {
        batch.n_sequences = (n_sequences - first).min(super::CHUNK);
        task.fill(precipice_num::Kernels::detect(), set, 0, first, &mut batch);
        for (idx, sum) in sums.iter_mut().enumerate() {
            let said = task.predict(idx, &batch);
            assert_eq!(said.len(), batch.n_sequences, "predictor {:?} of {}", facts.predictors[idx].name, facts.family);
            *sum += if facts.targets.are_labels() {
                said.iter().sum::<f64>()
            } else {
                said.iter().zip(batch.query_values()).map(|(&p, y)| square(p, y)).sum()
            };
        }
    }
    sums.into_iter().map(|sum| sum / n_sequences as f64).collect()
}
