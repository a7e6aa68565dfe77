//! The specification of one run: everything that decides its bits, as plain data.

use serde::{Deserialize, Serialize};

mod branch;
mod model;
mod train;
mod validate;

use crate::sequence::Targets;
use crate::task::{Facts, ItemBank, Reader, Task, TaskError, World};

pub use crate::field::SpecError;
pub use crate::sequence::Tokens;
pub use crate::task::regression::{Covariance, FunctionKind, InputKind, SineDraws};
pub use crate::task::{ClassificationSpec, CopyingSpec, ItemsSpec, OwnSpec, RegressionSpec, Seeds, TaskSpec};
pub use branch::{BranchSpec, GraftSpec, split_head};
pub use model::{
    Activation, AttentionKind, ClampPattern, ClampSpec, Construction, EmbeddingSpec, MinimalSpec, ModelSpec, Positions,
    Readout,
};
pub use train::{AdamSpec, OptimizerSpec, ScheduleShape, ScheduleSpec, SgdSpec, TrainSpec};

/// One training run. Equal resolved specs give equal bits.
///
/// ```
/// use precipice::spec::RunSpec;
/// let spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
/// spec.validate()?;
/// assert_eq!((spec.facts().n_exemplars(), spec.d_model()), (8, 145));
/// let mut other = spec.clone();
/// other.seeds.init = 1;
/// assert_ne!(spec.hash(), other.hash(), "the address of a run");
/// other.train.batch_size = 0;
/// assert_eq!(other.validate().unwrap_err().field, "train.batch_size");
/// # Ok::<(), precipice::spec::SpecError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSpec {
    /// Name of the run directory's first half; letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// One sentence that `precipice specs` prints.
    pub description: String,
    /// What is learned.
    pub task: TaskSpec,
    /// The network.
    pub model: ModelSpec,
    /// How it is trained.
    pub train: TrainSpec,
    /// When and on how many sequences it is evaluated.
    pub eval: EvalSpec,
    /// What is looked at inside the network at each evaluation.
    pub probes: ProbeSpec,
    /// When the state is saved.
    pub checkpoint: CheckpointSpec,
    /// The four independent seeds.
    pub seeds: Seeds,
    /// Where it begins, if not at a step 0 of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<Box<BranchSpec>>,
}

/// Evaluation on sequences that training never sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalSpec {
    /// Steps between evaluations; step 0 and the last step are always evaluated.
    pub every: u64,
    /// Sequences in each evaluation set.
    pub sequences: usize,
}

impl Default for EvalSpec {
    fn default() -> Self {
        Self { every: 100, sequences: 2000 }
    }
}

/// What is measured inside the network at each evaluation. Never changes the run's bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSpec {
    /// Whether attention, interactions and order parameters are measured.
    pub enabled: bool,
    /// Sequences they are measured on, the first of the evaluation set in which every context holds
    /// the answer: `ic` in classification.
    pub sequences: usize,
    /// Heads whose removal is evaluated, each by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ablations: Vec<AblationSpec>,
}

impl Default for ProbeSpec {
    fn default() -> Self {
        Self { enabled: true, sequences: 256, ablations: Vec::new() }
    }
}

/// One head replaced at evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationSpec {
    /// Layer, from 0.
    pub layer: usize,
    /// Head, from 0.
    pub head: usize,
    /// What the head's output is replaced by.
    #[serde(default)]
    pub mode: AblationMode,
}

/// What an ablated head writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AblationMode {
    /// Its mean over the probe sequences, position by position.
    Mean,
    /// Nothing.
    #[default]
    Zero,
}

impl AblationMode {
    /// As in spec files and in names of columns.
    pub fn name(self) -> &'static str {
        match self {
            AblationMode::Mean => "mean",
            AblationMode::Zero => "zero",
        }
    }
}

/// Saved states: steps 0, 1, 2, 4 ... 512, then every `every`, and the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointSpec {
    /// Steps between checkpoints after step 512.
    pub every: u64,
}

impl Default for CheckpointSpec {
    fn default() -> Self {
        Self { every: 100 }
    }
}

/// Removes the fields of an object that are equal to the default's.
fn drop_defaults(value: &mut serde_json::Value, default: &serde_json::Value) {
    let (Some(fields), Some(defaults)) = (value.as_object_mut(), default.as_object()) else { return };
    fields.retain(|name, field| defaults.get(name) != Some(field));
    for (name, field) in fields {
        if let Some(default) = defaults.get(name) {
            drop_defaults(field, default);
        }
    }
}

/// JSON with the keys of every object in alphabetical order, whatever order the map keeps.
fn write_sorted(value: &serde_json::Value, out: &mut String) {
    let Some(fields) = value.as_object() else {
        *out += &value.to_string();
        return;
    };
    let sorted: std::collections::BTreeMap<_, _> = fields.iter().collect();
    *out += "{";
    for (i, (name, field)) in sorted.into_iter().enumerate() {
        *out += if i > 0 { "," } else { "" };
        *out += &format!("{name:?}:");
        write_sorted(field, out);
    }
    *out += "}";
}

impl RunSpec {
    /// What the task of this spec says of itself.
    pub fn facts(&self) -> Facts {
        self.task.family().facts(self.reader())
    }

    /// The task, with its items where they come from a file.
    ///
    /// # Errors
    /// If the items do not fit the spec, or only another program knows the task.
    pub fn build_task(&self, bank: Option<ItemBank>) -> Result<Box<dyn Task>, TaskError> {
        let world = World { seeds: self.seeds, n_positions: self.n_positions(), bank };
        self.task.family().build(self.reader(), world)
    }

