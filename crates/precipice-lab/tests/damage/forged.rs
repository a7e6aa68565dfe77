//! Runs in which every check agrees with what stands there, and what stands there is not what the spec comes to: only
//! a repetition finds it.

use std::fs;
use std::path::Path;

use precipice::record::MemoryRecorder;
use precipice::run::Run;
use precipice::spec::RunSpec;
use precipice::workers::Sequential;
use precipice_lab::runs::verify;
use precipice_lab::store::manifest::digest_of;
use precipice_lab::store::{Manifest, RunDir, RunOutcome, checkpoint, log};
use precipice_lab::whole_run::train_and_draw;
use precipice_num::Kernels;

use super::commands::{options, spec};

/// Writes a file, and a manifest that agrees with it after `change`.
fn forge(root: &Path, name: &str, bytes: &[u8], change: impl Fn(&mut Manifest)) {
    let run_dir = RunDir::new(root);
    let mut manifest = run_dir.manifest(&run_dir.spec().unwrap()).unwrap().unwrap();
    fs::write(root.join(name), bytes).unwrap();
    manifest.files.insert(name.to_owned(), digest_of(bytes));
    change(&mut manifest);
    manifest.write(&run_dir.manifest_path()).unwrap();
}

#[track_caller]
fn found(root: &Path, words: &str) {
    let told = verify(&RunDir::new(root), 1, &mut MemoryRecorder::default()).unwrap().difference;
    assert!(told.as_ref().is_some_and(|told| told.contains(words)), "{words}: {told:?}");
}

/// A checkpoint of the run at a step, after `change` of the state that a repetition comes to.
fn saved(spec: &RunSpec, step: u64, log_check: &str, change: impl Fn(&mut Run)) -> Vec<u8> {
    let mut run = Run::new(spec, None, Kernels::detect()).unwrap();
    while run.step() < step {
        run.advance(step - run.step(), &Sequential);
    }
    change(&mut run);
    let folder = tempfile::tempdir().unwrap();
    checkpoint::write(folder.path(), run.trainer(), &spec.hash(), log_check).unwrap();
    fs::read(folder.path().join(checkpoint::file_name(step))).unwrap()
}

#[test]
fn a_repetition_finds_what_no_check_can() {
    let folder = tempfile::tempdir().unwrap();
    let (root, mut spec) = (folder.path().join("run"), spec(0));
    // Moments, which the parameters' digest does not see.
    spec.train.optimizer = toml::from_str("adam = { learning_rate = 0.001 }").unwrap();
    train_and_draw(spec.clone(), &options(&root), &mut MemoryRecorder::default()).unwrap();
    let name = format!("checkpoints/{}", checkpoint::file_name(16));
    let whole = fs::read(root.join(&name)).unwrap();
    let check = log::read(&RunDir::new(&root).log_path(), &spec.hash()).unwrap().entries[4].check.clone();
    assert!(saved(&spec, 16, &check, |_| {}) == whole, "a repetition comes to the same bytes");
    let changes: [fn(&mut precipice::train::TrainState); 5] = [
        |state| state.params.values[7] += 1.0,
        |state| state.optimizer.first.as_mut().unwrap().values[0] += 1.0,
        |state| state.optimizer.second.as_mut().unwrap().values[0] += 1.0,
        |state| state.loss_sum += 1.0,
        |state| state.loss_count += 1,
    ];
    for change in changes {
        let other = saved(&spec, 16, &check, |run| {
            let (mut state, rows) = (run.state().clone(), run.rows().to_vec());
            change(&mut state);
            run.restore(state, rows);
        });
        forge(&root, &name, &other, |_| {});
        found(&root, "step-00000016.safetensors: holds another state");
    }
    forge(&root, &name, &saved(&spec, 16, "another log", |_| {}), |_| {});
    found(&root, "holds another state");
    forge(&root, &name, &whole, |_| {});
    // Rows with checks of their own.
    let log_bytes = fs::read(root.join("log.jsonl")).unwrap();
    let mut rows = RunDir::new(&root).rows().unwrap();
    rows[2].columns[1].1 += 1.0;
    let mut check = spec.hash();
    let mut text = String::new();
    for row in &rows {
        let (line, next) = log::to_line(row, &check);
        (text, check) = (text + &line + "\n", next);
    }
    forge(&root, "log.jsonl", text.as_bytes(), |_| {});
    found(&root, "the log at step 8");
    forge(&root, "log.jsonl", &log_bytes, |_| {});
    // What the manifest says.
    let spec_bytes = fs::read(root.join("spec.toml")).unwrap();
    type Edit = fn(&mut Manifest);
    let edits: [(&str, Edit); 4] = [
        ("the outcome", |manifest| manifest.outcome = RunOutcome::Lost),
        ("the last row", |manifest| drop(manifest.final_row.insert("loss".to_owned(), 0.5.into()))),
        ("the final parameters", |manifest| manifest.digest = "0".to_owned()),
        ("the final parameters", |manifest| manifest.steps += 1),
    ];
    let manifest = fs::read(root.join("manifest.json")).unwrap();
    for (words, edit) in edits {
        forge(&root, "spec.toml", &spec_bytes, edit);
        found(&root, words);
        fs::write(root.join("manifest.json"), &manifest).unwrap();
    }
    let verified = verify(&RunDir::new(&root), 1, &mut MemoryRecorder::default()).unwrap();
    assert_eq!((verified.difference, verified.digest), (None, verified.stored_digest));
}
