//! When the cliff comes, against the context's size, the number of labels and a head start.

use super::flow::{FlowError, Motion, Start, flow};
use super::loss::{Context, ContextError};

/// What varies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Over {
    /// N, with this many labels for each exemplar.
    Exemplars {
        /// L / N, at least 1.
        labels_per_exemplar: f64,
    },
    /// L, at this N.
    Labels {
        /// N.
        n_exemplars: usize,
    },
    /// ξ0, a readout that is frozen from the start, at these N and L; p(correct) reaches 1/2 only if
    /// ξ0 > ln(L - 1).
    FrozenReadout {
        /// N.
        n_exemplars: usize,
        /// L.
        n_labels: usize,
    },
    /// ξ0, the start of a readout that learns, at these N and L.
    HeadStart {
        /// N.
        n_exemplars: usize,
        /// L.
        n_labels: usize,
    },
}

/// One time of the cliff.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScalingPoint {
    /// The value that varies.
    pub value: f64,
    /// Time at which p(correct) = 1/2 under gradient flow with unit rates; none if it is not reached.
    pub t50: Option<f64>,
    /// Time of the derived law for large N; none where there is no law.
    pub law: Option<f64>,
}

/// A power law fitted to points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponent {
    /// Slope of ln t over ln x, by least squares.
    pub value: f64,
    /// Its standard error from the scatter around the line; 0 with two points.
    pub standard_error: f64,
    /// The same slope between the last two points.
    pub last: f64,
}

/// A scaling that cannot be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScalingError {
    /// A value that makes no context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A value that makes no sense.
    #[error("{what} = {value:?}: must be {expected}")]
    Value {
        /// Which one.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// A flow that could not be followed.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

/// Times are searched this many times as far as the law says, or the slowest escape.
const PATIENCE: f64 = 20.0;

impl Over {
    /// The law behind it: the power that t50 follows, and of what.
    ///
    /// ```text
    /// t* = sqrt(8 sqrt(π/2)) N^(3/2) / sqrt(1 - N/L)       from the origin
    /// t* = sqrt(2π) N² / ξ0                                with a frozen readout
    /// ```
    pub fn law(self) -> Option<(f64, &'static str)> {
        match self {
            Over::Exemplars { .. } => Some((1.5, "N")),
            Over::Labels { .. } => Some((-0.5, "1 - N/L")),
            Over::FrozenReadout { .. } => Some((-1.0, "xi0")),
            Over::HeadStart { .. } => None,
        }
    }

    /// What the law is a power of, at a value.
    pub fn abscissa(self, value: f64) -> f64 {
        match self {
            Over::Labels { n_exemplars } => 1.0 - n_exemplars as f64 / value,
            _ => value,
        }
    }

    /// Context, ξ0 and whether the readout is frozen, at a value.
    fn setting(self, value: f64) -> Result<(Context, f64, bool), ScalingError> {
        let count = |what: &'static str| {
            let is_count = (1.0..1e9).contains(&value) && value.fract() == 0.0;
            let expected = "a whole number from 1 to 10^9";
            if is_count { Ok(value as usize) } else { Err(ScalingError::Value { what, value, expected }) }
        };
        let overlap = || {
            let expected = "a finite number above 0";
            let is_legal = value > 0.0 && value.is_finite();
            if is_legal { Ok(value) } else { Err(ScalingError::Value { what: "xi", value, expected }) }
        };
        match self {
            Over::Exemplars { labels_per_exemplar } => {
                if !(1.0..1e9).contains(&labels_per_exemplar) {
                    let (what, expected) = ("labels per exemplar", "a number from 1 to 10^9");
                    return Err(ScalingError::Value { what, value: labels_per_exemplar, expected });
                }
                let n = count("n")?;
                Ok((Context::new(n, (value * labels_per_exemplar).round() as usize)?, 0.0, false))
            }
            Over::Labels { n_exemplars } => Ok((Context::new(n_exemplars, count("labels")?)?, 0.0, false)),
            Over::FrozenReadout { n_exemplars, n_labels } => {
                Ok((Context::new(n_exemplars, n_labels)?, overlap()?, true))
            }
            Over::HeadStart { n_exemplars, n_labels } => Ok((Context::new(n_exemplars, n_labels)?, overlap()?, false)),
        }
    }
}

/// t50 at each value, by integrating the flow, and the law beside it.
///
/// # Errors
/// If a value makes no context.
pub fn scaling(over: Over, values: &[f64]) -> Result<Vec<ScalingPoint>, ScalingError> {
    values.iter().map(|&value| measure(over, value)).collect()
}

fn measure(over: Over, value: f64) -> Result<ScalingPoint, ScalingError> {
    let (context, xi, is_frozen) = over.setting(value)?;
    let (n, labels) = (context.n_exemplars as f64, context.n_labels as f64);
    let from_origin = law_from_origin(n, labels);
    let frozen = libm::sqrt(2.0 * std::f64::consts::PI) * n * n / xi;
    let law = match over {
        Over::FrozenReadout { .. } => Some(frozen),
        Over::HeadStart { .. } => None,
        _ => from_origin.is_finite().then_some(from_origin),
    };
    let expected = if is_frozen { frozen } else { from_origin.min(frozen) };
    if !expected.is_finite() {
        // L = N from the saddle itself: never.
        return Ok(ScalingPoint { value, t50: None, law });
    }
    let mut start = Start::at([0.0, 0.0, xi], PATIENCE * expected.max(n));
    if is_frozen {
        start.motions[2] = Motion::Descent(0.0);
    }
    Ok(ScalingPoint { value, t50: flow(context, start)?.time_of(0.5), law })
}

