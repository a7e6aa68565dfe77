//! The classification task: what its sequences are, and that all their frequencies are right.

use std::sync::Arc;

use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::task::classification::{IN_CONTEXT, IN_WEIGHTS, SWAPPED};
use precipice::task::{ItemBank, ItemBankError, Set, Task, TaskError};
use precipice::train::Trainer;
use precipice_num::Kernels;

fn spec(change: impl FnOnce(&mut ClassificationSpec)) -> RunSpec {
    let mut task = ClassificationSpec { n_exemplars: 4, n_labels: 8, d_item: 32, n_classes: 24, ..Default::default() };
    task.n_novel_classes = 16;
    change(&mut task);
    let mut spec = RunSpec { name: "task".to_owned(), task: TaskSpec::Classification(task), ..RunSpec::default() };
    spec.model.d_pos = Some(13);
    spec
}

fn task(change: impl FnOnce(&mut ClassificationSpec)) -> Box<dyn Task> {
    let spec = spec(change);
    spec.validate().unwrap();
    spec.build_task(None).unwrap()
}

/// Classes of a sequence, the query's last.
fn classes(batch: &Batch, s: usize) -> &[u32] {
    &batch.item_ids[s * (batch.n_exemplars + 1)..(s + 1) * (batch.n_exemplars + 1)]
}

/// Chi-square of counts against expected ones.
fn chi_square(counts: &[f64], expected: &[f64]) -> f64 {
    counts.iter().zip(expected).map(|(c, e)| (c - e).powi(2) / e).sum()
}

fn uniform(counts: &[f64]) -> f64 {
    let expected = counts.iter().sum::<f64>() / counts.len() as f64;
    chi_square(counts, &vec![expected; counts.len()])
}

const K: u32 = 24;

#[test]
fn a_bursty_context_is_what_it_says() {
    for burstiness in [1, 2] {
        let task = task(|t| (t.burstiness, t.p_novel) = (burstiness, 0.5));
        let batch = task.batch(Set::Train, 3, 400);
        for s in 0..400 {
            let (ids, labels) = (classes(&batch, s), batch.labels_of(s));
            let (context, query) = (&ids[..4], ids[4]);
            let is_novel = query >= K;
            assert!(context.iter().all(|&class| (class >= K) == is_novel));
            let label = |class: u32| if is_novel { (class - K) % 8 } else { class % 8 };
            assert!(context.iter().zip(labels).all(|(&class, &l)| label(class) == l));
            assert_eq!(batch.answers[s], label(query));
            for class in context {
                assert_eq!(context.iter().filter(|other| *other == class).count(), burstiness);
            }
            let mut distinct = labels.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), 4 / burstiness, "labels of classes are distinct");
            let slots: Vec<usize> = batch.slots_of(s).collect();
            assert_eq!(slots.len(), burstiness);
            assert!(slots.iter().all(|&slot| context[slot] == query));
        }
    }
}

#[test]
fn batches_are_pure_in_seed_set_and_step() {
    let task = task(|t| (t.p_bursty, t.p_novel, t.zipf_exponent) = (0.5, 0.5, 1.0));
    for set in [Set::Train, IN_CONTEXT, SWAPPED] {
        let whole = task.batch(set, 7, 32);
        for first in [24, 0, 8, 16] {
            let mut part = task.workspace(8);
            part.n_sequences = 8;
            task.fill(Kernels::detect(), set, 7, first, &mut part);
            for s in 0..8 {
                assert_eq!(part.items_of(s), whole.items_of(first + s));
                assert_eq!(part.labels_of(s), whole.labels_of(first + s));
                assert_eq!(part.matches_of(s), whole.matches_of(first + s));
                assert_eq!(part.answers[s], whole.answers[first + s]);
            }
        }
        assert_ne!(task.batch(set, 8, 32), whole);
    }
}

