//! What everybody but the task itself has to know of a task.

use serde::{Deserialize, Serialize};

use super::Set;
use crate::sequence::{Geometry, Targets};
use crate::theory::Context;

/// What is said once, so that networks, probes, figures and reports need not ask which task it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Name of the family, as in spec files.
    pub family: String,
    /// Sizes, for titles: `N = 8, L = 32`.
    pub sizes: String,
    /// D, width of an item.
    pub d_item: usize,
    /// What the tokens of a sequence are.
    pub geometry: Geometry,
    /// What is asked for.
    pub targets: Targets,
    /// Evaluation sets; the first has the training distribution.
    pub eval_sets: Vec<EvalSet>,
    /// The set that probes look at and that shows what is learned in context: every context of it has the answer.
    pub probed_set: Set,
    /// The set of items or classes that are never trained, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub novel_set: Option<Set>,
    /// The set on which only labels known by heart can be right, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_heart: Option<Set>,
    /// What rises as the task is learned.
    pub progress: Progress,
    /// Predictors that need no training, to be drawn beside the network.
    #[serde(default)]
    pub predictors: Vec<PredictorName>,
    /// What the formula of three nested soft-maxes has to know, where its parameters exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<Context>,
    /// Whether an item is two halves, which a head may compare with those of another in either order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_halves: bool,
    /// Numbers that the task keeps beside a batch, about: for the estimate of memory.
    #[serde(default)]
    pub n_kept: usize,
}

/// An evaluation set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalSet {
    /// What its columns begin with; nothing for the first set.
    pub prefix: String,
    /// What it is called in legends.
    pub words: String,
}

/// The column that rises from a floor to a ceiling as the task is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Name of the column.
    pub column: String,
    /// What it is called.
    pub words: String,
    /// Its value before the context is read: 1/N of a guess among the context's labels.
    pub floor: f64,
    /// What has that value: `1/N`, `answering 0`.
    pub floor_words: String,
    /// Its value where all is learned.
    pub ceiling: f64,
    /// What has that value.
    pub ceiling_words: String,
}

impl Progress {
    /// Accuracy on a set, up to 1.
    pub fn of_accuracy(prefix: &str, floor: f64, floor_words: &str) -> Self {
        Self {
            column: format!("{prefix}accuracy"),
            words: "accuracy".to_owned(),
            floor,
            floor_words: floor_words.to_owned(),
            ceiling: 1.0,
            ceiling_words: "all right".to_owned(),
        }
    }

    /// Half way from the floor to the ceiling: above it something has been learned.
    pub fn threshold(&self) -> f64 {
        self.floor.midpoint(self.ceiling)
    }
}

/// A predictor that needs no training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictorName {
    /// As its columns are called: `gd` of `gd_loss`.
    pub name: String,
    /// As it is called everywhere else.
    pub words: String,
}

impl PredictorName {
    /// A name and its words.
    pub fn new(name: &str, words: &str) -> Self {
        Self { name: name.to_owned(), words: words.to_owned() }
    }
}

impl EvalSet {
    /// A prefix and words.
    pub fn new(prefix: &str, words: &str) -> Self {
        Self { prefix: prefix.to_owned(), words: words.to_owned() }
    }
}

impl Facts {
    /// N.
    pub fn n_exemplars(&self) -> usize {
        self.geometry.n_exemplars()
    }

    /// L; 0 where nothing has a label.
    pub fn n_labels(&self) -> usize {
        self.targets.n_labels()
    }

    /// Width of a token's content: an item or a label vector, or x and y.
    pub fn d_content(&self) -> usize {
        self.d_item + usize::from(self.geometry.has_values())
    }

    /// The evaluation sets in order.
    pub fn sets(&self) -> impl Iterator<Item = Set> + use<> {
        (0..self.eval_sets.len()).map(Set::eval)
    }

    /// What the columns of a set begin with.
    pub fn prefix(&self, set: Set) -> &str {
        set.eval_idx().and_then(|idx| self.eval_sets.get(idx)).map_or("", |set| &set.prefix)
    }

    /// What the columns of the probed set begin with.
    pub fn in_context_prefix(&self) -> &str {
        self.prefix(self.probed_set)
    }
}
