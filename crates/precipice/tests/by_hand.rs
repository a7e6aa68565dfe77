//! Measures on patterns, logits and rows that are made by hand, so that their values are worked out on paper: several
//! heads, several copies of the query's class, positions that begin anywhere, sums in parts.

use precipice::measure::accuracy::Accuracy;
use precipice::measure::attention::{AttentionScores, HeadOutput};
use precipice::measure::interactions::{Interactions, PARTS};
use precipice::measure::order_parameters::{OrderParameters, OrderSums};
use precipice::measure::{Better, Metric, Observer, Probe, Row, Scores, Tally, Unit};
use precipice::model::{Reads, Trace};
use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::task::Set;
use precipice::theory::Context;
use precipice::train::Trainer;
use precipice::workers::{Sequential, Workers};
use precipice_num::Kernels;

const N: usize = 4;
const T: usize = 2 * N + 1;
const QUERY: usize = 2 * N;

/// Contexts of 4 exemplars, 2 of them of the query's class, at 13 positions; two layers of so many heads.
fn trainer(n_heads: usize) -> Trainer {
    let task = ClassificationSpec {
        n_exemplars: N,
        n_labels: 8,
        d_item: 16,
        n_classes: 24,
        burstiness: 2,
        ..ClassificationSpec::default()
    };
    let mut spec = RunSpec { name: "by-hand".to_owned(), task: TaskSpec::Classification(task), ..RunSpec::default() };
    (spec.model.d_pos, spec.model.d_buffer, spec.model.n_heads) = (Some(13), 3, n_heads);
    // As wide as 13 + 16 + 3 for any number of heads.
    Trainer::new(&spec, spec.build_task(None).unwrap(), Kernels::detect()).unwrap()
}

/// Sequences and their activations, to be overwritten.
fn looked_at(trainer: &Trainer, n_sequences: usize, reads: Reads) -> (Batch, Trace<f32>) {
    let batch = trainer.task().batch(Set::MAIN, 0, n_sequences);
    let mut trace = trainer.model().trace(n_sequences, reads);
    trainer.model().forward(&trainer.state().params, &batch, &mut trace);
    (batch, trace)
}

/// The tally of all sequences, and that of two unlike parts of them that are merged.
fn in_one_and_in_two<A: Tally>(trainer: &Trainer, batch: &Batch, trace: &Trace<f32>, empty: impl Fn() -> A) -> [A; 2] {
    let add = |to: &mut A, batch: &Batch, trace: &Trace<f32>| {
        to.add(trainer.model(), &trainer.state().params, batch, trace);
    };
    let (mut one, mut first, mut rest) = (empty(), empty(), empty());
    add(&mut one, batch, trace);
    let n = batch.n_sequences;
    let (few, from) = (part(trainer, batch, trace, 0..1), part(trainer, batch, trace, 1..n));
    add(&mut first, &few.0, &few.1);
    add(&mut rest, &from.0, &from.1);
    first.merge(rest);
    [one, first]
}

/// Some sequences of a batch with their activations.
fn part(trainer: &Trainer, batch: &Batch, trace: &Trace<f32>, range: std::ops::Range<usize>) -> (Batch, Trace<f32>) {
    let n = range.len();
    let (mut few, mut of_few) = (trainer.task().workspace(n), trainer.model().trace(n, trace.reads()));
    few.n_sequences = n;
    let (d, items) = (batch.d_item, batch.n_exemplars + 1);
    few.items = batch.items[range.start * items * d..range.end * items * d].to_vec();
    few.item_ids = batch.item_ids[range.start * items..range.end * items].to_vec();
    few.label_ids = batch.label_ids[range.start * N..range.end * N].to_vec();
    few.offsets = batch.offsets[range.clone()].to_vec();
    few.answers = batch.answers[range.clone()].to_vec();
    few.matches = batch.matches[range.start * N..range.end * N].to_vec();
    // The logits are those of the sequences themselves; what was written by hand comes after.
    trainer.model().forward(&trainer.state().params, &few, &mut of_few);
    for (to, from) in of_few.blocks.iter_mut().zip(&trace.blocks) {
        let (to, from) = (&mut to.attention, &from.attention);
        let mut pairs = vec![(&mut to.pattern, &from.pattern), (&mut to.z, &from.z)];
        if let (Some(to), Some(from)) = (&mut to.all, &from.all) {
            pairs.extend([(&mut to.scores, &from.scores), (&mut to.patterns, &from.patterns)]);
        }
        for (to, from) in pairs {
            let width = from.len() / batch.n_sequences;
            to.copy_from_slice(&from[range.start * width..range.end * width]);
        }
    }
    (few, of_few)
}

fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() < 1e-6, "{what}: {got}, by hand {want}");
}

fn value(row: &Row, name: &str) -> f64 {
    row.named(name).unwrap()
}

/// Head h of layer l gives each kind of cell a mass of its own; all other cells are 0.
#[test]
fn attention_scores_sum_the_cells_that_they_name() {
    let trainer = trainer(2);
    let (batch, mut trace) = looked_at(&trainer, 5, Reads::All);
    let unit = |layer: usize, head: usize| 1.0 / 64.0 / (1 + layer + 2 * head) as f32;
    for layer in 0..2 {
        for s in 0..5 {
            for head in 0..2 {
                let of_head = &mut trace.blocks[layer].attention.pattern[(s * 2 + head) * T * T..][..T * T];
                of_head.fill(0.0);
                let unit = unit(layer, head);
                for slot in 0..N {
                    let (item, label) = (2 * slot, 2 * slot + 1);
                    of_head[label * T + item] = 8.0 * unit;
                    // The token before an item is a label.
                    of_head[(item + 2).min(QUERY - 2) * T + (item + 1).min(QUERY - 3)] = 4.0 * unit;
                    let is_match = batch.matches_of(s)[slot];
                    of_head[QUERY * T + label] = if is_match { 2.0 * unit } else { unit };
                    of_head[QUERY * T + item] = if is_match { 16.0 * unit } else { 0.0 };
                }
            }
        }
    }
    for scores in in_one_and_in_two(&trainer, &batch, &trace, AttentionScores::default) {
        let mut row = Row::default();
        scores.push_columns(&mut row);
        // The first head has the larger masses, in both layers.
        assert_eq!(scores.leading_heads(), [0, 0]);
        close(value(&row, "ila1"), 8.0 / 64.0, "ila1");
        close(value(&row, "tila2"), 2.0 * 2.0 / 128.0, "tila2: two copies");
        close(value(&row, "tla2"), (2.0 * 2.0 + 2.0 * 1.0) / 128.0, "tla2: all four labels");
        for (layer, head) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let unit = f64::from(unit(layer, head));
            let of = |score: &str| value(&row, &format!("{score}_{layer}_{head}"));
            close(of("induction_score"), 2.0 * 2.0 * unit, "induction");
            close(of("duplicate_token_score"), 2.0 * 16.0 * unit, "duplicate");
            // Tokens 1 to 8: four labels on their items, three items on the labels before them, and the query on the
            // last label, which is a match in some sequences.
            let last = (0..5).map(|s| if batch.matches_of(s)[N - 1] { 2.0 } else { 1.0 }).sum::<f64>() / 5.0;
            close(of("previous_token_score"), (4.0 * 8.0 + 3.0 * 4.0 + last) / 8.0 * unit, "previous");
        }
    }
    let swapped = |layer: usize| -> Vec<f32> {
        let pattern = &trace.blocks[layer].attention.pattern;
        pattern.chunks_exact(2 * T * T).flat_map(|both| [&both[T * T..], &both[..T * T]].concat()).collect()
    };
    (trace.blocks[0].attention.pattern, trace.blocks[1].attention.pattern) = (swapped(0), swapped(1));
    let [scores, _] = in_one_and_in_two(&trainer, &batch, &trace, AttentionScores::default);
    assert_eq!(scores.leading_heads(), [1, 1]);
}

