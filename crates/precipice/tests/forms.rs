//! All forms are the plain network: same loss, same gradients, same outputs.

use std::sync::Mutex;

use precipice::model::plan::{FormKind, Plan};
use precipice::model::{Ablation, Description, Model, Params, Reads};
use precipice::spec::*;
use precipice::task::{Set, Task};
use precipice::train::loss::{cross_entropy_gradient, square_gradient};
use precipice::train::{Engine, Lane, Step, engine_of};
use precipice::workers::Sequential;
use precipice_num::{Kernels, Real, Rng, StreamId};
use proptest::prelude::*;

fn spec_on(task: TaskSpec, model: ModelSpec) -> RunSpec {
    let mut spec = RunSpec { name: "forms".to_owned(), task, model, ..RunSpec::default() };
    // Linear attention has no fractions to measure.
    spec.probes.enabled = false;
    spec.resolve();
    spec.validate().unwrap();
    spec
}

/// Loss, gradient, and outputs of an evaluation.
fn computed<T: Real>(mut engine: Box<dyn Engine<T>>, lane: Lane<'_, T>) -> (f64, Params<T>, Vec<T>) {
    let mut grads = Params::zeros(lane.model.layout().clone());
    let mut run = [Step { lane, step: 3, grads: &mut grads, loss_sum: 0.0 }];
    engine.gradients(&mut run, &Sequential);
    let loss = run[0].loss_sum;
    let outputs = Mutex::new(Vec::new());
    engine.outputs(lane, Set::MAIN, 21, &Sequential, &|_, of_batch, _| {
        outputs.lock().unwrap().extend_from_slice(of_batch);
    });
    (loss, grads, outputs.into_inner().unwrap())
}

/// Within a tolerance relative to each tensor's largest gradient, or to a hundredth of the largest of all: what cancels
/// to less than that is rounding.
fn compare<T: Real>(spec: &RunSpec, s: usize, kind: FormKind, tolerance: f64) {
    assert_eq!(Plan::of(&Description::of(spec), s).form, kind);
    let task = spec.build_task(None).unwrap();
    let task: &dyn Task = &*task;
    let model = Model::<T>::new(spec, &task.label_table(), Kernels::detect());
    let params = noisy(&model);
    let lane = Lane { model: &model, task, params: &params };
    let [(loss, grads, outputs), (other, others, other_outputs)] =
        [FormKind::Plain, kind].map(|kind| computed(engine_of(kind, &model, s), lane));
    assert!((loss - other).abs() < tolerance * loss.abs(), "{loss} {other}");
    compare_values(&model, [&outputs, &other_outputs], [&grads, &others], tolerance);
}

/// Zero readouts would hide mistakes, and large scores make attention uneven.
fn noisy<T: Real>(model: &Model<T>) -> Params<T> {
    let mut params = Params::init(model.layout().clone(), 1);
    let mut noise = vec![0.0; params.values.len()];
    Rng::fill_normal(Kernels::detect(), StreamId { seed: 5, purpose: 99, step: 0, lane: 0 }, 0.3, &mut noise);
    params.values.iter_mut().zip(noise).for_each(|(p, z)| *p += T::from_f64(f64::from(z)));
    params
}

fn compare_values<T: Real>(model: &Model<T>, outputs: [&[T]; 2], grads: [&Params<T>; 2], tolerance: f64) {
    let largest = |values: &[T]| values.iter().map(|x| x.to_f64().abs()).fold(1e-9, f64::max);
    let close = |what: &str, [a, b]: [&[T]; 2], least: f64| {
        let scale = largest(a).max(least);
        assert_eq!(a.len(), b.len());
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            assert!((*x - *y).to_f64().abs() < tolerance * scale, "{what}[{i}]: {x:?} {y:?}");
        }
    };
    close("outputs", outputs, 0.0);
    let least = 0.01 * largest(&grads[0].values);
    for tensor in model.layout().tensors() {
        close(&tensor.name, grads.map(|grads| &grads.values[tensor.range.clone()]), least);
    }
}

