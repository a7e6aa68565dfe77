//! What a spec file says of a regression task.

use precipice_num::Cholesky;
use serde::{Deserialize, Serialize};

use crate::field::{SpecError, WIDTH_MAX, error, within};

/// In-context regression: y = w . x + noise, with a w of its own for every context, or a sine likewise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegressionSpec {
    /// Which functions contexts are examples of.
    pub functions: FunctionKind,
    /// Whether a sine's amplitude and phase are drawn from one number.
    #[serde(skip_serializing_if = "SineDraws::is_default")]
    pub sine_draws: SineDraws,
    /// N, pairs (x, y) in a context.
    pub n_exemplars: usize,
    /// d, width of an input x.
    pub d_item: usize,
    /// How the coordinates of x are distributed before the covariance mixes them.
    pub inputs: InputKind,
    /// Width of the uniform distribution; standard deviation of the Gaussian.
    pub input_scale: f64,
    /// Mixes the coordinates: x = C^(1/2) z. Its diagonal, or all its rows. None for the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covariance: Option<Covariance>,
    /// sigma^2, variance of the noise in the context's y; the query's y has none.
    pub noise: f64,
    /// tau, standard deviation of a coordinate of w; factor on the amplitude of a sine.
    pub label_scale: f64,
    /// M, functions in all, fixed by the `world` seed; none for a new one in every context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_tasks: Option<usize>,
}

impl Default for RegressionSpec {
    fn default() -> Self {
        Self {
            functions: FunctionKind::Linear,
            sine_draws: SineDraws::default(),
            n_exemplars: 10,
            d_item: 10,
            inputs: InputKind::Uniform,
            input_scale: 1.0,
            covariance: None,
            noise: 0.0,
            label_scale: 1.0,
            n_tasks: None,
        }
    }
}

impl RegressionSpec {
    /// s2: variance of a coordinate of x before the covariance.
    pub fn input_variance(&self) -> f64 {
        let square = self.input_scale * self.input_scale;
        match self.inputs {
            InputKind::Uniform => square / 12.0,
            InputKind::Gaussian => square,
        }
    }

    /// kappa = E x^4 / s2^2 of a coordinate.
    pub fn input_kurtosis(&self) -> f64 {
        match self.inputs {
            InputKind::Uniform => 9.0 / 5.0,
            InputKind::Gaussian => 3.0,
        }
    }

    /// Variance of what multiplies a feature of [`FunctionKind::features`].
    pub fn weight_variance(&self) -> f64 {
        let square = self.label_scale * self.label_scale;
        match self.functions {
            FunctionKind::Linear => square,
            // E a^2 / 2 of a ~ U(low, high), for the phase is uniform over half a turn.
            FunctionKind::Sine => {
                let (low, high) = FunctionKind::AMPLITUDES;
                square * (low * low + low * high + high * high) / 6.0
            }
        }
    }

    /// E cos(2 x) of an input.
    fn mean_cosine(&self) -> f64 {
        match self.inputs {
            InputKind::Uniform => libm::sin(self.input_scale) / self.input_scale,
            InputKind::Gaussian => libm::exp(-2.0 * self.input_scale * self.input_scale),
        }
    }

    /// Half the mean square of y: the loss of answering 0.
    pub fn zero_loss(&self) -> f64 {
        if self.functions == FunctionKind::Sine {
            // a^2 sin^2(x + phase) = a^2 (1 - cos(2 x + 2 phase)) / 2. Over half a turn of independent phases the cosine
            // vanishes; tied to the amplitude, E a^2 cos(2 phase) = (high - low)^2 / (2 pi^2) and sines vanish.
            let (low, high) = FunctionKind::AMPLITUDES;
            let tied = match self.sine_draws {
                SineDraws::Independent => 0.0,
                SineDraws::Tied => (high - low).powi(2) / (2.0 * std::f64::consts::PI.powi(2)),
            };
            let square = self.label_scale * self.label_scale;
            return 0.5 * self.weight_variance() - 0.25 * square * tied * self.mean_cosine();
        }
        let d = self.d_item;
        let trace = self.covariance.as_ref().map_or(d as f64, |covariance| covariance.trace(d));
        0.5 * self.label_scale * self.label_scale * self.input_variance() * trace
    }
}

/// The functions that contexts are examples of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionKind {
    /// y = w . x, w ~ N(0, label_scale^2 I).
    Linear,
    /// y = a sin(x + phase), a ~ U(.1, .5) label_scale, phase ~ U(0, pi); d_item = 1 (von Oswald et al. 2023, with the
    /// amplitudes of their code, in which `sine_draws` are tied).
    Sine,
}

impl FunctionKind {
    /// Range of a sine's amplitude, in units of label_scale.
    pub const AMPLITUDES: (f64, f64) = (0.1, 0.5);

    /// The features in which all these functions are linear: x itself, or (sin x, cos x).
    pub fn features(self, x: &[f32]) -> Vec<f64> {
        match self {
            FunctionKind::Linear => x.iter().map(|&x| f64::from(x)).collect(),
            FunctionKind::Sine => x.iter().flat_map(|&x| [libm::sin(f64::from(x)), libm::cos(f64::from(x))]).collect(),
        }
    }
}

