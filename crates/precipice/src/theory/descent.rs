//! Gradient descent in steps of finite size, with noise like that of batches.

use precipice_num::{Kernels, Rng, StreamId};

use super::flow::FlowPoint;
use super::loss::{Context, Point};
use crate::purpose::Purpose;

/// θ <- θ - rate (∇L + noise η), η a standard normal deviate for each parameter and step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// (β, α, ξ) before the first step.
    pub start: Point,
    /// Learning rate of each parameter; 0 stands still.
    pub learning_rates: Point,
    /// Standard deviation of the gradient's noise.
    pub noise: f64,
    /// Seed of the noise.
    pub seed: u64,
    /// Steps at most.
    pub steps: u64,
}

/// A descent that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("start, learning rates and noise must be finite, rates and noise 0 or more, and steps from 1 to 2^50")]
pub struct DescentError;

const STEPS_MAX: u64 = 1 << 50;

/// Descends and calls `visit` with every point, the start included, until the steps are made or it
/// returns false. The time of a point is its step.
///
/// # Errors
/// If the start, a rate, the noise or the number of steps makes no sense.
///
/// ```
/// use precipice::theory::{Context, Descent, descend};
/// let descent = Descent { start: [0.0; 3], learning_rates: [1.0; 3], noise: 0.0, seed: 0, steps: 100 };
/// let mut losses = Vec::new();
/// descend(Context::new(8, 32)?, &descent, |at| {
///     losses.push(at.loss);
///     true
/// })
/// .unwrap();
/// assert_eq!(losses.len(), 101);
/// assert!(losses.is_sorted_by(|a, b| a > b));
/// # Ok::<(), precipice::theory::ContextError>(())
/// ```
pub fn descend(
    context: Context,
    descent: &Descent,
    mut visit: impl FnMut(FlowPoint) -> bool,
) -> Result<(), DescentError> {
    let Descent { start, learning_rates, noise, seed, steps } = *descent;
    let is_finite = start.iter().chain(&learning_rates).all(|x| x.is_finite()) && noise.is_finite();
    let is_legal = noise >= 0.0 && learning_rates.iter().all(|rate| *rate >= 0.0) && (1..=STEPS_MAX).contains(&steps);
    if !is_finite || !is_legal {
        return Err(DescentError);
    }
    let kernels = Kernels::detect();
    let mut point = start;
    for step in 0..=steps {
        let (loss, gradient) = context.gradient(point);
        if !visit(FlowPoint { t: step as f64, point, loss, p_correct: libm::exp(-loss) }) {
            break;
        }
        let mut deviates = [0.0_f32; 3];
        if noise > 0.0 {
            let id = StreamId { seed, purpose: Purpose::DescentNoise as u8, step, lane: 0 };
            Rng::fill_normal(kernels, id, 1.0, &mut deviates);
        }
        point = std::array::from_fn(|i| point[i] - learning_rates[i] * (gradient[i] + noise * f64::from(deviates[i])));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_to_half(context: Context, descent: Descent) -> Option<u64> {
        let mut found = None;
        descend(context, &descent, |at| {
            found = (at.p_correct >= 0.5).then_some(at.t as u64);
            found.is_none()
        })
        .unwrap();
        found
    }

    fn plain(rate: f64) -> Descent {
        Descent { start: [0.0; 3], learning_rates: [rate; 3], noise: 0.0, seed: 0, steps: 100_000 }
    }

    /// Independent values: a plain loop of the update in another language.
    #[test]
    fn steps_to_the_middle_of_the_drop() {
        let context = Context::new(8, 32).unwrap();
        for (rate, want) in [(0.01, 9870), (0.1, 989), (0.5, 200), (1.0, 101)] {
            assert_eq!(steps_to_half(context, plain(rate)), Some(want), "rate {rate}");
        }
    }

    /// At L = N only noise leaves the saddle; a tenth of it costs ln(10) / (rate of growth) more.
    #[test]
    fn noise_leaves_the_saddle() {
        let context = Context::new(8, 8).unwrap();
        assert_eq!(steps_to_half(context, plain(1.0)), None);
        let mean = |noise: f64| {
            let times =
                (0..40).map(|seed| steps_to_half(context, Descent { noise, seed, ..plain(1.0) }).unwrap() as f64);
            times.sum::<f64>() / 40.0
        };
        let later = mean(1e-5) - mean(1e-3);
        let growth = 7.0 / 8.0 / (9.0 * 17.0);
        // The standard error of a mean is about pi / sqrt(24) / growth / sqrt(40) = 18 steps.
        assert!((later - libm::log(100.0) / growth).abs() < 120.0, "{later}");
    }

    #[test]
    fn the_same_seed_is_the_same_path() {
        let context = Context::new(8, 32).unwrap();
        let run = |seed| {
            let mut points = Vec::new();
            let descent = Descent { noise: 0.1, seed, steps: 50, ..plain(0.1) };
            descend(context, &descent, |at| {
                points.push(at.point);
                true
            })
            .unwrap();
            points
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
        assert_eq!(run(3).len(), 51);
    }

    #[test]
    fn descents_that_make_no_sense() {
        let context = Context::new(8, 32).unwrap();
        for bad in
            [plain(-1.0), plain(f64::NAN), Descent { noise: -1.0, ..plain(0.1) }, Descent { steps: 0, ..plain(0.1) }]
        {
            assert_eq!(descend(context, &bad, |_| true), Err(DescentError));
        }
    }
}
