//! Loss, gradient and Hessian of the three nested soft-maxes, in f64.
//!
//! ```text
//! y  = e^β / (e^β + N)                   attention to the previous token            (layer 1)
//! h  = α y / (1 + ε²),  s = e^h          score of the right label
//! z  = s / (B s + M)                     attention to each of its B copies          (layer 2)
//! z' = 1 / (B s + M)                     attention to every other label
//! M  = N - B + (N + 1) e^-β₂             weight of all other tokens; 2N + 1 - B at β₂ = 0
//! u  = ξ B (z - z'),  u' = ξ B z         logit of the answer minus another label's, in or out of context
//! L  = ln(1 + (N/B - 1) e^-u + (L - N/B) e^-u')                                     (readout)
//! ```
//!
//! β₂ is the strength with which layer 2 prefers label tokens to items whatever they say; the
//! three-parameter model has β₂ = 0 (the third scalar of Reddy's 2024 minimal head).
//!
//! Every quantity is computed in a form that neither overflows nor cancels: logistic functions,
//! `expm1`, log-sum-exp, and variances as sums over pairs.

use serde::{Deserialize, Serialize};

/// The context that the three soft-maxes act on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// N, item-label pairs, at least 1.
    pub n_exemplars: usize,
    /// L, labels in all, at least N / B.
    pub n_labels: usize,
    /// B, copies of the query's class in the context; divides N.
    pub burstiness: usize,
    /// ε, within-class noise.
    pub within_class_noise: f64,
    /// β₂, preference of layer 2 for label tokens; 0 in the three-parameter model.
    pub label_strength: f64,
}

/// Largest |β₂|: beyond it e^β₂ leaves the range of f64 squared.
const LABEL_STRENGTH_MAX: f64 = 300.0;

/// A point (β, α, ξ).
pub type Point = [f64; 3];

/// A context that does not exist.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ContextError {
    /// N = 0.
    #[error("n = 0: a context needs at least one exemplar")]
    Empty,
    /// B does not divide N.
    #[error("burstiness = {burstiness}: must divide n = {n_exemplars}")]
    Burstiness {
        /// B.
        burstiness: usize,
        /// N.
        n_exemplars: usize,
    },
    /// L < N / B.
    #[error("labels = {n_labels}: must be at least {needed}, the distinct labels of one context")]
    Labels {
        /// L.
        n_labels: usize,
        /// N / B.
        needed: usize,
    },
    /// ε is negative or not finite.
    #[error("noise = {0}: must be a finite number, 0 or more")]
    Noise(f64),
    /// β₂ is not finite, or too large.
    #[error("label strength = {0}: must be a number from -300 to 300")]
    LabelStrength(f64),
}

/// Everything that the model says of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// L, in nats.
    pub loss: f64,
    /// e^-L.
    pub p_correct: f64,
    /// Attention to the previous token.
    pub y: f64,
    /// Attention to each copy of the right label.
    pub z: f64,
    /// Attention to every other label, and at β₂ = 0 to every other token.
    pub z_other: f64,
    /// Logit of the answer minus that of another label of the context.
    pub u: f64,
    /// Logit of the answer minus that of a label not in the context.
    pub u_prime: f64,
    /// dL/d(β, α, ξ).
    pub gradient: Point,
    /// d²L/d(β, α, ξ)².
    pub hessian: [Point; 3],
}

impl Context {
    /// N exemplars with L labels, no burstiness, no noise.
    ///
    /// # Errors
    /// If N = 0 or L < N.
    pub fn new(n_exemplars: usize, n_labels: usize) -> Result<Self, ContextError> {
        Self { n_exemplars, n_labels, burstiness: 1, within_class_noise: 0.0, label_strength: 0.0 }.checked()
    }

