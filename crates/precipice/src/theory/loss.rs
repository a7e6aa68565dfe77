//! Loss, gradient and Hessian of the three nested soft-maxes, in f64.
//!
//! ```text
//! y  = e^β / (e^β + N)                   attention to the previous token            (layer 1)
//! h  = α y / (1 + ε²),  s = e^h          score of the right label
//! z  = s / (B s + 2N + 1 - B)            attention to each of its B copies          (layer 2)
//! z' = 1 / (B s + 2N + 1 - B)            attention to every other token
//! u  = ξ B (z - z'),  u' = ξ B z         logit of the answer minus another label's, in or out of context
//! L  = ln(1 + (N/B - 1) e^-u + (L - N/B) e^-u')                                     (readout)
//! ```
//!
//! Every quantity is computed in a form that neither overflows nor cancels: logistic functions,
//! `expm1`, log-sum-exp, and variances as sums over pairs.

/// The context that the three soft-maxes act on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Context {
    /// N, item-label pairs, at least 1.
    pub n_exemplars: usize,
    /// L, labels in all, at least N / B.
    pub n_labels: usize,
    /// B, copies of the query's class in the context; divides N.
    pub burstiness: usize,
    /// ε, within-class noise.
    pub within_class_noise: f64,
}

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
    /// Attention to every other token.
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
        Self { n_exemplars, n_labels, burstiness: 1, within_class_noise: 0.0 }.checked()
    }

    /// The context, if it exists.
    ///
    /// # Errors
    /// Naming what is wrong.
    pub fn checked(self) -> Result<Self, ContextError> {
        let Self { n_exemplars, n_labels, burstiness, within_class_noise } = self;
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

    fn forward(&self, [beta, alpha, xi]: Point) -> Forward {
        let (n, b) = (self.n_exemplars as f64, self.burstiness as f64);
        let others = 2.0 * n + 1.0 - b;
        let (y, not_y) = logistic_pair(beta - libm::log(n));
        let noise = 1.0 / (1.0 + self.within_class_noise * self.within_class_noise);
        let h = noise * alpha * y;
        let (q, not_q) = logistic_pair(h + libm::log(b) - libm::log(others));
        let (z, z_other) = (q / b, not_q / others);
        // z - z' = (s - 1) / (B s + others), from the side that does not overflow
        let difference = if h > 0.0 {
            -libm::expm1(-h) / (b + others * libm::exp(-h))
        } else {
            libm::expm1(h) / (b * libm::exp(h) + others)
        };
        let (u, u_prime) = (xi * b * difference, xi * b * z);
        let in_context = n / b - 1.0;
        let absent = self.n_labels as f64 - n / b;
        let (loss, p) = log_partition([(in_context, -u), (absent, -u_prime)]);
        Forward { y, not_y, noise, b, q, not_q, z, z_other, difference, u, u_prime, loss, p, tokens: 2.0 * n + 1.0 }
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
    /// 2N + 1.
    tokens: f64,
}

impl Forward {
    /// d(z - z')/dh and dz/dh.
    fn slopes(&self) -> (f64, f64) {
        (self.z * self.z_other * self.tokens, self.z * self.not_q)
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

/// (1 / (1 + e^-x), 1 / (1 + e^x)), each to full relative precision.
fn logistic_pair(x: f64) -> (f64, f64) {
    let small = libm::exp(-x.abs());
    let (near_1, near_0) = (1.0 / (1.0 + small), small / (1.0 + small));
    if x >= 0.0 { (near_1, near_0) } else { (near_0, near_1) }
}

/// ln(1 + w1 e^x1 + w2 e^x2) and the shares of the three terms. Terms of weight 0 do not count.
fn log_partition(terms: [(f64, f64); 2]) -> (f64, [f64; 3]) {
    let exponents = terms.map(|(w, x)| if w > 0.0 { x + libm::log(w) } else { f64::NEG_INFINITY });
    let max = exponents[0].max(exponents[1]).max(0.0);
    let [e0, e1, e2] = [0.0, exponents[0], exponents[1]].map(|x| libm::exp(x - max));
    let loss = if max == 0.0 { libm::log1p(e1 + e2) } else { max + libm::log(e0 + e1 + e2) };
    let sum = e0 + e1 + e2;
    (loss, [e0 / sum, e1 / sum, e2 / sum])
}
