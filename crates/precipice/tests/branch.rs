//! Branches: what they take over, what is changed of it, and that nothing else is.

use precipice::model::Params;
use precipice::record::{MemoryRecorder, Row};
use precipice::run::{Run, is_row_due, pass};
use precipice::spec::*;
use precipice::train::TrainState;
use precipice::workers::Sequential;
use precipice_num::Kernels;

const ADAM: AdamSpec = AdamSpec { learning_rate: 0.003, adam_beta1: 0.9, adam_beta2: 0.999, epsilon: 1e-8, decay: 0.0 };

fn small(optimizer: OptimizerSpec) -> RunSpec {
    let mut spec = RunSpec { name: "small".to_owned(), ..RunSpec::default() };
    spec.task = TaskSpec::Copying(CopyingSpec { n_exemplars: 3, n_labels: 6, d_item: 8, items: None });
    (spec.model.d_buffer, spec.model.n_heads, spec.model.d_head) = (0, 2, Some(5));
    spec.model.output_projection = true;
    (spec.train.steps, spec.train.batch_size, spec.train.optimizer) = (40, 24, optimizer);
    spec.eval = EvalSpec { every: 10, sequences: 32 };
    spec.probes.sequences = 8;
    spec
}

fn sgd(momentum: f64) -> OptimizerSpec {
    OptimizerSpec::Sgd(SgdSpec { learning_rate: 0.1, momentum, decay: 0.0 })
}

/// The same with nothing changed.
fn branch_of(parent: &RunSpec, step: u64) -> RunSpec {
    let branch =
        BranchSpec { step, reset: Vec::new(), zero: Vec::new(), graft: Vec::new(), parent: parent.without_branch() };
    RunSpec { branch: Some(Box::new(branch)), ..parent.clone() }
}

fn new(spec: &RunSpec) -> Run {
    Run::new(spec, None, Kernels::detect()).unwrap()
}

/// Before what is due there.
fn reach(spec: &RunSpec, step: u64) -> TrainState {
    let mut trainer = new(spec).into_trainer();
    while trainer.state().step < step {
        pass(&mut trainer, spec, &Sequential).unwrap();
    }
    trainer.into_state()
}

fn begun(spec: &RunSpec) -> Run {
    let branch = spec.branch.as_deref().unwrap();
    let states: Vec<TrainState> = branch.origins().map(|(origin, step)| reach(origin, step)).collect();
    let grafts: Vec<&Params<f32>> = states[1..].iter().map(|state| &state.params).collect();
    let mut run = new(&spec.without_branch());
    let state = run.start_of(branch, &states[0], &grafts).unwrap();
    run.branch_off(branch.clone(), state, Vec::new());
    run
}

fn bits(rows: &[Row]) -> Vec<(u64, Vec<u64>)> {
    rows.iter().map(|row| (row.step, row.columns.iter().map(|(_, x)| x.to_bits()).collect())).collect()
}

fn change(spec: &mut RunSpec) -> &mut BranchSpec {
    spec.branch.as_mut().unwrap()
}

/// Rows, last state and moments, whether a row is due where it begins or not.
#[test]
fn a_branch_without_a_change_is_its_parent() {
    let mut frozen = small(OptimizerSpec::Adam(ADAM));
    frozen.train.freeze_until.insert("blocks.1".to_owned(), 25);
    for parent in [small(sgd(0.0)), small(sgd(0.9)), small(OptimizerSpec::Adam(ADAM)), frozen] {
        let (mut whole, mut recorder) = (new(&parent), MemoryRecorder::default());
        whole.record(&Sequential, &mut recorder).unwrap();
        for step in [0, 10, 13, 40] {
            let spec = branch_of(&parent, step);
            let (mut run, mut own) = (begun(&spec), MemoryRecorder::default());
            assert_eq!((run.step(), run.spec()), (step, &spec));
            run.record(&Sequential, &mut own).unwrap();
            let due: Vec<Row> = recorder.rows.iter().filter(|row| row.step >= step).cloned().collect();
            assert_eq!(bits(&own.rows), bits(&due), "from {step}");
            assert_eq!(run.state(), whole.state(), "from {step}");
        }
    }
}

