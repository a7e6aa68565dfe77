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
    fn huge_scores_do_not_overflow() {
        let mut row = [3e38, 1.0, -3e38];
        softmax_f32(Kernels::detect(), &mut row);
        assert_eq!(row, [1.0, 0.0, 0.0]);
    }
}
