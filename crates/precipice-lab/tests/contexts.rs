//! What is exported for looking is what was measured.

use precipice::measure::metric;
use precipice::record::MemoryRecorder;
use precipice::task::Set;
use precipice::workers::Sequential;
use precipice_lab::error::LabError;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::reports::contexts::{Shown, arrays};
use precipice_lab::runs::{Keep, Options, StoredRun, train};
use precipice_lab::store::arrays::{Array, Values};

fn run(name: &str, steps: u64, more: &[&str]) -> (tempfile::TempDir, StoredRun) {
    let folder = tempfile::tempdir().unwrap();
    let few = ["eval.sequences=150", "probes.sequences=40", "eval.every=100", "checkpoint.every=100"];
    let overrides = few.iter().chain(more).map(|&text| text.to_owned()).collect();
    let spec = spec_file::load(name, &Changes { overrides, seed: None, steps: Some(steps) }).unwrap();
    let out = Some(folder.path().join("run"));
    let options = Options { out, threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
    let report = train(spec, &options, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
    (folder, StoredRun::open(report.run_dir.root()).unwrap())
}

fn shown(run: &StoredRun, steps: &[u64], n_sequences: usize, set: Set) -> Vec<Array> {
    arrays(&run.run_dir, &run.spec, &Shown { steps: steps.to_vec(), n_sequences, set }, &Sequential).unwrap()
}

#[track_caller]
fn floats<'a>(all: &'a [Array], name: &str, shape: &[usize]) -> &'a [f32] {
    let array = all.iter().find(|array| array.name == name).unwrap();
    assert_eq!(array.shape, shape, "{name}");
    match &array.values {
        Values::Single(values) => values,
        other => panic!("{name}: {other:?}"),
    }
}

fn ints<'a>(all: &'a [Array], name: &str) -> &'a [i64] {
    match &all.iter().find(|array| array.name == name).unwrap().values {
        Values::Int(values) => values,
        other => panic!("{name}: {other:?}"),
    }
}

/// Accuracy and ILA1 of the log, from the arrays alone.
#[test]
fn logits_and_patterns_are_those_that_the_log_was_measured_of() {
    let (_folder, run) = run("copying-small", 800, &[]);
    let all = shown(&run, &[0, 800], 150, Set::MAIN);
    let logits = floats(&all, "logits", &[2, 150, 16]);
    let (answers, labels) = (ints(&all, "answers"), ints(&all, "labels"));
    for (k, step) in [(0, 0), (1, 800)] {
        let row = run.rows.iter().find(|row| row.step == step).unwrap();
        let is_right = |s: usize| {
            let of = &logits[(k * 150 + s) * 16..][..16];
            (0..16).max_by(|&a, &b| of[a].total_cmp(&of[b])).unwrap() as i64 == answers[s]
        };
        let accuracy = (0..150).filter(|&s| is_right(s)).count() as f64 / 150.0;
        // Training computes logits in another order, so that a tie may fall the other way.
        let logged = row.get(&metric::ACCURACY.main());
        assert!((accuracy - logged).abs() < if step == 0 { 0.1 } else { 0.01 }, "{step}: {accuracy}, {logged}");
        let pattern = floats(&all, "blocks.0.attn.pattern", &[2, 150, 1, 9, 9]);
        let at = |s: usize, query: usize, key: usize| f64::from(pattern[((k * 150 + s) * 9 + query) * 9 + key]);
        let on_item = (0..40).flat_map(|s| (0..4).map(move |slot| (s, slot)));
        let ila1 = on_item.map(|(s, slot)| at(s, 2 * slot + 1, 2 * slot)).sum::<f64>() / 160.0;
        assert!((ila1 - row.get(&metric::ILA1.main())).abs() < 1e-6, "{step}: {ila1}");
        assert_eq!(at(0, 3, 4), 0.0, "no token sees a later one");
    }
    let Values::Bool(matches) = &all.iter().find(|array| array.name == "matches").unwrap().values else { panic!() };
    assert!((0..600).all(|i| matches[i] == (labels[i] == answers[i / 4])));
}

/// Neither the number of sequences nor the steps beside it change what is written of one.
#[test]
fn a_context_is_the_same_whatever_is_written_beside_it() {
    let (_folder, run) = run("classification-fast", 2, &["task.classification.p_novel=0.5"]);
    let facts = run.spec.facts();
    let ic = facts.sets().find(|set| facts.prefix(*set) == "ic_").unwrap();
    let (few, many) = (shown(&run, &[2], 3, ic), shown(&run, &[0, 2], 70, ic));
    for (few, many) in few.iter().zip(&many).filter(|(few, _)| few.name != "steps") {
        assert_eq!(few.name, many.name);
        match (&few.values, &many.values) {
            (Values::Single(few), Values::Single(many)) => {
                // Items stand first, and the networks of step 2 behind those of step 0.
                let start = if few.len() * 70 == many.len() * 3 { 0 } else { many.len() / 2 };
                assert_eq!(few[..], many[start..start + few.len()]);
            }
            (Values::Int(few), Values::Int(many)) => assert_eq!(few[..], many[..few.len()]),
            (Values::Bool(few), Values::Bool(many)) => assert_eq!(few[..], many[..few.len()]),
            other => panic!("{other:?}"),
        }
    }
    let main = shown(&run, &[2], 3, Set::MAIN);
    assert_ne!(main[1], few[1], "another set has other items");
}

#[test]
fn regression_has_values_and_predictions() {
    let (_folder, run) = run("regression", 2, &[]);
    let all = shown(&run, &[1, 2], 5, Set::MAIN);
    assert!(floats(&all, "predictions", &[2, 5]).iter().all(|value| value.is_finite()));
    floats(&all, "values", &[5, 11]);
    floats(&all, "blocks.0.attn.pattern", &[2, 5, 1, 11, 11]);
    assert!(all.iter().all(|array| array.name != "labels"));
}

#[test]
fn a_minimal_head_has_contexts_too() {
    let (_folder, run) = run("minimal-head", 2, &[]);
    assert!(!shown(&run, &[2], 2, Set::MAIN).is_empty());
}

#[test]
fn what_does_not_fit_and_what_is_not_there_is_refused() {
    let (_folder, run) = run("copying-small", 2, &[]);
    let refused = |steps: Vec<u64>, n_sequences| {
        arrays(&run.run_dir, &run.spec, &Shown { steps, n_sequences, set: Set::MAIN }, &Sequential).unwrap_err()
    };
    let error = refused(vec![0; 1000], 1 << 24);
    assert!(matches!(error, LabError::Output { .. }), "{error}");
    let error = refused(vec![0, 7], 2).to_string();
    assert!(error.contains("did not make step 7: it went to step 2"), "{error}");
}
