//! Predictors that need no training, to draw beside the trained network.

use crate::batch::Batch;

/// Number of sequences in which the context item most similar to the query (largest cosine, the
/// first of equals) is the right one.
pub fn nearest_neighbor_correct(batch: &Batch) -> usize {
    let (n, d) = (batch.n_exemplars, batch.d_item);
    let correct = |s: &usize| {
        let items = batch.items_of(*s);
        let query = &items[n * d..];
        let cosine = |i: usize| {
            let item = &items[i * d..(i + 1) * d];
            let dot: f64 = item.iter().zip(query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let norm: f64 = item.iter().map(|&a| f64::from(a).powi(2)).sum();
            // A blank item has no direction; its cosine counts as 0.
            dot / norm.sqrt().max(f64::MIN_POSITIVE)
        };
        let best = (1..n).fold(0, |best, i| if cosine(i) > cosine(best) { i } else { best });
        batch.matches_of(*s)[best]
    };
    (0..batch.n_sequences).filter(correct).count()
}