    /// The context, if it exists.
    ///
    /// # Errors
    /// Naming what is wrong.
    pub fn checked(self) -> Result<Self, ContextError> {
        let Self { n_exemplars, n_labels, burstiness, within_class_noise, label_strength } = self;
        if n_exemplars == 0 {
            return Err(ContextError::Empty);
        }
        if burstiness == 0 || n_exemplars % burstiness != 0 {
            return Err(ContextError::Burstiness { burstiness, n_exemplars });
        }
        let needed = n_exemplars / burstiness;
        if n_labels < needed {
            return Err(ContextError::Labels { n_labels, needed });
        }
        if !(within_class_noise >= 0.0 && within_class_noise.is_finite()) {
            return Err(ContextError::Noise(within_class_noise));
        }
        if !(-LABEL_STRENGTH_MAX..=LABEL_STRENGTH_MAX).contains(&label_strength) {
            return Err(ContextError::LabelStrength(label_strength));
        }
        Ok(self)
    }

    /// Loss at (β, α, ξ), in nats.
    pub fn loss(&self, point: Point) -> f64 {
        self.forward(point).loss
    }

    /// Loss and gradient.
    pub fn gradient(&self, point: Point) -> (f64, Point) {
        let f = self.forward(point);
        (f.loss, f.gradient(point))
    }

    /// Loss, gradient, Hessian and all that they are made of.
    pub fn evaluate(&self, point: Point) -> Evaluation {
        let f = self.forward(point);
        Evaluation {
            loss: f.loss,
            p_correct: f.p[0],
            y: f.y,
            z: f.z,
            z_other: f.z_other,
            u: f.u,
            u_prime: f.u_prime,
            gradient: f.gradient(point),
            hessian: f.hessian(point),
        }
    }

    /// h = α y / (1 + ε²), the score of the right label above other labels.
    pub(super) fn match_score(&self, beta: f64, alpha: f64) -> f64 {
        let (y, _) = shares(beta.is_sign_negative(), libm::exp(-beta.abs()), 1.0, self.n_exemplars as f64);
        alpha * y * self.match_quality()
    }

    /// 1 / (1 + ε²), what noise leaves of the overlap of two items of a class.
    fn match_quality(&self) -> f64 {
        1.0 / (1.0 + self.within_class_noise * self.within_class_noise)
    }

    fn forward(&self, [beta, alpha, xi]: Point) -> Forward {
        let (n, b) = (self.n_exemplars as f64, self.burstiness as f64);
        let items = if self.label_strength == 0.0 { 1.0 } else { libm::exp(-self.label_strength) };
        let others = n - b + (n + 1.0) * items;
        let (y, not_y) = shares(beta.is_sign_negative(), libm::exp(-beta.abs()), 1.0, n);
        let noise = self.match_quality();
        let h = noise * alpha * y;
        let (small, small_minus_1) = exp_and_expm1(-h.abs());
        let (q, not_q) = shares(h < 0.0, small, b, others);
        let (z, z_other) = (q / b, not_q / others);
        // z - z' = (s - 1) / (B s + M), from the side that does not overflow
        let difference =
            if h < 0.0 { small_minus_1 / (b * small + others) } else { -small_minus_1 / (b + others * small) };
        let (u, u_prime) = (xi * b * difference, xi * b * z);
        let in_context = n / b - 1.0;
        let absent = self.n_labels as f64 - n / b;
        let (loss, p) = log_partition([(in_context, -u), (absent, -u_prime)]);
        Forward { y, not_y, noise, b, q, not_q, z, z_other, difference, u, u_prime, loss, p, weight: b + others }
    }
}

/// What gradient and Hessian share.
struct Forward {
    y: f64,
    not_y: f64,
    noise: f64,
    b: f64,
    /// B z, and 1 - B z.
    q: f64,
    not_q: f64,
    z: f64,
    z_other: f64,
    difference: f64,
    u: f64,
    u_prime: f64,
    loss: f64,
    /// Probability of the answer, of all other labels of the context, of all absent labels.
    p: [f64; 3],
    /// B + M, the weight of all tokens at s = 1.
    weight: f64,
}

impl Forward {
    /// d(z - z')/dh and dz/dh.
    fn slopes(&self) -> (f64, f64) {
        (self.z * self.z_other * self.weight, self.z * self.not_q)
    }

