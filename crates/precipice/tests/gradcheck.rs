//! Every layer and option against central differences in f64.

use precipice::model::{Model, Params, Reads};
use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::task::Set;
use precipice::train::loss::{cross_entropy, cross_entropy_gradient, square, square_gradient};
use precipice_num::{Kernels, Rng, StreamId};

const SEQUENCES: usize = 3;

/// d_pos and d_buffer as given, unlike `on`.
fn regression(task: RegressionSpec, model: ModelSpec) -> RunSpec {
    let task = TaskSpec::Regression(RegressionSpec { n_exemplars: 5, d_item: 3, ..task });
    let mut spec = RunSpec { name: "gradcheck".to_owned(), task, model, ..RunSpec::default() };
    spec.train.batch_size = SEQUENCES;
    spec.resolve();
    spec.validate().unwrap();
    spec
}

#[test]
fn regression_networks() {
    let linear = vec![AttentionKind::Linear];
    let pairs = ModelSpec { d_pos: Some(0), d_buffer: 0, n_layers: 1, output_projection: true, ..base() };
    let network = |model: ModelSpec| regression(RegressionSpec::default(), model);
    // Its statistic is compared with this form in `forms.rs`.
    check_spec("one linear layer", network(ModelSpec { attention: linear.clone(), ..pairs.clone() }));
    let heads = ModelSpec { attention: linear.clone(), n_heads: 2, damping: 0.7, ..pairs.clone() };
    check_spec("two linear heads, damped", network(heads.clone()));
    check_spec("tied linear layers", network(ModelSpec { n_layers: 3, tied_layers: true, ..heads.clone() }));
    check_spec("clipped tokens", network(ModelSpec { n_layers: 2, token_clip: Some(0.6), ..heads.clone() }));
    check_spec("soft-max heads", network(ModelSpec { n_heads: 2, scale_scores: true, ..pairs.clone() }));
    let whole =
        ModelSpec { n_layers: 2, layer_norm: true, d_mlp: 5, activation: Activation::Gelu, d_buffer: 2, ..heads };
    check_spec("LayerNorm, MLP and a buffer", network(whole));
    let kinds = vec![AttentionKind::Softmax, AttentionKind::Linear];
    let stream = ModelSpec { tokens: Tokens::Stream, d_pos: Some(12), n_layers: 2, attention: kinds, ..pairs.clone() };
    check_spec("a stream of tokens", network(ModelSpec { positions: Positions::Learned, ..stream }));
    let noisy = RegressionSpec { noise: 0.3, n_tasks: Some(3), ..RegressionSpec::default() };
    let embedding = Some(EmbeddingSpec { d_embed: 6, d_mlp: 7 });
    let embedded = ModelSpec {
        embedding,
        activation: Activation::Gelu,
        ..ModelSpec { attention: linear.clone(), ..pairs.clone() }
    };
    check_spec("an embedding", network(embedded.clone()));
    let construction = Some(Construction::GradientDescent { rate: 2.0 });
    check_spec("an embedding before a constructed step", network(ModelSpec { construction, ..embedded }));
    check_spec("noise and a pool", regression(noisy, ModelSpec { attention: linear, ..pairs }));
}

fn small(model: ModelSpec) -> RunSpec {
    on(TaskSpec::Copying(CopyingSpec { n_exemplars: 3, n_labels: 5, d_item: 6, items: None }), model)
}

fn on(task: TaskSpec, model: ModelSpec) -> RunSpec {
    let mut spec = RunSpec {
        name: "gradcheck".to_owned(),
        task,
        model: ModelSpec { d_pos: Some(9), d_buffer: 3, readout_layers: 2, readout_width: 7, ..model },
        ..RunSpec::default()
    };
    spec.train.batch_size = SEQUENCES;
    spec.resolve();
    spec.validate().unwrap();
    spec
}

fn base() -> ModelSpec {
    ModelSpec { n_positions: None, d_head: None, ..ModelSpec::default() }
}

fn loss_sum(outputs: &[f64], batch: &Batch) -> f64 {
    if batch.targets().are_labels() {
        return cross_entropy(outputs, &batch.answers);
    }
    outputs.iter().zip(batch.query_values()).map(|(p, y)| square(*p, y)).sum()
}

fn loss_gradient(outputs: &[f64], batch: &Batch, d_outputs: &mut [f64]) {
    let scale = 1.0 / SEQUENCES as f64;
    if batch.targets().are_labels() {
        cross_entropy_gradient(Kernels::detect(), outputs, &batch.answers, scale, d_outputs);
    } else {
        square_gradient(outputs, batch.query_values(), scale, d_outputs);
    }
}

/// Checks a random direction over all parameters, and single entries of every tensor.
fn check(name: &str, model: ModelSpec) {
    check_spec(name, small(model));
}

