//! The folded form is the plain network: same loss, same gradients.

use precipice::batch::Batch;
use precipice::model::plan::{Form, Plan};
use precipice::model::{FoldedTrace, Model, Params, Reads, Trace};
use precipice::spec::*;
use precipice::task::{Set, Task};
use precipice::train::loss::{cross_entropy, cross_entropy_gradient};
use precipice_num::{Kernels, Rng, StreamId};
use proptest::prelude::*;

/// Mean loss and gradients of the plain form.
fn plain(spec: &RunSpec, model: &Model<f64>, params: &Params<f64>, batch: &Batch) -> (f64, Params<f64>) {
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

/// The same by the folded form, in a trace with room to spare.
fn folded(spec: &RunSpec, model: &Model<f64>, params: &Params<f64>, batch: &Batch) -> (f64, Params<f64>) {
    let s = batch.n_sequences;
    let (mut prepared, mut shared) = model.prepared().expect("the plan folds");
    let mut trace = FoldedTrace::new(spec, s + 2);
    let mut grads = Params::zeros(model.layout().clone());
    model.prepare(params, &mut prepared);
    model.forward_folded(params, &prepared, batch, &mut trace);
    let (logits, d_logits) = trace.logits_and_gradient();
    let loss = cross_entropy(logits, &batch.answers) / s as f64;
    cross_entropy_gradient(model.kernels(), logits, &batch.answers, 1.0 / s as f64, d_logits);
    model.backward_folded(params, batch, &mut trace, &mut grads, &mut shared);
    model.finish_folded(params, &mut shared, &mut grads);
    (loss, grads)
}

fn spec_of(copying: CopyingSpec, model: ModelSpec) -> RunSpec {
    let mut spec = RunSpec { name: "forms".to_owned(), task: TaskSpec::Copying(copying), model, ..RunSpec::default() };
    spec.resolve();
    spec.validate().unwrap();
    spec
}

fn compare(spec: &RunSpec, s: usize) {
    assert_eq!(Plan::of(spec).form, Form::Folded);
    let task = Task::new(spec, None).unwrap();
    let model = Model::<f64>::new(spec, &task.label_table(), Kernels::detect());
    let mut params = Params::init(model.layout().clone(), 1);
    // Zero readouts would hide mistakes, and large scores make attention uneven.
    let mut noise = vec![0.0; params.values.len()];
    Rng::fill_normal(Kernels::detect(), StreamId { seed: 5, purpose: 99, step: 0, lane: 0 }, 0.3, &mut noise);
    params.values.iter_mut().zip(noise).for_each(|(p, z)| *p += f64::from(z));
    let batch = task.batch(Set::Train, 3, s);
    let ((loss, grads), (other, others)) =
        (plain(spec, &model, &params, &batch), folded(spec, &model, &params, &batch));
    assert!((loss - other).abs() < 1e-11 * loss.abs(), "{loss} {other}");
    for tensor in model.layout().tensors() {
        let (a, b) = (&grads.values[tensor.range.clone()], &others.values[tensor.range.clone()]);
        let scale = a.iter().map(|x| x.abs()).fold(1e-12, f64::max);
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            assert!((x - y).abs() < 1e-9 * scale, "{}[{i}]: {x} {y}", tensor.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn folded_is_plain(
        n in 2_usize..7, spare in 0_usize..9, d_item in 2_usize..12, room in 0_usize..7, d_buffer in 0_usize..5,
        s in 1_usize..6, scale_scores: bool, mlp: bool,
    ) {
        let copying = CopyingSpec { n_exemplars: n, n_labels: n + spare, d_item, items: None };
        let readout = if mlp { Readout::Mlp } else { Readout::Linear };
        let model = ModelSpec {
            d_pos: 2 * n + 1 + room, d_buffer, scale_scores, readout, readout_layers: 2, readout_width: 7,
            ..ModelSpec::default()
        };
        compare(&spec_of(copying, model), s);
    }
}
