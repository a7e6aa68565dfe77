//! The claims in seconds: one seed of the small network jumps, becomes an induction head, and stays
//! where it is when the curriculum is taken away. All seeds are checked by `precipice reproduce`.

use precipice::record::MemoryRecorder;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::{Keep, Options, Report, threads};
use precipice_lab::store::RunOutcome;
use precipice_lab::whole_run::train_and_draw;

fn run(spec: &str, overrides: &[&str]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
    let spec = spec_file::load(spec, &Changes { overrides, seed: Some(3), steps: None }).unwrap();
    let out = Some(folder.path().join("run"));
    let options =
        Options { out, threads: threads::available(), resume: false, force: false, keep: Keep::All, arithmetic: None };
    train_and_draw(spec, &options, &mut MemoryRecorder::default()).unwrap()
}

#[test]
fn the_small_network_jumps_and_is_an_induction_head() {
    let report = run("copying-small", &["eval.every=50"]);
    assert_eq!(report.manifest.outcome, RunOutcome::Transition);
    let last = |name: &str| report.manifest.final_row[name].as_f64().unwrap();
    assert!(last("accuracy") > 0.97 && last("ila1") > 0.5 && last("tila2") > 0.85);
    assert!(last("interaction_0_position_position_share") > 0.5);
    assert!(last("interaction_1_content_buffer_share") > 0.4);
    assert!(last("accuracy_ablate_0_0_zero") <= 0.375 && last("accuracy_ablate_1_0_zero") <= 0.375);
    let jump = report.manifest.transition.unwrap();
    assert!((400.0..900.0).contains(&jump.t50.unwrap()), "{jump:?}");
    assert!((jump.plateau_accuracy.unwrap() - 0.25).abs() < 0.05);
}

#[test]
fn without_curriculum_the_small_network_stays() {
    let report = run("copying-small", &["task.copying.n_labels=4", "train.steps=1200", "eval.every=200"]);
    assert_eq!(report.manifest.outcome, RunOutcome::None);
    assert!(report.manifest.transition.is_none());
    assert!(report.manifest.final_row["accuracy"].as_f64().unwrap() < 0.32);
}

#[test]
fn characters_never_seen_are_told_apart() {
    let report = run("han-small", &["train.steps=1600", "eval.every=200"]);
    let last = |name: &str| report.manifest.final_row[name].as_f64().unwrap();
    assert!(last("accuracy") > 0.88 && last("ic_accuracy") > 0.86, "{:?}", report.manifest.final_row);
    assert!((0.9..0.96).contains(&last("ic_nearest_neighbor_accuracy")));
    assert!(report.figures.iter().any(|path| path.ends_with("contexts.svg")));
}

#[test]
fn few_classes_are_learned_by_heart() {
    let overrides = ["task.classification.p_novel=0", "task.classification.n_classes=64", "train.steps=500"];
    let small = ["eval.every=250", "eval.sequences=200", "probes.sequences=16"];
    let report = run("classification-fast", &[&overrides[..], &small].concat());
    let last = |name: &str| report.manifest.final_row[name].as_f64().unwrap();
    assert!(last("iw_accuracy") > 0.9 && last("ic_accuracy") < 0.15, "{:?}", report.manifest.final_row);
    assert_eq!(report.manifest.outcome, RunOutcome::Iw);
}

#[test]
fn a_minimal_head_learns_novel_classes_in_context() {
    let report = run("classification-minimal", &["train.steps=1600", "eval.every=100", "eval.sequences=200"]);
    let last = |name: &str| report.manifest.final_row[name].as_f64().unwrap();
    assert!(last("ic_accuracy") > 0.97 && last("ic_swap_accuracy") > 0.97 && last("iw_accuracy") < 0.3);
    assert!(last("ila1") > 0.8 && last("tila2") > 0.8);
    assert_eq!(report.manifest.outcome, RunOutcome::Transition);
}

#[test]
fn what_contexts_leave_out_is_inferred_from_the_reverse() {
    let adam = "train.optimizer={ adam = { learning_rate = 1e-3 } }";
    let small = ["eval.every=50", "eval.sequences=400", "probes.enabled=false", "train.steps=600", adam];
    let report = run("relation-marries", &small);
    let last = |name: &str| report.manifest.final_row[name].as_f64().unwrap();
    assert!(last("stated_accuracy") > 0.97 && last("left_out_accuracy") > 0.97, "{:?}", report.manifest.final_row);
    // Copying alone leaves the latter at one half.
    assert!((last("left_out_copy_accuracy") - 0.5).abs() < 1e-9, "{:?}", report.manifest.final_row);
}
