//! Relations in context: what contexts show, that labels cannot be counted, and what predictors reach.

use precipice::measure::halves::Halves;
use precipice::measure::{Probe, Row};
use precipice::model::construct::{Matcher, write_relation};
use precipice::model::{Model, Reads};
use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::task::relation::{INNER, LEFT_OUT, OUTER, RelationKind, RelationSpec, STATED};
use precipice::task::{Set, Task};
use precipice::train::{TrainState, Trainer};
use precipice::workers::Sequential;
use precipice_num::Kernels;

const D: usize = 5;

fn task(relation: RelationKind, n_exemplars: usize) -> Box<dyn Task> {
    let task = RelationSpec { relation, n_exemplars, d_half: D, p_stated: 0.5, p_balanced: 1.0 };
    let mut spec = RunSpec { name: "relation".to_owned(), task: TaskSpec::Relation(task), ..RunSpec::default() };
    spec.model.d_pos = Some(2 * n_exemplars + 3);
    spec.validate().unwrap();
    spec.build_task(None).unwrap()
}

const ALL: [RelationKind; 4] =
    [RelationKind::Order, RelationKind::Commutative, RelationKind::Anticommutative, RelationKind::Mixed];

fn reversed(pair: &[f32]) -> Vec<f32> {
    [&pair[D..], &pair[..D]].concat()
}

/// Labels of the pairs of a context that equal this one.
fn labels_of_pair(batch: &Batch, s: usize, pair: &[f32]) -> Vec<u32> {
    let slots = (0..batch.n_exemplars).filter(|&slot| batch.item_of(s, slot) == pair);
    slots.map(|slot| batch.labels_of(s)[slot]).collect()
}

#[test]
fn contexts_are_balanced_and_stated_queries_stand_there() {
    for relation in ALL {
        for n in [6, 8, 14] {
            let task = task(relation, n);
            for set in [Set::Train, Set::MAIN, STATED, LEFT_OUT] {
                let batch = task.batch(set, 0, 400);
                let mut n_stated = 0;
                for s in 0..400 {
                    let query = batch.item_of(s, n);
                    let n_minus = batch.labels_of(s).iter().filter(|&&label| label == 1).count();
                    assert_eq!(n_minus, n / 2, "{relation:?} {set:?}");
                    let same = labels_of_pair(&batch, s, query);
                    assert!(same.len() <= 1 && same.iter().all(|&label| label == batch.answers[s]));
                    n_stated += same.len();
                    // The reverse is there, and is of the sign that the relation says.
                    let reverse = labels_of_pair(&batch, s, &reversed(query));
                    assert_eq!(reverse.len(), 1, "{relation:?} {set:?}");
                    let is_other = reverse[0] != batch.answers[s];
                    match relation {
                        RelationKind::Commutative => assert!(!is_other),
                        RelationKind::Order | RelationKind::Anticommutative => assert!(is_other),
                        RelationKind::Mixed => {}
                    }
                    let of_answer: Vec<usize> = batch.slots_of(s).collect();
                    assert_eq!(of_answer.len(), 1);
                    let shown = batch.item_of(s, of_answer[0]);
                    assert!(if same.is_empty() { shown == reversed(query) } else { shown == query });
                }
                match set {
                    STATED => assert_eq!(n_stated, 400),
                    LEFT_OUT => assert_eq!(n_stated, 0),
                    // Half of 400: five standard deviations are 50, a chance of 6e-7.
                    _ => assert!(n_stated.abs_diff(200) < 50, "{n_stated}"),
                }
            }
        }
    }
}

/// A mixed context says which relation it is: a pair beside the query's stands there in both orders.
#[test]
fn mixed_contexts_tell_their_relation() {
    let task = task(RelationKind::Mixed, 8);
    let batch = task.batch(LEFT_OUT, 0, 500);
    let mut n_commutative = 0;
    for s in 0..500 {
        let is_commutative = labels_of_pair(&batch, s, &reversed(batch.item_of(s, 8)))[0] == batch.answers[s];
        n_commutative += usize::from(is_commutative);
        let both = (0..8).filter_map(|slot| {
            let reverse = labels_of_pair(&batch, s, &reversed(batch.item_of(s, slot)));
            reverse.first().map(|&label| label == batch.labels_of(s)[slot])
        });
        let told: Vec<bool> = both.collect();
        assert!(told.len() >= 2 && told.iter().all(|&same| same == is_commutative), "{told:?}");
    }
    // Five standard deviations of 500 tosses are 56.
    assert!(n_commutative.abs_diff(250) < 56, "{n_commutative}");
}

