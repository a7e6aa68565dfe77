//! The theory against arbitrary-precision values and against its own structure.
//!
//! The values are made by `scripts/theory_reference.py`.

use precipice::theory::{Context, ContextError, Point};
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

fn context_of(row: &Value) -> Context {
    let count = |key: &str| row[key].as_u64().unwrap() as usize;
    Context {
        n_exemplars: count("n"),
        n_labels: count("labels"),
        burstiness: count("burstiness"),
        within_class_noise: row["noise"].as_f64().unwrap(),
        label_strength: row["label_strength"].as_f64().unwrap(),
    }
    .checked()
    .unwrap()
}

/// Relative to the value, wherever it is not below 1e-300; `floor` is what terms cancelled from.
fn close(got: f64, want: f64, floor: f64, what: &str) {
    let allowed = 1e-10 * want.abs().max(1e-4 * floor);
    let is_tiny = want == 0.0 && got.abs() < 1e-299;
    assert!(is_tiny || (got - want).abs() <= allowed, "{what}: {got:e}, expected {want:e}");
}

#[test]
fn it_agrees_with_seven_hundred_digits() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/theory/reference.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(rows.len() > 100);
    for row in &rows {
        let context = context_of(row);
        let point: Point = std::array::from_fn(|i| row["point"][i].as_f64().unwrap());
        let what = format!("{context:?} at {point:?}");
        let got = context.evaluate(point);
        close(got.loss, number(&row["loss"]), 0.0, &format!("loss of {what}"));
        assert_eq!(got.loss, context.loss(point));
        for i in 0..3 {
            close(got.gradient[i], number(&row["gradient"][i]), 0.0, &format!("gradient {i} of {what}"));
            for j in 0..3 {
                // A curvature may vanish because terms of opposite sign meet; they are at least this large.
                let floor = if i == 2 || j == 2 { 0.0 } else { got.gradient[1].abs() };
                close(got.hessian[i][j], number(&row["hessian"][i][j]), floor, &format!("hessian {i} {j} of {what}"));
            }
        }
    }
}

#[test]
fn the_origin() {
    for (n, labels) in [(2, 2), (4, 16), (8, 8), (8, 32), (50, 51)] {
        let at = Context::new(n, labels).unwrap().evaluate([0.0; 3]);
        let (n_f, l) = (n as f64, labels as f64);
        assert!((at.loss - libm::log(l)).abs() < 1e-14);
        assert!((at.gradient[2] + (l - n_f) / (l * (2.0 * n_f + 1.0))).abs() < 1e-16);
        assert_eq!(at.gradient[..2], [0.0, 0.0]);
        assert_eq!(at.gradient[2] == 0.0, n == labels, "a critical point iff L = N");
    }
}

/// On α = 0: L = ln(N + (L - N) e^(-ξ / (2N + 1))).
#[test]
fn without_matching_it_falls_to_the_context_guess() {
    let context = Context::new(8, 32).unwrap();
    for (xi, want) in [(4.0, 3.2947), (8.0, 3.1351), (16.0, 2.8544)] {
        let loss = context.loss([1.0, 0.0, xi]);
        assert!((loss - want).abs() < 5e-5);
        assert!((loss - libm::log(8.0 + 24.0 * libm::exp(-xi / 17.0))).abs() < 1e-14);
    }
}

/// At L = N the origin is a saddle with growth rate ((N-1)/N) / ((N+1)(2N+1)) along ξ = α, and decay
/// with the same rate along ξ = -α.
#[test]
fn the_saddle_at_l_equal_n() {
    for (n, rate) in [(2_usize, 1.0 / 30.0), (4, 1.0 / 60.0), (8, 0.005_719)] {
        let hessian = Context::new(n, n).unwrap().evaluate([0.0; 3]).hessian;
        let n_f = n as f64;
        let derived = (n_f - 1.0) / n_f / ((n_f + 1.0) * (2.0 * n_f + 1.0));
        assert!((derived / rate - 1.0).abs() < 1e-4);
        assert!((hessian[1][2] + derived).abs() < 1e-15);
        assert_eq!([hessian[1][1], hessian[2][2], hessian[0][0], hessian[0][1], hessian[0][2]], [0.0; 5]);
    }
}

#[test]
fn huge_parameters_stay_finite() {
    let values = [-1e4, -300.0, 0.0, 300.0, 1e4];
    for context in [Context::new(8, 32).unwrap(), Context::new(8, 8).unwrap(), Context::new(1, 1).unwrap()] {
        for beta in values {
            for alpha in values {
                for xi in values {
                    let at = context.evaluate([beta, alpha, xi]);
                    let all = [at.loss, at.y, at.z, at.z_other, at.u, at.u_prime, at.p_correct];
                    let derivatives = at.gradient.iter().chain(at.hessian.iter().flatten());
                    assert!(all.iter().chain(derivatives).all(|x| x.is_finite()), "{beta} {alpha} {xi}: {at:?}");
                    assert!(at.loss >= 0.0 && (0.0..=1.0).contains(&at.p_correct));
                }
            }
        }
    }
}

/// Burstiness and noise change only what they say: B copies of the answer, α / (1 + ε²).
#[test]
fn burstiness_and_noise() {
    let base = Context { n_exemplars: 8, n_labels: 32, burstiness: 2, within_class_noise: 0.0, label_strength: 0.0 };
    let at = base.evaluate([1.0, 2.0, 3.0]);
    assert!((2.0 * at.z + 15.0 * at.z_other - 1.0).abs() < 1e-15, "attention sums to 1 over 2N + 1 tokens");
    let noisy = Context { within_class_noise: 0.5, ..base };
    assert_eq!(noisy.loss([1.0, 2.0 * 1.25, 3.0]), at.loss);
}

#[test]
fn contexts_that_do_not_exist() {
    assert_eq!(Context::new(0, 3), Err(ContextError::Empty));
    assert_eq!(Context::new(8, 7), Err(ContextError::Labels { n_labels: 7, needed: 8 }));
    let bursty = Context { n_exemplars: 8, n_labels: 32, burstiness: 3, within_class_noise: 0.0, label_strength: 0.0 };
    assert!(matches!(bursty.checked(), Err(ContextError::Burstiness { .. })));
    let noisy = Context { within_class_noise: f64::NAN, burstiness: 1, ..bursty };
    assert!(matches!(noisy.checked(), Err(ContextError::Noise(_))));
}
