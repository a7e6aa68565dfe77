//! What is learned.

use serde::{Deserialize, Serialize};

/// The task family and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TaskSpec {
    /// In-context copying: the query repeats one of the context's items; answer with its label.
    Copying(CopyingSpec),
    /// In-context classification (Reddy 2024): items belong to classes whose labels are fixed, so that
    /// a label can be read from the context or learned by heart.
    Classification(ClassificationSpec),
    /// In-context linear regression (von Oswald et al. 2023): answer with the value of the context's own
    /// linear function at the query.
    Regression(RegressionSpec),
}

impl Default for TaskSpec {
    fn default() -> Self {
        TaskSpec::Copying(CopyingSpec::default())
    }
}

/// In-context copying.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CopyingSpec {
    /// N, item-label pairs in a context.
    pub n_exemplars: usize,
    /// L >= N, labels in all; L = N is the control without a curriculum.
    pub n_labels: usize,
    /// D, width of an item.
    pub d_item: usize,
    /// Items from a file instead of fresh Gaussian ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsSpec>,
}

impl Default for CopyingSpec {
    fn default() -> Self {
        Self { n_exemplars: 8, n_labels: 32, d_item: 64, items: None }
    }
}

/// In-context classification. Class k has the label k mod L.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassificationSpec {
    /// N, item-label pairs in a context.
    pub n_exemplars: usize,
    /// L, labels in all.
    pub n_labels: usize,
    /// D, width of an item.
    pub d_item: usize,
    /// K, classes whose labels can be learned by heart; a multiple of L.
    pub n_classes: usize,
    /// B, copies of each class in a bursty context; divides N. 0 for no bursty contexts at all.
    pub burstiness: usize,
    /// Share of bursty contexts among those of trained classes.
    pub p_bursty: f64,
    /// Share of contexts whose classes are drawn afresh with every batch; these are always bursty.
    pub p_novel: f64,
    /// Classes that are drawn afresh with every batch.
    pub n_novel_classes: usize,
    /// eps: an item is (class mean + eps noise) / sqrt(1 + eps^2).
    pub within_class_noise: f64,
    /// Class k is drawn with probability ~ (k + 1)^-zipf_exponent.
    pub zipf_exponent: f64,
    /// Whether the classes of a bursty context have different labels.
    pub distinct_labels: bool,
    /// Items from a file instead of Gaussian classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsSpec>,
}

impl Default for ClassificationSpec {
    fn default() -> Self {
        Self {
            n_exemplars: 8,
            n_labels: 32,
            d_item: 63,
            n_classes: 256,
            burstiness: 1,
            p_bursty: 1.0,
            p_novel: 0.8,
            n_novel_classes: 128,
            within_class_noise: 0.1,
            zipf_exponent: 0.0,
            distinct_labels: true,
            items: None,
        }
    }
}

impl ClassificationSpec {
    /// B of a bursty context; those of the evaluation sets are bursty even where training has none.
    pub fn copies(&self) -> usize {
        self.burstiness.max(1)
    }
}

