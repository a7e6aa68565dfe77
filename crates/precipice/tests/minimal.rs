//! The minimal induction head: its definition, its controls, and the theory's path on real sequences.

use precipice::model::{Model, Params, Reads};
use precipice::record::{MemoryRecorder, Row};
use precipice::run::Run;
use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::task::Set;
use precipice::theory::{Context, Start, flow};
use precipice::workers::Sequential;
use precipice_num::Kernels;

fn head(n_labels: usize, steps: u64) -> RunSpec {
    let mut spec = RunSpec { name: "minimal".to_owned(), ..RunSpec::default() };
    spec.task = TaskSpec::Copying(CopyingSpec { n_exemplars: 8, n_labels, d_item: 64, items: None });
    spec.model.minimal = Some(MinimalSpec::default());
    spec.train.optimizer = OptimizerSpec::Sgd(SgdSpec { learning_rate: 0.1, momentum: 0.0, decay: 0.0 });
    spec.train.rate_factors.insert("readout".to_owned(), n_labels as f64);
    spec.train.steps = steps;
    spec.eval = EvalSpec { every: 200, sequences: 400 };
    spec
}

fn rows(spec: &RunSpec) -> Vec<Row> {
    let mut recorder = MemoryRecorder::default();
    Run::new(spec, None, Kernels::detect()).unwrap().record(&Sequential, &mut recorder).unwrap();
    recorder.rows
}

/// The definition, token by token: every v_j is computed.
fn naive(scalars: &MinimalSpec, embedded: impl Fn(usize) -> Vec<f64>, t: usize) -> (Vec<f64>, Vec<f64>) {
    let u: Vec<Vec<f64>> = (0..t).map(embedded).collect();
    let d = u[0].len();
    let softmax = |scores: Vec<f64>| {
        let e: Vec<f64> = scores.iter().map(|s| libm::exp(*s)).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(|e| e / sum).collect::<Vec<f64>>()
    };
    let mix = |p: &[f64]| -> Vec<f64> { (0..d).map(|c| p.iter().zip(&u).map(|(p, u)| p * u[c]).sum()).collect() };
    let v: Vec<Vec<f64>> =
        (0..t).map(|i| mix(&softmax((0..=i).map(|j| if j + 1 == i { scalars.beta } else { 0.0 }).collect()))).collect();
    let q = t - 1;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let label = |j: usize| if (q - j) % 2 == 1 { scalars.beta_2 } else { 0.0 };
    let p2 = softmax((0..t).map(|j| scalars.alpha * dot(&u[q], &v[j]) + label(j)).collect());
    let w = mix(&p2);
    (p2, w)
}