    /// dL/dh = -ξ B (P1 d(z - z')/dh + P2 dz/dh)
    fn d_h(&self, xi: f64) -> f64 {
        let (d_difference, d_z) = self.slopes();
        -xi * self.b * (self.p[1] * d_difference + self.p[2] * d_z)
    }

    fn gradient(&self, [_, alpha, xi]: Point) -> Point {
        let d_h = self.d_h(xi);
        let d_xi = -self.b * (self.p[1] * self.difference + self.p[2] * self.z);
        [d_h * self.noise * alpha * self.y * self.not_y, d_h * self.noise * self.y, d_xi]
    }

    fn hessian(&self, [_, alpha, xi]: Point) -> [Point; 3] {
        let [p0, p1, p2] = self.p;
        let (d_difference, d_z) = self.slopes();
        // The covariance of two vectors of logit slopes (0, a1, a2) and (0, c1, c2) over the three
        // groups, as a sum over pairs; a1 - a2 is passed in, because it would cancel.
        let covariance =
            |a: [f64; 3], c: [f64; 3]| p0 * p1 * a[0] * c[0] + p0 * p2 * a[1] * c[1] + p1 * p2 * a[2] * c[2];
        let scale = xi * self.b;
        let by_h = [scale * d_difference, scale * d_z, scale * self.q * self.z_other];
        let by_xi = [self.b * self.difference, self.b * self.z, -self.b * self.z_other];
        let d_h = self.d_h(xi);
        // d²z/dh² = (1 - 2Bz) dz/dh, and the same for z - z'
        let d_hh = covariance(by_h, by_h) + (self.not_q - self.q) * d_h;
        let d_h_xi = covariance(by_h, by_xi) - self.b * (p1 * d_difference + p2 * d_z);
        let d_xi_xi = covariance(by_xi, by_xi);
        let h_alpha = self.noise * self.y;
        let h_alpha_beta = h_alpha * self.not_y;
        let h_beta = alpha * h_alpha_beta;
        let h_beta_beta = h_beta * (self.not_y - self.y);
        let beta_beta = d_hh * h_beta * h_beta + d_h * h_beta_beta;
        let beta_alpha = d_hh * h_beta * h_alpha + d_h * h_alpha_beta;
        let (beta_xi, alpha_xi) = (d_h_xi * h_beta, d_h_xi * h_alpha);
        [
            [beta_beta, beta_alpha, beta_xi],
            [beta_alpha, d_hh * h_alpha * h_alpha, alpha_xi],
            [beta_xi, alpha_xi, d_xi_xi],
        ]
    }
}

/// (w e^x / (w e^x + v), v / (w e^x + v)) given e^-|x|, each to full relative precision.
fn shares(is_negative: bool, small: f64, w: f64, v: f64) -> (f64, f64) {
    let (first, second) = if is_negative { (w * small, v) } else { (w, v * small) };
    let sum = first + second;
    (first / sum, second / sum)
}

/// e^x and e^x - 1 for x <= 0, from one of them wherever that loses nothing.
fn exp_and_expm1(x: f64) -> (f64, f64) {
    if x < -0.7 {
        let small = libm::exp(x);
        (small, small - 1.0)
    } else {
        let small_minus_1 = libm::expm1(x);
        (1.0 + small_minus_1, small_minus_1)
    }
}

/// ln(1 + w1 e^x1 + w2 e^x2) and the shares of the three terms. Terms of weight 0 do not count.
fn log_partition(terms: [(f64, f64); 2]) -> (f64, [f64; 3]) {
    let max = terms.iter().filter(|(w, _)| *w > 0.0).fold(0.0, |max: f64, (_, x)| max.max(*x));
    let [e1, e2] = terms.map(|(w, x)| if w > 0.0 { w * libm::exp(x - max) } else { 0.0 });
    let (e0, loss) = if max == 0.0 {
        (1.0, libm::log1p(e1 + e2))
    } else {
        let e0 = libm::exp(-max);
        (e0, max + libm::log(e0 + e1 + e2))
    };
    let sum = e0 + e1 + e2;
    (loss, [e0 / sum, e1 / sum, e2 / sum])
}