/// How a sine's amplitude and phase are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SineDraws {
    /// From two numbers: functions of two parameters.
    #[default]
    Independent,
    /// From one number u: a = (.1 + .4 u) label_scale, phase = pi u, as in the code of von Oswald et al. 2023.
    Tied,
}

impl SineDraws {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Distribution of a coordinate of x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// U(-input_scale / 2, input_scale / 2).
    Uniform,
    /// N(0, input_scale^2).
    Gaussian,
}

/// A symmetric positive definite matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a list of numbers, the diagonal, or a list of rows of numbers")]
pub enum Covariance {
    /// Only its diagonal.
    Diagonal(Vec<f64>),
    /// All its rows.
    Full(Vec<Vec<f64>>),
}

impl Covariance {
    /// `[d, d]` where the shape is right.
    pub fn matrix(&self, d: usize) -> Option<Vec<f64>> {
        match self {
            Covariance::Diagonal(values) => (values.len() == d).then(|| {
                let mut matrix = vec![0.0; d * d];
                values.iter().enumerate().for_each(|(i, &value)| matrix[i * d + i] = value);
                matrix
            }),
            Covariance::Full(rows) => (rows.len() == d && rows.iter().all(|row| row.len() == d)).then(|| rows.concat()),
        }
    }

    fn trace(&self, d: usize) -> f64 {
        self.matrix(d).map_or(f64::NAN, |matrix| (0..d).map(|i| matrix[i * d + i]).sum())
    }
}

/// Beyond it single precision overflows in a few layers.
pub const SCALE_MAX: f64 = 1e6;
/// Below it squares underflow.
const SCALE_MIN: f64 = 1e-6;
const TASKS_MAX: usize = 1 << 24;
/// Entries of a covariance, at most.
const ENTRY_MAX: f64 = 1e12;

pub(super) fn validate(task: &RegressionSpec) -> Result<(), SpecError> {
    let field = |name: &str| format!("task.regression.{name}");
    within(&field("n_exemplars"), task.n_exemplars, 1, 4096)?;
    within(&field("d_item"), task.d_item, 1, WIDTH_MAX)?;
    for (name, scale) in [("input_scale", task.input_scale), ("label_scale", task.label_scale)] {
        within(&field(name), scale, SCALE_MIN, SCALE_MAX)?;
    }
    if !(0.0..=SCALE_MAX).contains(&task.noise) {
        let expected = format!("must be a variance, from 0 to {SCALE_MAX}");
        return Err(error(&field("noise"), task.noise, expected));
    }
    if let Some(n_tasks) = task.n_tasks {
        within(&field("n_tasks"), n_tasks, 1, TASKS_MAX)?;
    }
    if task.functions == FunctionKind::Linear && task.sine_draws != SineDraws::default() {
        return Err(error(&field("sine_draws"), "tied", "must be left alone where functions = \"linear\""));
    }
    if task.functions == FunctionKind::Sine {
        let refuse = |name: &str, value: String| {
            Err(error(&field(name), value, "must be left alone where functions = \"sine\""))
        };
        if task.d_item != 1 {
            return Err(error(&field("d_item"), task.d_item, "must be 1 where functions = \"sine\""));
        }
        if let Some(n_tasks) = task.n_tasks {
            return refuse("n_tasks", n_tasks.to_string());
        }
        if task.covariance.is_some() {
            return refuse("covariance", "set".to_owned());
        }
    }
    task.covariance
        .as_ref()
        .map_or(Ok(()), |covariance| validate_covariance(&field("covariance"), covariance, task.d_item))
}

fn validate_covariance(field: &str, covariance: &Covariance, d: usize) -> Result<(), SpecError> {
    let Some(matrix) = covariance.matrix(d) else {
        let found = match covariance {
            Covariance::Diagonal(values) => format!("a diagonal of {}", values.len()),
            Covariance::Full(rows) => {
                let lens: Vec<String> = rows.iter().map(|row| row.len().to_string()).collect();
                format!("{} rows of {}", rows.len(), lens.join(", "))
            }
        };
        let expected = format!("must have d_item = {d} numbers, its diagonal, or {d} rows of {d}");
        return Err(error(field, found, expected));
    };
    // Products of entries, inputs and labels stay far from the ends of single precision.
    if let Some(entry) = matrix.iter().find(|entry| entry.is_nan() || entry.abs() > ENTRY_MAX) {
        let expected = format!("must have entries from -{ENTRY_MAX} to {ENTRY_MAX}; input_scale scales all inputs");
        return Err(error(field, entry, expected));
    }
    for i in 0..d {
        for j in 0..i {
            let (below, above) = (matrix[i * d + j], matrix[j * d + i]);
            if below != above {
                let expected = format!("must be symmetric, but row {i} column {j} is {below}, its mirror {above}");
                return Err(error(field, "a matrix", expected));
            }
        }
    }
    if Cholesky::new(&matrix, d).is_none() {
        return Err(error(field, "a matrix", "must be positive definite, all its eigenvalues above 0"));
    }
    Ok(())
}
