//! In-context classification (Reddy 2024): a label can be read from the context or learned by heart.

use precipice_num::{Kernels, Real, Rng};

use super::{Address, ItemBank, Purpose, Set, world_vectors};
use crate::batch::Batch;
use crate::spec::{ClassificationSpec, Seeds};

/// The classification task with its fixed world.
#[derive(Clone, Debug)]
pub(super) struct Classification {
    spec: ClassificationSpec,
    n_positions: usize,
    source: Source,
    /// P(class <= k), where classes are not equally frequent.
    cumulative: Option<Vec<f64>>,
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
    pub(super) fn new(spec: &ClassificationSpec, n_positions: usize, seeds: Seeds, bank: Option<ItemBank>) -> Self {
        let means = || world_vectors(Purpose::ClassMeans, seeds, spec.n_classes, spec.d_item);
        let source = bank.map_or_else(|| Source::Gaussian(means()), Source::Bank);
        let cumulative = (spec.zipf_exponent != 0.0).then(|| cumulative(spec.n_classes, spec.zipf_exponent));
        Self { spec: spec.clone(), n_positions, source, cumulative }
    }

    /// The sequence of an address, written to place `s` of the batch.
    pub(super) fn fill_sequence(&self, kernels: Kernels, set: Set, address: Address, s: usize, batch: &mut Batch) {
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
            Set::Train | Set::Eval => {
                let is_novel = rng.uniform() < self.spec.p_novel;
                let is_bursty = rng.uniform() < self.spec.p_bursty && self.spec.burstiness > 0;
                of(is_novel, is_novel || is_bursty, 0)
            }
            Set::InContext => of(true, true, 0),
            Set::Swapped => of(false, true, 1),
            Set::InWeights => of(false, false, 0),
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
                let of_class = Address { lane, ..address };
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
