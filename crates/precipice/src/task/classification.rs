//! In-context classification (Reddy 2024): a label can be read from the context or learned by heart.

use precipice_num::{Kernels, Real, Rng};
use serde::{Deserialize, Serialize};

use super::{
    Address, EvalSet, Facts, Family, ItemBank, ItemsSpec, Progress, Purpose, Reader, Seeds, Set, Task, TaskError,
    World, neighbor, world_vectors,
};
use crate::field::{SpecError, WIDTH_MAX, error, share, within};
use crate::sequence::{Batch, Geometry, Targets};
use crate::theory::Context;

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

/// Sequences of classes that training never shows: only the context can tell their labels.
pub const IN_CONTEXT: Set = Set::Eval(1);
/// Trained classes whose labels in the context are shifted by one; the shifted label is right.
pub const SWAPPED: Set = Set::Eval(2);
/// Independent trained classes: the context rarely helps, so labels must be known by heart.
pub const IN_WEIGHTS: Set = Set::Eval(3);

const CLASSES_MAX: usize = 1 << 24;
/// Beyond it an item says nothing of its class.
const NOISE_MAX: f64 = 1e3;
/// Beyond it the first class is the only one.
const ZIPF_MAX: f64 = 100.0;

impl Family for ClassificationSpec {
    fn validate(&self) -> Result<(), SpecError> {
        let field = |name: &str| format!("task.classification.{name}");
        let &Self { n_exemplars, n_labels, d_item, n_classes, burstiness, n_novel_classes, .. } = self;
        within(&field("n_exemplars"), n_exemplars, 2, 4096)?;
        within(&field("n_labels"), n_labels, 2, WIDTH_MAX)?;
        within(&field("d_item"), d_item, 1, WIDTH_MAX)?;
        within(&field("n_classes"), n_classes, n_labels, CLASSES_MAX)?;
        if n_classes % n_labels != 0 {
            let expected = format!("must be a multiple of n_labels = {n_labels}, so that labels are equally frequent");
            return Err(error(&field("n_classes"), n_classes, expected));
        }
        if burstiness >= n_exemplars || !n_exemplars.is_multiple_of(burstiness.max(1)) {
            let expected =
                format!("must divide n_exemplars = {n_exemplars} and be smaller, or be 0 for no bursty contexts");
            return Err(error(&field("burstiness"), burstiness, expected));
        }
        share(&field("p_bursty"), self.p_bursty)?;
        share(&field("p_novel"), self.p_novel)?;
        if burstiness == 0 && self.p_novel > 0.0 {
            let expected = "must be 0 where burstiness = 0: contexts of novel classes are bursty";
            return Err(error(&field("p_novel"), self.p_novel, expected));
        }
        if self.items.is_some() && self.p_novel > 0.0 {
            let expected = "must be 0 where items come from a file: no new classes can be drawn";
            return Err(error(&field("p_novel"), self.p_novel, expected));
        }
        within(&field("n_novel_classes"), n_novel_classes, n_labels, CLASSES_MAX)?;
        within(&field("within_class_noise"), self.within_class_noise, 0.0, NOISE_MAX)?;
        within(&field("zipf_exponent"), self.zipf_exponent, 0.0, ZIPF_MAX)?;
        let needed = n_exemplars / self.copies();
        if self.distinct_labels && n_labels < needed {
            let expected = format!(
                "must be at least n_exemplars / burstiness = {needed}, because the labels of one context are distinct"
            );
            return Err(error(&field("n_labels"), n_labels, expected));
        }
        Ok(())
    }

    fn facts(&self, _: Reader) -> Facts {
        let &Self { n_exemplars, n_labels, d_item, n_classes, burstiness, .. } = self;
        let copies = self.copies();
        // Real items have a noise of their own, which no field says.
        let within_class_noise = if self.items.is_some() { 0.0 } else { self.within_class_noise };
        let guess = copies as f64 / n_exemplars as f64;
        Facts {
            family: "classification".to_owned(),
            sizes: format!("N = {n_exemplars}, L = {n_labels}, K = {n_classes}, B = {burstiness}"),
            d_item,
            geometry: Geometry::of_labels(n_exemplars),
            targets: Targets::QueryLabel { n_labels },
            eval_sets: vec![
                EvalSet::new("", "as trained"),
                EvalSet::new("ic_", "novel classes (ic)"),
                EvalSet::new("ic_swap_", "labels swapped (ic_swap)"),
                EvalSet::new("iw_", "by heart (iw)"),
            ],
            probed_set: IN_CONTEXT,
            novel_set: Some(IN_CONTEXT),
            by_heart: Some(IN_WEIGHTS),
            progress: Progress::of_accuracy("ic_", guess, if copies == 1 { "1/N" } else { "B/N" }),
            predictors: neighbor::names(self.items.as_ref()),
            formula: Some(Context {
                n_exemplars,
                n_labels,
                burstiness: copies,
                within_class_noise,
                label_strength: 0.0,
            }),
            has_halves: false,
            // Means of classes and, in numbers of twice the width, how often each is drawn.
            n_kept: n_classes * (d_item + if self.zipf_exponent == 0.0 { 0 } else { 2 }),
        }
    }

