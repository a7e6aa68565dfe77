//! Same spec, same bits: across threads, probes, instruction sets, interruptions and versions.

use precipice::model::plan::{FormKind, Plan};
use precipice::model::{Description, Model, Params};
use precipice::record::{MemoryRecorder, Next, RecordError, Recorder, Row};
use precipice::run::{Outcome, Run};
use precipice::spec::*;
use precipice::task::Set;
use precipice::train::{TrainState, Trainer};
use precipice::workers::{Sequential, Workers};
use precipice_num::{Arithmetic, Kernels};

fn small() -> RunSpec {
    let mut spec = RunSpec { name: "bits".to_owned(), ..RunSpec::default() };
    spec.task = TaskSpec::Copying(CopyingSpec { n_exemplars: 4, n_labels: 16, d_item: 32, items: None });
    (spec.model.d_pos, spec.model.d_buffer) = (Some(17), 3);
    spec.train.steps = 50;
    // Not a multiple of the shards or of the chunks.
    spec.train.batch_size = 141;
    spec.eval = EvalSpec { every: 20, sequences: 70 };
    spec.probes.sequences = 37;
    spec
}

/// Jobs in reverse order, on as many threads as there are jobs; work is cut for so many.
struct Reversed(usize);

impl Workers for Reversed {
    fn run(&self, n_jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            (0..n_jobs).rev().for_each(|idx| drop(scope.spawn(move || job(idx))));
        });
    }

    fn n_threads(&self) -> usize {
        self.0
    }
}

/// All forms of the training step.
fn forms() -> [RunSpec; 4] {
    let mut plain = small();
    plain.model.layer_norm = true;
    let mut regression = small();
    regression.task = TaskSpec::Regression(RegressionSpec::default());
    regression.model = ModelSpec {
        attention: vec![AttentionKind::Linear],
        n_layers: 1,
        d_pos: Some(0),
        d_buffer: 0,
        output_projection: true,
        init_scale: Some(0.01),
        ..ModelSpec::default()
    };
    let mut minimal = small();
    minimal.model.minimal = Some(MinimalSpec::default());
    let specs = [small(), plain, regression, minimal];
    let kinds = [FormKind::Folded, FormKind::Plain, FormKind::OneLayer, FormKind::Minimal];
    assert_eq!(specs.each_ref().map(|spec| Plan::of(&Description::of(spec), spec.train.batch_size).form), kinds);
    specs
}

/// From a saved state, or from the beginning.
fn drive(
    spec: &RunSpec,
    start: Option<TrainState>,
    workers: &dyn Workers,
    kernels: Kernels,
    recorder: &mut dyn Recorder,
) -> (TrainState, Outcome) {
    let mut run = Run::new(spec, None, kernels).unwrap();
    if let Some(state) = start {
        run.restore(state, Vec::new());
    }
    let outcome = run.record(workers, recorder).unwrap();
    (run.state().clone(), outcome)
}

fn digest_of(spec: &RunSpec, workers: &dyn Workers, kernels: Kernels) -> (String, Vec<Row>) {
    let mut recorder = MemoryRecorder::default();
    let (state, outcome) = drive(spec, None, workers, kernels, &mut recorder);
    assert_eq!(outcome, Outcome::Finished);
    (state.params.digest(), recorder.rows)
}

fn bits(rows: &[Row]) -> Vec<(u64, Vec<(String, u64)>)> {
    let columns = |row: &Row| row.columns.iter().map(|(name, x)| (name.clone(), x.to_bits())).collect();
    rows.iter().map(|row| (row.step, columns(row))).collect()
}

#[test]
fn threads_and_their_order_do_not_matter() {
    // Shards of more than a chunk, and several shards that would fit into one.
    for batch_size in [141, 20] {
        for mut spec in forms() {
            spec.train.batch_size = batch_size;
            let (digest, rows) = digest_of(&spec, &Sequential, Kernels::detect());
            for n_threads in [1, 2, 3, 8] {
                let (other, other_rows) = digest_of(&spec, &Reversed(n_threads), Kernels::detect());
                assert_eq!(digest, other, "{batch_size}, {n_threads} threads");
                assert_eq!(bits(&rows), bits(&other_rows));
            }
        }
    }
}

#[test]
fn probes_do_not_matter() {
    let mut spec = small();
    spec.probes.enabled = false;
    spec.eval.every = 7;
    assert_eq!(
        digest_of(&spec, &Sequential, Kernels::detect()).0,
        digest_of(&small(), &Sequential, Kernels::detect()).0
    );
}

#[test]
fn instruction_sets_do_not_matter_within_an_arithmetic() {
    for mut spec in forms() {
        spec.train.steps = 10;
        for arithmetic in [Arithmetic::Portable, Arithmetic::Fused] {
            let levels = Kernels::available().into_iter().filter(|kernels| kernels.arithmetic() == arithmetic);
            let results: Vec<_> = levels.map(|kernels| digest_of(&spec, &Sequential, kernels)).collect();
            assert!(results.iter().all(|r| r.0 == results[0].0 && bits(&r.1) == bits(&results[0].1)), "{arithmetic:?}");
        }
    }
}

/// Stops at a step and keeps the state.
struct StopAt(u64, MemoryRecorder);

impl Recorder for StopAt {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.1.row(row)
    }
    fn checkpoint(&mut self, trainer: &Trainer) -> Result<(), RecordError> {
        self.1.checkpoint(trainer)
    }
    fn step(&mut self, step: u64, _: f64) -> Next {
        if step == self.0 { Next::Stop } else { Next::Continue }
    }
}