#[test]
fn it_is_what_it_is_defined_to_be() {
    let scalars = MinimalSpec { beta: 1.1, alpha: 2.3, beta_2: -0.6, trains_beta_2: true };
    let mut spec = head(32, 0);
    spec.model.minimal = Some(scalars.clone());
    let task = spec.build_task(None).unwrap();
    let model = Model::<f64>::new(&spec, &task.label_table(), Kernels::detect());
    let params: Params<f64> = model.init(0);
    let batch: Batch = task.batch(Set::Train, 3, 5);
    for reads in [Reads::All, Reads::QueryOnly] {
        let mut trace = model.trace(5, reads);
        model.forward(&params, &batch, &mut trace);
        let (t, c, rows) = (17, 128, if reads == Reads::All { 17 } else { 1 });
        for s in 0..5 {
            let (p2, w) = naive(&scalars, |j| trace.blocks[0].resid_pre[(s * t + j) * c..][..64].to_vec(), t);
            let pattern = &trace.blocks[1].attention.pattern[((s + 1) * rows - 1) * t..][..t];
            let written = &trace.resid_final[((s + 1) * rows - 1) * c + 64..][..64];
            let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(close(pattern, &p2) && close(written, &w));
            if reads == Reads::All {
                let first = &trace.blocks[0].attention.pattern[s * t * t..][..t * t];
                let y = libm::exp(1.1) / (libm::exp(1.1) + 6.0);
                assert!((first[6 * t + 5] - y).abs() < 1e-12 && first[5 * t + 6] == 0.0);
                assert!(first.chunks(t).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
            }
        }
    }
}

/// Learning rate .1 and .1 L for the readout, so that step s is time s / 10 of the flow. An
/// independent implementation, one seed: step 400 .026 .210 1.771, step 800 .591 1.068 3.586, step
/// 1000 4.30 4.92 6.13.
#[test]
fn it_walks_the_path_of_the_formula() {
    let theory = flow(Context::new(8, 32).unwrap(), Start::at([0.0; 3], 200.0)).unwrap();
    for seed in 0..2 {
        let rows = rows(&RunSpec { seeds: Seeds::all(seed), ..head(32, 1000) });
        for step in [200, 400, 600] {
            let row = rows.iter().find(|row| row.step == step).unwrap();
            let at = theory.at(step as f64 / 10.0).point;
            for (name, want) in ["beta", "alpha", "xi"].iter().zip(at) {
                let got = row.named(name).unwrap();
                // Label vectors are not quite orthogonal, so seeds differ; β goes as α², twice as much.
                let allowed = 0.02 + if *name == "beta" { 0.24 } else { 0.12 } * want;
                assert!((got - want).abs() < allowed, "seed {seed} step {step} {name}: {got}, theory {want}");
            }
            assert!((row.named("measured_loss").unwrap() - row.named("predicted_loss").unwrap()).abs() < 0.02);
        }
        assert!(rows.last().unwrap().named("accuracy").unwrap() > 0.95, "the cliff is a few percent early at most");
    }
}

#[test]
fn controls_are_one_line_each() {
    // L = N: nothing is learned from the origin.
    let still = rows(&RunSpec { eval: EvalSpec { every: 4000, sequences: 400 }, ..head(8, 4000) });
    let last = still.last().unwrap();
    assert!(last.named("accuracy").unwrap() < 0.3 && last.named("beta").unwrap().abs() < 0.05, "{last:?}");
    // A readout with a head start jumps sooner, as theory says (t50 = 43.9 from xi = 4).
    let mut early = head(32, 600);
    early.model.readout_overlap = 4.0;
    let early = rows(&early);
    assert!((early[0].named("xi").unwrap() - 4.0).abs() < 0.1, "{:?}", early[0].named("xi").unwrap());
    assert!(early.last().unwrap().named("accuracy").unwrap() > 0.95);
    // A frozen readout stays, the rest learns.
    let mut frozen = head(32, 800);
    frozen.model.readout_overlap = 8.0;
    frozen.train.freeze_until.insert("readout".to_owned(), 10_000);
    let frozen = rows(&frozen);
    assert_eq!(frozen[0].named("xi").unwrap(), frozen.last().unwrap().named("xi").unwrap());
    assert!(frozen.last().unwrap().named("alpha").unwrap() > 1.0);
    // β₂ stands still in the two-parameter head and learns in the three-parameter one.
    let mut three = head(32, 400);
    assert_eq!(rows(&three).last().unwrap().named("beta_2").unwrap(), 0.0);
    three.model.minimal = Some(MinimalSpec { trains_beta_2: true, ..MinimalSpec::default() });
    assert!(rows(&three).last().unwrap().named("beta_2").unwrap() > 0.1);
}

#[test]
fn a_network_s_readout_gets_a_head_start_too() {
    let mut spec = RunSpec { name: "start".to_owned(), ..RunSpec::default() };
    spec.model.readout_overlap = 6.0;
    let task = spec.build_task(None).unwrap();
    let model = Model::<f32>::new(&spec, &task.label_table(), Kernels::detect());
    let params = model.init(0);
    // Row l times what layer 2 writes for label l's content.
    let (w_v, readout) = (params.get("blocks.1.attn.W_V").unwrap(), params.get("readout.0.weight").unwrap());
    let (c, label) = (spec.d_model(), 5);
    let vector = &model.label_table()[label * 64..(label + 1) * 64];
    let written = |e: usize| (0..64).map(|i| vector[i] * w_v[(17 + i) * c + e]).sum::<f32>();
    let overlap: f32 = (0..c).map(|e| readout[label * c + e] * written(e)).sum();
    assert!((overlap - 6.0).abs() < 1e-3, "{overlap}");
}

#[test]
fn what_a_minimal_head_has_no_use_for_is_refused() {
    let refused = |change: fn(&mut RunSpec)| {
        let mut spec = head(32, 10);
        change(&mut spec);
        spec.validate().unwrap_err().field
    };
    assert_eq!(refused(|s| s.model.n_layers = 3), "model.n_layers");
    assert_eq!(refused(|s| s.model.layer_norm = true), "model.layer_norm");
    assert_eq!(refused(|s| s.model.minimal.as_mut().unwrap().alpha = f64::NAN), "model.minimal.alpha");
    assert_eq!(refused(|s| s.model.readout_overlap = f64::INFINITY), "model.readout_overlap");
    assert_eq!(refused(|s| s.model.n_positions = Some(3)), "model.n_positions");
    let mlp = |s: &mut RunSpec| {
        s.model.readout = Readout::Mlp;
        s.model.readout_overlap = 1.0;
    };
    assert_eq!(refused(mlp), "model.readout_overlap");
    assert_eq!(
        refused(|s| {
            s.train.rate_factors.insert("readout".to_owned(), -1.0);
        }),
        "train.rate_factors.\"readout\""
    );
    let ablation = AblationSpec { layer: 0, head: 0, mode: AblationMode::Zero };
    let mut spec = head(32, 10);
    spec.probes.ablations.push(ablation);
    assert_eq!(spec.validate().unwrap_err().field, "probes.ablations");
}
