//! What is found of two runs whose stored states a command line does not make.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use precipice::record::MemoryRecorder;
use precipice::run::Run;
use precipice::train::TrainState;
use precipice_lab::error::LabError;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::meter::Meter;
use precipice_lab::reports::diff::DiffReport;
use precipice_lab::runs::{Keep, Options, RunsDifference, Side, StoredRun, diff, train};
use precipice_lab::store::checkpoint;

fn stored(root: &Path) -> StoredRun {
    let overrides = ["eval.every=10", "eval.sequences=32", "probes.sequences=16"].map(str::to_owned).to_vec();
    let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(40), seed: None }).unwrap();
    let out = Some(root.to_owned());
    let options = Options { out, threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
    train(spec, &options, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
    StoredRun::open(root).unwrap()
}

/// Writes another state in place of a stored one, as another program might have come to: whole, and not the same. No
/// manifest vouches for it.
fn exchange(run: &StoredRun, step: u64, change: impl Fn(&mut TrainState)) {
    let _ = fs::remove_file(run.run_dir.manifest_path());
    let mut trainer = run.at_step(step).unwrap();
    let (_, saved) = run.run_dir.checkpoint(&run.spec, step, trainer.model().layout()).unwrap();
    let mut state = trainer.state().clone();
    change(&mut state);
    trainer.restore(state);
    checkpoint::write(&run.run_dir.checkpoints(), &trainer, &run.spec.hash(), &saved.log_check).unwrap();
}

fn found(a: &StoredRun, b: &StoredRun) -> RunsDifference {
    let meter = Meter::default();
    let found = diff([a, b], &Run::new, 1, &meter).unwrap();
    let (done, total) = meter.read();
    assert!(done <= total && total > 0, "{done} of {total}");
    found
}

/// Whoever no longer waits is not kept: neither while states are read nor while runs are replayed.
#[test]
fn a_comparison_that_nobody_waits_for_ends() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| stored(&folder.path().join(name)));
    let meter = Meter::default();
    meter.stop().store(true, Ordering::Relaxed);
    let stopped = |a: &StoredRun, b: &StoredRun| matches!(diff([a, b], &Run::new, 1, &meter), Err(LabError::Stopped { path }) if path == a.run_dir.root());
    assert!(stopped(&a, &b));
    // No state of one step is stored in both: all is replayed.
    for step in a.run_dir.checkpoint_steps(&a.spec).unwrap() {
        let gone = if step == 40 { &b } else { &a };
        let _ = fs::remove_file(gone.run_dir.manifest_path());
        fs::remove_file(gone.run_dir.checkpoint_path(step)).unwrap();
    }
    assert!(stopped(&a, &b));
}

/// Equal specs in one arithmetic cannot part when they are replayed: it is said which of the two is another program's.
#[test]
fn a_state_that_no_replay_comes_to_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| stored(&folder.path().join(name)));
    assert!(found(&a, &b).is_none());
    exchange(&b, 32, |state| state.params.values[5] += 0.25);
    let one = found(&a, &b);
    let parted = one.states.parted.as_ref().unwrap();
    assert_eq!((parted.step, parted.same_until, one.states.replayed), (32, Some(16), Some([16, 32])));
    assert_eq!((&one.states.not_reproduced[..], parted.tensors.len()), (&[Side::B][..], 1));
    assert_eq!((parted.tensors[0].largest, parted.tensors[0].differing), (0.25, 1));
    let verdict = DiffReport::new([&a, &b], one).unwrap().verdict;
    let expected = "replayed here from step 16, both have the same bits at step 32, and the state of B that is stored is another one";
    assert_eq!(verdict, expected);
    // Named the other way round it is A.
    let back = found(&b, &a);
    assert_eq!(back.states.not_reproduced, [Side::A]);
    // Where both are wrong in the same way, there is no difference to be found.
    exchange(&a, 32, |state| state.params.values[5] += 0.25);
    assert!(found(&a, &b).states.parted.is_none());
}

/// The last state of each stands alone, so that both are replayed to where the first one ends.
#[test]
fn a_last_state_that_no_replay_comes_to_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| stored(&folder.path().join(name)));
    exchange(&b, 32, |state| state.params.values[5] += 0.25);
    fs::remove_file(a.run_dir.manifest_path()).unwrap();
    for step in [0, 1, 2, 4, 8, 16, 32] {
        fs::remove_file(a.run_dir.checkpoint_path(step)).unwrap();
    }
    fs::remove_file(b.run_dir.checkpoint_path(40)).unwrap();
    let one = found(&a, &b);
    assert_eq!((one.states.compared, one.states.replayed, &one.states.parted), (0, Some([0, 32]), &None));
    assert_eq!(one.states.not_reproduced, [Side::B]);
    assert!(!one.is_none());
}

#[test]
fn values_that_are_not_finite_are_null_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| stored(&folder.path().join(name)));
    exchange(&b, 0, |state| state.params.values[5] = f32::NAN);
    let report = DiffReport::new([&a, &b], found(&a, &b)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    let most = &json["states"]["parted"]["tensors"][0];
    assert!(most["largest"].is_null() && most["b"].is_null() && most["a"].is_number(), "{most}");
    assert!(json["states"]["distances"][0]["distance"].is_null());
    assert_eq!(json["b"]["outcome"], serde_json::Value::Null);
}