    fn build(&self, reader: Reader, World { seeds, n_positions, bank }: World) -> Result<Box<dyn Task>, TaskError> {
        let needed = [
            (self.n_classes, "n_classes are trained on"),
            (self.n_labels, "every label needs one for the `ic` evaluation set (n_held_out >= n_labels)"),
        ];
        let bank = ItemBank::checked(bank, self.items.as_ref(), ("classification", self.d_item), needed)?;
        let means = || world_vectors(Purpose::ClassMeans, seeds, self.n_classes, self.d_item);
        let source = bank.map_or_else(|| Source::Gaussian(means()), Source::Bank);
        let cumulative = (self.zipf_exponent != 0.0).then(|| cumulative(self.n_classes, self.zipf_exponent));
        let (spec, facts) = (self.clone(), self.facts(reader));
        Ok(Box::new(Classification { spec, facts, seeds, n_positions, source, cumulative }))
    }

    fn items(&self) -> Option<&ItemsSpec> {
        self.items.as_ref()
    }

    fn items_mut(&mut self) -> Option<&mut ItemsSpec> {
        self.items.as_mut()
    }
}

/// The classification task with its fixed world.
#[derive(Debug)]
struct Classification {
    spec: ClassificationSpec,
    facts: Facts,
    seeds: Seeds,
    n_positions: usize,
    source: Source,
    /// P(class <= k), where classes are not equally frequent.
    cumulative: Option<Vec<f64>>,
}

impl Task for Classification {
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

/// Where items come from.
#[derive(Clone, Debug)]
enum Source {
    /// mu_k, `[K, D]`.
    Gaussian(Vec<f32>),
    Bank(ItemBank),
}

/// Sequences of an evaluation set that share their novel classes, as those of a training batch do.
const POOL: u32 = 128;

/// The classes that one context is drawn from.
#[derive(Clone, Copy)]
struct Draw {
    /// Classes that training never shows, instead of the trained ones.
    is_novel: bool,
    /// N / B classes, B times each, and the query one of them.
    is_bursty: bool,
    /// What is added to the context's labels, modulo L.
    shift: u32,
}

impl Classification {
    /// The sequence of an address, written to place `s` of the batch.
    fn fill_sequence(&self, kernels: Kernels, set: Set, address: Address, s: usize, batch: &mut Batch) {
        let n = self.spec.n_exemplars;
        let mut rng = Rng::new(address.stream(Purpose::Structure));
        let draw = self.draw(set, &mut rng);
        batch.offsets[s] = rng.below((self.n_positions - 2 * n) as u32);
        let ids = &mut batch.item_ids[s * (n + 1)..(s + 1) * (n + 1)];
        let slot = self.draw_classes(draw, &mut rng, ids);
        let (context, query) = ids.split_at(n);
        let n_labels = self.spec.n_labels as u32;
        let label_of = |class: u32| (class + draw.shift) % n_labels;
        for (i, &class) in context.iter().enumerate() {
            batch.label_ids[s * n + i] = label_of(class);
            batch.matches[s * n + i] = class == query[0];
        }
        batch.answers[s] = label_of(query[0]);
        let width = (n + 1) * self.spec.d_item;
        let items = &mut batch.items[s * width..(s + 1) * width];
        match &self.source {
            Source::Gaussian(means) => {
                let pool = if set == Set::Train { 0 } else { address.lane / POOL };
                self.write_items(kernels, means, address, pool, ids, draw, items);
            }
            Source::Bank(bank) => {
                self.choose_instances(bank, draw, slot, &mut rng, ids);
                for (item, &id) in items.chunks_exact_mut(self.spec.d_item).zip(ids.iter()) {
                    item.copy_from_slice(bank.row(id));
                }
            }
        }
    }

    fn draw(&self, set: Set, rng: &mut Rng) -> Draw {
        let of = |is_novel, is_bursty, shift| Draw { is_novel, is_bursty, shift };
        match set {
            IN_CONTEXT => of(true, true, 0),
            SWAPPED => of(false, true, 1),
            IN_WEIGHTS => of(false, false, 0),
            Set::Train | Set::Eval(_) => {
                let is_novel = rng.uniform() < self.spec.p_novel;
                let is_bursty = rng.uniform() < self.spec.p_bursty && self.spec.burstiness > 0;
                of(is_novel, is_novel || is_bursty, 0)
            }
        }
    }

