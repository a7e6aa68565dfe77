//! In-context copying: the query repeats one of the context's items; the answer is its label.

use std::ops::Range;
use std::sync::Arc;

use precipice_num::{Kernels, Rng};

use super::{Purpose, Set, stream};
use crate::batch::Batch;
use crate::spec::{CopyingSpec, Seeds};

/// Real items, classes x instances x D.
#[derive(Clone, Debug)]
pub struct ItemBank {
    /// `[n_classes, n_instances, D]`
    pub values: Arc<Vec<f32>>,
    /// Classes, held-out ones last.
    pub n_classes: usize,
    /// Instances of each class.
    pub n_instances: usize,
    /// D.
    pub d_item: usize,
}

/// A bank that does not fit its spec.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ItemBankError {
    /// The array is not what its shape says.
    #[error("{found} values do not fill the shape {n_classes} x {n_instances} x {d_item}")]
    Length {
        /// Values found.
        found: usize,
        /// Classes.
        n_classes: usize,
        /// Instances.
        n_instances: usize,
        /// Width.
        d_item: usize,
    },
    /// Items of another width.
    #[error("items have width {found}, but task.copying.d_item = {expected}; set it to {found}")]
    Width {
        /// Width found.
        found: usize,
        /// Width of the spec.
        expected: usize,
    },
    /// Not enough classes for a context.
    #[error("{found} {which} classes, but a context of n_exemplars = {needed} needs as many distinct ones")]
    Classes {
        /// "training" or "held-out".
        which: &'static str,
        /// Classes found.
        found: usize,
        /// N.
        needed: usize,
    },
    /// The query is another instance of its class, so one instance is not enough.
    #[error("{found} instance(s) of each class, but at least 2 are needed: the query is another instance of its class")]
    Instances {
        /// Instances found.
        found: usize,
    },
    /// A value that is not a number.
    #[error("value [{class}, {instance}, {column}] is {value}; items must be finite")]
    NotFinite {
        /// Class index.
        class: usize,
        /// Instance index.
        instance: usize,
        /// Column index.
        column: usize,
        /// What stands there.
        value: f32,
    },
    /// The spec asks for a file that was not given.
    #[error("the spec takes its items from a file, but no items were given")]
    Missing,
}

/// The copying task with its fixed world.
#[derive(Clone, Debug)]
pub struct Copying {
    spec: CopyingSpec,
    n_positions: usize,
    seeds: Seeds,
    bank: Option<ItemBank>,
    item_std: f32,
}

impl Copying {
    pub(super) fn new(
        spec: &CopyingSpec,
        n_positions: usize,
        seeds: Seeds,
        bank: Option<ItemBank>,
    ) -> Result<Self, ItemBankError> {
        match (&spec.items, &bank) {
            (Some(items), Some(bank)) => check_bank(spec, items.n_held_out, bank)?,
            (Some(_), None) => return Err(ItemBankError::Missing),
            (None, _) => {}
        }
        let bank = bank.filter(|_| spec.items.is_some());
        let item_std = (1.0 / spec.d_item as f64).sqrt() as f32;
        Ok(Self { spec: spec.clone(), n_positions, seeds, bank, item_std })
    }

    pub(super) fn n_exemplars(&self) -> usize {
        self.spec.n_exemplars
    }
    pub(super) fn n_labels(&self) -> usize {
        self.spec.n_labels
    }
    pub(super) fn d_item(&self) -> usize {
        self.spec.d_item
    }
    pub(super) fn seeds(&self) -> Seeds {
        self.seeds
    }
    pub(super) fn bank(&self) -> Option<&ItemBank> {
        self.bank.as_ref()
    }
    pub(super) fn has_held_out(&self) -> bool {
        self.spec.items.as_ref().is_some_and(|items| items.n_held_out > 0)
    }

    /// Classes that a set draws from.
    fn classes(&self, bank: &ItemBank, set: Set) -> Range<usize> {
        let n_held_out = self.spec.items.as_ref().map_or(0, |items| items.n_held_out);
        let n_trained = bank.n_classes - n_held_out;
        if set == Set::InContext { n_trained..bank.n_classes } else { 0..n_trained }
    }