#[test]
fn shares_of_novel_and_bursty_contexts_are_as_asked_for() {
    let task = task(|t| (t.p_bursty, t.p_novel, t.burstiness, t.n_classes) = (0.3, 0.6, 2, 2400));
    let n = 20_000;
    let batch = task.batch(Set::Train, 0, n);
    let novel: Vec<bool> = (0..n).map(|s| classes(&batch, s)[0] >= 2400).collect();
    let n_novel = novel.iter().filter(|novel| **novel).count() as f64;
    // A deviation of 5 standard deviations of the binomial: probability 6e-7.
    let deviation = |count: f64, n: f64, p: f64| (count - n * p).abs() / (n * p * (1.0 - p)).sqrt();
    assert!(deviation(n_novel, n as f64, 0.6) < 5.0);
    // Among trained classes a query that is in the context is a bursty one, but for 4 in 2400.
    let is_bursty = |s: &usize| !novel[*s] && batch.slots_of(*s).count() == 2;
    let n_bursty = (0..n).filter(is_bursty).count() as f64;
    assert!(deviation(n_bursty, n as f64 - n_novel, 0.3) < 5.0);
}

#[test]
fn frequencies_are_uniform() {
    let task = task(|t| t.p_novel = 0.0);
    let batch = task.batch(Set::Train, 0, 24_000);
    let (mut slots, mut of_class, mut offsets) = ([0.0; 4], [0.0; 24], [0.0; 5]);
    for s in 0..24_000 {
        slots[batch.slots_of(s).next().unwrap()] += 1.0;
        of_class[classes(&batch, s)[4] as usize] += 1.0;
        offsets[batch.offsets[s] as usize] += 1.0;
    }
    // Chi-square with 3, 23 and 4 degrees of freedom exceeds these with probability 1e-6.
    assert!(uniform(&slots) < 30.7 && uniform(&of_class) < 68.1 && uniform(&offsets) < 33.4);
}

#[test]
fn copies_stand_in_random_order() {
    let task = task(|t| t.burstiness = 2);
    let batch = task.batch(IN_CONTEXT, 0, 12_000);
    // Pairs of equal neighbors come in 3 arrangements: AABB, ABAB, ABBA.
    let mut arrangements = [0.0; 3];
    for s in 0..12_000 {
        let context = &classes(&batch, s)[..4];
        arrangements[(1..4).position(|i| context[i] == context[0]).unwrap()] += 1.0;
    }
    // Chi-square with 2 degrees of freedom exceeds 27.6 with probability 1e-6.
    assert!(uniform(&arrangements) < 27.6, "{arrangements:?}");
}

#[test]
fn rare_classes_follow_zipf_s_law() {
    for exponent in [0.5, 1.5] {
        let task = task(|t| {
            (t.p_novel, t.burstiness, t.zipf_exponent) = (0.0, 0, exponent);
        });
        let batch = task.batch(Set::Train, 0, 20_000);
        let mut counts = vec![0.0; 24];
        batch.item_ids.iter().for_each(|&class| counts[class as usize] += 1.0);
        let weights: Vec<f64> = (1..=24).map(|rank| libm::pow(f64::from(rank), -exponent)).collect();
        let total: f64 = weights.iter().sum();
        let expected: Vec<f64> = weights.iter().map(|w| w / total * 100_000.0).collect();
        // Chi-square with 23 degrees of freedom exceeds 68.1 with probability 1e-6.
        assert!(chi_square(&counts, &expected) < 68.1, "{exponent}: {counts:?}");
    }
}

#[test]
fn without_distinct_labels_classes_are_drawn_by_frequency() {
    let task = task(|t| {
        (t.p_novel, t.burstiness, t.distinct_labels, t.zipf_exponent) = (0.0, 2, false, 1.0);
    });
    let batch = task.batch(Set::Train, 0, 20_000);
    let mut counts = vec![0.0; 24];
    // The query is one of two independent classes.
    (0..20_000).for_each(|s| counts[classes(&batch, s)[4] as usize] += 1.0);
    let total: f64 = (1..=24).map(|rank| 1.0 / f64::from(rank)).sum();
    let expected: Vec<f64> = (1..=24).map(|rank| 20_000.0 / f64::from(rank) / total).collect();
    assert!(chi_square(&counts, &expected) < 68.1, "probability 1e-6");
    let same = (0..20_000).filter(|&s| batch.slots_of(s).count() == 4).count() as f64;
    let p: f64 = (1..=24).map(|rank| (1.0 / f64::from(rank) / total).powi(2)).sum();
    // Both classes the same with probability p; 5 standard deviations: probability 6e-7.
    assert!((same - 20_000.0 * p).abs() < 5.0 * (20_000.0 * p * (1.0 - p)).sqrt());
}