/// Head 1 of 2 writes the number of its token; its mean is another one at each position.
#[test]
fn the_mean_output_of_a_head_is_one_for_each_position() {
    let trainer = trainer(2);
    let (batch, mut trace) = looked_at(&trainer, 3, Reads::All);
    let e = trainer.model().attention(1).d_head();
    for s in 0..3 {
        for token in 0..T {
            let of_token = &mut trace.blocks[1].attention.z[(s * T + token) * 2 * e..][..2 * e];
            let (first, second) = of_token.split_at_mut(e);
            first.fill(-7.0);
            second.iter_mut().enumerate().for_each(|(i, z)| *z = (100 * token + i + 10 * s) as f32);
        }
    }
    for output in in_one_and_in_two(&trainer, &batch, &trace, || HeadOutput::new(1, 1)) {
        let want: Vec<f32> = (0..T).flat_map(|token| (0..e).map(move |i| (100 * token + i + 10) as f32)).collect();
        assert_eq!(output.mean(), want);
    }
}

/// Three sequences of two exemplars with labels (0, 1), (2, 3), (4, 0), five labels, logits by hand.
#[test]
fn accuracies_of_logits() {
    let geometry = precipice::sequence::Geometry::of_labels(2);
    let mut batch = Batch::new(3, geometry, precipice::sequence::Targets::QueryLabel { n_labels: 5 }, 4);
    batch.n_sequences = 3;
    batch.label_ids = vec![0, 1, 2, 3, 4, 0];
    batch.answers = vec![1, 3, 0];
    // Right; another label of the context; a label that is not there, beside which the context's right one is best.
    let ln = |p: f64| libm::log(p) as f32;
    let mut logits = Vec::new();
    for p in [[0.1, 0.6, 0.1, 0.1, 0.1], [0.05, 0.05, 0.5, 0.3, 0.1], [0.2, 0.1, 0.55, 0.05, 0.1]] {
        logits.extend(p.map(ln));
    }
    let mut accuracy = Accuracy::default();
    accuracy.add_outputs(&logits, &batch);
    // The same one by one.
    let mut merged = Accuracy::default();
    for s in 0..3 {
        let mut one = batch.clone();
        one.n_sequences = 1;
        one.label_ids.rotate_left(2 * s);
        one.answers.rotate_left(s);
        let mut alone = Accuracy::default();
        alone.add_outputs(&logits[5 * s..5 * (s + 1)], &one);
        merged.merge(alone);
    }
    for accuracy in [accuracy, merged] {
        let mut row = Row::default();
        accuracy.push_columns("iw_", &mut row);
        close(value(&row, "iw_accuracy"), 1.0 / 3.0, "accuracy");
        close(value(&row, "iw_context_label_accuracy"), 2.0 / 3.0, "context label");
        close(value(&row, "iw_context_restricted_accuracy"), 2.0 / 3.0, "restricted");
        close(value(&row, "iw_context_label_mass"), (0.7 + 0.8 + 0.3) / 3.0, "mass");
        close(value(&row, "iw_loss"), -(libm::log(0.6) + libm::log(0.3) + libm::log(0.2)) / 3.0, "loss");
    }
    // A logit that is no number is no answer.
    let mut broken = Accuracy::default();
    logits[4] = f32::NAN;
    broken.add_outputs(&logits, &batch);
    assert_eq!(broken.accuracy(), 0.0);
}

