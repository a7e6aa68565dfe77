//! In-context copying: the query repeats one of the context's items; the answer is its label.

use std::ops::Range;

use precipice_num::{Kernels, Rng};

use super::{Address, ItemBank, Purpose, Set};
use crate::batch::Batch;
use crate::spec::CopyingSpec;

/// The copying task with its fixed world.
#[derive(Clone, Debug)]
pub struct Copying {
    spec: CopyingSpec,
    n_positions: usize,
    bank: Option<ItemBank>,
    item_std: f32,
}

impl Copying {
    pub(super) fn new(spec: &CopyingSpec, n_positions: usize, bank: Option<ItemBank>) -> Self {
        let item_std = (1.0 / spec.d_item as f64).sqrt() as f32;
        Self { spec: spec.clone(), n_positions, bank, item_std }
    }

    /// Held-out classes are a set of their own.
    pub(super) fn eval_sets(&self) -> &'static [Set] {
        let has_held_out = self.spec.items.as_ref().is_some_and(|items| items.n_held_out > 0);
        if has_held_out { &[Set::Eval, Set::InContext] } else { &[Set::Eval] }
    }

    /// Classes that a set draws from.
    fn classes(&self, bank: &ItemBank, set: Set) -> Range<usize> {
        let n_held_out = self.spec.items.as_ref().map_or(0, |items| items.n_held_out);
        let n_trained = bank.n_classes - n_held_out;
        if set == Set::InContext { n_trained..bank.n_classes } else { 0..n_trained }
    }

    /// The sequence of an address, written to place `s` of the batch.
    pub(super) fn fill_sequence(&self, kernels: Kernels, set: Set, address: Address, s: usize, batch: &mut Batch) {
        let n = self.spec.n_exemplars;
        let d = self.spec.d_item;
        let mut rng = Rng::new(address.stream(Purpose::Structure));
        let slot = rng.below(n as u32);
        let labels = &mut batch.label_ids[s * n..(s + 1) * n];
        rng.distinct_below(self.spec.n_labels as u32, labels);
        batch.answers[s] = labels[slot as usize];
        let matches = &mut batch.matches[s * n..(s + 1) * n];
        matches.fill(false);
        matches[slot as usize] = true;
        batch.offsets[s] = rng.below((self.n_positions - 2 * n) as u32);
        let items = &mut batch.items[s * (n + 1) * d..(s + 1) * (n + 1) * d];
        match &self.bank {
            None => {
                Rng::fill_normal(kernels, address.stream(Purpose::Items), self.item_std, &mut items[..n * d]);
                items.copy_within(slot as usize * d..(slot as usize + 1) * d, n * d);
            }
            Some(bank) => {
                let classes = self.classes(bank, set);
                let ids = &mut batch.item_ids[s * (n + 1)..(s + 1) * (n + 1)];
                draw_ids(bank, classes, &mut rng, slot as usize, ids);
                for (item, &id) in items.chunks_exact_mut(d).zip(ids.iter()) {
                    item.copy_from_slice(bank.row(id));
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
    query[0] = bank.other_instance(rng, context[slot]);
}