    /// Classes of the context and the query; which exemplar the query was chosen after, if any.
    ///
    /// Novel classes are counted from 0 like trained ones.
    fn draw_classes(&self, draw: Draw, rng: &mut Rng, classes: &mut [u32]) -> Option<usize> {
        let n = classes.len() - 1;
        if !draw.is_bursty {
            classes.iter_mut().for_each(|class| *class = self.draw_class(draw.is_novel, rng));
            return None;
        }
        let (context, query) = classes.split_at_mut(n);
        let copies = self.spec.copies();
        let distinct = &mut context[..n / copies];
        if self.spec.distinct_labels {
            rng.distinct_below(self.spec.n_labels as u32, distinct);
            for class in distinct.iter_mut() {
                *class = self.draw_class_of_label(draw.is_novel, *class, rng);
            }
        } else {
            distinct.iter_mut().for_each(|class| *class = self.draw_class(draw.is_novel, rng));
        }
        for i in (0..n).rev() {
            context[i] = context[i / copies];
        }
        for i in (1..n).rev() {
            context.swap(i, rng.below(i as u32 + 1) as usize);
        }
        let slot = rng.below(n as u32) as usize;
        query[0] = context[slot];
        Some(slot)
    }

    /// Classes to choose from: the trained, or the novel ones.
    fn n_classes(&self, is_novel: bool) -> usize {
        match (&self.source, is_novel) {
            (_, false) => self.spec.n_classes,
            (Source::Gaussian(_), true) => self.spec.n_novel_classes,
            (Source::Bank(_), true) => self.n_held_out(),
        }
    }

    fn n_held_out(&self) -> usize {
        self.spec.items.as_ref().map_or(0, |items| items.n_held_out)
    }

    /// By frequency; novel classes are equally frequent.
    fn draw_class(&self, is_novel: bool, rng: &mut Rng) -> u32 {
        match &self.cumulative {
            Some(cumulative) if !is_novel => {
                let uniform = rng.uniform();
                cumulative.partition_point(|&share| share <= uniform).min(self.spec.n_classes - 1) as u32
            }
            _ => rng.below(self.n_classes(is_novel) as u32),
        }
    }

    /// One of the classes k with k mod L = `label`, each as likely as the other.
    fn draw_class_of_label(&self, is_novel: bool, label: u32, rng: &mut Rng) -> u32 {
        let n_labels = self.spec.n_labels as u32;
        let n_of_label = (self.n_classes(is_novel) as u32 - label).div_ceil(n_labels);
        label + n_labels * rng.below(n_of_label)
    }

    /// (mu + eps eta) / sqrt(1 + eps^2), eta afresh for every item.
    #[expect(clippy::too_many_arguments, reason = "what a sequence is made of")]
    fn write_items(
        &self,
        kernels: Kernels,
        means: &[f32],
        address: Address,
        pool: u32,
        classes: &mut [u32],
        draw: Draw,
        items: &mut [f32],
    ) {
        let (d, noise) = (self.spec.d_item, self.spec.within_class_noise);
        let std = (1.0 / d as f64).sqrt();
        let scale = 1.0 / (1.0 + noise * noise).sqrt();
        if noise == 0.0 {
            items.fill(0.0);
        } else {
            Rng::fill_normal(kernels, address.stream(Purpose::Items), (std * noise * scale) as f32, items);
        }
        let (n_classes, n_novel) = (self.spec.n_classes as u32, self.spec.n_novel_classes as u32);
        let mut novel = vec![0.0; if draw.is_novel { d } else { 0 }];
        for (item, class) in items.chunks_exact_mut(d).zip(classes) {
            let mean = if draw.is_novel {
                // Beyond 2^32 novel classes the first ones come again.
                let lane = pool.wrapping_mul(n_novel).wrapping_add(*class);
                let of_class = address.of_lane(lane);
                Rng::fill_normal(kernels, of_class.stream(Purpose::NovelMeans), std as f32, &mut novel);
                *class += n_classes;
                &novel
            } else {
                &means[*class as usize * d..(*class as usize + 1) * d]
            };
            f32::axpy(kernels, scale as f32, mean, item);
        }
    }

    /// Turns classes into rows of the bank: a random instance of each; the query is another one than
    /// that of the exemplar it was chosen after.
    fn choose_instances(&self, bank: &ItemBank, draw: Draw, slot: Option<usize>, rng: &mut Rng, ids: &mut [u32]) {
        let first = if draw.is_novel { bank.n_classes - self.n_held_out() } else { 0 } as u32;
        let n_instances = bank.n_instances as u32;
        for id in ids.iter_mut() {
            *id = (first + *id) * n_instances + rng.below(n_instances);
        }
        if let (Some(slot), Some(last)) = (slot, ids.len().checked_sub(1)) {
            ids[last] = bank.other_instance(rng, ids[slot]);
        }
    }
}

/// P(class <= k) for P(k) ~ (k + 1)^-exponent.
fn cumulative(n_classes: usize, exponent: f64) -> Vec<f64> {
    let mut total = 0.0;
    let mut sums = Vec::with_capacity(n_classes);
    for rank in 1..=n_classes {
        total += libm::pow(rank as f64, -exponent);
        sums.push(total);
    }
    sums.iter_mut().for_each(|sum| *sum /= total);
    sums
}
