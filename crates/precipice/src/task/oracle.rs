//! Predictors that need no training, to draw beside the trained network.

use crate::batch::Batch;

/// Fraction of sequences in which the context item most similar to the query (largest cosine) is
/// the right one. Returns the number of right answers in the batch.
pub fn nearest_neighbor_correct(batch: &Batch) -> usize {
    let (n, d) = (batch.n_exemplars, batch.d_item);
    let correct = |s: &usize| {
        let items = batch.items_of(*s);
        let query = &items[n * d..];
        let cosine = |i: usize| {
            let item = &items[i * d..(i + 1) * d];
            let dot: f64 = item.iter().zip(query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let norm: f64 = item.iter().map(|&a| f64::from(a).powi(2)).sum();
            dot / norm.sqrt()
        };
        let best = (0..n).max_by(|&a, &b| cosine(a).total_cmp(&cosine(b)));
        best == Some(batch.answer_slots[*s] as usize)
    };
    (0..batch.n_sequences).filter(correct).count()
}