#[test]
fn items_scatter_around_their_class() {
    let noise = 0.5;
    let task = task(|t| (t.p_novel, t.within_class_noise) = (0.0, noise));
    let clean = self::task(|t| (t.p_novel, t.within_class_noise) = (0.0, 0.0));
    let (noisy, clean) = (task.batch(Set::Train, 0, 2000), clean.batch(Set::Train, 0, 2000));
    assert_eq!(noisy.item_ids, clean.item_ids, "noise changes no structure");
    let scale = 1.0 / (1.0 + noise * noise).sqrt();
    let of = |batch: &Batch, i: usize| f64::from(batch.items[i]);
    let n = clean.items.len();
    let residual = |i: usize| of(&noisy, i) - scale * of(&clean, i);
    let mean = (0..n).map(residual).sum::<f64>() / n as f64;
    let square = (0..n).map(|i| residual(i).powi(2)).sum::<f64>() / n as f64;
    let variance = (noise * scale).powi(2) / 32.0;
    // 5 standard errors of the mean and of the variance of n normal deviates: probability 6e-7 each.
    assert!(mean.abs() < 5.0 * (variance / n as f64).sqrt());
    assert!((square / variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt());
    // Without noise all items of a class are its mean.
    let first = |class: u32| clean.item_ids.iter().position(|&id| id == class).unwrap();
    for (i, &class) in clean.item_ids.iter().enumerate().step_by(97) {
        let at = first(class);
        assert_eq!(clean.items[i * 32..(i + 1) * 32], clean.items[at * 32..(at + 1) * 32]);
    }
    // K D deviates of variance 1/D.
    let means: Vec<f64> =
        (0..K).flat_map(|k| (0..32).map(move |j| (k, j))).map(|(k, j)| of(&clean, first(k) * 32 + j)).collect();
    let square = means.iter().map(|x| x * x).sum::<f64>() / means.len() as f64;
    assert!((square * 32.0 - 1.0).abs() < 5.0 * (2.0 / means.len() as f64).sqrt());
}

#[test]
fn novel_classes_are_shared_by_a_batch_and_new_in_the_next() {
    let task = task(|t| (t.p_novel, t.within_class_noise) = (1.0, 0.0));
    let (a, b) = (task.batch(Set::Train, 0, 256), task.batch(Set::Train, 1, 256));
    let mean = |batch: &Batch, class: u32| {
        let at = batch.item_ids.iter().position(|&id| id == class).unwrap();
        batch.items[at * 32..(at + 1) * 32].to_vec()
    };
    for (i, &class) in a.item_ids.iter().enumerate() {
        assert!((K..K + 16).contains(&class));
        assert_eq!(a.items[i * 32..(i + 1) * 32], mean(&a, class)[..]);
    }
    for class in K..K + 16 {
        assert_ne!(mean(&a, class), mean(&b, class), "{class}");
    }
    // An evaluation set has new ones every 128 sequences.
    let ic = task.batch(IN_CONTEXT, 0, 256);
    let row = |s: usize| ic.items_of(s)[..32].to_vec();
    let twin = |s: usize, range: std::ops::Range<usize>| {
        range
            .into_iter()
            .any(|other| other != s && classes(&ic, other)[0] == classes(&ic, s)[0] && row(other) == row(s))
    };
    assert!((0..128).all(|s| !twin(s, 128..256)) && (0..128).any(|s| twin(s, 0..128)));
}

#[test]
fn the_four_evaluation_sets_ask_different_questions() {
    let task = task(|t| (t.p_bursty, t.burstiness, t.p_novel, t.n_classes) = (0.0, 0, 0.0, 240));
    let facts = task.facts();
    assert_eq!(facts.sets().collect::<Vec<_>>(), [Set::MAIN, IN_CONTEXT, SWAPPED, IN_WEIGHTS]);
    assert_eq!((facts.probed_set, facts.prefix(IN_CONTEXT)), (IN_CONTEXT, "ic_"));
    let n = 2000;
    let helps = |set: Set| {
        let batch = task.batch(set, 0, n);
        (0..n).filter(|&s| batch.slots_of(s).any(|slot| batch.labels_of(s)[slot] == batch.answers[s])).count()
    };
    assert_eq!([helps(IN_CONTEXT), helps(SWAPPED)], [n, n], "the context has the answer");
    // A query is among 4 independent ones of 240 classes in 33 of 2000 cases; 5 deviations: 6e-7.
    assert!(helps(IN_WEIGHTS) < 62 && helps(Set::MAIN) < 62);
    let swapped = task.batch(SWAPPED, 0, n);
    for s in 0..n {
        let query = classes(&swapped, s)[4];
        assert_eq!(swapped.answers[s], (query + 1) % 8, "labels are shifted by one");
    }
    let by_heart = task.batch(IN_WEIGHTS, 0, n);
    assert!((0..n).all(|s| by_heart.answers[s] == classes(&by_heart, s)[4] % 8));
    let novel = task.batch(IN_CONTEXT, 0, n);
    assert!(novel.item_ids.iter().all(|&class| class >= 240));
}

/// 20 classes of 3 instances; the value tells class and instance.
fn bank(n_classes: usize) -> ItemBank {
    let values = (0..n_classes * 3).flat_map(|id| (0..32).map(move |j| id as f32 + j as f32 / 100.0)).collect();
    ItemBank { values: Arc::new(values), n_classes, n_instances: 3, d_item: 32 }
}

fn bank_spec(n_held_out: usize) -> RunSpec {
    let items = ItemsSpec { n_held_out, ..ItemsSpec::of("bank") };
    spec(|t| (t.n_classes, t.p_novel, t.burstiness, t.items) = (16, 0.0, 2, Some(items)))
}

#[test]
fn real_classes_keep_their_labels_and_held_out_ones_are_novel() {
    let task = bank_spec(10).build_task(Some(bank(30))).unwrap();
    for (set, classes, shift) in
        [(Set::Train, 0..16, 0), (SWAPPED, 0..16, 1), (IN_WEIGHTS, 0..16, 0), (IN_CONTEXT, 20..30, 0)]
    {
        let batch = task.batch(set, 0, 300);
        let mut seen = [false; 30];
        for s in 0..300 {
            let ids = self::classes(&batch, s);
            ids.iter().for_each(|id| seen[*id as usize / 3] = true);
            for (item, &id) in batch.items_of(s).chunks(32).zip(ids) {
                assert_eq!(item[0], id as f32);
            }
            if set != IN_CONTEXT {
                assert_eq!(batch.answers[s], (ids[4] / 3 + shift) % 8);
            }
            for slot in batch.slots_of(s) {
                assert_eq!(ids[slot] / 3, ids[4] / 3);
            }
        }
        // Of ten held-out classes the labels of two are shared.
        assert_eq!((0..30).filter(|&class| seen[class]).collect::<Vec<_>>(), classes.collect::<Vec<_>>(), "{set:?}");
    }
    let refused = |spec: RunSpec, bank| spec.build_task(Some(bank)).expect_err("must be refused");
    let few = refused(bank_spec(10), bank(24)).to_string();
    assert!(few.contains("14 training classes, but at least 16"), "{few}");
    let TaskError::Items(few) = refused(bank_spec(7), bank(30)) else { panic!("items") };
    assert!(matches!(few, ItemBankError::Classes { which: "held-out", needed: 8, .. }));
}

#[test]
fn what_is_no_task_is_refused() {
    type Change = fn(&mut ClassificationSpec);
    let told = |change: Change| spec(change).validate().expect_err("must be refused").to_string();
    let cases: [(Change, &str); 12] = [
        (|t| t.n_classes = 25, "n_classes = 25: must be a multiple of n_labels = 8"),
        (|t| t.n_classes = 4, "n_classes = 4"),
        (|t| t.burstiness = 3, "burstiness = 3: must divide n_exemplars = 4"),
        (|t| t.burstiness = 4, "burstiness = 4: must divide n_exemplars = 4 and be smaller"),
        (|t| t.burstiness = 0, "p_novel = 0.8: must be 0 where burstiness = 0"),
        (|t| t.p_bursty = 1.5, "p_bursty = 1.5: must be from 0 to 1"),
        (|t| t.p_novel = f64::NAN, "p_novel = NaN"),
        (|t| t.n_novel_classes = 7, "n_novel_classes = 7"),
        (|t| t.within_class_noise = -0.1, "within_class_noise = -0.1"),
        (|t| t.zipf_exponent = f64::INFINITY, "zipf_exponent = inf"),
        (|t| (t.n_labels, t.n_classes) = (3, 24), "n_labels = 3: must be at least n_exemplars / burstiness = 4"),
        (|t| t.n_exemplars = 1, "n_exemplars = 1"),
    ];
    for (change, expected) in cases {
        assert!(told(change).contains(expected), "{}", told(change));
    }
    let items = |t: &mut ClassificationSpec| t.items = bank_spec(8).task.family().items().cloned();
    assert!(spec(items).validate().unwrap_err().to_string().contains("must be 0 where items come from a file"));
}

/// Changes of bits between versions must be deliberate: CHANGELOG, heading "Numerics".
#[test]
fn values_are_stable_between_versions() {
    let task = task(|t| (t.p_bursty, t.p_novel, t.burstiness, t.zipf_exponent) = (0.5, 0.5, 2, 1.0));
    let batch = task.batch(Set::Train, 0, 3);
    assert_eq!(batch.item_ids, ITEM_IDS);
    assert_eq!(batch.answers, ANSWERS);
    assert_eq!(batch.items[..3].iter().map(|x| x.to_bits()).collect::<Vec<_>>(), ITEM_BITS);
}

const ITEM_IDS: [u32; 15] = [34, 33, 34, 33, 34, 0, 1, 3, 0, 6, 32, 37, 37, 32, 37];
const ANSWERS: [u32; 3] = [2, 6, 5];
const ITEM_BITS: [u32; 3] = [3_188_926_361, 3_190_665_967, 1_035_717_862];

/// At equal seeds no row of any weight, nor any stretch of its numbers, looks like a class mean or a label vector.
#[test]
fn weights_are_not_the_world() {
    let d = 63;
    let change = |t: &mut ClassificationSpec| (t.d_item, t.p_novel, t.within_class_noise) = (d, 0.0, 0.0);
    let mut spec = spec(change);
    spec.seeds = Seeds::all(3);
    let trainer = Trainer::new(&spec, spec.build_task(None).unwrap(), Kernels::detect()).unwrap();
    // Without noise items are their class's mean.
    let batch = trainer.task().batch(Set::Train, 0, 200);
    let labels = trainer.model().label_table();
    let world: Vec<&[f32]> = batch.items.chunks_exact(d).chain(labels.chunks_exact(d)).collect();
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        dot(a, b).abs() / (dot(a, a) * dot(b, b)).sqrt()
    };
    let params = &trainer.state().params;
    let mut n_rows = 0;
    for tensor in params.layout.tensors() {
        let values = &params.values[tensor.range.clone()];
        let width = *tensor.shape.last().unwrap();
        let rows = values.chunks_exact(width.max(d)).map(|row| &row[..d]).chain(values.chunks_exact(d));
        // A constant tensor is no random one.
        for row in rows.filter(|row| row.iter().any(|x| *x != row[0])) {
            n_rows += 1;
            // A cosine of two random vectors in 63 dimensions is beyond .7 with probability 1e-10.
            let worst = world.iter().map(|vector| cosine(row, vector)).fold(0.0, f64::max);
            assert!(worst < 0.7, "{}: {worst}", tensor.name);
        }
    }
    assert!(n_rows > 500, "{n_rows}");
}
