//! Relations in context: an exemplar is a pair (a, b) with the label + or -, the query is a pair too.
//!
//! ```text
//! order           a is before b in a hidden order of M items (Geerts et al. 2025); adjacent pairs are shown
//! commutative     (b, a) has the label of (a, b): "marries"
//! anticommutative it has the other label: "is parent of"
//! mixed           one of the two, drawn for each context, to be read off the pairs that stand there in both orders
//! ```
//!
//! A *stated* query stands in its context. A query *left out* does not, but its reverse does: it is answered by the
//! relation, not by copying. In balanced contexts there are as many + as -, so that counting labels says nothing of the
//! answer; in others it says a little, and that slope is what leads to the cliff.

use precipice_num::{Kernels, Rng};
use serde::{Deserialize, Serialize};

use super::{
    Address, EvalSet, Facts, Family, PredictorName, Progress, Purpose, Reader, Seeds, Set, Task, TaskError, World,
    world_vectors,
};
use crate::field::{SpecError, WIDTH_MAX, error, share, within};
use crate::sequence::{Batch, Geometry, Targets};

/// Relations in context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelationSpec {
    /// Which relation contexts are examples of.
    pub relation: RelationKind,
    /// N, pairs in a context; even. With `order` it is 2 M - 4: two of the 2 (M - 1) adjacent pairs are not shown.
    pub n_exemplars: usize,
    /// Width of one of the two items of a pair; D is twice as much.
    pub d_half: usize,
    /// Share of queries that stand in their context.
    pub p_stated: f64,
    /// Share of contexts with as many + as -.
    pub p_balanced: f64,
}

/// Relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    /// One before the other.
    Order,
    /// The reverse has the same label.
    Commutative,
    /// The reverse has the other label.
    Anticommutative,
    /// Either, by context.
    Mixed,
}

impl Default for RelationSpec {
    fn default() -> Self {
        Self { relation: RelationKind::Commutative, n_exemplars: 8, d_half: 32, p_stated: 0.5, p_balanced: 0.5 }
    }
}

/// + and -, as labels.
const SIGNS: [i32; 2] = [1, -1];
/// Queries that stand in their context.
pub const STATED: Set = Set::Eval(1);
/// Queries of which only the reverse stands there.
pub const LEFT_OUT: Set = Set::Eval(2);
/// In an order, pairs two apart and more, without the first and the last item: neither of which a network can know by
/// the side on which it always stands.
pub const INNER: Set = Set::Eval(3);
/// The same with the first or the last item.
pub const OUTER: Set = Set::Eval(4);

impl RelationSpec {
    fn is_order(&self) -> bool {
        self.relation == RelationKind::Order
    }

    /// M, items of an order.
    fn n_items(&self) -> usize {
        (self.n_exemplars + 4) / 2
    }
}

impl Family for RelationSpec {
    fn validate(&self) -> Result<(), SpecError> {
        let least = if self.is_order() { 6 } else { 4 };
        within("task.relation.n_exemplars", self.n_exemplars, least, 4096)?;
        if !self.n_exemplars.is_multiple_of(2) {
            let expected = "must be even: a context has as many + as -";
            return Err(error("task.relation.n_exemplars", self.n_exemplars, expected));
        }
        within("task.relation.d_half", self.d_half, 1, WIDTH_MAX / 2)?;
        share("task.relation.p_stated", self.p_stated)?;
        share("task.relation.p_balanced", self.p_balanced)
    }

