//! Where the random numbers of a sequence are: the same whoever draws them and in whatever order.

use precipice_num::{Kernels, Rng, StreamId};
use serde::{Deserialize, Serialize};

pub use crate::purpose::Purpose;

/// Independent seeds, so that one source of chance can vary while the rest stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seeds {
    /// Label vectors.
    pub world: u64,
    /// Initial parameters.
    pub init: u64,
    /// Training batches.
    pub data: u64,
    /// Evaluation sequences.
    pub eval: u64,
}

impl Seeds {
    /// The same seed for all four.
    pub fn all(seed: u64) -> Self {
        Self { world: seed, init: seed, data: seed, eval: seed }
    }
}

/// Which sequences to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// Training batches, one per step.
    Train,
    /// An evaluation set, fixed for the run: its place in the facts' list.
    Eval(u8),
}

impl Set {
    /// The first evaluation set: the training distribution, other sequences.
    pub const MAIN: Set = Set::Eval(0);
    /// Evaluation sets that a task may have.
    pub const EVAL_MAX: usize = Purpose::SETS as usize - 1;

    /// The evaluation set of that number.
    ///
    /// # Panics
    /// If it is beyond [`Set::EVAL_MAX`].
    pub fn eval(idx: usize) -> Self {
        assert!(idx < Self::EVAL_MAX, "evaluation set {idx} of at most {}", Self::EVAL_MAX);
        Set::Eval(idx as u8)
    }

    /// Its place in the facts' list.
    pub fn eval_idx(self) -> Option<usize> {
        match self {
            Set::Train => None,
            Set::Eval(idx) => Some(usize::from(idx)),
        }
    }
}

/// Where the random numbers of one sequence of (set, step) are.
///
/// ```
/// use precipice::task::{Address, Purpose, Seeds, Set};
/// use precipice_num::Rng;
/// let address = Address::new(Seeds::all(1), Set::Train, 40, 7);
/// let draw = || Rng::new(address.stream(Purpose::Structure)).below(100);
/// assert_eq!(draw(), draw());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    seed: u64,
    set_idx: u8,
    step: u64,
    /// Number of the sequence.
    pub lane: u32,
}

impl Address {
    /// Of sequence `sequence` of (set, step). Values are part of the bits.
    ///
    /// # Panics
    /// Beyond 2^32 sequences.
    pub fn new(seeds: Seeds, set: Set, step: u64, sequence: usize) -> Self {
        let (seed, set_idx) = match set {
            Set::Train => (seeds.data, 0),
            Set::Eval(idx) => (seeds.eval, idx + 1),
        };
        Self { seed, set_idx, step, lane: u32::try_from(sequence).expect("fewer than 2^32 sequences") }
    }

    /// The same of another lane, for what sequences share.
    pub fn of_lane(self, lane: u32) -> Self {
        Self { lane, ..self }
    }

    /// The stream for one purpose.
    pub fn stream(self, purpose: Purpose) -> StreamId {
        stream(self.seed, purpose as u8 + self.set_idx, self.step, self.lane)
    }
}

fn stream(seed: u64, purpose: u8, step: u64, lane: u32) -> StreamId {
    StreamId { seed, purpose, step, lane }
}

/// `[count, D]`: N(0, 1/D), fixed by the `world` seed.
pub fn world_vectors(purpose: Purpose, seeds: Seeds, count: usize, d_item: usize) -> Vec<f32> {
    let mut vectors = vec![0.0; count * d_item];
    let std = (1.0 / d_item as f64).sqrt() as f32;
    Rng::fill_normal(Kernels::detect(), stream(seeds.world, purpose as u8, 0, 0), std, &mut vectors);
    vectors
}