    fn reader(&self) -> Reader {
        Reader { tokens: self.model.tokens, n_layers: self.model.n_layers }
    }

    /// T, tokens in a sequence.
    pub fn n_tokens(&self) -> usize {
        self.facts().geometry.n_tokens()
    }

    /// Width of a token's content: an item or a label vector, or x and y, or what an embedding makes of them.
    pub fn d_content(&self) -> usize {
        self.model.embedding.map_or_else(|| self.facts().d_content(), |embedding| embedding.d_embed)
    }

    /// What is asked of the network.
    pub fn targets(&self) -> Targets {
        self.facts().targets
    }

    /// Kind of an attention layer.
    pub fn attention_kind(&self, layer: usize) -> AttentionKind {
        let kinds = &self.model.attention;
        kinds.get(if kinds.len() == 1 { 0 } else { layer }).copied().unwrap_or_default()
    }

    /// Width of the position code; a minimal head has none. By default as wide as a sequence is long.
    pub fn d_pos(&self) -> usize {
        if self.model.minimal.is_some() {
            return 0;
        }
        let default = || if self.facts().geometry.has_pairs() { 0 } else { self.n_tokens() };
        self.model.d_pos.unwrap_or_else(default)
    }

    /// Width of the residual stream; a minimal head's is content and a buffer of the same width.
    pub fn d_model(&self) -> usize {
        let d_content = self.d_content();
        if self.model.minimal.is_some() { 2 * d_content } else { self.d_pos() + d_content + self.model.d_buffer }
    }

    /// Columns of the query's row that the readout reads: all, or the buffer alone where a linear
    /// readout reads a minimal head.
    pub fn d_read(&self) -> usize {
        match (&self.model.minimal, self.model.readout) {
            (Some(_), Readout::Linear) => self.facts().d_item,
            _ => self.d_model(),
        }
    }

    /// Positions that a sequence may start in, plus its length.
    pub fn n_positions(&self) -> usize {
        let default = if self.model.minimal.is_some() { self.n_tokens() } else { self.d_pos() };
        self.model.n_positions.unwrap_or(default)
    }

    /// Width of one head; a minimal head has no maps.
    pub fn d_head(&self) -> usize {
        if self.model.minimal.is_some() {
            return 0;
        }
        self.model.d_head.unwrap_or(self.d_model() / self.model.n_heads.max(1))
    }

    /// Fills in every default that depends on other fields.
    pub fn resolve(&mut self) {
        let has_maps = self.model.minimal.is_none();
        self.model.d_pos = has_maps.then(|| self.d_pos()).or(self.model.d_pos);
        self.model.n_positions = Some(self.n_positions());
        self.model.d_head = has_maps.then(|| self.d_head());
        if let Some(branch) = &mut self.branch {
            branch.origins_mut().for_each(Self::resolve);
        }
    }

    /// Leaves out every field that [`Self::resolve`] fills in as it is, so that it follows when others are changed.
    ///
    /// ```
    /// use precipice::spec::RunSpec;
    /// let mut spec = RunSpec::default();
    /// spec.resolve();
    /// spec.model.n_positions = Some(40);
    /// spec.unresolve();
    /// assert_eq!((spec.model.d_pos, spec.model.n_positions, spec.model.d_head), (None, Some(40), None));
    /// ```
    pub fn unresolve(&mut self) {
        self.resolve();
        let whole = self.clone();
        let unset: [fn(&mut ModelSpec); 3] =
            [|model| model.d_head = None, |model| model.n_positions = None, |model| model.d_pos = None];
        for unset in unset {
            let mut resolved = whole.clone();
            unset(&mut resolved.model);
            resolved.resolve();
            if resolved == whole {
                unset(&mut self.model);
            }
        }
    }

    /// The canonical form: JSON of what differs from the defaults, without the description.
    ///
    /// A field that a later version adds does not change the address of runs that leave it at its
    /// default. Items with a digest are addressed by their content, wherever the file lies; runs that a branch begins with
    /// by their addresses.
    pub fn canonical(&self) -> String {
        let mut spec = self.clone();
        spec.resolve();
        spec.description.clear();
        if let Some(items) = spec.task.family_mut().items_mut().filter(|items| items.digest.is_some()) {
            items.file.clear();
        }
        let mut default = RunSpec::default();
        default.resolve();
        let json = |spec: &RunSpec| serde_json::to_value(spec).expect("a spec is plain data");
        let branch = spec.branch.take();
        let mut value = json(&spec);
        drop_defaults(&mut value, &json(&default));
        if let (Some(branch), Some(fields)) = (branch, value.as_object_mut()) {
            fields.insert("branch".to_owned(), branch.address());
        }
        // The default task is another one, so that this one keeps its name.
        let family_default = spec.task.default_of_family().filter(|task| !matches!(task, TaskSpec::Copying(_)));
        if let Some(task) = family_default {
            let default = serde_json::to_value(task).expect("a spec is plain data");
            let of_family = value["task"].as_object_mut().into_iter().flatten();
            of_family.for_each(|(name, fields)| drop_defaults(fields, &default[name]));
        }
        let mut text = String::new();
        write_sorted(&value, &mut text);
        text
    }

    /// BLAKE3 of the canonical form in hexadecimal: the address of the run.
    pub fn hash(&self) -> String {
        blake3::hash(format!("precipice spec 1\n{}", self.canonical()).as_bytes()).to_hex().to_string()
    }
}