    fn facts(&self, _: Reader) -> Facts {
        let &Self { n_exemplars, d_half, p_stated, relation, .. } = self;
        let name = match relation {
            RelationKind::Order => "order",
            RelationKind::Commutative => "commutative",
            RelationKind::Anticommutative => "anticommutative",
            RelationKind::Mixed => "mixed",
        };
        let mut eval_sets = vec![
            EvalSet::new("", "as trained"),
            EvalSet::new("stated_", "stated"),
            EvalSet::new("left_out_", "left out"),
        ];
        if self.is_order() {
            eval_sets.push(EvalSet::new("inner_", "two apart and more, inner"));
            eval_sets.push(EvalSet::new("outer_", "two apart and more, with an end"));
        }
        let (probed_set, prefix) = if p_stated < 1.0 { (LEFT_OUT, "left_out_") } else { (STATED, "stated_") };
        let predictors = [
            ("copy", "copy of the pair"),
            // With the sign of the relation, where that is always the same.
            ("reverse", "copy of it or its reverse"),
            ("counting", "counting labels"),
            ("understood", "relation understood"),
        ];
        Facts {
            family: "relation".to_owned(),
            sizes: format!("{name}, N = {n_exemplars}"),
            d_item: 2 * d_half,
            geometry: Geometry::of_labels(n_exemplars),
            targets: Targets::QueryLabel { n_labels: 2 },
            eval_sets,
            probed_set,
            novel_set: None,
            by_heart: None,
            progress: Progress::of_accuracy(prefix, 0.5, "1/L"),
            predictors: predictors.map(|(name, words)| PredictorName::new(name, words)).to_vec(),
            // The label that is found may be that of another pair.
            formula: None,
            has_halves: true,
            n_kept: 0,
        }
    }

    fn build(&self, reader: Reader, World { seeds, n_positions, .. }: World) -> Result<Box<dyn Task>, TaskError> {
        Ok(Box::new(Relation { spec: self.clone(), facts: self.facts(reader), seeds, n_positions }))
    }
}

/// The task: nothing of it is fixed but the vectors of + and -.
#[derive(Debug)]
struct Relation {
    spec: RelationSpec,
    facts: Facts,
    seeds: Seeds,
    n_positions: usize,
}

/// A pair of a context: numbers of its two items, and its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    a: usize,
    b: usize,
    sign: i32,
}

impl Entry {
    fn is_reverse_of(&self, other: &Entry) -> bool {
        (self.a, self.b) == (other.b, other.a)
    }

    fn is_pair_of(&self, other: &Entry) -> bool {
        (self.a, self.b) == (other.a, other.b)
    }
}

impl Task for Relation {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn label_table(&self) -> Vec<f32> {
        world_vectors(Purpose::LabelTable, self.seeds, 2, self.facts.d_item)
    }

    fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        let (n, d) = (self.spec.n_exemplars, self.spec.d_half);
        let mut entries = Vec::with_capacity(n + 2);
        let mut halves = vec![0.0; 2 * (n + 1) * d];
        for s in 0..batch.n_sequences {
            let address = Address::new(self.seeds, set, step, first + s);
            let mut rng = Rng::new(address.stream(Purpose::Structure));
            batch.offsets[s] = rng.below((self.n_positions - 2 * n) as u32);
            entries.clear();
            let query = if self.spec.is_order() {
                self.draw_order(set, &mut rng, &mut entries)
            } else {
                self.draw_pairs(set, &mut rng, &mut entries)
            };
            shuffle(&mut rng, &mut entries);
            // A pair is as long as an item of other tasks.
            let std = (1.0 / (2 * d) as f64).sqrt() as f32;
            Rng::fill_normal(kernels, address.stream(Purpose::Items), std, &mut halves);
            let half = |item: usize| &halves[item * d..(item + 1) * d];
            let items = &mut batch.items[s * (n + 1) * 2 * d..(s + 1) * (n + 1) * 2 * d];
            for (to, entry) in items.chunks_exact_mut(2 * d).zip(entries.iter().chain([&query])) {
                to[..d].copy_from_slice(half(entry.a));
                to[d..].copy_from_slice(half(entry.b));
            }
            let is_stated = entries.iter().any(|entry| entry.is_pair_of(&query));
            for (slot, entry) in entries.iter().enumerate() {
                batch.label_ids[s * n + slot] = label(entry.sign);
                batch.matches[s * n + slot] =
                    if is_stated { entry.is_pair_of(&query) } else { entry.is_reverse_of(&query) };
            }
            batch.answers[s] = label(query.sign);
        }
    }

    fn predict(&self, predictor: usize, batch: &Batch) -> Vec<f64> {
        let right = |s: usize| {
            let (has_same, has_reverse) = self.shown(batch, s);
            match &self.facts.predictors[predictor].name[..] {
                "copy" if has_same => 1.0,
                "reverse" if has_same || (has_reverse && self.spec.relation != RelationKind::Mixed) => 1.0,
                "counting" => counted(batch, s, self.reverse_differs()),
                "understood" => 1.0,
                _ => 0.5,
            }
        };
        (0..batch.n_sequences).map(right).collect()
    }
}