fn resumed(spec: &RunSpec, stop: u64) -> (TrainState, Vec<Row>) {
    let kernels = Kernels::detect();
    let mut first = StopAt(stop, MemoryRecorder::default());
    let (_, outcome) = drive(spec, None, &Sequential, kernels, &mut first);
    assert_eq!(outcome, Outcome::Stopped { step: stop });
    let mut second = first.1;
    let start = second.state.take();
    let (state, _) = drive(spec, start, &Sequential, kernels, &mut second);
    (state, second.rows)
}

#[test]
fn stopping_and_resuming_does_not_matter() {
    let adam = AdamSpec { learning_rate: 1e-3, adam_beta1: 0.9, adam_beta2: 0.999, epsilon: 1e-8, decay: 0.01 };
    let momentum = SgdSpec { learning_rate: 0.1, momentum: 0.9, decay: 1e-6 };
    for optimizer in [small().train.optimizer, OptimizerSpec::Adam(adam), OptimizerSpec::Sgd(momentum)] {
        let mut spec = small();
        spec.train.optimizer = optimizer;
        let (digest, rows) = digest_of(&spec, &Sequential, Kernels::detect());
        for stop in [1, 19, 20, 21, 49] {
            let (state, resumed_rows) = resumed(&spec, stop);
            assert_eq!(state.params.digest(), digest, "stopped at {stop}");
            assert_eq!(bits(&resumed_rows), bits(&rows), "stopped at {stop}");
        }
    }
}

/// Changes of bits between versions must be deliberate: CHANGELOG, heading "Numerics".
#[test]
fn values_are_stable_between_versions() {
    let task = small().build_task(None).unwrap();
    let batch = task.batch(Set::Train, 0, 2);
    assert_eq!((batch.answers[0], batch.answers[1], batch.offsets[0], batch.offsets[1]), SAMPLES);
    assert_eq!(batch.items[..3].iter().map(|x| x.to_bits()).collect::<Vec<_>>(), ITEM_BITS);
    let model = Model::<f32>::new(&small(), &task.label_table(), Kernels::detect());
    assert_eq!(Params::<f32>::init(model.layout().clone(), 0).digest()[..16], *INIT_DIGEST);
    for (arithmetic, want) in [(Arithmetic::Portable, PORTABLE_DIGEST), (Arithmetic::Fused, FUSED_DIGEST)] {
        let digest = digest_of(&small(), &Sequential, Kernels::with_arithmetic(arithmetic)).0;
        assert_eq!(digest[..16], *want, "{arithmetic:?} after 50 steps");
    }
}

const SAMPLES: (u32, u32, u32, u32) = (6, 7, 1, 2);
const ITEM_BITS: [u32; 3] = [3_111_928_647, 3_189_852_975, 1_031_274_294];
const INIT_DIGEST: &str = "d86d67d1380c9e06";
const PORTABLE_DIGEST: &str = "90706404b2e1d24f";
const FUSED_DIGEST: &str = "b7166b93543cda65";

#[test]
fn divergence_is_an_outcome_with_its_step() {
    let mut spec = small();
    spec.train.optimizer = OptimizerSpec::Sgd(SgdSpec { learning_rate: 1e30, momentum: 0.0, decay: 0.0 });
    let mut recorder = MemoryRecorder::default();
    let (state, outcome) = drive(&spec, None, &Sequential, Kernels::detect(), &mut recorder);
    let Outcome::Diverged { step } = outcome else { panic!("{outcome:?}") };
    assert!(step > 0 && step < 50 && state.step == step);
    assert_eq!(recorder.state.map(|state| state.step), Some(step), "the diverged state is kept");
}

#[test]
fn frozen_groups_stand_still_until_their_step() {
    let mut spec = small();
    spec.train.steps = 12;
    spec.train.freeze_until = [("readout".to_owned(), 10), ("blocks.0.attn.W_Q".to_owned(), 100)].into();
    struct Watch(Vec<TrainState>);
    impl Recorder for Watch {
        fn row(&mut self, _: &Row) -> Result<(), RecordError> {
            Ok(())
        }
        fn checkpoint(&mut self, trainer: &Trainer) -> Result<(), RecordError> {
            self.0.push(trainer.state().clone());
            Ok(())
        }
    }
    let mut watch = Watch(Vec::new());
    drive(&spec, None, &Sequential, Kernels::detect(), &mut watch);
    let at = |step: u64, name: &str| {
        let state = watch.0.iter().find(|state| state.step == step).unwrap();
        state.params.get(name).unwrap().to_vec()
    };
    assert_eq!(at(0, "readout.0.weight"), at(8, "readout.0.weight"));
    assert_ne!(at(8, "readout.0.weight"), at(12, "readout.0.weight"));
    assert_eq!(at(0, "blocks.0.attn.W_Q"), at(12, "blocks.0.attn.W_Q"));
    assert_ne!(at(8, "blocks.0.attn.W_K"), at(12, "blocks.0.attn.W_K"));
    let mut wrong = spec.clone();
    wrong.train.freeze_until = [("blocks.0.attn.W".to_owned(), 10)].into();
    let task = wrong.build_task(None).unwrap();
    assert!(Trainer::new(&wrong, task, Kernels::detect()).is_err(), "a group is a whole name or a dotted prefix");
}