/// The score of key j is j², whatever the query, in head 0; labels attend to their item with .5, the query to each right
/// label with .25 and to others with .125.
#[test]
fn order_parameters_of_scores_and_patterns() {
    let mut trainer = trainer(1);
    let mut state = trainer.state().clone();
    let readout = state.params.layout.tensors().iter().find(|t| t.name == "readout.0.weight").unwrap().range.clone();
    for (i, w) in state.params.values[readout].iter_mut().enumerate() {
        *w = libm::sin(i as f64) as f32;
    }
    trainer.restore(state);
    let (batch, mut trace) = looked_at(&trainer, 6, Reads::Patterns);
    for block in &mut trace.blocks {
        let all = block.attention.all.as_mut().unwrap();
        all.scores.iter_mut().enumerate().for_each(|(i, score)| *score = ((i % T) * (i % T)) as f32);
    }
    let [first, last] = &mut trace.blocks[..] else { panic!("two layers") };
    let (first, last) = (&mut first.attention.pattern, &mut last.attention.all.as_mut().unwrap().patterns);
    first.fill(0.0);
    last.fill(0.0);
    for s in 0..6 {
        for slot in 0..N {
            first[(s * T + 2 * slot + 1) * T + 2 * slot] = 0.5;
            let mass = if batch.matches_of(s)[slot] { 0.25 } else { 0.125 };
            last[(s * T + QUERY) * T + 2 * slot + 1] = mass;
        }
    }
    // Label 2 i + 1 on item 2 i: (2 i)² minus the mean of the other squares up to (2 i + 1)².
    let square = |j: usize| (j * j) as f64;
    let squares = |n: usize| (0..n).map(square).sum::<f64>();
    let beta =
        (0..N).map(|i| square(2 * i) - (squares(2 * i + 2) - square(2 * i)) / (2 * i + 1) as f64).sum::<f64>() / 4.0;
    let (mut alpha, mut alpha_labels, mut beta_2, mut xi, mut xi_context) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let items = [0, 2, 4, 6, 8].map(square).iter().sum::<f64>() / 5.0;
    for s in 0..6 {
        let labels = |is_match: bool| -> f64 {
            let slots = (0..N).filter(|slot| batch.matches_of(s)[*slot] == is_match);
            slots.map(|slot| square(2 * slot + 1)).sum::<f64>() / 2.0
        };
        let (right, wrong) = (labels(true), labels(false));
        // Of nine tokens two are right.
        alpha += (right - (squares(9) - 2.0 * right) / 7.0) / 0.5 / 6.0;
        alpha_labels += (right - wrong) / 0.5 / 6.0;
        beta_2 += (wrong - items) / 6.0;
        let logits: Vec<f64> = trace.logits()[s * 8..(s + 1) * 8].iter().map(|&x| f64::from(x)).collect();
        let answer = batch.answers[s];
        let other = *batch.labels_of(s).iter().find(|label| **label != answer).unwrap();
        let absent = (0..8).filter(|label| *label != answer && *label != other);
        let gap = logits[answer as usize] - absent.map(|label| logits[label as usize]).sum::<f64>() / 6.0;
        // Two copies, each with a mass of .25; .125 more than another label.
        xi += gap / (2.0 * 0.25) / 6.0;
        xi_context += (logits[answer as usize] - logits[other as usize]) / (2.0 * 0.125) / 6.0;
    }
    let context =
        Context { burstiness: 2, within_class_noise: 0.0, label_strength: 0.0, ..Context::new(4, 8).unwrap() };
    for sums in in_one_and_in_two(&trainer, &batch, &trace, || OrderSums::of_heads(&[0, 0])) {
        let found = OrderParameters::new(context, &sums);
        close(found.beta.value, beta, "beta");
        close(found.alpha.value, alpha, "alpha");
        close(found.alpha_labels.value, alpha_labels, "alpha among labels");
        close(found.beta_2.value, beta_2, "beta_2");
        assert!((found.xi.value - xi).abs() < 1e-5, "xi: {} {xi}", found.xi.value);
        assert!((found.xi_context.value - xi_context).abs() < 1e-5, "xi: {} {xi_context}", found.xi_context.value);
        let predicted = context.loss([beta, alpha, found.xi.value]);
        close(found.predicted_loss, predicted, "predicted loss");
        let with_labels = Context { label_strength: beta_2, ..context }.loss([beta, alpha_labels, found.xi.value]);
        close(found.predicted_loss_labels, with_labels, "with label attention");
    }
}