/// In-context regression: y = w . x + noise, with a w of its own for every context, or a sine likewise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegressionSpec {
    /// Which functions contexts are examples of.
    pub functions: FunctionKind,
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

    /// Half the mean square of y: the loss of answering 0.
    pub fn zero_loss(&self) -> f64 {
        if self.functions == FunctionKind::Sine {
            // sin^2 has the mean 1/2 over half a turn.
            return 0.5 * self.weight_variance();
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
    /// amplitudes of their code).
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
#[serde(untagged)]
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

/// An array of real items, classes x instances x D.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemsSpec {
    /// Path of an `.npz`, `.npy` or `.safetensors` file, or `builtin:han-glyphs`.
    pub file: String,
    /// Name of the array in the file.
    #[serde(default = "default_array")]
    pub array: String,
    /// The last classes, never trained on, that form the `ic` evaluation set.
    #[serde(default)]
    pub n_held_out: usize,
    /// BLAKE3 of the array's shape and values; filled in when the file is read, checked when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

fn default_array() -> String {
    "items".to_owned()
}

impl TaskSpec {
    /// Name of the family, as in spec files.
    pub fn family(&self) -> &'static str {
        match self {
            TaskSpec::Copying(_) => "copying",
            TaskSpec::Classification(_) => "classification",
            TaskSpec::Regression(_) => "regression",
        }
    }

    /// N.
    pub fn n_exemplars(&self) -> usize {
        match self {
            TaskSpec::Copying(task) => task.n_exemplars,
            TaskSpec::Classification(task) => task.n_exemplars,
            TaskSpec::Regression(task) => task.n_exemplars,
        }
    }

    /// L; regression has none.
    pub fn n_labels(&self) -> usize {
        match self {
            TaskSpec::Copying(task) => task.n_labels,
            TaskSpec::Classification(task) => task.n_labels,
            TaskSpec::Regression(_) => 0,
        }
    }

    /// L, to be changed.
    pub fn n_labels_mut(&mut self) -> Option<&mut usize> {
        match self {
            TaskSpec::Copying(task) => Some(&mut task.n_labels),
            TaskSpec::Classification(task) => Some(&mut task.n_labels),
            TaskSpec::Regression(_) => None,
        }
    }

    /// D.
    pub fn d_item(&self) -> usize {
        match self {
            TaskSpec::Copying(task) => task.d_item,
            TaskSpec::Classification(task) => task.d_item,
            TaskSpec::Regression(task) => task.d_item,
        }
    }

    /// K, classes that can be learned by heart; only classification has them.
    pub fn n_classes(&self) -> usize {
        match self {
            TaskSpec::Copying(_) | TaskSpec::Regression(_) => 0,
            TaskSpec::Classification(task) => task.n_classes,
        }
    }

    /// B, copies of the query's class in the contexts that test in-context learning.
    pub fn copies(&self) -> usize {
        match self {
            TaskSpec::Copying(_) | TaskSpec::Regression(_) => 1,
            TaskSpec::Classification(task) => task.copies(),
        }
    }

    /// B / N: accuracy of a guess among the context's labels. In regression 0, the share of the way to
    /// gradient descent that answering 0 has made.
    pub fn context_guess(&self) -> f64 {
        if self.regression().is_some() {
            return 0.0;
        }
        self.copies() as f64 / self.n_exemplars() as f64
    }

    /// What that guess is called.
    pub fn context_guess_name(&self) -> &'static str {
        if self.regression().is_some() {
            return "answering 0";
        }
        if self.copies() == 1 { "1/N" } else { "B/N" }
    }

    /// eps; 0 where there are no classes.
    pub fn within_class_noise(&self) -> f64 {
        match self {
            TaskSpec::Copying(_) | TaskSpec::Regression(_) => 0.0,
            TaskSpec::Classification(task) => task.within_class_noise,
        }
    }

    /// Where items come from a file.
    pub fn items(&self) -> Option<&ItemsSpec> {
        match self {
            TaskSpec::Copying(task) => task.items.as_ref(),
            TaskSpec::Classification(task) => task.items.as_ref(),
            TaskSpec::Regression(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn items_mut(&mut self) -> Option<&mut ItemsSpec> {
        match self {
            TaskSpec::Copying(task) => task.items.as_mut(),
            TaskSpec::Classification(task) => task.items.as_mut(),
            TaskSpec::Regression(_) => None,
        }
    }

    /// The regression task, if it is one: nothing there has labels.
    pub fn regression(&self) -> Option<&RegressionSpec> {
        match self {
            TaskSpec::Regression(task) => Some(task),
            TaskSpec::Copying(_) | TaskSpec::Classification(_) => None,
        }
    }

    /// The column that rises from [`TaskSpec::context_guess`] to 1 as the task is learned.
    pub fn progress_column(&self) -> String {
        match self.regression() {
            Some(_) => "gd_share".to_owned(),
            None => format!("{}accuracy", self.in_context_prefix()),
        }
    }

    /// Sizes of the task, for titles.
    pub fn sizes(&self) -> String {
        let n = self.n_exemplars();
        match self {
            TaskSpec::Copying(task) => format!("N = {n}, L = {}", task.n_labels),
            TaskSpec::Classification(task) => {
                format!("N = {n}, L = {}, K = {}, B = {}", task.n_labels, task.n_classes, task.burstiness)
            }
            TaskSpec::Regression(task) if task.functions == FunctionKind::Sine => format!("sines, N = {n}"),
            TaskSpec::Regression(task) => format!("N = {n}, d = {}", task.d_item),
        }
    }

    /// Prefix of the columns that show in-context learning: what else could answer in copying?
    pub fn in_context_prefix(&self) -> &'static str {
        match self {
            TaskSpec::Copying(_) | TaskSpec::Regression(_) => "",
            TaskSpec::Classification(_) => "ic_",
        }
    }
}
