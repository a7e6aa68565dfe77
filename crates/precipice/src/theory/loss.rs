//! The loss of the three nested soft-maxes.

/// The context that the three soft-maxes act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// N, item-label pairs.
    pub n_exemplars: usize,
    /// L, labels in all.
    pub n_labels: usize,
}

/// Loss at (beta, alpha, xi), in nats.
///
/// ```text
/// y  = e^beta / (e^beta + N)         attention to the previous token          (layer 1)
/// s  = e^(alpha y)
/// z  = s / (s + 2N)                  attention to the right label             (layer 2)
/// z' = 1 / (s + 2N)                  attention to every other token
/// u  = xi (z - z'),  u' = xi z       logit of the answer minus another label's, in or out of context
/// L  = ln(1 + (N-1) e^-u + (L-N) e^-u')
/// ```
///
/// Computed with logistic and log-sum-exp forms, so that no finite parameter overflows.
pub fn predicted_loss(context: Context, beta: f64, alpha: f64, xi: f64) -> f64 {
    let n = context.n_exemplars as f64;
    let y = logistic(beta - libm::log(n));
    let log_odds = alpha * y - libm::log(2.0 * n);
    let z = logistic(log_odds);
    let z_other = (1.0 - z) / (2.0 * n);
    let others = [(n - 1.0, -xi * (z - z_other)), ((context.n_labels - context.n_exemplars) as f64, -xi * z)];
    // ln(e^0 + sum w e^x) without overflow: terms of weight zero do not count
    let max = others.iter().filter(|(w, _)| *w > 0.0).fold(0.0_f64, |m, (w, x)| m.max(x + libm::log(*w)));
    let sum: f64 = others.iter().filter(|(w, _)| *w > 0.0).map(|(w, x)| libm::exp(x + libm::log(*w) - max)).sum();
    if max == 0.0 { libm::log1p(sum) } else { max + libm::log(libm::exp(-max) + sum) }
}

fn logistic(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + libm::exp(-x)) } else { libm::exp(x) / (1.0 + libm::exp(x)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: Context = Context { n_exemplars: 8, n_labels: 32 };

    #[test]
    fn the_origin_is_chance() {
        assert!((predicted_loss(CONTEXT, 0.0, 0.0, 0.0) - libm::log(32.0)).abs() < 1e-14);
    }

    /// On alpha = 0 the loss is ln(N + (L - N) e^(-xi / (2N + 1))).
    #[test]
    fn without_matching_it_falls_to_the_context_guess() {
        for (xi, want) in [(4.0, 3.2947), (8.0, 3.1351), (16.0, 2.8544)] {
            assert!((predicted_loss(CONTEXT, 1.0, 0.0, xi) - want).abs() < 5e-5);
        }
    }

    /// Points of the gradient flow at N = 8, L = 32, to the digits that their coordinates allow.
    #[test]
    fn the_flow_s_points_have_their_loss() {
        let points =
            [(0.0207, 0.2159, 1.759, 3.38680), (1.7899, 2.197, 4.6, 2.91641), (4.772, 6.2316, 8.5212, 0.00904)];
        for (beta, alpha, xi, want) in points {
            assert!((predicted_loss(CONTEXT, beta, alpha, xi) - want).abs() < 2e-4, "{beta}");
        }
    }

    #[test]
    fn huge_parameters_stay_finite() {
        for (beta, alpha, xi) in [(1e4, 1e4, 1e4), (-1e4, 1e4, -1e4), (1e4, -1e4, -1e4), (1e4, 1e4, -1e4)] {
            assert!(predicted_loss(CONTEXT, beta, alpha, xi).is_finite());
        }
        assert!((predicted_loss(CONTEXT, 1e4, 1e4, -1e4) - 1e4 - libm::log(31.0)).abs() < 1e-8);
    }
}
