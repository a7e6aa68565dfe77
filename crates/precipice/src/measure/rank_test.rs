//! Whether two groups of jump times could be one.

/// Two-sided p-value of the rank sum test (Wilcoxon 1945; Mann and Whitney 1947) that two samples have one distribution: the
/// normal approximation with corrections for ties and for continuity, good from some eight values a group on. Infinite
/// times, of runs that had not jumped when both groups ended, are the largest and equal. NaN if a sample is empty, 1 if all
/// values are equal.
///
/// ```
/// use precipice::measure::rank_test::p_value;
/// let early: Vec<f64> = (0..10).map(f64::from).collect();
/// let late: Vec<f64> = (0..10).map(|i| 100.0 + f64::from(i)).collect();
/// assert!(p_value(&early, &late) < 1e-3 && p_value(&early, &early) == 1.0);
/// ```
pub fn p_value(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let mut sorted: Vec<f64> = a.iter().chain(b).copied().collect();
    sorted.sort_by(f64::total_cmp);
    let (n_a, n_b, n) = (a.len() as f64, b.len() as f64, sorted.len() as f64);
    // Ranks from 1; equal values share their mean rank.
    let rank = |x: &f64| {
        let (below, until) = (sorted.partition_point(|y| y < x), sorted.partition_point(|y| y <= x));
        (below + until + 1) as f64 / 2.0
    };
    let u = a.iter().map(rank).sum::<f64>() - n_a * (n_a + 1.0) / 2.0;
    let ties: f64 = sorted.chunk_by(|x, y| x == y).map(|equal| (equal.len() as f64).powi(3) - equal.len() as f64).sum();
    let variance = n_a * n_b / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)));
    let distance = ((u - n_a * n_b / 2.0).abs() - 0.5).max(0.0);
    if variance > 0.0 { libm::erfc(distance / (2.0 * variance).sqrt()) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: ranks 1, 2, 4 against 3, 5, 6, U = 1 of a mean of 4.5, variance 21 / 4; with a tie, ranks 1, 3, 3 of 3, 5, 6
    /// (mean rank 3 of three equal ones), U = 1, variance 9 / 12 (7 - 24 / 30).
    #[test]
    fn p_values_by_hand() {
        let p = |distance: f64, variance: f64| libm::erfc(distance / (2.0 * variance).sqrt());
        let got = p_value(&[1.0, 2.0, 4.0], &[3.0, 5.0, 6.0]);
        assert!((got - p(3.0, 5.25)).abs() < 1e-12, "{got}");
        let tied = p_value(&[1.0, 2.0, 2.0], &[2.0, 5.0, 6.0]);
        assert!((tied - p(3.0, 0.75 * (7.0 - 0.8))).abs() < 1e-12, "{tied}");
    }

    #[test]
    fn runs_that_never_jump_come_last_and_are_equal() {
        let never = f64::INFINITY;
        assert_eq!(p_value(&[never; 9], &[never; 12]), 1.0);
        assert!(p_value(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &[never; 8]) < 1e-3);
        assert!(p_value(&[], &[1.0]).is_nan());
    }
}
