//! When the jump came, from the accuracies of a finished or unfinished run.

use serde::Serialize;

use super::{Column, Row, metric};
use crate::task::{Facts, Progress};

/// The jump of one run. A run without one has none: it is censored, never given a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Transition {
    /// End of the plateau: the last step at which accuracy had risen by at most 5 % of the jump.
    pub onset_step: f64,
    /// Step at which accuracy is half way between plateau and final level.
    pub t50: f64,
    /// Steps from 10 % to 90 % of the way.
    pub width_10_90: f64,
    /// Median accuracy on the plateau.
    pub plateau_accuracy: f64,
    /// Median loss on the plateau.
    pub plateau_loss: f64,
}

impl Transition {
    /// Whether there was a plateau before the rise: from 10 % to 90 % it takes at most half of the steps that it took to come
    /// half way. A straight line from the first step on takes four fifths of them.
    pub fn has_plateau(&self) -> bool {
        self.width_10_90 <= 0.5 * self.t50
    }
}

/// What a run has learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Learned {
    /// Never more than half way from guessing among the context's labels to certainty.
    None,
    /// In-context learning, there at the end.
    Ic,
    /// It came and went.
    Lost,
    /// Never, but labels are known by heart at the end.
    Iw,
    /// In-context learning and labels known by heart, both there at the end.
    Both,
}

/// What the rows of a run say: whether it learned in context, when, and whether it knows labels by heart.
///
/// ```
/// use precipice::measure::transition::{Learned, transition_of};
/// use precipice::measure::{Row, metric};
/// use precipice::spec::RunSpec;
/// let row = |step, accuracy| {
///     let mut row = Row { step, ..Row::default() };
///     row.push(metric::ACCURACY.main(), accuracy);
///     row.push(metric::LOSS.main(), 1.0 - accuracy);
///     row
/// };
/// let rows = [row(0, 0.125), row(100, 0.125), row(200, 1.0), row(300, 1.0)];
/// let (learned, jump) = transition_of(&RunSpec::default().facts(), &rows);
/// assert_eq!((learned, jump.unwrap().t50), (Learned::Ic, 150.0));
/// assert_eq!(transition_of(&RunSpec::default().facts(), &rows[..2]), (Learned::None, None));
/// ```
pub fn transition_of(facts: &Facts, rows: &[Row]) -> (Learned, Option<Transition>) {
    let (progress, loss) = (Column::of_progress(facts), Column::of_loss(facts));
    let series: Vec<_> = rows.iter().map(|row| (row.step as f64, row.get(&progress), row.get(&loss))).collect();
    let (learned, transition) = detect(&series, facts.progress.threshold());
    let Some(by_heart) = facts.by_heart else { return (learned, transition) };
    let known = rows.last().map_or(f64::NAN, |row| row.get(&metric::ACCURACY.on(facts.prefix(by_heart))));
    // Above that of a guess among all labels, as for the context.
    let guess = Progress::of_accuracy("", 1.0 / facts.n_labels() as f64, "1/L");
    let knows = known > guess.threshold();
    let learned = match learned {
        Learned::None if knows => Learned::Iw,
        Learned::Ic if knows => Learned::Both,
        learned => learned,
    };
    (learned, transition)
}

/// Finds the jump in (step, progress, loss), rows in order of steps.
///
/// The jump is the first rise through the threshold, half way from floor to ceiling ([`Progress::threshold`]). The plateau is the stretch from a third
/// of that step to four fifths of it; the final level is the median of the later half of the rows
/// that stay above the threshold.
pub fn detect(rows: &[(f64, f64, f64)], threshold: f64) -> (Learned, Option<Transition>) {
    let Some(first) = rows.iter().position(|row| row.1 > threshold) else { return (Learned::None, None) };
    if first == 0 {
        // Learned before it was first looked at: there is no rise to time.
        return (ending(rows, threshold), None);
    }
    let crossing = rows[first].0;
    let until =
        rows[first..].iter().position(|row| row.1.is_nan() || row.1 <= threshold).map_or(rows.len(), |n| first + n);
    let plateau: Vec<_> = rows[..first].iter().filter(|r| r.0 >= crossing / 3.0 && r.0 <= crossing * 0.8).collect();
    let plateau = if plateau.is_empty() { rows[..first].iter().collect() } else { plateau };
    let low = median(plateau.iter().map(|row| row.1));
    let high = median(rows[first.midpoint(until)..until].iter().map(|row| row.1));
    let level = |fraction: f64| low + fraction * (high - low);
    let t50 = crossing_after(rows, 0, level(0.5));
    let t10 = crossing_before(rows, first, level(0.1));
    let t90 = crossing_after(rows, first - 1, level(0.9));
    let transition = Transition {
        onset_step: crossing_before(rows, first, level(0.05)),
        t50,
        width_10_90: t90 - t10,
        plateau_accuracy: low,
        plateau_loss: median(plateau.iter().map(|row| row.2)),
    };
    (ending(rows, threshold), Some(transition))
}