/// Shown pairs are adjacent in an order in which everything else follows.
#[test]
fn orders_are_transitive() {
    let task = task(RelationKind::Order, 8);
    for set in [Set::Train, INNER, OUTER] {
        let batch = task.batch(set, 3, 200);
        for s in 0..200 {
            // a before b, from the pairs shown in either direction.
            let before: Vec<(Vec<f32>, Vec<f32>)> = (0..8)
                .map(|slot| {
                    let (a, b) = batch.item_of(s, slot).split_at(D);
                    if batch.labels_of(s)[slot] == 0 { (a.to_vec(), b.to_vec()) } else { (b.to_vec(), a.to_vec()) }
                })
                .collect();
            let reaches = |from: &[f32], to: &[f32]| {
                let mut at = vec![from.to_vec()];
                while let Some(item) = at.pop() {
                    if item == to {
                        return true;
                    }
                    at.extend(before.iter().filter(|(a, _)| *a == item).map(|(_, b)| b.clone()));
                }
                false
            };
            let (a, b) = batch.item_of(s, 8).split_at(D);
            let is_before = batch.answers[s] == 0;
            let (first, second) = if is_before { (a, b) } else { (b, a) };
            assert!(!reaches(second, first), "no circle");
            let is_end =
                |item: &[f32]| !before.iter().any(|(x, _)| x == item) || !before.iter().any(|(_, y)| y == item);
            // Pairs that are left out may break the chain, but never where the query is.
            assert!(reaches(first, second), "{set:?} {s}");
            let has_end = is_end(first) || is_end(second);
            assert!(set == Set::Train || has_end == (set == OUTER), "{set:?} {s}");
        }
    }
}

#[test]
fn predictors_reach_what_the_table_says() {
    // Rows: copy, reverse, counting, understood; columns: stated, left out.
    let table = |reverse: f64| [[1.0, 0.5], [1.0, reverse], [0.5, 0.5], [1.0, 1.0]];
    for relation in ALL {
        let task = task(relation, 8);
        let expected = table(if relation == RelationKind::Mixed { 0.5 } else { 1.0 });
        for (predictor, row) in expected.iter().enumerate() {
            for (set, want) in [STATED, LEFT_OUT].into_iter().zip(row) {
                let said = task.predict(predictor, &task.batch(set, 0, 50));
                assert!(said.iter().all(|p| p == want), "{relation:?} {set:?} {predictor}: {said:?}");
            }
        }
    }
}

/// What counting can tell where half of the contexts are balanced: a slope, and no solution.
#[test]
fn counting_says_a_little() {
    let of_kinds =
        [(RelationKind::Commutative, 0.55), (RelationKind::Anticommutative, 0.51), (RelationKind::Order, 0.51)];
    for (relation, low) in of_kinds {
        let task = RelationSpec { relation, ..RelationSpec::default() };
        let spec = RunSpec { name: "r".to_owned(), task: TaskSpec::Relation(task), ..RunSpec::default() };
        let task = spec.build_task(None).unwrap();
        let said = task.predict(2, &task.batch(Set::MAIN, 0, 20_000));
        let accuracy = said.iter().sum::<f64>() / 20_000.0;
        // Five standard errors of 20,000 tosses are .018.
        assert!(accuracy > low && accuracy < 0.62, "{relation:?}: {accuracy}");
        let said = task.predict(2, &task.batch(LEFT_OUT, 0, 2_000));
        assert!(said.iter().sum::<f64>() / 2_000.0 > 0.5, "{relation:?}");
    }
}

