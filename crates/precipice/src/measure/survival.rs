//! When the jump comes, over many runs, some of which had not jumped when they ended.
//!
//! A run without a jump is censored: all that is known is that its time lies beyond its last step.
//! Leaving such runs out, or giving them a number, would bias every summary; the product-limit
//! estimate (Kaplan and Meier 1958) does neither.

use crate::purpose::Purpose;
use precipice_num::{Rng, StreamId};

/// What is known of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// The jump's t50, or the last step of a run that had not jumped.
    pub time: f64,
    /// Whether it jumped.
    pub has_jumped: bool,
}

/// The product-limit estimate of the share of runs that have not jumped.
///
/// ```
/// use precipice::measure::survival::{Observation, Survival};
/// let run = |time, has_jumped| Observation { time, has_jumped };
/// let survival = Survival::new(&[run(100.0, true), run(200.0, true), run(150.0, false)]);
/// assert_eq!(survival.times, [100.0, 200.0]);
/// assert_eq!(survival.median(), Some(200.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Survival {
    /// Times of jumps, rising.
    pub times: Vec<f64>,
    /// Share that has not jumped by each of them.
    pub shares: Vec<f64>,
}

/// Shares that differ by less are equal.
const TOLERANCE: f64 = 1e-9;
/// Samples of the bootstrap.
const RESAMPLES: usize = 2000;

impl Survival {
    /// At equal times jumps come before endings.
    pub fn new(observations: &[Observation]) -> Self {
        let mut sorted = observations.to_vec();
        sorted.sort_by(|a, b| a.time.total_cmp(&b.time));
        let (mut times, mut shares, mut share) = (Vec::new(), Vec::new(), 1.0);
        let mut first = 0;
        while first < sorted.len() {
            let time = sorted[first].time;
            let n_at_risk = sorted.len() - first;
            let n_equal = sorted[first..].iter().take_while(|observation| observation.time == time).count();
            let n_jumps = sorted[first..first + n_equal].iter().filter(|observation| observation.has_jumped).count();
            if n_jumps > 0 {
                share *= 1.0 - n_jumps as f64 / n_at_risk as f64;
                times.push(time);
                shares.push(share);
            }
            first += n_equal;
        }
        Self { times, shares }
    }

    /// The time by which half of the runs have jumped; the middle of the times where it is exactly half.
    /// None where more than half were not seen to jump.
    pub fn median(&self) -> Option<f64> {
        let at = self.shares.iter().position(|&share| share <= 0.5 + TOLERANCE)?;
        let time = self.times[at];
        let is_exact = (self.shares[at] - 0.5).abs() < TOLERANCE;
        let next = self.times.get(at + 1).filter(|_| is_exact);
        Some(next.map_or(time, |&next| time.midpoint(next)))
    }
}

/// 95 % interval of the median: percentiles over runs drawn with replacement (Efron 1981). An end is
/// None where it lies beyond what was seen.
pub fn median_interval(observations: &[Observation]) -> [Option<f64>; 2] {
    if observations.is_empty() {
        return [None; 2];
    }
    let n = u32::try_from(observations.len()).expect("fewer than 2^32 runs");
    let median = |sample: usize| {
        let mut rng = Rng::new(StreamId { seed: 0, purpose: Purpose::Bootstrap as u8, step: 0, lane: sample as u32 });
        let drawn: Vec<_> = observations.iter().map(|_| observations[rng.below(n) as usize]).collect();
        Survival::new(&drawn).median().unwrap_or(f64::INFINITY)
    };
    let mut medians: Vec<f64> = (0..RESAMPLES).map(median).collect();
    medians.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    [medians[tail], medians[RESAMPLES - 1 - tail]].map(|time| time.is_finite().then_some(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(jumps: &[f64], endings: &[f64]) -> Vec<Observation> {
        let of = |has_jumped| move |&time: &f64| Observation { time, has_jumped };
        jumps.iter().map(of(true)).chain(endings.iter().map(of(false))).collect()
    }

    /// The remission times of 6-mercaptopurine patients (Freireich et al. 1963), whose estimate every
    /// textbook prints.
    #[test]
    fn the_textbook_example_is_met() {
        let jumps = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let endings = [6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0];
        let survival = Survival::new(&runs(&jumps, &endings));
        assert_eq!(survival.times, [6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0]);
        let printed = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448];
        assert!(survival.shares.iter().zip(printed).all(|(share, want)| (share - want).abs() < 5e-4), "{survival:?}");
        assert_eq!(survival.median(), Some(23.0));
    }

    #[test]
    fn without_endings_it_is_the_median() {
        assert_eq!(Survival::new(&runs(&[3.0, 1.0, 2.0], &[])).median(), Some(2.0));
        assert_eq!(Survival::new(&runs(&[4.0, 1.0, 2.0, 3.0], &[])).median(), Some(2.5));
    }

    #[test]
    fn too_few_jumps_have_no_median() {
        let few = runs(&[1.0, 2.0], &[5.0, 5.0, 5.0]);
        assert_eq!(Survival::new(&few).median(), None);
        assert_eq!(median_interval(&few)[1], None);
        assert_eq!(median_interval(&[]), [None; 2]);
    }

    #[test]
    fn the_interval_holds_the_median_and_narrows() {
        let jumps: Vec<f64> = (0..400).map(|i| f64::from(i * 37 % 400)).collect();
        let width = |n: usize| {
            let [low, high] = median_interval(&runs(&jumps[..n], &[])).map(Option::unwrap);
            let median = Survival::new(&runs(&jumps[..n], &[])).median().unwrap();
            assert!(low <= median && median <= high);
            high - low
        };
        // Uniform times: the standard error of the median falls as 1 / sqrt(n).
        assert!((1.5..2.7).contains(&(width(100) / width(400))), "{} {}", width(100), width(400));
    }
}