/// Weights that let only one part of the query meet one part of the key: all other parts are nothing.
#[test]
fn an_interaction_is_named_after_what_meets_what() {
    let trainer = trainer(2);
    let columns = [13..29, 0..13, 29..32];
    for (a, query_part) in columns.iter().enumerate().take(2) {
        for (b, key_part) in columns.iter().enumerate().take(2) {
            let mut state = trainer.state().clone();
            for (name, kept) in [("blocks.0.attn.W_Q", query_part), ("blocks.0.attn.W_K", key_part)] {
                let tensor = state.params.layout.tensors().iter().find(|t| t.name == name).unwrap().clone();
                let width = tensor.shape[2];
                for (row, weights) in state.params.values[tensor.range].chunks_exact_mut(width).enumerate() {
                    if !kept.contains(&(row % 32)) {
                        weights.fill(0.0);
                    }
                }
            }
            let mut changed = self::trainer(2);
            changed.restore(state);
            let (batch, trace) = looked_at(&changed, 4, Reads::All);
            let (model, params) = (changed.model(), &changed.state().params);
            let mut interactions = Interactions::of_heads(model, params, &[1, 1]);
            interactions.add(model, params, &batch, &trace);
            for (i, query) in PARTS.iter().enumerate() {
                for (j, key) in PARTS.iter().enumerate() {
                    let part = interactions.layers[0].part(i, j);
                    let is_only = (i, j) == (a, b);
                    assert_eq!(part.contrast != 0.0, is_only, "{query} x {key} with {} x {}", PARTS[a], PARTS[b]);
                    assert!((part.variance_share - f64::from(u8::from(is_only))).abs() < 1e-12);
                }
            }
        }
    }
}

/// The number of updates, as a measure of a program's own.
#[derive(Debug)]
struct Age;

const AGE: Metric = Metric::new("age", "age", Unit::Number, Better::Neither);

impl Probe for Age {
    fn metrics(&self) -> Vec<Metric> {
        vec![AGE]
    }

    fn measure(&mut self, trainer: &Trainer, _: &dyn Workers, row: &mut Row) {
        row.push(AGE.main(), trainer.state().step as f64);
    }
}

#[test]
fn an_own_measure_is_known_and_comes_last() {
    let trainer = trainer(1);
    let mut spec = RunSpec { task: TaskSpec::Copying(CopyingSpec::default()), ..RunSpec::default() };
    (spec.eval.sequences, spec.probes.enabled, spec.train.batch_size) = (16, false, 32);
    let mut observer = Observer::new(&spec, &trainer);
    assert!(observer.own_metrics().is_empty());
    observer.add(Box::new(Age));
    assert_eq!(observer.own_metrics(), [AGE]);
    let mut state = trainer.state().clone();
    state.step = 7;
    let mut later = self::trainer(1);
    later.restore(state);
    let row = observer.observe(&later, 0.25, &Sequential);
    assert_eq!((row.step, row.sequences), (7, 7 * 32));
    assert_eq!(row.columns.first(), Some(&("train_loss".to_owned(), 0.25)));
    assert_eq!(row.columns.last(), Some(&("age".to_owned(), 7.0)));
}

/// Every set of a task has its own columns, from its own sequences.
#[test]
fn rows_name_the_sets_that_they_measure() {
    let trainer = trainer(1);
    let mut spec = RunSpec { task: TaskSpec::Copying(CopyingSpec::default()), ..RunSpec::default() };
    (spec.eval.sequences, spec.probes.enabled) = (64, false);
    let row = Observer::new(&spec, &trainer).observe(&trainer, f64::NAN, &Sequential);
    for (idx, prefix) in ["", "ic_", "ic_swap_", "iw_"].iter().enumerate() {
        let batch = trainer.task().batch(Set::eval(idx), 0, 64);
        let mut trace = trainer.model().trace(64, Reads::All);
        trainer.model().forward(&trainer.state().params, &batch, &mut trace);
        let mut accuracy = Accuracy::default();
        accuracy.add_outputs(trace.logits(), &batch);
        assert_eq!(value(&row, &format!("{prefix}accuracy")), accuracy.accuracy(), "{prefix}");
    }
}