/// sqrt(8 sqrt(π/2)) N^(3/2) / sqrt(1 - N/L)
fn law_from_origin(n: f64, labels: f64) -> f64 {
    let constant = (8.0 * libm::sqrt(std::f64::consts::FRAC_PI_2)).sqrt();
    constant * n * n.sqrt() / (1.0 - n / labels).sqrt()
}

/// The power of x that y follows best. None without two points of different x, all positive.
pub fn exponent(points: &[(f64, f64)]) -> Option<Exponent> {
    if points.len() < 2 || !points.iter().all(|(x, y)| *x > 0.0 && *y > 0.0 && x.is_finite() && y.is_finite()) {
        return None;
    }
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (libm::log(*x), libm::log(*y))).collect();
    let n = logs.len() as f64;
    let (mx, my) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    let xx: f64 = logs.iter().map(|p| (p.0 - mx) * (p.0 - mx)).sum();
    let xy: f64 = logs.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    if xx == 0.0 {
        return None;
    }
    let value = xy / xx;
    let scatter: f64 = logs.iter().map(|p| (p.1 - my - value * (p.0 - mx)).powi(2)).sum();
    let standard_error = if logs.len() > 2 { (scatter / (n - 2.0) / xx).sqrt() } else { 0.0 };
    let [a, b] = [logs[logs.len() - 2], logs[logs.len() - 1]];
    Some(Exponent { value, standard_error, last: (b.1 - a.1) / (b.0 - a.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(over: Over, values: &[f64]) -> (Vec<ScalingPoint>, Exponent) {
        let points = scaling(over, values).unwrap();
        let pairs: Vec<_> = points.iter().map(|p| (over.abscissa(p.value), p.t50.unwrap())).collect();
        (points, exponent(&pairs).unwrap())
    }

    /// The three derived exponents, approached as N grows.
    #[test]
    fn exponents_approach_the_derived_ones() {
        let over = Over::Exemplars { labels_per_exemplar: 4.0 };
        let (points, fit) = fitted(over, &[4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0]);
        assert!((fit.last - 1.5).abs() < 0.01, "{fit:?}");
        let last = points.last().unwrap();
        assert!((last.t50.unwrap() / last.law.unwrap() - 1.0).abs() < 0.01, "{last:?}");
        let over = Over::Labels { n_exemplars: 1024 };
        let (_, fit) = fitted(over, &[1280.0, 2048.0, 4096.0, 16384.0]);
        assert!((fit.value + 0.5).abs() < 0.02, "{fit:?}");
        let over = Over::FrozenReadout { n_exemplars: 512, n_labels: 2048 };
        let (points, fit) = fitted(over, &[16.0, 32.0, 64.0]);
        assert!((fit.value + 1.0).abs() < 0.02, "{fit:?}");
        for point in &points {
            let law = libm::sqrt(2.0 * std::f64::consts::PI) * 512.0 * 512.0 / point.value;
            assert!((point.law.unwrap() / law - 1.0).abs() < 1e-12, "{point:?}");
        }
        assert!((points[0].t50.unwrap() / points[0].law.unwrap() - 1.0).abs() < 0.05, "{points:?}");
        // With less overlap than ln(L - 1) even perfect matching is not believed.
        assert_eq!(scaling(over, &[7.0]).unwrap()[0].t50, None);
    }

    #[test]
    fn a_head_start_brings_the_cliff_nearer() {
        let points = scaling(Over::HeadStart { n_exemplars: 8, n_labels: 32 }, &[1.0, 4.0, 16.0]).unwrap();
        for (point, want) in points.iter().zip([78.74, 43.90, 13.37]) {
            assert!((point.t50.unwrap() / want - 1.0).abs() < 5e-4 && point.law.is_none());
        }
    }

    #[test]
    fn no_time_where_there_is_none() {
        let points = scaling(Over::Labels { n_exemplars: 8 }, &[8.0]).unwrap();
        assert_eq!((points[0].t50, points[0].law), (None, None));
        assert!(scaling(Over::Labels { n_exemplars: 8 }, &[7.0]).is_err());
        assert!(scaling(Over::Labels { n_exemplars: 8 }, &[8.5]).is_err());
        assert!(scaling(Over::Exemplars { labels_per_exemplar: 0.5 }, &[8.0]).is_err());
        assert!(scaling(Over::FrozenReadout { n_exemplars: 8, n_labels: 32 }, &[-1.0]).is_err());
    }

    #[test]
    fn a_power_law_is_found_exactly() {
        let points: Vec<_> = (1..6).map(|i| (f64::from(i), 3.0 * libm::pow(f64::from(i), 1.5))).collect();
        let fit = exponent(&points).unwrap();
        assert!((fit.value - 1.5).abs() < 1e-12 && fit.standard_error < 1e-12 && (fit.last - 1.5).abs() < 1e-12);
        assert_eq!(exponent(&points[..1]), None);
        assert_eq!(exponent(&[(1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(exponent(&[(1.0, 2.0), (0.0, 3.0)]), None);
    }
}
