//! Probes against what they are defined by.

use precipice::measure::inside::look;
use precipice::measure::interactions::{Interactions, PARTS};
use precipice::measure::{Observer, Tally, metric};
use precipice::record::Row;
use precipice::spec::*;
use precipice::task::Set;
use precipice::train::Trainer;
use precipice::workers::Sequential;
use precipice_num::Kernels;

fn spec() -> RunSpec {
    let mut spec = RunSpec { name: "probes".to_owned(), ..RunSpec::default() };
    spec.task = TaskSpec::Copying(CopyingSpec { n_exemplars: 4, n_labels: 16, d_item: 32, items: None });
    spec.model.d_buffer = 8;
    spec.eval.sequences = 300;
    spec.probes.sequences = 50;
    spec
}

/// A trainer some steps into training.
fn trained(spec: &RunSpec, steps: u64) -> Trainer {
    let task = spec.build_task(None).unwrap();
    let mut trainer = Trainer::new(spec, task, Kernels::detect()).unwrap();
    for _ in 0..steps {
        trainer.step(&Sequential).unwrap();
    }
    trainer
}

fn row_of(spec: &RunSpec, trainer: &Trainer) -> Row {
    Observer::new(spec, trainer).observe(trainer, f64::NAN, &Sequential)
}

#[test]
fn at_initialization_attention_is_nearly_uniform_and_accuracy_chance() {
    let mut spec = spec();
    spec.model.d_buffer = 0;
    let row = row_of(&spec, &trained(&spec, 0));
    // Uniform causal attention: H_N / (2N), 1 / (2N + 1), N / (2N + 1); scores at init are small.
    for (name, want) in [("ila1", 25.0 / 96.0), ("tila2", 1.0 / 9.0), ("tla2", 4.0 / 9.0)] {
        assert!((row.named(name).unwrap() - want).abs() < 0.05, "{name} {}", row.named(name).unwrap());
    }
    assert!((row.named("loss").unwrap() - libm::log(16.0)).abs() < 1e-6);
    assert!((row.named("context_label_mass").unwrap() - 0.25).abs() < 1e-6);
    // The readout is zero, so ties go to the first label: right 1 time in 16, 4 standard errors.
    assert!((row.named("accuracy").unwrap() - 1.0 / 16.0).abs() < 4.0 * (0.06_f64 / 300.0).sqrt());
}

#[test]
fn the_nine_parts_add_up_to_the_scores_that_the_network_used() {
    for model in [
        spec().model,
        ModelSpec { n_heads: 2, scale_scores: true, ..spec().model },
        ModelSpec { n_layers: 3, d_mlp: 10, output_projection: true, d_head: Some(9), ..spec().model },
    ] {
        let spec = RunSpec { model: ModelSpec { d_pos: Some(16), ..model }, ..spec() };
        let trainer = trained(&spec, 30);
        let (batch, trace, _) = look(&trainer, Set::MAIN, 16);
        let heads = vec![spec.model.n_heads - 1; spec.model.n_layers];
        let (model, params) = (trainer.model(), &trainer.state().params);
        let mut interactions = Interactions::of_heads(model, params, &heads);
        interactions.add(model, params, &batch, &trace);
        for (layer, sums) in interactions.layers.iter().enumerate() {
            let total: f64 = (0..9).map(|i| sums.part(i / 3, i % 3).contrast).sum();
            let want = mean_contrast(&batch, &trace, &trainer, layer, heads[layer]);
            assert!((total - want).abs() < 1e-4 * (1.0 + want.abs()), "layer {layer}: {total} and {want}");
            assert!((total - sums.contrast()).abs() < 1e-9);
            let shares: f64 = (0..9).map(|i| sums.part(i / 3, i % 3).variance_share).sum();
            assert!((shares + sums.cross_share() - 1.0).abs() < 1e-12);
        }
        // Before the first layer nothing has been written.
        assert!((0..3).all(|a| interactions.layers[0].part(a, 2).contrast == 0.0));
        assert_eq!(PARTS, ["content", "position", "buffer"]);
    }
}