#[test]
fn sequences_are_the_same_whoever_draws_them() {
    for relation in ALL {
        let task = task(relation, 8);
        let whole = task.batch(Set::Train, 7, 32);
        let mut part = task.workspace(8);
        part.n_sequences = 8;
        for first in [24, 0, 16, 8] {
            task.fill(Kernels::detect(), Set::Train, 7, first, &mut part);
            assert_eq!(part.items_of(3), whole.items_of(first + 3));
            assert_eq!(part.labels_of(5), whole.labels_of(first + 5));
            assert_eq!((part.answers[2], part.offsets[2]), (whole.answers[first + 2], whole.offsets[first + 2]));
        }
    }
}

#[test]
fn what_is_no_relation_is_refused() {
    let told = |change: fn(&mut RelationSpec)| {
        let mut task = RelationSpec::default();
        change(&mut task);
        let mut spec = RunSpec { name: "r".to_owned(), task: TaskSpec::Relation(task), ..RunSpec::default() };
        spec.model.d_pos = Some(65);
        spec.validate().unwrap_err().to_string()
    };
    assert!(told(|task| task.n_exemplars = 7).contains("n_exemplars = 7: must be even"));
    assert!(told(|task| task.n_exemplars = 2).contains("must be from 4"));
    assert!(told(|task| (task.relation, task.n_exemplars) = (RelationKind::Order, 4)).contains("must be from 6"));
    assert!(told(|task| task.p_stated = 1.5).contains("p_stated = 1.5"));
    assert!(told(|task| task.d_half = 0).contains("d_half = 0"));
}

/// Two heads, one that finds the pair and one that finds its reverse, are enough for either sign.
#[test]
fn a_constructed_head_knows_the_relation() {
    for (relation, sign) in [(RelationKind::Commutative, 1.0), (RelationKind::Anticommutative, -1.0)] {
        let task = RelationSpec { relation, d_half: 48, ..RelationSpec::default() };
        let mut spec = RunSpec { name: "relation".to_owned(), task: TaskSpec::Relation(task), ..RunSpec::default() };
        spec.model = ModelSpec { d_buffer: 96, n_heads: 2, d_head: Some(97), output_projection: true, ..spec.model };
        spec.validate().unwrap();
        let task = spec.build_task(None).unwrap();
        let model = Model::<f32>::new(&spec, &task.label_table(), Kernels::detect());
        let mut params = model.init(0);
        let matchers = [Matcher { is_reversed: false, sign: 1.0 }, Matcher { is_reversed: true, sign }];
        write_relation(&model, &mut params, &matchers, 60.0);
        let mut trace = model.trace(200, Reads::QueryOnly);
        for set in [STATED, LEFT_OUT] {
            let batch = task.batch(set, 0, 200);
            model.forward(&params, &batch, &mut trace);
            let is_right = |(logits, &answer): (&[f32], &u32)| (logits[1] > logits[0]) == (answer == 1);
            let n_right = trace.logits().chunks(2).zip(&batch.answers).filter(|&pair| is_right(pair)).count();
            assert_eq!(n_right, 200, "{relation:?} {set:?}");
        }
        // The weights say what they compare.
        let mut trainer = Trainer::new(&spec, task, Kernels::detect()).unwrap();
        trainer.restore(TrainState { params, ..trainer.state().clone() });
        let mut row = Row::default();
        Halves.measure(&trainer, &Sequential, &mut row);
        let value = |name: &str| row.named(name).unwrap();
        assert!((value("score_on_same_0") - 60.0).abs() < 1e-3 && value("score_on_reverse_0").abs() < 1e-3);
        assert!((value("score_on_reverse_1") - 60.0).abs() < 1e-3 && value("score_on_same_1").abs() < 1e-3);
    }
}

/// Changes of bits between versions must be deliberate: CHANGELOG, heading "Numerics".
#[test]
fn values_are_stable_between_versions() {
    let digest = |relation| {
        let batch = task(relation, 8).batch(Set::Train, 0, 64);
        let mut hasher = blake3::Hasher::new();
        batch.items.iter().for_each(|x| {
            hasher.update(&x.to_le_bytes());
        });
        batch.label_ids.iter().chain(&batch.answers).for_each(|x| {
            hasher.update(&x.to_le_bytes());
        });
        hasher.finalize().to_hex()[..12].to_owned()
    };
    assert_eq!(ALL.map(digest), DIGESTS);
}

const DIGESTS: [&str; 4] = ["6e788d52fdd3", "8c96495dc65b", "1c2858f40e64", "03a3bc042128"];
