//! Tasks: pure functions from (seed, set, step) to a batch.

mod copying;
pub mod oracle;

pub use copying::{Copying, ItemBank, ItemBankError};

use precipice_num::{Kernels, Rng, StreamId};

use crate::batch::Batch;
use crate::spec::{RunSpec, TaskSpec};

/// Which sequences to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Training batches, one per step.
    Train,
    /// The evaluation set, fixed for the run: the training distribution, other sequences.
    Eval,
    /// Sequences of items that training never shows (held-out classes of a file).
    InContext,
}

/// What a random number is for; the high half of its address. Values are part of the bits.
#[derive(Clone, Copy)]
enum Purpose {
    LabelTable = 1,
    Items = 8,
    Structure = 16,
}

fn stream(seed: u64, purpose: u8, step: u64, lane: u32) -> StreamId {
    StreamId { seed, purpose, step, lane }
}

/// A task with its fixed world.
#[derive(Clone, Debug)]
pub enum Task {
    /// In-context copying.
    Copying(Copying),
}

impl Task {
    /// The task of a valid spec, with its items where they come from a file.
    ///
    /// # Errors
    /// If the bank does not fit the spec.
    pub fn new(spec: &RunSpec, bank: Option<ItemBank>) -> Result<Self, ItemBankError> {
        let TaskSpec::Copying(copying) = &spec.task;
        Ok(Task::Copying(Copying::new(copying, spec.n_positions(), spec.seeds, bank)?))
    }

    /// Fills sequences `first ..` of a batch, as many as `batch.n_sequences` says.
    ///
    /// Sequence s of (set, step) is the same whoever draws it and in whatever order.
    pub fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        let Task::Copying(copying) = self;
        copying.fill(kernels, set, step, first, batch);
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
        let Task::Copying(copying) = self;
        Batch::with_capacity(capacity, copying.n_exemplars(), copying.d_item())
    }

    /// The label vectors, `[L, D]`: N(0, 1/D), fixed by the `world` seed.
    pub fn label_table(&self) -> Vec<f32> {
        let Task::Copying(copying) = self;
        let (n_labels, d_item) = (copying.n_labels(), copying.d_item());
        let mut table = vec![0.0; n_labels * d_item];
        let std = (1.0 / d_item as f64).sqrt() as f32;
        let id = stream(copying.seeds().world, Purpose::LabelTable as u8, 0, 0);
        Rng::fill_normal(Kernels::detect(), id, std, &mut table);
        table
    }

    /// The evaluation sets that this task has: the training distribution, and held-out items if any.
    pub fn eval_sets(&self) -> &'static [Set] {
        let Task::Copying(copying) = self;
        if copying.has_held_out() { &[Set::Eval, Set::InContext] } else { &[Set::Eval] }
    }

    /// Whether items come from a file, so that matching them is itself a problem.
    pub fn has_real_items(&self) -> bool {
        let Task::Copying(copying) = self;
        copying.bank().is_some()
    }
}