impl Relation {
    fn is_stated(&self, set: Set, rng: &mut Rng) -> bool {
        // Drawn for every set, so that what follows does not depend on it.
        let drawn = rng.uniform() < self.spec.p_stated;
        match set {
            STATED => true,
            LEFT_OUT => false,
            Set::Train | Set::Eval(_) => drawn,
        }
    }

    /// Whether the reverse of a pair has the other label, in every context.
    fn reverse_differs(&self) -> bool {
        matches!(self.spec.relation, RelationKind::Anticommutative | RelationKind::Order)
    }

    fn is_balanced(&self, rng: &mut Rng) -> bool {
        rng.uniform() < self.spec.p_balanced
    }

    /// Adjacent pairs of M items in both orders, but two: a query that is left out and another, or two others; in a
    /// balanced context one of each label.
    fn draw_order(&self, set: Set, rng: &mut Rng, entries: &mut Vec<Entry>) -> Entry {
        let m = self.spec.n_items();
        let (is_stated, is_balanced) = (self.is_stated(set, rng), self.is_balanced(rng));
        for rank in 0..m - 1 {
            entries.push(Entry { a: rank, b: rank + 1, sign: 1 });
            entries.push(Entry { a: rank + 1, b: rank, sign: -1 });
        }
        let query = match set {
            INNER => distant(rng, 1, m - 1, |_, _| true),
            OUTER => distant(rng, 0, m, |low, high| low == 0 || high == m - 1),
            Set::Train | Set::Eval(_) => entries[rng.below(entries.len() as u32) as usize],
        };
        let is_distant = set == INNER || set == OUTER;
        let own = entries.iter().position(|entry| entry.is_pair_of(&query) && !is_stated);
        let mut removed = own.map(|at| entries.swap_remove(at).sign);
        for _ in 0..2 - usize::from(removed.is_some()) {
            // Neither the query nor what it is to be inferred from.
            let is_kept = |entry: &Entry| {
                let is_needed = entry.is_pair_of(&query) || entry.is_reverse_of(&query);
                // The order of a distant pair follows from all adjacent ones, each in one direction at least.
                let is_last = is_distant && !entries.iter().any(|other| other.is_reverse_of(entry));
                is_needed || is_last || (is_balanced && removed == Some(entry.sign))
            };
            let free: Vec<usize> = (0..entries.len()).filter(|&at| !is_kept(&entries[at])).collect();
            removed = Some(entries.swap_remove(free[rng.below(free.len() as u32) as usize]).sign);
        }
        query
    }