/// ln p_key - mean over others of ln p, which is the same contrast of the scores.
fn mean_contrast(
    batch: &precipice::sequence::Batch,
    trace: &precipice::model::Trace<f32>,
    trainer: &Trainer,
    layer: usize,
    head: usize,
) -> f64 {
    let (t, n_heads) = (batch.n_tokens(), trainer.model().attention(layer).n_heads());
    let pattern = &trace.blocks[layer].attention.pattern;
    let mut contrasts = Vec::new();
    for s in 0..batch.n_sequences {
        for (query, key) in precipice::measure::interactions::pattern_of(layer, batch, s) {
            let row = &pattern[((s * n_heads + head) * t + query) * t..][..=query];
            let ln = |j: usize| libm::log(f64::from(row[j]));
            let others: f64 = (0..=query).filter(|&j| j != key).map(ln).sum();
            contrasts.push(ln(key) - others / query as f64);
        }
    }
    contrasts.iter().sum::<f64>() / contrasts.len() as f64
}

#[test]
fn an_ablated_head_is_a_head_whose_values_are_zero() {
    let mut spec = spec();
    spec.probes.ablations = vec![AblationSpec { layer: 0, head: 0, mode: AblationMode::Zero }];
    let trainer = trained(&spec, 200);
    let ablated = row_of(&spec, &trainer).named("accuracy_ablate_0_0_zero").unwrap();
    let mut state = trainer.state().clone();
    let tensor = state.params.layout.tensors().iter().find(|t| t.name == "blocks.0.attn.W_V").unwrap().range.clone();
    state.params.values[tensor].fill(0.0);
    let mut without = trained(&spec, 0);
    without.restore(state);
    spec.eval.sequences = spec.probes.sequences;
    assert_eq!(ablated, row_of(&spec, &without).named("accuracy").unwrap());
}

/// All are answered from one pass, in whatever order they are asked for, and leave what else is measured as it is.
#[test]
fn ablations_do_not_disturb_one_another() {
    let mut spec = spec();
    spec.model = ModelSpec { n_layers: 3, n_heads: 2, d_pos: Some(16), d_buffer: 0, ..spec.model };
    spec.probes.sequences = 250;
    let trainer = trained(&spec, 100);
    let none = row_of(&spec, &trainer);
    let ablations = |mode| (0..6).map(move |i| AblationSpec { layer: i / 2, head: i % 2, mode });
    let all: Vec<AblationSpec> = [AblationMode::Mean, AblationMode::Zero].into_iter().flat_map(ablations).collect();
    spec.probes.ablations = all.clone();
    let together = row_of(&spec, &trainer);
    // Training losses are NaN here.
    let shared = none.columns.iter().zip(&together.columns).filter(|((name, _), _)| name != "train_loss");
    shared.for_each(|(alone, beside)| assert_eq!(alone, beside));
    for ablation in all {
        spec.probes.ablations = vec![ablation];
        let alone = row_of(&spec, &trainer).columns.pop().unwrap();
        assert_eq!(together.named(&alone.0).unwrap(), alone.1, "{}", alone.0);
    }
}

#[test]
fn mean_ablation_keeps_the_mean() {
    let mut spec = spec();
    spec.probes.ablations = vec![AblationSpec { layer: 1, head: 0, mode: AblationMode::Mean }];
    let row = row_of(&spec, &trained(&spec, 300));
    // Nothing about the context reaches the readout, so the answer is a guess among 16 labels.
    let accuracy = row.named("accuracy_ablate_1_0_mean").unwrap();
    assert!(accuracy < 1.0 / 16.0 + 5.0 * (0.06_f64 / 50.0).sqrt(), "{accuracy}");
}

#[test]
fn layer_norm_has_no_exact_interactions_and_reports_none() {
    let mut spec = spec();
    spec.model.layer_norm = true;
    let row = row_of(&spec, &trained(&spec, 1));
    assert!(row.columns.iter().all(|(name, _)| !name.starts_with("interaction")));
    assert!(row.columns.iter().all(|(name, _)| !metric::BETA.is_of(name) && !metric::PREDICTED_LOSS.is_of(name)));
}

/// At L = N there is no absent label, and xi comes from the other labels of the context.
#[test]
fn order_parameters_exist_at_l_equal_n() {
    let mut spec = spec();
    let TaskSpec::Copying(copying) = &mut spec.task else { unreachable!("copying") };
    copying.n_labels = 4;
    let row = row_of(&spec, &trained(&spec, 20));
    assert!(row.named("xi").unwrap().is_finite() && row.named("xi").unwrap() == row.named("xi_context").unwrap());
    assert!(row.named("predicted_loss").unwrap().is_finite());
}