/// A network whose last layer is read at the query is the one that computes every token: outputs and gradients, and
/// outputs without a head.
fn compare_reads(spec: &RunSpec, s: usize) {
    let task = spec.build_task(None).unwrap();
    let model = Model::<f64>::new(spec, &task.label_table(), Kernels::detect());
    let (params, batch) = (noisy(&model), task.batch(Set::Train, 3, s));
    let description = model.description();
    let layer = description.n_layers - 1;
    let replacement = (0..description.n_tokens() * description.d_head).map(|i| libm::sin(i as f64)).collect();
    let ablation = Ablation { layer, head: description.n_heads / 2, replacement };
    let [all, at_query] = [Reads::All, Reads::QueryOnly].map(|reads| {
        let mut trace = model.trace(s, reads);
        let mut grads = Params::zeros(model.layout().clone());
        model.forward(&params, &batch, &mut trace);
        model.answer_without(&params, &model.score_maps(&params), &batch, &mut trace, &ablation);
        let mut outputs = trace.logits().to_vec();
        model.forward(&params, &batch, &mut trace);
        let (now, d_outputs) = trace.logits_and_gradient();
        outputs.extend_from_slice(now);
        if batch.targets().are_labels() {
            cross_entropy_gradient(Kernels::detect(), now, &batch.answers, 1.0, d_outputs);
        } else {
            square_gradient(now, batch.query_values(), 1.0, d_outputs);
        }
        model.backward(&params, &batch, &mut trace, &mut grads.values);
        (outputs, grads)
    });
    compare_values(&model, [&all.0, &at_query.0], [&all.1, &at_query.1], 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn folded_is_plain(
        n in 2_usize..20, spare in 0_usize..9, d_item in 1_usize..20, is_wide: bool, room in 0_usize..7, d_buffer in 0_usize..5,
        s in 1_usize..40, scale_scores: bool, mlp: bool,
    ) {
        // More rows of A_cc than one job computes.
        let d_item = if is_wide { d_item + 90 } else { d_item };
        let copying = CopyingSpec { n_exemplars: n, n_labels: n + spare, d_item, items: None };
        let readout = if mlp { Readout::Mlp } else { Readout::Linear };
        let model = ModelSpec {
            d_pos: Some(2 * n + 1 + room), d_buffer, scale_scores, readout, readout_layers: 2, readout_width: 7,
            ..ModelSpec::default()
        };
        let spec = spec_on(TaskSpec::Copying(copying), model);
        // Of tiny batches the plain form may be the cheaper one.
        if Plan::of(&Description::of(&spec), s).form == FormKind::Folded {
            compare::<f64>(&spec, s, FormKind::Folded, 1e-9);
            compare::<f32>(&spec, s, FormKind::Folded, 2e-3);
        }
    }

    #[test]
    fn one_layer_is_plain(
        n in 1_usize..20, d_item in 1_usize..24, n_heads in 1_usize..4, d_head in 1_usize..9, s in 1_usize..40, damping in 0.5_f64..2.0,
    ) {
        let task = RegressionSpec { n_exemplars: n, d_item, noise: 0.1, ..RegressionSpec::default() };
        let model = ModelSpec { n_heads, d_head: Some(d_head), damping, ..linear() };
        let spec = spec_on(TaskSpec::Regression(task), model);
        compare::<f64>(&spec, s, FormKind::OneLayer, 1e-9);
        compare::<f32>(&spec, s, FormKind::OneLayer, 2e-3);
    }
}

/// Options of a general network.
#[derive(Clone, Debug)]
struct Options {
    n_layers: usize,
    n_heads: usize,
    d_head: usize,
    scale_scores: bool,
    layer_norm: bool,
    d_mlp: usize,
    is_linear: bool,
    is_damped: bool,
    clamped: Option<ClampPattern>,
    positions: Positions,
}

impl Options {
    fn model(self) -> ModelSpec {
        let Self { n_layers, n_heads, d_head, scale_scores, layer_norm, d_mlp, positions, .. } = self;
        let kind = if self.is_linear { AttentionKind::Linear } else { AttentionKind::Softmax };
        let clamp = |pattern| ClampSpec { layer: n_layers - 1, head: n_heads / 2, pattern };
        ModelSpec {
            n_layers,
            n_heads,
            d_head: Some(d_head),
            output_projection: true,
            scale_scores,
            layer_norm,
            d_mlp,
            attention: vec![kind],
            damping: if self.is_damped { 0.7 } else { 1.0 },
            clamps: self.clamped.map(clamp).into_iter().collect(),
            positions,
            ..ModelSpec::default()
        }
    }
}

prop_compose! {
    fn options()(
        n_layers in 1_usize..4, n_heads in 1_usize..5, d_head in 1_usize..9, scale_scores: bool, layer_norm: bool,
        d_mlp in prop_oneof![Just(0_usize), 1..12_usize], is_linear: bool, is_damped: bool,
        clamped in prop_oneof![Just(None), Just(Some(ClampPattern::PreviousToken)), Just(Some(ClampPattern::Match))],
        positions in prop_oneof![Just(Positions::OneHot), Just(Positions::Sinusoidal), Just(Positions::Learned)],
    ) -> Options {
        Options {
            n_layers, n_heads, d_head, scale_scores, layer_norm, d_mlp, is_linear, is_damped, clamped, positions,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn the_query_s_layer_is_one_of_all_tokens(
        options in options(), n in 2_usize..12, d_item in 1_usize..20, room in 0_usize..7, d_buffer in 0_usize..5,
        s in 1_usize..20, stream: bool,
    ) {
        let copying = CopyingSpec { n_exemplars: n, n_labels: n + 2, d_item, items: None };
        let model = ModelSpec { d_pos: Some(2 * n + 1 + room), d_buffer, ..options.clone().model() };
        compare_reads(&spec_on(TaskSpec::Copying(copying), model), s);
        let options = Options { clamped: None, positions: Positions::OneHot, ..options };
        let task = RegressionSpec { n_exemplars: n, d_item, ..RegressionSpec::default() };
        let (d_pos, tokens) = if stream { (2 * n + 1, Tokens::Stream) } else { (0, Tokens::Pairs) };
        let model = ModelSpec { d_pos: Some(d_pos), d_buffer, tokens, ..options.model() };
        compare_reads(&spec_on(TaskSpec::Regression(task), model), s);
    }
}

/// What probes read is what a pass over every token has: patterns, scores before them, answers; and a head that is
/// replaced by nothing is one whose values are nothing.
fn compare_looks(spec: &RunSpec, s: usize) {
    let task = spec.build_task(None).unwrap();
    let model = Model::<f64>::new(spec, &task.label_table(), Kernels::detect());
    let (params, batch) = (noisy(&model), task.batch(Set::Train, 3, s));
    let &Description { n_layers, n_heads, d_head, .. } = model.description();
    let t = batch.n_tokens();
    // Room for more than there is.
    let [mut all, mut looked] = [Reads::All, Reads::Patterns].map(|reads| model.trace(s + 3, reads));
    let maps = model.score_maps(&params);
    // Maps change nothing for who does not want them.
    for trace in [&mut all, &mut looked] {
        model.forward_with(&params, &maps, &batch, trace);
    }
    let close = |what: &str, a: &[f64], b: &[f64]| {
        let scale = a.iter().fold(1e-9_f64, |max, x| max.max(x.abs()));
        let is_close = |(x, y): (&f64, &f64)| (x - y).abs() < 1e-9 * scale;
        assert!(a.len() == b.len() && a.iter().zip(b).all(is_close), "{what} {spec:?}");
    };
    close("logits", all.logits(), looked.logits());
    for (layer, head) in (0..n_layers).flat_map(|layer| (0..n_heads).map(move |head| (layer, head))) {
        let (plain, scores) =
            (&all.blocks[layer].attention, &looked.blocks[layer].attention.all.as_ref().unwrap().scores);
        for (i, token) in (0..s).flat_map(|i| (0..t).map(move |token| (i, token))) {
            let [a, b] = [&all, &looked].map(|trace| trace.attention(layer, head, i, token));
            close("pattern", a, b);
            let row = |x: &[f64], token: usize| x[((i * t + token) * n_heads + head) * d_head..][..d_head].to_vec();
            let q = row(&plain.q, token);
            let dot = |key: usize| q.iter().zip(row(&plain.k, key)).map(|(q, k)| q * k).sum::<f64>();
            let want: Vec<f64> = (0..t).map(dot).collect();
            close("scores", &want, &scores[((i * n_heads + head) * t + token) * t..][..t]);
        }
    }
    // From the last layer to the first, and every head from the same trace.
    for (layer, head) in (0..n_layers).rev().flat_map(|layer| (0..n_heads).map(move |head| (layer, head))) {
        let tensors = params.layout.tensors();
        let values = tensors.iter().find(|tensor| tensor.name == format!("blocks.{layer}.attn.W_V")).unwrap();
        let size = values.range.len() / n_heads;
        let mut without = params.clone();
        without.values[values.range.clone()][head * size..(head + 1) * size].fill(0.0);
        model.forward(&without, &batch, &mut all);
        let ablation = Ablation { layer, head, replacement: vec![0.0; t * d_head] };
        model.answer_without(&params, &maps, &batch, &mut looked, &ablation);
        close("logits without a head", all.logits(), looked.logits());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_look_inside_is_a_pass_over_every_token(
        options in options(), n in 2_usize..12, d_item in 1_usize..20, room in 0_usize..7, d_buffer in 0_usize..5,
        s in 1_usize..9,
    ) {
        let copying = || TaskSpec::Copying(CopyingSpec { n_exemplars: n, n_labels: n + 2, d_item, items: None });
        let d_pos = Some(2 * n + 1 + room);
        let model = ModelSpec { d_pos, d_buffer, ..options.clone().model() };
        compare_looks(&spec_on(copying(), model.clone()), s);
        // Wide heads, whose scores have a map.
        compare_looks(&spec_on(copying(), ModelSpec { d_head: Some(40 + options.d_head), n_heads: 1, clamps: Vec::new(), ..model }), s);
        let folding = ModelSpec { d_pos, d_buffer, scale_scores: options.scale_scores, ..ModelSpec::default() };
        compare_looks(&spec_on(copying(), folding), s);
    }
}

/// Heads side by side, and layers that share their parameters.
#[test]
fn other_networks_are_read_at_the_query_too() {
    let task = || TaskSpec::Copying(CopyingSpec { n_exemplars: 8, n_labels: 12, d_item: 15, items: None });
    let side = ModelSpec { n_heads: 4, d_pos: Some(17), d_buffer: 0, ..ModelSpec::default() };
    compare_reads(&spec_on(task(), side.clone()), 5);
    compare_reads(&spec_on(task(), ModelSpec { tied_layers: true, output_projection: true, ..side }), 5);
}

fn linear() -> ModelSpec {
    let attention = vec![AttentionKind::Linear];
    ModelSpec { attention, n_layers: 1, d_pos: Some(0), d_buffer: 0, output_projection: true, ..ModelSpec::default() }
}

/// Several chunks in a shard, of unequal length.
#[test]
fn chunks_do_not_matter() {
    let small = ModelSpec { d_buffer: 3, ..ModelSpec::default() };
    compare::<f64>(&spec_on(TaskSpec::default(), small), 301, FormKind::Folded, 1e-9);
    compare::<f64>(&spec_on(TaskSpec::Regression(RegressionSpec::default()), linear()), 301, FormKind::OneLayer, 1e-9);
}

/// A minimal head has no other form; it is computed by the stages of the plain one.
#[test]
fn a_minimal_head_is_its_own_form() {
    let model = ModelSpec { minimal: Some(MinimalSpec::default()), ..ModelSpec::default() };
    compare::<f64>(&spec_on(TaskSpec::default(), model), 5, FormKind::Minimal, 1e-12);
}

/// Repeated and absent classes, labels that occur more than once.
#[test]
fn classification_folds_too() {
    let task = ClassificationSpec { n_classes: 64, burstiness: 2, p_bursty: 0.5, p_novel: 0.3, ..Default::default() };
    let model = ModelSpec { d_pos: Some(65), d_buffer: 0, readout: Readout::Mlp, ..ModelSpec::default() };
    let spec = spec_on(TaskSpec::Classification(task), model);
    compare::<f64>(&spec, 70, FormKind::Folded, 1e-11);
    compare::<f32>(&spec, 70, FormKind::Folded, 1e-4);
}
