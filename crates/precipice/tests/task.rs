//! The copying task: what a batch is, that it is pure, and that its frequencies are right.

use std::sync::Arc;

use precipice::spec::*;
use precipice::task::{ItemBank, ItemBankError, Set, TaskError, neighbor};
use precipice_num::Kernels;

fn spec(n_exemplars: usize, n_labels: usize, d_pos: usize) -> RunSpec {
    let mut spec = RunSpec { name: "task".to_owned(), ..RunSpec::default() };
    spec.task = TaskSpec::Copying(CopyingSpec { n_exemplars, n_labels, d_item: 16, items: None });
    spec.model.d_pos = Some(d_pos);
    spec.validate().unwrap();
    spec
}

#[test]
fn a_sequence_is_what_it_says() {
    let task = spec(4, 6, 13).build_task(None).unwrap();
    let batch = task.batch(Set::Train, 3, 200);
    for s in 0..200 {
        let (items, labels, slot) = (batch.items_of(s), batch.labels_of(s), batch.slots_of(s).next().unwrap());
        assert_eq!(&items[4 * 16..], &items[slot * 16..(slot + 1) * 16], "the query is a copy");
        assert_eq!(batch.answers[s], labels[slot]);
        let mut sorted = labels.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 4, "labels are distinct");
        assert!(labels.iter().all(|&label| label < 6) && batch.offsets[s] <= 13 - 9);
    }
}

#[test]
fn batches_are_pure_in_seed_set_and_step() {
    let task = spec(4, 16, 17).build_task(None).unwrap();
    let whole = task.batch(Set::Train, 7, 32);
    for first in [24, 0, 8, 16] {
        let mut part = task.workspace(8);
        part.n_sequences = 8;
        for kernels in Kernels::available() {
            task.fill(kernels, Set::Train, 7, first, &mut part);
            for s in 0..8 {
                assert_eq!(part.items_of(s), whole.items_of(first + s));
                assert_eq!(part.labels_of(s), whole.labels_of(first + s));
                assert_eq!(part.offsets[s], whole.offsets[first + s]);
            }
        }
    }
    assert_ne!(task.batch(Set::Train, 8, 32), whole);
    assert_ne!(task.batch(Set::MAIN, 7, 32), whole);
    let mut other = spec(4, 16, 17);
    other.seeds.data = 1;
    let other = other.build_task(None).unwrap();
    assert_ne!(other.batch(Set::Train, 7, 32), whole);
    assert_eq!(other.batch(Set::MAIN, 0, 8), task.batch(Set::MAIN, 0, 8), "seeds are independent");
}

/// Chi-square of counts against equal frequencies.
fn chi_square(counts: &[f64]) -> f64 {
    let expected = counts.iter().sum::<f64>() / counts.len() as f64;
    counts.iter().map(|c| (c - expected).powi(2) / expected).sum()
}

#[test]
fn frequencies_are_uniform() {
    let task = spec(4, 6, 13).build_task(None).unwrap();
    let batch = task.batch(Set::Train, 0, 30_000);
    let (mut slots, mut labels, mut offsets) = ([0.0; 4], [0.0; 6], [0.0; 5]);
    for s in 0..30_000 {
        slots[batch.slots_of(s).next().unwrap()] += 1.0;
        labels[batch.answers[s] as usize] += 1.0;
        offsets[batch.offsets[s] as usize] += 1.0;
    }
    // Chi-square with 3, 5 and 4 degrees of freedom exceeds these with probability 1e-6.
    assert!(chi_square(&slots) < 30.7 && chi_square(&labels) < 35.9 && chi_square(&offsets) < 33.4);
    let n = batch.items.len() as f64;
    let mean = batch.items.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let square = batch.items.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
    // One item of five is a copy, so take 5 standard errors of 4/5 as many: probability 1e-6.
    let independent = n * 0.8;
    assert!(mean.abs() < 5.0 * (1.0 / 16.0 / independent).sqrt() * 1.3);
    assert!((square * 16.0 - 1.0).abs() < 5.0 * (2.0 / independent).sqrt() * 1.3);
}

#[test]
fn labels_may_be_as_many_as_exemplars() {
    let task = spec(4, 4, 9).build_task(None).unwrap();
    let batch = task.batch(Set::Train, 0, 50);
    for s in 0..50 {
        let mut labels = batch.labels_of(s).to_vec();
        labels.sort_unstable();
        assert_eq!(labels, [0, 1, 2, 3]);
    }
}

/// 20 classes of 3 instances; the value tells class and instance.
fn bank() -> ItemBank {
    let values = (0..20 * 3).flat_map(|id| (0..16).map(move |j| id as f32 + j as f32 / 100.0)).collect();
    ItemBank { values: Arc::new(values), n_classes: 20, n_instances: 3, d_item: 16 }
}

