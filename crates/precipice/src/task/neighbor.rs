//! Picking the context item that is most similar to the query: what real items are compared with.

use super::{ItemsSpec, PredictorName};
use crate::sequence::Batch;

/// The predictor, where items come from a file, so that matching them is itself a problem.
pub(super) fn names(items: Option<&ItemsSpec>) -> Vec<PredictorName> {
    items.map(|_| PredictorName::new("nearest_neighbor", "nearest neighbor")).into_iter().collect()
}

/// 1 for sequences in which the context item most similar to the query (largest cosine, the first of equals) is a right
/// one, 0 for others.
pub fn predict(batch: &Batch) -> Vec<f64> {
    let (n, d) = (batch.n_exemplars, batch.d_item);
    let is_right = |s: usize| {
        let items = batch.items_of(s);
        let query = &items[n * d..];
        let cosine = |i: usize| {
            let item = &items[i * d..(i + 1) * d];
            let dot: f64 = item.iter().zip(query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let norm: f64 = item.iter().map(|&a| f64::from(a).powi(2)).sum();
            // A blank item has no direction; its cosine counts as 0.
            dot / norm.sqrt().max(f64::MIN_POSITIVE)
        };
        let best = (1..n).fold(0, |best, i| if cosine(i) > cosine(best) { i } else { best });
        batch.matches_of(s)[best]
    };
    (0..batch.n_sequences).map(|s| f64::from(u8::from(is_right(s)))).collect()
}
