//! The folded form is the plain network: same loss, same gradients.

use precipice::batch::Batch;
use precipice::model::plan::{Form, Plan};
use precipice::model::{FoldedShard, Model, Params, Reads, Trace};
use precipice::spec::*;
use precipice::task::{Set, Task};
use precipice::train::loss::{cross_entropy, cross_entropy_gradient};
use precipice::workers::each_part;
use precipice_num::{Kernels, Real, Rng, StreamId};
use proptest::prelude::*;

/// Mean loss and gradients of the plain form.
fn plain<T: Real>(spec: &RunSpec, model: &Model<T>, params: &Params<T>, batch: &Batch) -> (f64, Params<T>) {
    let s = batch.n_sequences;
    let mut trace = Trace::new(spec, s, Reads::QueryOnly);
    let mut grads = Params::zeros(model.layout().clone());
    model.forward(params, batch, &mut trace, None);
    let loss = cross_entropy(trace.logits(), &batch.answers) / s as f64;
    let (logits, d_logits) = trace.logits_and_gradient();
    cross_entropy_gradient(model.kernels(), logits, &batch.answers, 1.0 / s as f64, d_logits);
    model.backward(params, batch, &mut trace, &mut grads);
    (loss, grads)
}

/// The same by the folded form, as two shards of chunks of two, with room to spare.
fn folded<T: Real>(spec: &RunSpec, model: &Model<T>, params: &Params<T>, task: &Task, s: usize) -> (f64, Params<T>) {
    let mut step = model.folded_step().expect("the plan folds");
    let (prepared, half) = (&mut step.prepared, s / 2);
    each_part(prepared, &step.prepared_cuts, |part, to| model.prepare(params, part, to));
    let mut loss = 0.0;
    let shards = [0..half, half..s].map(|range| {
        let mut shard = FoldedShard::new(spec, range.len() + 2, 2);
        // An empty shard keeps its empty chunks.
        for (chunk, first) in range.clone().step_by(2).enumerate() {
            let mut batch = task.workspace(2);
            batch.n_sequences = (range.end - first).min(2);
            task.fill(model.kernels(), Set::Train, 3, first, &mut batch);
            let trace = &mut shard.traces[chunk];
            model.forward_folded(params, prepared, &batch, trace);
            let (logits, d_logits) = trace.logits_and_gradient();
            let answers = &batch.answers[..batch.n_sequences];
            loss += cross_entropy_gradient(model.kernels(), logits, answers, 1.0 / s as f64, d_logits) / s as f64;
            model.backward_folded(params, prepared, &batch, trace, &mut shard.lookups);
        }
        shard
    });
    let shards: Vec<_> = shards.iter().collect();
    model.add_up_labels(&shards, &mut step.labels);
    let labels = &step.labels;
    each_part(&mut step.shared, &step.shared_cuts, |part, to| model.add_up_shared(&shards, labels, part, to));
    let mut grads = Params::zeros(model.layout().clone());
    let shared = &step.shared;
    each_part(&mut grads.values, &step.gradient_cuts, |part, to| {
        model.folded_gradient(params, &shards, shared, part, to);
    });
    (loss, grads)
}

fn spec_of(copying: CopyingSpec, model: ModelSpec) -> RunSpec {
    spec_on(TaskSpec::Copying(copying), model)
}

fn spec_on(task: TaskSpec, model: ModelSpec) -> RunSpec {
    let mut spec = RunSpec { name: "forms".to_owned(), task, model, ..RunSpec::default() };
    spec.resolve();
    spec.validate().unwrap();
    spec
}

/// Within a tolerance relative to each tensor's largest gradient.
fn compare<T: Real>(spec: &RunSpec, s: usize, tolerance: f64) {
    assert_eq!(Plan::of(spec).form, Form::Folded);
    let task = Task::new(spec, None).unwrap();
    let model = Model::<T>::new(spec, &task.label_table(), Kernels::detect());
    let mut params = Params::init(model.layout().clone(), 1);
    // Zero readouts would hide mistakes, and large scores make attention uneven.
    let mut noise = vec![0.0; params.values.len()];
    Rng::fill_normal(Kernels::detect(), StreamId { seed: 5, purpose: 99, step: 0, lane: 0 }, 0.3, &mut noise);
    params.values.iter_mut().zip(noise).for_each(|(p, z)| *p += T::from_f64(f64::from(z)));
    let batch = task.batch(Set::Train, 3, s);
    let ((loss, grads), (other, others)) =
        (plain(spec, &model, &params, &batch), folded(spec, &model, &params, &task, s));
    assert!((loss - other).abs() < tolerance * loss.abs(), "{loss} {other}");
    for tensor in model.layout().tensors() {
        let (a, b) = (&grads.values[tensor.range.clone()], &others.values[tensor.range.clone()]);
        let scale = a.iter().map(|x| x.to_f64().abs()).fold(1e-9, f64::max);
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            assert!((*x - *y).to_f64().abs() < tolerance * scale, "{}[{i}]: {x:?} {y:?}", tensor.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn folded_is_plain(
        n in 2_usize..20, spare in 0_usize..9, d_item in 1_usize..20, is_wide: bool, room in 0_usize..7, d_buffer in 0_usize..5,
        s in 1_usize..6, scale_scores: bool, mlp: bool,
    ) {
        // More rows of A_cc than one job computes.
        let d_item = if is_wide { d_item + 90 } else { d_item };
        let copying = CopyingSpec { n_exemplars: n, n_labels: n + spare, d_item, items: None };
        let readout = if mlp { Readout::Mlp } else { Readout::Linear };
        let model = ModelSpec {
            d_pos: 2 * n + 1 + room, d_buffer, scale_scores, readout, readout_layers: 2, readout_width: 7,
            ..ModelSpec::default()
        };
        let spec = spec_of(copying, model);
        compare::<f64>(&spec, s, 1e-9);
        compare::<f32>(&spec, s, 2e-3);
    }
}

/// Repeated and absent classes, labels that occur more than once.
#[test]
fn classification_folds_too() {
    let task = ClassificationSpec { n_classes: 64, burstiness: 2, p_bursty: 0.5, p_novel: 0.3, ..Default::default() };
    let model = ModelSpec { d_pos: 65, d_buffer: 0, readout: Readout::Mlp, ..ModelSpec::default() };
    let spec = spec_on(TaskSpec::Classification(task), model);
    compare::<f64>(&spec, 7, 1e-11);
    compare::<f32>(&spec, 7, 1e-4);
}