fn bank_spec(n_held_out: usize) -> RunSpec {
    let mut spec = spec(4, 6, 13);
    let TaskSpec::Copying(copying) = &mut spec.task else { unreachable!("copying") };
    copying.items = Some(ItemsSpec { n_held_out, ..ItemsSpec::of("bank") });
    spec
}

#[test]
fn real_items_are_split_and_the_query_is_another_instance() {
    let task = bank_spec(5).build_task(Some(bank())).unwrap();
    let held_out = task.facts().novel_set.unwrap();
    assert_eq!(task.facts().sets().collect::<Vec<_>>(), [Set::MAIN, held_out]);
    for (set, classes) in [(Set::Train, 0..15), (Set::MAIN, 0..15), (held_out, 15..20)] {
        let batch = task.batch(set, 0, 300);
        let mut seen = [false; 20];
        for s in 0..300 {
            let ids = &batch.item_ids[s * 5..(s + 1) * 5];
            let mut of_context: Vec<u32> = ids[..4].iter().map(|id| id / 3).collect();
            let (shown, query) = (ids[batch.slots_of(s).next().unwrap()], ids[4]);
            assert!(shown / 3 == query / 3 && shown != query, "another instance of the same class");
            of_context.iter().for_each(|&class| seen[class as usize] = true);
            of_context.sort_unstable();
            of_context.dedup();
            assert_eq!(of_context.len(), 4, "classes are distinct");
            for (item, &id) in batch.items_of(s).chunks(16).zip(ids) {
                assert_eq!(item[0], id as f32);
            }
        }
        let seen: Vec<usize> = (0..20).filter(|&class| seen[class]).collect();
        assert_eq!(seen, classes.collect::<Vec<_>>());
    }
}

#[test]
fn banks_that_do_not_fit_are_refused() {
    let refused = |spec: RunSpec, bank: Option<ItemBank>| match spec.build_task(bank) {
        Err(TaskError::Items(error)) => error,
        other => panic!("must be refused: {other:?}"),
    };
    assert_eq!(refused(bank_spec(5), None), ItemBankError::Missing);
    assert!(matches!(refused(bank_spec(17), Some(bank())), ItemBankError::Classes { which: "training", .. }));
    assert!(matches!(refused(bank_spec(3), Some(bank())), ItemBankError::Classes { which: "held-out", .. }));
    let one_instance = ItemBank { n_classes: 60, n_instances: 1, ..bank() };
    assert!(matches!(refused(bank_spec(5), Some(one_instance)), ItemBankError::Instances { found: 1 }));
    let narrow = ItemBank { n_classes: 40, d_item: 8, ..bank() };
    assert!(matches!(refused(bank_spec(5), Some(narrow)), ItemBankError::Width { found: 8, expected: 16, .. }));
    let short = ItemBank { n_classes: 21, ..bank() };
    assert!(matches!(refused(bank_spec(5), Some(short)), ItemBankError::Length { .. }));
    let mut values = bank().values.to_vec();
    values[17] = f32::NAN;
    let broken = refused(bank_spec(5), Some(ItemBank { values: Arc::new(values), ..bank() }));
    assert_eq!(broken.to_string(), "value [0, 1, 1] is NaN; items must be finite");
}

#[test]
fn the_nearest_neighbor_does_not_change_when_rows_are_rescaled() {
    let task = bank_spec(5).build_task(Some(bank())).unwrap();
    let mut batch = task.batch(Set::MAIN, 0, 300);
    let d = batch.d_item;
    // Items that are no copies, so that the neighbor is a guess that lengths could sway.
    batch.items.iter_mut().enumerate().for_each(|(i, x)| *x = libm::sin((i * i) as f64 * 0.7) as f32);
    let before = neighbor::predict(&batch);
    let n_right = before.iter().sum::<f64>();
    assert!(0.0 < n_right && n_right < 300.0, "{n_right}");
    // Powers of two rescale without rounding.
    for (i, row) in batch.items.chunks_exact_mut(d).enumerate() {
        let factor = [0.25, 1.0, 8.0, 1024.0, 0.5][i % 5];
        row.iter_mut().for_each(|x| *x *= factor);
    }
    assert_eq!(neighbor::predict(&batch), before);
}

#[test]
fn the_nearest_neighbor_of_a_copy_is_the_copy() {
    let task = spec(4, 6, 13).build_task(None).unwrap();
    assert_eq!(neighbor::predict(&task.batch(Set::MAIN, 0, 100)), [1.0; 100]);
}