/// A chain of branches without a change is the first parent.
#[test]
fn a_branch_of_a_branch() {
    let parent = small(OptimizerSpec::Adam(ADAM));
    let middle = branch_of(&parent, 10);
    let mut trainer = begun(&middle).into_trainer();
    while trainer.state().step < 20 {
        pass(&mut trainer, &middle, &Sequential).unwrap();
    }
    let mut last = branch_of(&parent, 20);
    change(&mut last).parent = middle;
    let mut run = new(&parent);
    let branch = change(&mut last).clone();
    let state = run.start_of(&branch, trainer.state(), &[]).unwrap();
    run.branch_off(branch, state, Vec::new());
    run.record(&Sequential, &mut MemoryRecorder::default()).unwrap();
    let mut whole = new(&parent);
    whole.record(&Sequential, &mut MemoryRecorder::default()).unwrap();
    assert_eq!(run.state(), whole.state());
    assert!(is_row_due(&last, 20) && !is_row_due(&last, 10));
}

#[test]
fn tensors_and_heads_are_reset_zeroed_and_grafted() {
    let parent = small(OptimizerSpec::Adam(ADAM));
    let mut other = parent.clone();
    other.seeds.init = 7;
    let mut spec = branch_of(&parent, 15);
    spec.seeds.init = 3;
    change(&mut spec).reset = vec!["blocks.0.attn.W_Q".to_owned(), "readout".to_owned()];
    change(&mut spec).zero = vec!["blocks.1.attn[1]".to_owned(), "readout".to_owned()];
    let graft = GraftSpec { step: 5, tensor: "blocks.0.attn.W_K[0]".to_owned(), run: other.clone() };
    change(&mut spec).graft = vec![graft];
    let (run, before, from) = (begun(&spec), reach(&parent, 15), reach(&other, 5).params);
    let fresh = new(&spec.without_branch()).state().params.clone();
    let (params, first) = (&run.state().params, run.state().optimizer.first.as_ref().unwrap());
    for tensor in params.layout.tensors() {
        let name = tensor.name.as_str();
        let [got, parents, fresh, grafted, moments] =
            [params, &before.params, &fresh, &from, first].map(|params| params.get(name).unwrap());
        let parents_moments = before.optimizer.first.as_ref().unwrap().get(name).unwrap();
        let half = got.len() / 2;
        let is_zero = |values: &[f32]| values.iter().all(|&x| x == 0.0);
        match name {
            "blocks.0.attn.W_Q" => assert!(got == fresh && got != parents && is_zero(moments)),
            "blocks.0.attn.W_K" => {
                assert!(got[..half] == grafted[..half] && got[half..] == parents[half..]);
                assert!(is_zero(&moments[..half]) && moments[half..] == parents_moments[half..]);
            }
            // What is said last of a tensor is what is done.
            "readout.0.weight" => assert!(is_zero(got) && is_zero(moments)),
            _ if name.starts_with("blocks.1.attn") => {
                assert!(got[..half] == parents[..half] && is_zero(&got[half..]), "{name}");
                assert!(!is_zero(&parents[half..]) && is_zero(&moments[half..]), "{name}");
            }
            _ => assert!(got == parents && moments == parents_moments, "{name}"),
        }
    }
}

