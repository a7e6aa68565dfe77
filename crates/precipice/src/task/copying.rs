//! In-context copying: the query repeats one of the context's items; the answer is its label.

use std::ops::Range;

use precipice_num::{Kernels, Rng};
use serde::{Deserialize, Serialize};

use super::{
    Address, EvalSet, Facts, Family, ItemBank, ItemsSpec, Progress, Purpose, Reader, Seeds, Set, Task, TaskError,
    World, neighbor, world_vectors,
};
use crate::field::{SpecError, WIDTH_MAX, error, within};
use crate::sequence::{Batch, Geometry, Targets};
use crate::theory::Context;

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

impl CopyingSpec {
    fn n_held_out(&self) -> usize {
        self.items.as_ref().map_or(0, |items| items.n_held_out)
    }
}

/// Held-out classes are a set of their own.
const HELD_OUT: Set = Set::Eval(1);

impl Family for CopyingSpec {
    fn validate(&self) -> Result<(), SpecError> {
        let &Self { n_exemplars, n_labels, d_item, .. } = self;
        within("task.copying.n_exemplars", n_exemplars, 2, 4096)?;
        within("task.copying.n_labels", n_labels, 2, WIDTH_MAX)?;
        within("task.copying.d_item", d_item, 1, WIDTH_MAX)?;
        if n_labels < n_exemplars {
            let expected =
                format!("must be at least n_exemplars = {n_exemplars}, because the labels of one context are distinct");
            return Err(error("task.copying.n_labels", n_labels, expected));
        }
        Ok(())
    }

    fn facts(&self, _: Reader) -> Facts {
        let &Self { n_exemplars, n_labels, d_item, .. } = self;
        let mut eval_sets = vec![EvalSet::new("", "accuracy")];
        if self.n_held_out() > 0 {
            eval_sets = vec![EvalSet::new("", "as trained"), EvalSet::new("ic_", "novel classes (ic)")];
        }
        Facts {
            family: "copying".to_owned(),
            sizes: format!("N = {n_exemplars}, L = {n_labels}"),
            d_item,
            geometry: Geometry::of_labels(n_exemplars),
            targets: Targets::QueryLabel { n_labels },
            eval_sets,
            // What else could answer?
            probed_set: Set::MAIN,
            novel_set: (self.n_held_out() > 0).then_some(Set::Eval(1)),
            by_heart: None,
            progress: Progress::of_accuracy("", 1.0 / n_exemplars as f64, "1/N"),
            predictors: neighbor::names(self.items.as_ref()),
            formula: Some(Context {
                n_exemplars,
                n_labels,
                burstiness: 1,
                within_class_noise: 0.0,
                label_strength: 0.0,
            }),
            has_halves: false,
            n_kept: 0,
        }
    }

    fn build(&self, reader: Reader, World { seeds, n_positions, bank }: World) -> Result<Box<dyn Task>, TaskError> {
        let of_training = (self.n_exemplars, "those of a context of n_exemplars are distinct");
        let of_held_out = (if self.n_held_out() > 0 { of_training.0 } else { 0 }, of_training.1);
        let bank = ItemBank::checked(bank, self.items.as_ref(), ("copying", self.d_item), [of_training, of_held_out])?;
        let item_std = (1.0 / self.d_item as f64).sqrt() as f32;
        Ok(Box::new(Copying { spec: self.clone(), facts: self.facts(reader), seeds, n_positions, bank, item_std }))
    }

    fn items(&self) -> Option<&ItemsSpec> {
        self.items.as_ref()
    }

    fn items_mut(&mut self) -> Option<&mut ItemsSpec> {
        self.items.as_mut()
    }
}

/// The copying task with its fixed world.
#[derive(Debug)]
struct Copying {
    spec: CopyingSpec,
    facts: Facts,
    seeds: Seeds,
    n_positions: usize,
    bank: Option<ItemBank>,
    item_std: f32,
}

impl Task for Copying {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        for s in 0..batch.n_sequences {
            self.fill_sequence(kernels, set, Address::new(self.seeds, set, step, first + s), s, batch);
        }
    }

    fn label_table(&self) -> Vec<f32> {
        world_vectors(Purpose::LabelTable, self.seeds, self.spec.n_labels, self.spec.d_item)
    }

    fn predict(&self, _: usize, batch: &Batch) -> Vec<f64> {
        neighbor::predict(batch)
    }
}

impl Copying {
    /// Classes that a set draws from.
    fn classes(&self, bank: &ItemBank, set: Set) -> Range<usize> {
        let n_trained = bank.n_classes - self.spec.n_held_out();
        if set == HELD_OUT { n_trained..bank.n_classes } else { 0..n_trained }
    }

    /// The sequence of an address, written to place `s` of the batch.
    fn fill_sequence(&self, kernels: Kernels, set: Set, address: Address, s: usize, batch: &mut Batch) {
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