    /// The query's pair, other pairs in both orders, and pairs in one order; in a balanced context their labels add up
    /// to nothing.
    fn draw_pairs(&self, set: Set, rng: &mut Rng, entries: &mut Vec<Entry>) -> Entry {
        let n = self.spec.n_exemplars;
        let (is_stated, is_balanced) = (self.is_stated(set, rng), self.is_balanced(rng));
        let sign_of = |rng: &mut Rng| SIGNS[rng.below(2) as usize];
        let drawn = sign_of(rng);
        let relation = match self.spec.relation {
            RelationKind::Anticommutative => -1,
            RelationKind::Mixed => drawn,
            RelationKind::Commutative | RelationKind::Order => 1,
        };
        let query = Entry { a: 0, b: 1, sign: sign_of(rng) };
        let reverse = |entry: Entry| Entry { a: entry.b, b: entry.a, sign: relation * entry.sign };
        entries.push(reverse(query));
        if is_stated {
            entries.push(query);
        }
        // One pair in both orders at least, which says what the relation is; one or two in one order at least.
        let n_both = 1 + rng.below(((n - 4) / 2).max(1) as u32) as usize;
        let n_both = n_both.min((n - entries.len() - 1) / 2);
        let mut signs: Vec<i32> = (0..n_both).map(|_| sign_of(rng)).collect();
        let n_single = n - entries.len() - 2 * n_both;
        let sum = |signs: &[i32]| {
            let of_query: i32 = entries.iter().map(|entry| entry.sign).sum();
            of_query + (1 + relation) * signs.iter().sum::<i32>()
        };
        // What pairs in one order cannot balance is turned over.
        while is_balanced && sum(&signs).unsigned_abs() as usize > n_single {
            let excess = sum(&signs).signum();
            let turned = signs.iter_mut().find(|sign| **sign == excess).expect("pairs make the excess");
            *turned = -excess;
        }
        let n_plus = (n_single as i32 - sum(&signs)) / 2;
        let single: Vec<i32> = (0..n_single as i32)
            .map(|i| {
                if !is_balanced {
                    sign_of(rng)
                } else if i < n_plus {
                    1
                } else {
                    -1
                }
            })
            .collect();
        let mut next = 2;
        let mut pair = |sign: i32| {
            next += 2;
            Entry { a: next - 2, b: next - 1, sign }
        };
        for sign in signs {
            let entry = pair(sign);
            entries.extend([entry, reverse(entry)]);
        }
        entries.extend(single.into_iter().map(pair));
        query
    }

    /// Whether the query's pair stands in the context, and its reverse.
    fn shown(&self, batch: &Batch, s: usize) -> (bool, bool) {
        let (n, d) = (batch.n_exemplars, self.spec.d_half);
        let query = batch.item_of(s, n);
        let swapped = [&query[d..], &query[..d]].concat();
        let has = |pair: &[f32]| (0..n).any(|slot| batch.item_of(s, slot) == pair);
        (has(query), has(&swapped))
    }
}

fn label(sign: i32) -> u32 {
    u32::from(sign < 0)
}

/// A pair of items `low..high` at least two apart, in either order.
fn distant(rng: &mut Rng, low: usize, high: usize, counts: impl Fn(usize, usize) -> bool) -> Entry {
    let apart = |first: usize| (first + 2..high).map(move |second| (first, second));
    let pairs: Vec<_> = (low..high).flat_map(apart).filter(|&(first, second)| counts(first, second)).collect();
    let (first, second) = pairs[rng.below(pairs.len() as u32) as usize];
    if rng.below(2) == 0 { Entry { a: first, b: second, sign: 1 } } else { Entry { a: second, b: first, sign: -1 } }
}

/// Probability that the more frequent label is right, or the less frequent one.
fn counted(batch: &Batch, s: usize, by_minority: bool) -> f64 {
    let n_plus = batch.labels_of(s).iter().filter(|&&label| label == 0).count();
    let n_minus = batch.n_exemplars - n_plus;
    if n_plus == n_minus {
        return 0.5;
    }
    let most = u32::from(n_minus > n_plus);
    f64::from(u8::from((batch.answers[s] == most) != by_minority))
}

fn shuffle(rng: &mut Rng, entries: &mut [Entry]) {
    for i in (1..entries.len()).rev() {
        entries.swap(i, rng.below(i as u32 + 1) as usize);
    }
}
