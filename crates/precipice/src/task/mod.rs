//! Tasks: pure functions from (seed, set, step) to a batch.
//!
//! [`Task`] is what a task must be able to do, [`Facts`] what it says of itself. The families that spec files name are
//! the variants of [`TaskSpec`], one file each; a program brings a [`Task`] of its own: see [`own`].

mod address;
mod bank;
pub mod classification;
mod copying;
mod facts;
pub mod neighbor;
pub mod own;
pub mod regression;
pub mod relation;

use std::fmt::Debug;

use precipice_num::Kernels;
use serde::{Deserialize, Serialize};

use crate::field::SpecError;
use crate::sequence::{Batch, Tokens};

pub use address::{Address, Purpose, Seeds, Set, world_vectors};
pub use bank::{ItemBank, ItemBankError, ItemsSpec};
pub use classification::ClassificationSpec;
pub use copying::CopyingSpec;
pub use facts::{EvalSet, Facts, PredictorName, Progress};
pub use own::OwnSpec;
pub use regression::RegressionSpec;
pub use relation::RelationSpec;

/// A task with its fixed world.
pub trait Task: Debug + Send + Sync {
    /// What others have to know of it.
    fn facts(&self) -> &Facts;

    /// Fills sequences `first ..` of a batch, as many as `batch.n_sequences` says.
    ///
    /// Sequence s of (set, step) must be the same whoever draws it and in whatever order: see [`Address`].
    fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch);

    /// The label vectors, `[L, D]`.
    fn label_table(&self) -> Vec<f32>;

    /// What a predictor, numbered as in the facts, says of each sequence of a batch: the value that it predicts, or
    /// where labels are asked for the probability that its answer is right.
    ///
    /// # Panics
    /// If the task has none: where its facts name one, it must say what that one says.
    fn predict(&self, predictor: usize, _: &Batch) -> Vec<f64> {
        let Facts { family, predictors, .. } = self.facts();
        panic!("the {family} task names the predictor {:?} and has no Task::predict", predictors[predictor].name)
    }

    /// An empty batch with room for `capacity` sequences of this task.
    fn workspace(&self, capacity: usize) -> Batch {
        let facts = self.facts();
        Batch::new(capacity, facts.geometry, facts.targets, facts.d_item)
    }

    /// Sequences `0..n_sequences` of (set, step).
    ///
    /// ```
    /// use precipice::{spec::RunSpec, task::Set};
    /// let task = RunSpec::default().build_task(None)?;
    /// let batch = task.batch(Set::Train, 40, 8);
    /// // The query repeats an item of the context, and the answer is that item's label.
    /// let slot = batch.slots_of(3).next().unwrap();
    /// assert_eq!(batch.item_of(3, slot), batch.item_of(3, batch.n_exemplars));
    /// assert_eq!(batch.labels_of(3)[slot], batch.answers[3]);
    /// # Ok::<(), precipice::task::TaskError>(())
    /// ```
    fn batch(&self, set: Set, step: u64, n_sequences: usize) -> Batch {
        let mut batch = self.workspace(n_sequences);
        batch.n_sequences = n_sequences;
        self.fill(Kernels::detect(), set, step, 0, &mut batch);
        batch
    }
}

/// What the facts of a task may depend on in the network that learns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// How pairs become tokens.
    pub tokens: Tokens,
    /// Layers: predictors that take steps take as many.
    pub n_layers: usize,
}

/// What a task is built in.
#[derive(Clone, Debug)]
pub struct World {
    /// The four seeds.
    pub seeds: Seeds,
    /// Positions that a sequence may start in, plus its length.
    pub n_positions: usize,
    /// Real items, where the spec takes them from a file.
    pub bank: Option<ItemBank>,
}

/// A task that cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TaskError {
    /// The items do not fit the spec.
    #[error(transparent)]
    Items(#[from] ItemBankError),
    /// The spec names a task that only its own program knows.
    #[error("the task {family:?} is not built in; the program that brings it can run it (`Run::with_task`)")]
    Foreign {
        /// Its name.
        family: String,
    },
    /// The task that a program brings is another one than its spec describes.
    #[error("the task {family:?} does not have the facts that task.own of its spec says")]
    Facts {
        /// Its name.
        family: String,
    },
}

/// A family of tasks: what a spec file says of one, and how it becomes a task.
pub trait Family {
    /// Checks every field.
    ///
    /// # Errors
    /// The first that cannot be run.
    fn validate(&self) -> Result<(), SpecError>;

    /// What the task of these fields is like. The fields are valid.
    fn facts(&self, reader: Reader) -> Facts;

    /// The task.
    ///
    /// # Errors
    /// If the items do not fit, or only another program can build it.
    fn build(&self, reader: Reader, world: World) -> Result<Box<dyn Task>, TaskError>;

    /// Where items come from a file.
    fn items(&self) -> Option<&ItemsSpec> {
        None
    }

    /// The same, to be changed.
    fn items_mut(&mut self) -> Option<&mut ItemsSpec> {
        None
    }
}

/// The task family and its parameters: the register of built-in families.
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
    /// Relations in context: the query is a pair, to be answered by what other pairs say of the relation.
    Relation(RelationSpec),
    /// A task of another program, described by its facts.
    Own(OwnSpec),
}

impl Default for TaskSpec {
    fn default() -> Self {
        TaskSpec::Copying(CopyingSpec::default())
    }
}

impl TaskSpec {
    /// Names of the families that a spec file can have.
    pub const FAMILIES: [&'static str; 4] = ["copying", "classification", "regression", "relation"];

    /// What all families can do.
    pub fn family(&self) -> &dyn Family {
        match self {
            TaskSpec::Copying(task) => task,
            TaskSpec::Classification(task) => task,
            TaskSpec::Regression(task) => task,
            TaskSpec::Relation(task) => task,
            TaskSpec::Own(task) => task,
        }
    }

    /// The same, to be changed.
    pub fn family_mut(&mut self) -> &mut dyn Family {
        match self {
            TaskSpec::Copying(task) => task,
            TaskSpec::Classification(task) => task,
            TaskSpec::Regression(task) => task,
            TaskSpec::Relation(task) => task,
            TaskSpec::Own(task) => task,
        }
    }

    /// The same family with all its fields at their defaults.
    pub fn default_of_family(&self) -> Option<Self> {
        match self {
            TaskSpec::Copying(_) => Some(TaskSpec::Copying(CopyingSpec::default())),
            TaskSpec::Classification(_) => Some(TaskSpec::Classification(ClassificationSpec::default())),
            TaskSpec::Regression(_) => Some(TaskSpec::Regression(RegressionSpec::default())),
            TaskSpec::Relation(_) => Some(TaskSpec::Relation(RelationSpec::default())),
            TaskSpec::Own(_) => None,
        }
    }

    /// The regression task, for what speaks of it alone.
    pub fn regression(&self) -> Option<&RegressionSpec> {
        match self {
            TaskSpec::Regression(task) => Some(task),
            _ => None,
        }
    }
}