/// Moments that begin in the midst of a run are as young as those of a new one: the first update of Adam is as long as
/// the learning rate, not several times as long.
#[test]
fn the_first_update_of_new_moments_is_no_longer_than_others() {
    let parent = small(OptimizerSpec::Adam(ADAM));
    let mut spec = branch_of(&parent, 30);
    change(&mut spec).reset = vec!["blocks.1.attn.W_V[1]".to_owned()];
    let mut trainer = begun(&spec).into_trainer();
    let before = trainer.state().params.clone();
    pass(&mut trainer, &spec, &Sequential).unwrap();
    let moved = |name: &str| {
        let [before, after] = [&before, &trainer.state().params].map(|params| params.get(name).unwrap().to_vec());
        let moved: Vec<f32> = before.iter().zip(after).map(|(a, b)| (a - b).abs()).collect();
        let largest = |values: &[f32]| values.iter().copied().fold(0.0, f32::max);
        let half = moved.len() / 2;
        (largest(&moved[..half]), largest(&moved[half..]))
    };
    let (_, fresh) = moved("blocks.1.attn.W_V");
    assert!((f64::from(fresh) / ADAM.learning_rate - 1.0).abs() < 0.05, "{fresh}");
    // Another rule of updates begins with moments of its own.
    let mut changed = branch_of(&small(sgd(0.9)), 30);
    changed.train.optimizer = OptimizerSpec::Adam(ADAM);
    change(&mut changed).parent.train.optimizer = sgd(0.9);
    let run = begun(&changed);
    let OptimizerSpec::Adam(_) = run.spec().train.optimizer else { panic!() };
    assert!(run.state().optimizer.first.as_ref().unwrap().values.iter().all(|&m| m == 0.0));
}

#[test]
fn what_does_not_fit_is_named() {
    let parent = small(sgd(0.0));
    let refused = |change_spec: &dyn Fn(&mut RunSpec)| {
        let mut spec = branch_of(&parent, 5);
        change_spec(&mut spec);
        let branch = spec.branch.as_deref().unwrap();
        let run = new(&spec.without_branch());
        let grafts: Vec<TrainState> = branch.origins().skip(1).map(|(origin, step)| reach(origin, step)).collect();
        let grafts: Vec<&Params<f32>> = grafts.iter().map(|state| &state.params).collect();
        run.start_of(branch, &reach(&parent, 5), &grafts).map(drop).unwrap_err().to_string()
    };
    let labels = |n_labels| TaskSpec::Copying(CopyingSpec { n_exemplars: 3, n_labels, d_item: 8, items: None });
    let shapes = refused(&|spec| spec.task = labels(4));
    assert!(
        shapes.contains("readout.0.weight") && shapes.contains("[4, 15]") && shapes.contains("[6, 15]"),
        "{shapes}"
    );
    assert!(shapes.contains("--reset readout.0.weight"), "{shapes}");
    let deeper = refused(&|spec| spec.model.n_layers = 3);
    assert!(deeper.contains("blocks.2.attn.W_Q") && deeper.contains("there is none"), "{deeper}");
    // A head alone does not mend a shape, the whole does.
    let wider = refused(&|spec| {
        spec.model.d_head = Some(6);
        change(spec).reset = vec!["blocks.0.attn[0]".to_owned(), "blocks.1".to_owned()];
    });
    assert!(wider.contains("blocks.0.attn.W_Q"), "{wider}");
    for (name, words) in [
        ("blocks.1.atn", "did you mean \"blocks.1.attn\""),
        ("readout[0]", "has no heads"),
        ("blocks.0.attn.W_V[2]", "has heads 0 to 1"),
        ("", "must name a tensor"),
        ("blocks.1.att", "did you mean"),
    ] {
        let told = refused(&|spec| change(spec).zero = vec![name.to_owned()]);
        assert!(told.contains("branch.zero") && told.contains(words), "{name}: {told}");
    }
    let mut other = parent.clone();
    other.model.d_head = Some(6);
    let graft = GraftSpec { step: 0, tensor: "blocks.0.attn.W_O".to_owned(), run: other };
    let told = refused(&|spec| change(spec).graft = vec![graft.clone()]);
    assert!(told.contains("[2, 5, 15] here") && told.contains("[2, 6, 15]"), "{told}");
}
