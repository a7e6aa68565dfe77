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
        }
    }

    /// N.
    pub fn n_exemplars(&self) -> usize {
        match self {
            TaskSpec::Copying(task) => task.n_exemplars,
            TaskSpec::Classification(task) => task.n_exemplars,
        }
    }

    /// L.
    pub fn n_labels(&self) -> usize {
        match self {
            TaskSpec::Copying(task) => task.n_labels,
            TaskSpec::Classification(task) => task.n_labels,
        }
    }

    /// L, to be changed.
    pub fn n_labels_mut(&mut self) -> &mut usize {
        match self {
            TaskSpec::Copying(task) => &mut task.n_labels,
            TaskSpec::Classification(task) => &mut task.n_labels,
        }
    }

    /// D.
    pub fn d_item(&self) -> usize {
        match self {
            TaskSpec::Copying(task) => task.d_item,
            TaskSpec::Classification(task) => task.d_item,
        }
    }

    /// K, classes that can be learned by heart; none in copying.
    pub fn n_classes(&self) -> usize {
        match self {
            TaskSpec::Copying(_) => 0,
            TaskSpec::Classification(task) => task.n_classes,
        }
    }

    /// B, copies of the query's class in the contexts that test in-context learning.
    pub fn copies(&self) -> usize {
        match self {
            TaskSpec::Copying(_) => 1,
            TaskSpec::Classification(task) => task.copies(),
        }
    }

    /// B / N: accuracy of a guess among the context's labels.
    pub fn context_guess(&self) -> f64 {
        self.copies() as f64 / self.n_exemplars() as f64
    }

    /// What that guess is called.
    pub fn context_guess_name(&self) -> &'static str {
        if self.copies() == 1 { "1/N" } else { "B/N" }
    }

    /// eps; nothing is noisy in copying.
    pub fn within_class_noise(&self) -> f64 {
        match self {
            TaskSpec::Copying(_) => 0.0,
            TaskSpec::Classification(task) => task.within_class_noise,
        }
    }

    /// Where items come from a file.
    pub fn items(&self) -> Option<&ItemsSpec> {
        match self {
            TaskSpec::Copying(task) => task.items.as_ref(),
            TaskSpec::Classification(task) => task.items.as_ref(),
        }
    }

    /// The same, to be changed.
    pub fn items_mut(&mut self) -> &mut Option<ItemsSpec> {
        match self {
            TaskSpec::Copying(task) => &mut task.items,
            TaskSpec::Classification(task) => &mut task.items,
        }
    }

    /// Prefix of the columns that show in-context learning: what else could answer in copying?
    pub fn in_context_prefix(&self) -> &'static str {
        match self {
            TaskSpec::Copying(_) => "",
            TaskSpec::Classification(_) => "ic_",
        }
    }
}