fn check_spec(name: &str, spec: RunSpec) {
    let task = spec.build_task(None).unwrap();
    let model = Model::<f64>::new(&spec, &task.label_table(), Kernels::detect());
    let mut params = Params::init(model.layout().clone(), 1);
    // Zero readouts, unit gains and zero biases would hide mistakes.
    let noise = deviates(params.values.len(), 0);
    params.values.iter_mut().zip(noise).for_each(|(p, z)| *p += 0.2 * z);
    let batch = task.batch(Set::Train, 0, SEQUENCES);
    for reads in [Reads::All, Reads::QueryOnly] {
        let mut trace = model.trace(SEQUENCES, reads);
        let mut loss = |params: &Params<f64>| {
            model.forward(params, &batch, &mut trace);
            loss_sum(trace.logits(), &batch) / SEQUENCES as f64
        };
        let mut slope = |params: &Params<f64>, direction: &[f64]| {
            // Small, because a ReLU's kink inside the step adds an error of order h.
            let h = 1e-6;
            let mut at = |sign: f64| {
                let mut moved = params.clone();
                moved.values.iter_mut().zip(direction).for_each(|(p, d)| *p += sign * h * d);
                loss(&moved)
            };
            (at(1.0) - at(-1.0)) / (2.0 * h)
        };
        let grads = gradient(&model, &params, &batch, reads);
        let mut expect = |what: &str, direction: &[f64]| {
            let exact: f64 = grads.values.iter().zip(direction).map(|(g, d)| g * d).sum();
            let measured = slope(&params, direction);
            assert!(
                (exact - measured).abs() < 2e-7 * (1.0 + exact.abs()),
                "{name} {reads:?} {what}: {exact} {measured}"
            );
        };
        expect("a direction", &deviates(params.values.len(), 1));
        for tensor in model.layout().tensors() {
            for part in 0..4 {
                let mut direction = vec![0.0; params.values.len()];
                direction[tensor.range.start + part * (tensor.range.len() - 1) / 3] = 1.0;
                expect(&tensor.name, &direction);
            }
        }
    }
}

fn gradient(model: &Model<f64>, params: &Params<f64>, batch: &precipice::sequence::Batch, reads: Reads) -> Params<f64> {
    let mut trace = model.trace(SEQUENCES, reads);
    let mut grads = Params::zeros(model.layout().clone());
    model.forward(params, batch, &mut trace);
    let (logits, d_logits) = trace.logits_and_gradient();
    loss_gradient(logits, batch, d_logits);
    model.backward(params, batch, &mut trace, &mut grads.values);
    grads
}

fn deviates(len: usize, lane: u32) -> Vec<f64> {
    let mut z = vec![0.0; len];
    let id = StreamId { seed: 5, purpose: 99, step: 0, lane };
    Rng::fill_normal(Kernels::detect(), id, 1.0, &mut z);
    z.into_iter().map(f64::from).collect()
}

#[test]
fn the_essay_s_network() {
    check("linear readout", base());
    check("one layer", ModelSpec { n_layers: 1, ..base() });
    check("three layers", ModelSpec { n_layers: 3, ..base() });
}

#[test]
fn readouts() {
    check("mlp readout", ModelSpec { readout: Readout::Mlp, ..base() });
}

#[test]
fn heads_and_scores() {
    check("two heads side by side", ModelSpec { n_heads: 2, ..base() });
    check("scaled scores", ModelSpec { scale_scores: true, ..base() });
    let projected = ModelSpec { n_heads: 3, d_head: Some(4), output_projection: true, ..base() };
    check("three narrow heads through W_O", projected);
}

#[test]
fn minimal_heads() {
    let scalars = MinimalSpec { beta: 0.7, alpha: -1.3, beta_2: 0.4, trains_beta_2: true };
    check("linear readout of a minimal head", ModelSpec { minimal: Some(scalars.clone()), ..base() });
    check("mlp readout of a minimal head", ModelSpec { minimal: Some(scalars), readout: Readout::Mlp, ..base() });
}

#[test]
fn norms_and_mlp_blocks() {
    check("LayerNorm", ModelSpec { layer_norm: true, ..base() });
    check("ReLU blocks", ModelSpec { d_mlp: 8, ..base() });
    check("GELU blocks", ModelSpec { d_mlp: 8, activation: Activation::Gelu, ..base() });
    check(
        "LayerNorm and GELU blocks",
        ModelSpec { layer_norm: true, d_mlp: 8, activation: Activation::Gelu, ..base() },
    );
}

#[test]
fn positions() {
    check("learned", ModelSpec { positions: Positions::Learned, n_positions: Some(11), ..base() });
    check("sinusoidal", ModelSpec { positions: Positions::Sinusoidal, n_positions: Some(11), ..base() });
    let all = ModelSpec {
        positions: Positions::Learned,
        n_positions: Some(11),
        n_heads: 2,
        d_head: Some(5),
        output_projection: true,
        scale_scores: true,
        layer_norm: true,
        d_mlp: 6,
        readout: Readout::Mlp,
        ..base()
    };
    check("everything", all);
}

fn clamp(layer: usize, head: usize, pattern: ClampPattern) -> ClampSpec {
    ClampSpec { layer, head, pattern }
}

/// Bursty contexts, some of which do not hold the query's class: there a match is left alone.
fn classification() -> TaskSpec {
    TaskSpec::Classification(ClassificationSpec {
        n_exemplars: 4,
        n_labels: 4,
        d_item: 6,
        n_classes: 8,
        burstiness: 2,
        p_bursty: 0.5,
        p_novel: 0.3,
        n_novel_classes: 5,
        ..ClassificationSpec::default()
    })
}

#[test]
fn classification_and_clamped_heads() {
    let (previous, matching) = (ClampPattern::PreviousToken, ClampPattern::Match);
    check_spec("classification", on(classification(), ModelSpec { readout: Readout::Mlp, ..base() }));
    check("previous token", ModelSpec { clamps: vec![clamp(0, 0, previous)], ..base() });
    check("match", ModelSpec { clamps: vec![clamp(1, 0, matching)], ..base() });
    let both = vec![clamp(0, 1, previous), clamp(1, 0, matching)];
    check_spec(
        "two heads, one of each layer",
        on(classification(), ModelSpec { clamps: both, n_heads: 3, d_buffer: 0, ..base() }),
    );
    let scalars = MinimalSpec { beta: 0.7, alpha: -1.3, beta_2: 0.4, trains_beta_2: true };
    for clamps in [vec![clamp(0, 0, previous)], vec![clamp(1, 0, matching)]] {
        check_spec(
            "a clamped minimal head",
            on(classification(), ModelSpec { minimal: Some(scalars.clone()), clamps, ..base() }),
        );
    }
}
