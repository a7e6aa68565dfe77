//! Tasks: pure functions from (seed, set, step) to a batch.

mod bank;
mod classification;
mod copying;
pub mod oracle;
pub mod predictors;
mod regression;
mod tuning;

pub use bank::{ItemBank, ItemBankError};
pub use tuning::tuned_predictors;

use precipice_num::{Kernels, Rng, StreamId};

use crate::batch::Batch;
use crate::spec::{RunSpec, Seeds, TaskSpec};
use classification::Classification;
use copying::Copying;
use regression::Regression;

/// Which sequences to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Training batches, one per step.
    Train,
    /// The evaluation set, fixed for the run: the training distribution, other sequences.
    Eval,
    /// Sequences of classes that training never shows: only the context can tell their labels.
    InContext,
    /// Trained classes whose labels in the context are shifted by one; the shifted label is right.
    Swapped,
    /// Independent trained classes: the context rarely helps, so labels must be known by heart.
    InWeights,
}

impl Set {
    /// What the columns of this set begin with; those of the main evaluation set bear no prefix.
    pub fn prefix(self) -> &'static str {
        match self {
            Set::Train | Set::Eval => "",
            Set::InContext => "ic_",
            Set::Swapped => "ic_swap_",
            Set::InWeights => "iw_",
        }
    }

    /// Address of the random numbers of one sequence. Values are part of the bits.
    fn address(self, seeds: Seeds, step: u64, sequence: usize) -> Address {
        let (seed, set_idx) = match self {
            Set::Train => (seeds.data, 0),
            Set::Eval => (seeds.eval, 1),
            Set::InContext => (seeds.eval, 2),
            Set::Swapped => (seeds.eval, 3),
            Set::InWeights => (seeds.eval, 4),
        };
        let lane = u32::try_from(sequence).expect("fewer than 2^32 sequences");
        Address { seed, set_idx, step, lane }
    }
}

/// Where the random numbers of one sequence of (set, step) are.
#[derive(Clone, Copy)]
struct Address {
    seed: u64,
    set_idx: u8,
    step: u64,
    lane: u32,
}

impl Address {
    /// The stream for one purpose.
    fn stream(self, purpose: Purpose) -> StreamId {
        stream(self.seed, purpose as u8 + self.set_idx, self.step, self.lane)
    }
}

/// What a random number is for; the high half of its address. Values are part of the bits.
#[derive(Clone, Copy)]
enum Purpose {
    LabelTable = 1,
    ClassMeans = 2,
    TaskPool = 3,
    Items = 8,
    Structure = 16,
    NovelMeans = 24,
    Weights = 32,
    Noise = 40,
}

fn stream(seed: u64, purpose: u8, step: u64, lane: u32) -> StreamId {
    StreamId { seed, purpose, step, lane }
}

/// A task with its fixed world.
#[derive(Clone, Debug)]
pub struct Task {
    n_exemplars: usize,
    n_labels: usize,
    d_item: usize,
    seeds: Seeds,
    has_real_items: bool,
    family: Family,
}

#[derive(Clone, Debug)]
enum Family {
    Copying(Copying),
    Classification(Classification),
    Regression(Regression),
}

impl Task {
    /// The task of a valid spec, with its items where they come from a file.
    ///
    /// # Errors
    /// If the bank does not fit the spec.
    pub fn new(spec: &RunSpec, bank: Option<ItemBank>) -> Result<Self, ItemBankError> {
        match (spec.task.items(), &bank) {
            (Some(items), Some(bank)) => bank.check(&spec.task, items.n_held_out)?,
            (Some(_), None) => return Err(ItemBankError::Missing),
            (None, _) => {}
        }
        let bank = bank.filter(|_| spec.task.items().is_some());
        let has_real_items = bank.is_some();
        let (n_positions, seeds) = (spec.n_positions(), spec.seeds);
        let family = match &spec.task {
            TaskSpec::Copying(copying) => Family::Copying(Copying::new(copying, n_positions, bank)),
            TaskSpec::Classification(classification) => {
                Family::Classification(Classification::new(classification, n_positions, seeds, bank))
            }
            TaskSpec::Regression(regression) => {
                // Pairs have no positions; any room will do.
                let n_positions = n_positions.max(spec.n_tokens());
                Family::Regression(Regression::new(regression, spec.n_tokens(), n_positions, seeds))
            }
        };
        let (n_exemplars, n_labels, d_item) = (spec.task.n_exemplars(), spec.task.n_labels(), spec.task.d_item());
        Ok(Self { n_exemplars, n_labels, d_item, seeds, has_real_items, family })
    }

    /// Fills sequences `first ..` of a batch, as many as `batch.n_sequences` says.
    ///
    /// Sequence s of (set, step) is the same whoever draws it and in whatever order.
    pub fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        for s in 0..batch.n_sequences {
            let address = set.address(self.seeds, step, first + s);
            match &self.family {
                Family::Copying(task) => task.fill_sequence(kernels, set, address, s, batch),
                Family::Classification(task) => task.fill_sequence(kernels, set, address, s, batch),
                Family::Regression(task) => task.fill_sequence(kernels, address, s, batch),
            }
        }
    }

    /// Sequences `0..n_sequences` of (set, step).
    pub fn batch(&self, set: Set, step: u64, n_sequences: usize) -> Batch {
        let mut batch = self.workspace(n_sequences);
        batch.n_sequences = n_sequences;
        self.fill(Kernels::detect(), set, step, 0, &mut batch);
        batch
    }

    /// An empty batch with room for `capacity` sequences of this task.
    pub fn workspace(&self, capacity: usize) -> Batch {
        match &self.family {
            Family::Regression(task) => task.workspace(capacity),
            _ => Batch::with_capacity(capacity, self.n_exemplars, self.d_item),
        }
    }

    /// The label vectors, `[L, D]`: N(0, 1/D), fixed by the `world` seed.
    pub fn label_table(&self) -> Vec<f32> {
        world_vectors(Purpose::LabelTable, self.seeds, self.n_labels, self.d_item)
    }

    /// The evaluation sets that this task has, the training distribution first.
    pub fn eval_sets(&self) -> &'static [Set] {
        match &self.family {
            Family::Copying(copying) => copying.eval_sets(),
            Family::Regression(_) => &[Set::Eval],
            Family::Classification(_) => &[Set::Eval, Set::InContext, Set::Swapped, Set::InWeights],
        }
    }

    /// The set that probes look at: every context of it holds the answer.
    pub fn probed_set(&self) -> Set {
        match &self.family {
            Family::Copying(_) | Family::Regression(_) => Set::Eval,
            Family::Classification(_) => Set::InContext,
        }
    }

    /// The functions of a finite pool of regression tasks, `[M, d]`.
    pub fn pool(&self) -> Option<&[f32]> {
        match &self.family {
            Family::Regression(task) => task.pool(),
            _ => None,
        }
    }

    /// Whether items come from a file, so that matching them is itself a problem.
    pub fn has_real_items(&self) -> bool {
        self.has_real_items
    }
}

/// `[count, D]`: N(0, 1/D), fixed by the `world` seed.
fn world_vectors(purpose: Purpose, seeds: Seeds, count: usize, d_item: usize) -> Vec<f32> {
    let mut vectors = vec![0.0; count * d_item];
    let std = (1.0 / d_item as f64).sqrt() as f32;
    Rng::fill_normal(Kernels::detect(), stream(seeds.world, purpose as u8, 0, 0), std, &mut vectors);
    vectors
}
