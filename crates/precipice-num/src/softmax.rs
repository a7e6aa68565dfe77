//! Soft-max over a row, in place, and its derivative.

use crate::kernels::{Kernels, dispatch_sixteen};
use crate::math;
use crate::sixteen::{Sixteen, dot};

/// Scores so far below the largest have weight 0. What e^-44 adds to 1 is lost anyway, and products of such numbers
/// become subnormal, which makes a product of matrices up to four times slower.
const FLOOR: f32 = -44.0;

/// e^x, 0 below the floor.
#[inline(always)]
fn weight(x: f32) -> f32 {
    let weight = math::exp(x);
    if x < FLOOR { 0.0 } else { weight }
}

/// p_j = e^(s_j - max s) / sum_k e^(s_k - max s), 0 where s_j is below the floor. An empty row stays empty.
pub(crate) fn softmax_f32(kernels: Kernels, row: &mut [f32]) {
    dispatch_sixteen!(kernels, softmax(row: &mut [f32]));
}

#[inline(always)]
unsafe fn softmax<S: Sixteen>(row: &mut [f32]) {
    let (groups, rest) = row.as_chunks_mut::<16>();
    // SAFETY: groups have sixteen numbers; the caller has the instructions of S.
    unsafe {
        if rest.is_empty() {
            let max = groups.iter().fold(S::splat(f32::NEG_INFINITY), |all, group| S::load(group.as_ptr()).max(all));
            weights::<S>(groups, max.largest(), S::splat(0.0));
            return;
        }
        // What is no whole group is computed as one, whose other scores are minus infinity.
        let mut last = [f32::NEG_INFINITY; 16];
        last[..rest.len()].copy_from_slice(rest);
        let max = groups.iter().fold(S::load(last.as_ptr()), |all, group| S::load(group.as_ptr()).max(all)).largest();
        exponentials(&mut last, max);
        let scale = weights::<S>(groups, max, S::load(last.as_ptr()));
        rest.iter_mut().zip(last).for_each(|(p, e)| *p = e * scale);
    }
}

/// Turns the scores of whole groups into weights, and returns what their exponentials were multiplied by; those that are
/// no whole group are in the total already.
///
/// # Safety
/// The processor has the instructions of S.
#[inline(always)]
unsafe fn weights<S: Sixteen>(groups: &mut [[f32; 16]], max: f32, mut total: S) -> f32 {
    // SAFETY: groups have sixteen numbers.
    unsafe {
        for group in groups.iter_mut() {
            exponentials(group, max);
            total = total.add(S::load(group.as_ptr()));
        }
        let scale = 1.0 / total.total();
        for group in groups {
            S::load(group.as_ptr()).mul(S::splat(scale)).store(group.as_mut_ptr());
        }
        scale
    }
}

#[inline(always)]
fn exponentials(group: &mut [f32; 16], max: f32) {
    let mut weights = *group;
    for s in &mut weights {
        *s = weight(*s - max);
    }
    *group = weights;
}

/// Soft-max of row after row of `width` scores plus their biases, rows of which begin `stride` apart.
/// Where j > i the biases are minus infinity, and the scores must be finite.
pub(crate) fn softmax_causal_f32(kernels: Kernels, rows: &mut [f32], width: usize, biases: &[f32], stride: usize) {
    let n_rows = rows.len() / width;
    assert!(n_rows == 0 || (n_rows - 1) * stride + width <= biases.len(), "fewer biases than scores");
    dispatch_sixteen!(kernels, softmax_causal(rows: &mut [f32], width: usize, biases: &[f32], stride: usize));
}

#[inline(always)]
unsafe fn softmax_causal<S: Sixteen>(rows: &mut [f32], width: usize, biases: &[f32], stride: usize) {
    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
        let (seen, hidden) = row.split_at_mut((i + 1).next_multiple_of(16).min(width));
        let biases = &biases[i * stride..][..seen.len()];
        let (groups, rest) = seen.as_chunks_mut::<16>();
        if rest.is_empty() {
            // In registers as wide as those that read it next: a load cannot be fed by two narrower stores.
            // SAFETY: groups have sixteen numbers; the caller has the instructions of S.
            unsafe {
                let mut max = S::splat(f32::NEG_INFINITY);
                for (group, bias) in groups.iter_mut().zip(biases.as_chunks::<16>().0) {
                    let score = S::load(group.as_ptr()).add(S::load(bias.as_ptr()));
                    score.store(group.as_mut_ptr());
                    max = score.max(max);
                }
                weights::<S>(groups, max.largest(), S::splat(0.0));
            }
        } else {
            for (s, b) in seen.iter_mut().zip(biases) {
                *s += b;
            }
            // SAFETY: as above.
            unsafe { softmax::<S>(seen) };
        }
        hidden.fill(0.0);
    }
}

/// ds_j = p_j (dp_j - sum_k p_k dp_k) in place of dp, row by row.
pub(crate) fn softmax_gradient_f32(kernels: Kernels, p: &[f32], d: &mut [f32], width: usize) {
    assert_eq!(p.len(), d.len(), "gradient of another length");
    dispatch_sixteen!(kernels, softmax_gradient(p: &[f32], d: &mut [f32], width: usize));
}

#[inline(always)]
unsafe fn softmax_gradient<S: Sixteen>(p: &[f32], d: &mut [f32], width: usize) {
    for (p, d) in p.chunks_exact(width).zip(d.chunks_exact_mut(width)) {
        // SAFETY: as in `softmax`.
        let mean = unsafe { dot::<S>(p, d) };
        for (d, &p) in d.iter_mut().zip(p) {
            *d = p * (*d - mean);
        }
    }
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
            let (mut scores, mut biases) = (vec![0.0; width * width], vec![0.0; width * (width + 2)]);
            for (lane, values) in [(0, &mut scores), (1, &mut biases)] {
                let id = StreamId { seed: 4, purpose: width as u8, step: 0, lane };
                Rng::fill_normal(Kernels::detect(), id, 3.0, values);
            }
            biases.chunks_mut(width + 2).enumerate().for_each(|(i, row)| row[i + 1..].fill(f32::NEG_INFINITY));
            for kernels in Kernels::available() {
                let mut rows = scores.clone();
                softmax_causal_f32(kernels, &mut rows, width, &biases, width + 2);
                for (i, row) in rows.chunks(width).enumerate() {
                    let at = |j: usize| scores[i * width + j] + biases[i * (width + 2) + j];
                    let mut visible: Vec<f32> = (0..=i).map(at).collect();
                    softmax_f32(kernels, &mut visible);
                    assert_eq!(row[..=i], visible);
                    assert!(row[i + 1..].iter().all(|&hidden| hidden == 0.0));
                }
                let mut d = scores.clone();
                softmax_gradient_f32(kernels, &rows, &mut d, width);
                for ((d, p), upstream) in d.chunks(width).zip(rows.chunks(width)).zip(scores.chunks(width)) {
                    let mean: f64 = p.iter().zip(upstream).map(|(&p, &d)| f64::from(p) * f64::from(d)).sum();
                    let exact = |j: usize| f64::from(p[j]) * (f64::from(upstream[j]) - mean);
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