    pub(super) fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        for s in 0..batch.n_sequences {
            self.fill_sequence(kernels, set, step, first + s, s, batch);
        }
    }

    /// Sequence `lane` of (set, step), written to place `s` of the batch.
    fn fill_sequence(&self, kernels: Kernels, set: Set, step: u64, lane: usize, s: usize, batch: &mut Batch) {
        let n = self.spec.n_exemplars;
        let d = self.spec.d_item;
        let (seed, set_idx) = match set {
            Set::Train => (self.seeds.data, 0),
            Set::Eval => (self.seeds.eval, 1),
            Set::InContext => (self.seeds.eval, 2),
        };
        let lane = u32::try_from(lane).expect("fewer than 2^32 sequences");
        let mut rng = Rng::new(stream(seed, Purpose::Structure as u8 + set_idx, step, lane));
        let slot = rng.below(n as u32);
        let labels = &mut batch.label_ids[s * n..(s + 1) * n];
        rng.distinct_below(self.spec.n_labels as u32, labels);
        batch.answers[s] = labels[slot as usize];
        batch.answer_slots[s] = slot;
        batch.offsets[s] = rng.below((self.n_positions - 2 * n) as u32);
        let items = &mut batch.items[s * (n + 1) * d..(s + 1) * (n + 1) * d];
        match &self.bank {
            None => {
                let id = stream(seed, Purpose::Items as u8 + set_idx, step, lane);
                Rng::fill_normal(kernels, id, self.item_std, &mut items[..n * d]);
                items.copy_within(slot as usize * d..(slot as usize + 1) * d, n * d);
            }
            Some(bank) => {
                let classes = self.classes(bank, set);
                let ids = &mut batch.item_ids[s * (n + 1)..(s + 1) * (n + 1)];
                draw_ids(bank, classes, &mut rng, slot as usize, ids);
                for (item, &id) in items.chunks_exact_mut(d).zip(ids.iter()) {
                    item.copy_from_slice(&bank.values[id as usize * d..(id as usize + 1) * d]);
                }
            }
        }
    }
}

/// Rows of N distinct classes, one random instance each; the query is another instance of the slot's class.
fn draw_ids(bank: &ItemBank, classes: Range<usize>, rng: &mut Rng, slot: usize, ids: &mut [u32]) {
    let n_instances = bank.n_instances as u32;
    let (context, query) = ids.split_at_mut(ids.len() - 1);
    rng.distinct_below(classes.len() as u32, context);
    for id in context.iter_mut() {
        *id = (classes.start as u32 + *id) * n_instances + rng.below(n_instances);
    }
    let shown = context[slot];
    let other = (shown % n_instances + 1 + rng.below(n_instances - 1)) % n_instances;
    query[0] = shown - shown % n_instances + other;
}

fn check_bank(spec: &CopyingSpec, n_held_out: usize, bank: &ItemBank) -> Result<(), ItemBankError> {
    let ItemBank { n_classes, n_instances, d_item, .. } = *bank;
    let found = bank.values.len();
    if n_classes.checked_mul(n_instances).and_then(|x| x.checked_mul(d_item)) != Some(found) {
        return Err(ItemBankError::Length { found, n_classes, n_instances, d_item });
    }
    if d_item != spec.d_item {
        return Err(ItemBankError::Width { found: d_item, expected: spec.d_item });
    }
    if n_instances < 2 {
        return Err(ItemBankError::Instances { found: n_instances });
    }
    let needed = spec.n_exemplars;
    let n_trained = n_classes.saturating_sub(n_held_out);
    if n_trained < needed {
        return Err(ItemBankError::Classes { which: "training", found: n_trained, needed });
    }
    if n_held_out > 0 && n_held_out < needed {
        return Err(ItemBankError::Classes { which: "held-out", found: n_held_out, needed });
    }
    if let Some(at) = bank.values.iter().position(|x| !x.is_finite()) {
        let (class, instance, column) = (at / (n_instances * d_item), at / d_item % n_instances, at % d_item);
        return Err(ItemBankError::NotFinite { class, instance, column, value: bank.values[at] });
    }
    Ok(())
}
