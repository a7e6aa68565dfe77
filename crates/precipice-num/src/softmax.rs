//! Soft-max over a row, in place, and its derivative.

use crate::kernels::{Kernels, dispatch};
use crate::math;

/// Lanes of a sum. Fixed, so that the register width does not change the order of additions.
const LANES: usize = 16;

/// p_j = e^(s_j - max s) / sum_k e^(s_k - max s). An empty row stays empty.
pub(crate) fn softmax_f32(kernels: Kernels, row: &mut [f32]) {
    dispatch!(kernels, softmax_body(row: &mut [f32]));
}

#[inline(always)]
fn softmax_body(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, |m, s| if s > m { s } else { m });
    for s in row.iter_mut() {
        *s = math::exp(*s - max);
    }
    let scale = 1.0 / sum(row);
    for p in row.iter_mut() {
        *p *= scale;
    }
}

/// Soft-max of the first i + 1 scores of row i, rows of `width`; what a row may not see becomes 0.
pub(crate) fn softmax_causal_f32(kernels: Kernels, rows: &mut [f32], width: usize) {
    dispatch!(kernels, softmax_causal_body(rows: &mut [f32], width: usize));
}

#[inline(always)]
fn softmax_causal_body(rows: &mut [f32], width: usize) {
    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
        let visible = (i + 1).min(width);
        // Whole registers: exponentials of minus infinity are the zeros that are wanted.
        let computed = visible.next_multiple_of(LANES).min(width);
        let (row, hidden) = row.split_at_mut(computed);
        row[visible..].fill(f32::NEG_INFINITY);
        softmax_body(row);
        hidden.fill(0.0);
    }
}

/// ds_j = p_j (dp_j - sum_k p_k dp_k) in place of dp, row by row.
pub(crate) fn softmax_gradient_f32(kernels: Kernels, p: &[f32], d: &mut [f32], width: usize) {
    assert_eq!(p.len(), d.len(), "gradient of another length");
    dispatch!(kernels, softmax_gradient_body(p: &[f32], d: &mut [f32], width: usize));
}

#[inline(always)]
fn softmax_gradient_body(p: &[f32], d: &mut [f32], width: usize) {
    for (p, d) in p.chunks_exact(width).zip(d.chunks_exact_mut(width)) {
        let mut mean = 0.0;
        crate::elementwise::dot_body(p, d, &mut mean);
        for (d, &p) in d.iter_mut().zip(p) {
            *d = p * (*d - mean);
        }
    }
}

/// Sum in `LANES` interleaved partial sums, then pairwise.
#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for j in 0..LANES {
            lanes[j] += chunk[j];
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] += lanes[j + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The definition in f64, for gradient checks.
pub(crate) fn softmax_f64(row: &mut [f64]) {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for s in row.iter_mut() {
        *s = libm::exp(*s - max);
        total += *s;
    }
    for p in row.iter_mut() {
        *p /= total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Rng, StreamId};

    #[test]
    fn agrees_with_f64_and_between_levels() {
        for len in [1, 2, 7, 16, 17, 33, 100] {
            let mut scores = vec![0.0; len];
            Rng::fill_normal(
                Kernels::detect(),
                StreamId { seed: 3, purpose: 0, step: 0, lane: len as u32 },
                4.0,
                &mut scores,
            );
            let mut exact: Vec<f64> = scores.iter().map(|&s| f64::from(s)).collect();
            softmax_f64(&mut exact);
            let mut first: Option<Vec<f32>> = None;
            for kernels in Kernels::available() {
                let mut row = scores.clone();
                softmax_f32(kernels, &mut row);
                assert!(row.iter().zip(&exact).all(|(&p, &q)| (f64::from(p) - q).abs() < 1e-6));
                assert_eq!(*first.get_or_insert_with(|| row.clone()), row, "{kernels:?}");
            }
        }
    }

    #[test]
    fn causal_rows_are_rows_cut_short() {
        for width in [1, 16, 17, 32, 33] {
            let mut scores = vec![0.0; width * width];
            let id = StreamId { seed: 4, purpose: 0, step: 0, lane: width as u32 };
            Rng::fill_normal(Kernels::detect(), id, 4.0, &mut scores);
            for kernels in Kernels::available() {
                let (mut rows, mut d) = (scores.clone(), scores.clone());
                softmax_causal_f32(kernels, &mut rows, width);
                for (i, (row, scores)) in rows.chunks(width).zip(scores.chunks(width)).enumerate() {
                    let mut visible = scores[..=i].to_vec();
                    softmax_f32(kernels, &mut visible);
                    assert_eq!(row[..=i], visible);
                    assert!(row[i + 1..].iter().all(|&hidden| hidden == 0.0));
                }
                softmax_gradient_f32(kernels, &rows, &mut d, width);
                for ((d, p), scores) in d.chunks(width).zip(rows.chunks(width)).zip(scores.chunks(width)) {
                    let mean: f64 = p.iter().zip(scores).map(|(&p, &s)| f64::from(p) * f64::from(s)).sum();
                    let exact = |j: usize| f64::from(p[j]) * (f64::from(scores[j]) - mean);
                    assert!((0..width).all(|j| (f64::from(d[j]) - exact(j)).abs() < 1e-5));
                }
            }
        }
    }

    #[test]
    fn huge_scores_do_not_overflow() {
        let mut row = [3e38, 1.0, -3e38];
        softmax_f32(Kernels::detect(), &mut row);
        assert_eq!(row, [1.0, 0.0, 0.0]);
    }
}