fn ending(rows: &[(f64, f64, f64)], threshold: f64) -> Learned {
    if rows.last().is_some_and(|row| row.1 > threshold) { Learned::Ic } else { Learned::Lost }
}

/// Step of the first rise through `level` that ends after row `from`, linear between rows.
fn crossing_after(rows: &[(f64, f64, f64)], from: usize, level: f64) -> f64 {
    let rise = (from + 1..rows.len()).find(|&i| rows[i].1 >= level);
    rise.map_or(f64::NAN, |i| interpolate(rows[i - 1], rows[i], level))
}

/// Step of the last rise through `level` that ends at row `until` or before.
fn crossing_before(rows: &[(f64, f64, f64)], until: usize, level: f64) -> f64 {
    let rise = (1..=until).rev().find(|&i| rows[i - 1].1 <= level && rows[i].1 > level);
    rise.map_or(rows[0].0, |i| interpolate(rows[i - 1], rows[i], level))
}

fn interpolate(before: (f64, f64, f64), after: (f64, f64, f64), level: f64) -> f64 {
    if before.1 >= level || after.1 == before.1 {
        return before.0;
    }
    before.0 + (after.0 - before.0) * (level - before.1) / (after.1 - before.1)
}

/// Median; NaN of nothing.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half way from 1/8 to 1.
    const THRESHOLD: f64 = 0.5625;

    /// Plateau at `low`, a straight rise from step 2000 to 2400, then `high`.
    fn ramp(low: f64, high: f64) -> Vec<(f64, f64, f64)> {
        let accuracy = |t: f64| low + (high - low) * ((t - 2000.0) / 400.0).clamp(0.0, 1.0);
        (0..=40).map(|i| f64::from(i) * 100.0).map(|t| (t, accuracy(t), -accuracy(t))).collect()
    }

    #[test]
    fn a_ramp_is_measured_exactly() {
        let (learned, transition) = detect(&ramp(0.125, 1.0), THRESHOLD);
        let transition = transition.unwrap();
        assert_eq!(learned, Learned::Ic);
        let got = [transition.t50, transition.width_10_90, transition.onset_step];
        assert!(got.iter().zip([2200.0, 320.0, 2020.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{got:?}");
        assert_eq!((transition.plateau_accuracy, transition.plateau_loss), (0.125, -0.125));
    }

    #[test]
    fn a_steady_rise_has_no_plateau() {
        let of = |rows: &[(f64, f64, f64)]| detect(rows, THRESHOLD).1.unwrap();
        assert!(of(&ramp(0.125, 1.0)).has_plateau());
        let steady: Vec<_> = (0..=40).map(|i| f64::from(i) * 100.0).map(|t| (t, 0.125 + t / 4600.0, 0.0)).collect();
        let rise = of(&steady);
        assert!(!rise.has_plateau() && rise.width_10_90 > 0.8 * rise.t50, "{rise:?}");
    }

    #[test]
    fn no_jump_is_censored() {
        assert_eq!(detect(&ramp(0.125, 0.5), THRESHOLD), (Learned::None, None));
        assert_eq!(detect(&[], THRESHOLD), (Learned::None, None));
        assert_eq!(detect(&[(0.0, f64::NAN, f64::NAN)], THRESHOLD), (Learned::None, None));
    }

    #[test]
    fn a_jump_that_is_lost_keeps_its_time() {
        let mut rows = ramp(0.125, 1.0);
        rows.iter_mut().filter(|row| row.0 > 3000.0).for_each(|row| row.1 = 0.1);
        let (learned, transition) = detect(&rows, THRESHOLD);
        assert_eq!(learned, Learned::Lost);
        assert!((transition.unwrap().t50 - 2200.0).abs() < 1e-9);
    }

    #[test]
    fn one_row_that_has_already_learned_has_no_time() {
        assert_eq!(detect(&[(0.0, 0.99, 0.1)], THRESHOLD), (Learned::Ic, None));
    }
}
