//! Any step of a stored run, and runs that go on from there: bits equal those of runs that had stored it.

use std::fs;
use std::path::Path;

use precipice::record::{MemoryRecorder, Next, RecordError, Recorder, Row};
use precipice::run::checkpoints_due;
use precipice::spec::RunSpec;
use precipice::task::Set;
use precipice::train::Trainer;
use precipice::workers::Sequential;
use precipice_lab::error::{LabError, OutputProblem, RunDirProblem};
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::reports::at::{Moments, arrays};
use precipice_lab::reports::contexts::{self, Shown};
use precipice_lab::runs::threads::Pool;
use precipice_lab::runs::*;
use precipice_lab::store::arrays::{Array, Values};
use precipice_lab::store::{RunDir, spec_text};

fn spec(name: &str, steps: u64, more: &[&str]) -> RunSpec {
    let few = ["eval.sequences=32", "probes.sequences=8", "eval.every=10"];
    let overrides = few.iter().chain(more).map(|&text| text.to_owned()).collect();
    spec_file::load(name, &Changes { overrides, seed: None, steps: Some(steps) }).unwrap()
}

fn small(steps: u64) -> RunSpec {
    spec("copying-small", steps, &["task.copying.d_item=8", "train.batch_size=16", "probes.ablations=[]"])
}

fn options(root: &Path, keep: Keep) -> Options {
    Options { out: Some(root.to_owned()), threads: 1, resume: false, force: false, keep, arithmetic: None }
}

fn made(spec: &RunSpec, root: &Path, keep: Keep) -> StoredRun {
    train(spec.clone(), &options(root, keep), &mut MemoryRecorder::default()).unwrap().seal().unwrap();
    StoredRun::open(root).unwrap()
}

fn bytes_at(run: &StoredRun, step: u64) -> Vec<u8> {
    checkpoint_bytes(&run.run_dir, &run.spec, step, &Sequential).unwrap()
}

fn floats<'a>(all: &'a [Array], name: &str) -> &'a [f32] {
    match &all.iter().find(|array| array.name == name).unwrap_or_else(|| panic!("no {name}")).values {
        Values::Single(values) => values,
        other => panic!("{name}: {other:?}"),
    }
}

fn moments(run: &StoredRun, steps: &[u64], is_film: bool) -> Vec<Array> {
    let moments = Moments { steps: steps.to_vec(), is_film, n_sequences: 5, set: Set::MAIN };
    arrays(&run.run_dir, &run.spec, &moments, &Sequential).unwrap()
}

/// A run of a sweep has its last checkpoint alone: all others are made again, log check and mean of the losses included.
#[test]
fn any_step_has_the_bytes_of_a_run_that_stored_it() {
    let folder = tempfile::tempdir().unwrap();
    let adam = "train.optimizer={adam={learning_rate=0.01}}";
    let specs = [small(40), spec("copying-small", 40, &[adam, "train.batch_size=16", "eval.every=8"])];
    for (i, spec) in specs.iter().enumerate() {
        let at = |name: &str| folder.path().join(format!("{name}{i}"));
        let (all, few) = (made(spec, &at("all"), Keep::All), made(spec, &at("few"), Keep::Results));
        assert_eq!(few.run_dir.checkpoint_steps(spec).unwrap(), [40]);
        for step in checkpoints_due(spec) {
            assert!(bytes_at(&all, step) == fs::read(all.run_dir.checkpoint_path(step)).unwrap());
            assert!(bytes_at(&few, step) == bytes_at(&all, step), "step {step}");
            assert_eq!(few.at_step(step).unwrap().state(), all.at_step(step).unwrap().state());
        }
        // Between checkpoints, on several threads, from the start and from the nearest.
        let pool = Pool::new(2).unwrap();
        for step in [3, 30, 33, 39] {
            let of = |run: &StoredRun| checkpoint_bytes(&run.run_dir, &run.spec, step, &pool).unwrap();
            assert!(of(&few) == bytes_at(&all, step), "step {step}");
        }
        for step in [41, u64::MAX] {
            let error = few.at_step(step).map(drop).unwrap_err();
            let last = RunDirProblem::StepNotMade { step, first: 0, last: 40 };
            assert!(matches!(error, LabError::RunDir { problem, .. } if problem == last));
        }
    }
}

/// A run that goes on, and one that diverged, are known as far as they came.
#[test]
fn unfinished_and_diverged_runs_are_gone_through() {
    let folder = tempfile::tempdir().unwrap();
    let whole = made(&small(40), &folder.path().join("whole"), Keep::All);
    let stopped = folder.path().join("stopped");
    train(small(40), &options(&stopped, Keep::All), &mut StopAt(27)).unwrap();
    let stopped = StoredRun::open(&stopped).unwrap();
    assert!(bytes_at(&stopped, 23) == bytes_at(&whole, 23));
    assert!(stopped.at_step(28).map(drop).unwrap_err().to_string().contains("it went to step 27"));
    let mut wild = small(40);
    wild.train.optimizer.set_learning_rate(1e30);
    let wild = made(&wild, &folder.path().join("wild"), Keep::Results);
    let manifest = wild.run_dir.finished(&wild.spec).unwrap();
    assert!(manifest.steps < 40);
    assert_eq!(wild.at_step(manifest.steps).unwrap().state().params.digest(), manifest.digest);
}

/// Stops after a step.
struct StopAt(u64);

impl Recorder for StopAt {
    fn row(&mut self, _: &Row) -> Result<(), RecordError> {
        Ok(())
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, step: u64, _: f64) -> Next {
        if step == self.0 { Next::Stop } else { Next::Continue }
    }
}

/// The next state is this one minus the rate times the gradient; attention, logits and states are what other commands say.
#[test]
fn at_a_step_everything_belongs_together() {
    let folder = tempfile::tempdir().unwrap();
    let frozen = [
        "train.freeze_until={\"blocks.0\"=25}",
        "train.clip_norm=0.05",
        "model.n_heads=2",
        "model.d_head=8",
        "model.output_projection=true",
        "train.optimizer={sgd={learning_rate=0.5}}",
        "probes.ablations=[]",
    ];
    let run = made(&spec("copying-small", 40, &frozen), &folder.path().join("run"), Keep::All);
    let film = moments(&run, &[19, 21, 23, 27, 40], true);
    for (k, step) in [19, 21, 23, 27, 40].into_iter().enumerate() {
        let one = moments(&run, &[step], false);
        for array in &one {
            let name = if array.name == "step" { "steps" } else { &array.name };
            let of_film = film.iter().find(|other| other.name == name).unwrap();
            if of_film.shape == array.shape {
                assert_eq!(of_film.values, array.values, "{name} does not change");
                continue;
            }
            assert_eq!(of_film.shape, [&[5], &array.shape[..]].concat(), "{name}");
            match (&of_film.values, &array.values) {
                (Values::Single(film), Values::Single(one)) => {
                    assert!(film[k * one.len()..][..one.len()] == one[..], "{name} at {step}");
                }
                (Values::Real(film), Values::Real(one)) => assert_eq!(film[k * one.len()..][..one.len()], one[..]),
                (Values::Int(film), Values::Int(one)) => assert_eq!(film[k], one[0]),
                other => panic!("{name}: {other:?}"),
            }
        }
        let trainer = run.at_step(step).unwrap();
        let mut square = 0.0;
        for tensor in trainer.model().layout().tensors() {
            let (params, grads) = (floats(&one, &tensor.name), floats(&one, &format!("grad.{}", tensor.name)));
            assert_eq!(params, trainer.state().params.get(&tensor.name).unwrap());
            square += grads.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>();
            let is_frozen = tensor.name.starts_with("blocks.0") && step < 25;
            assert_eq!(grads.iter().all(|g| *g == 0.0), is_frozen, "{} at {step}", tensor.name);
            if step < 40 {
                let next = run.at_step(step + 1).unwrap();
                let next = next.state().params.get(&tensor.name).unwrap();
                let errors = params.iter().zip(grads).zip(next).map(|((p, g), n)| (p - 0.5 * g - n).abs());
                assert!(errors.fold(0.0, f32::max) < 1e-6, "{} at {step}", tensor.name);
            }
        }
        assert!(square.sqrt() < 0.05 * 1.0001, "clipped: {}", square.sqrt());
        let shown = Shown { steps: vec![step], n_sequences: 5, set: Set::MAIN };
        let seen = contexts::arrays(&run.run_dir, &run.spec, &shown, &Sequential).unwrap();
        assert_eq!(floats(&one, "logits"), floats(&seen, "logits"));
        let (attention, pattern) = (floats(&one, "attention"), floats(&seen, "blocks.1.attn.pattern"));
        for (s, head, query) in [(0, 0, 8), (3, 1, 5), (4, 1, 8)] {
            let row = &attention[((((2 + head) * 5) + s) * 9 + query) * 9..][..9];
            assert_eq!(row, &pattern[((s * 2 + head) * 9 + query) * 9..][..9]);
        }
    }
}

#[test]
fn films_of_all_tasks_and_films_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["regression", "regression-stream", "minimal-head", "relation-marries"] {
        let spec = spec(name, 2, &["train.batch_size=16"]);
        let run = made(&spec, &folder.path().join(name), Keep::All);
        let all = moments(&run, &[0, 1, 2], true);
        let attention = all.iter().find(|array| array.name == "attention").unwrap();
        assert_eq!((attention.shape.len(), attention.shape[0], attention.shape[3]), (6, 3, 5), "{name}");
        let Values::Real(losses) = &all.iter().find(|array| array.name == "losses").unwrap().values else { panic!() };
        assert!(losses.len() == 15 && losses.iter().all(|loss| loss.is_finite()), "{name}");
        assert!(all.iter().any(|array| array.name.starts_with("grad.")), "{name}");
    }
    let run = made(&small(2), &folder.path().join("run"), Keep::All);
    let many = Moments { steps: vec![0; 1000], is_film: true, n_sequences: 1 << 24, set: Set::MAIN };
    let error = arrays(&run.run_dir, &run.spec, &many, &Sequential).unwrap_err();
    assert!(matches!(&error, LabError::Output { problem: OutputProblem::TooLarge { .. }, .. }), "{error}");
    assert!(error.to_string().contains("fewer --sequences, or fewer steps"));
    let beyond = Moments { steps: vec![0, 3], is_film: true, n_sequences: 2, set: Set::MAIN };
    assert!(arrays(&run.run_dir, &run.spec, &beyond, &Sequential).unwrap_err().to_string().contains("step 3"));
}

fn branch_at(parent: &StoredRun, step: u64, overrides: &[&str]) -> RunSpec {
    let overrides = overrides.iter().map(|&text| text.to_owned()).collect();
    let changes = Changes { overrides, ..Changes::default() };
    branch_spec(parent, Divergence { step, changes, ..Divergence::default() }).unwrap()
}

/// Rows as they stand in the log, without the chain of checks.
fn rows(run: &StoredRun, from: u64) -> Vec<String> {
    run.rows.iter().filter(|row| row.step >= from).map(|row| format!("{row:?}")).collect()
}

/// At a step with a row and without one; from the spec alone, from stored states, after any interruption.
#[test]
fn a_branch_without_a_change_has_the_rows_and_states_of_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let parent = made(&small(40), &folder.path().join("parent"), Keep::All);
    for step in [0, 20, 23, 40] {
        let at = |name: &str| folder.path().join(format!("{name}-{step}"));
        let spec = branch_at(&parent, step, &[]);
        let alone = made(&spec, &at("alone"), Keep::All);
        assert_eq!(rows(&alone, 0), rows(&parent, step), "from {step}");
        let due: Vec<u64> = checkpoints_due(&spec).collect();
        assert_eq!(alone.run_dir.checkpoint_steps(&spec).unwrap(), due);
        assert_eq!(due[0], step);
        for &saved in &due {
            assert_eq!(
                alone.at_step(saved).unwrap().state(),
                parent.at_step(saved).unwrap().state(),
                "{step}: {saved}"
            );
        }
        let files = |run: &Path| {
            let names = ["log.jsonl".to_owned(), "spec.toml".to_owned()];
            let states = due.iter().map(|step| format!("checkpoints/step-{step:08}.safetensors"));
            names.into_iter().chain(states).map(|name| fs::read(run.join(name)).unwrap()).collect::<Vec<_>>()
        };
        // Threads, and the parent's stored states.
        let near = Options { threads: 2, ..options(&at("near"), Keep::All) };
        let known = [parent.run_dir.clone()];
        let training =
            train_near(spec.clone(), &precipice::run::Run::new, &known, &near, &mut MemoryRecorder::default());
        training.unwrap().seal().unwrap();
        assert!(files(&at("near")) == files(&at("alone")), "from {step}");
        // Stopped in the parent, at the beginning, and later.
        for stop in [7, step, 30] {
            let root = at(&format!("stopped-{stop}"));
            let stopped = train(spec.clone(), &options(&root, Keep::All), &mut StopAt(stop));
            let is_in_parent = matches!(stopped, Err(LabError::Stopped { .. }));
            assert_eq!(is_in_parent, stop <= step && stop > 0, "{step} {stop}");
            drop(stopped);
            let again = Options { resume: true, ..options(&root, Keep::All) };
            train(spec.clone(), &again, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
            assert!(files(&root)[0] == files(&at("alone"))[0], "{step} {stop}");
        }
        let verified = verify(&alone.run_dir, 2, &mut MemoryRecorder::default()).unwrap();
        assert_eq!(verified.difference, None);
        assert_eq!(verified.stored_digest, parent.run_dir.finished(&parent.spec).unwrap().digest.into());
        if step > 0 {
            let told = alone.at_step(step - 1).map(drop).unwrap_err().to_string();
            assert!(told.contains(&format!("it is a branch from step {step}")), "{told}");
        }
    }
}

/// A branch of a branch of a run of a sweep, with changes; a longer one begins with the shorter one.
#[test]
fn a_chain_of_branches_is_verified_and_made_longer() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let parent = made(&small(40), &at("parent"), Keep::Results);
    let middle = made(&branch_at(&parent, 13, &["train.batch_size=24", "seeds.data=5"]), &at("middle"), Keep::Results);
    assert_ne!(rows(&middle, 20), rows(&parent, 20));
    let last = branch_at(&middle, 20, &["train.clip_norm=0.1", "train.steps=30"]);
    let last = made(&last, &at("last"), Keep::All);
    for run in [&middle, &last] {
        assert_eq!(verify(&run.run_dir, 1, &mut MemoryRecorder::default()).unwrap().difference, None);
    }
    // Any step of a branch that kept its last state alone is made from its parents.
    assert_eq!(middle.at_step(20).unwrap().state().params, last.at_step(20).unwrap().state().params);
    let longer = RunSpec { train: precipice::spec::TrainSpec { steps: 44, ..last.spec.train.clone() }, ..last.spec };
    let resumed = Options { resume: true, ..options(&at("last"), Keep::All) };
    train(longer.clone(), &resumed, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
    made(&longer, &at("whole"), Keep::All);
    assert!(fs::read(at("last/log.jsonl")).unwrap() == fs::read(at("whole/log.jsonl")).unwrap());
    // Its text is its spec.
    let text = spec_text::to_text(&longer);
    assert_eq!(spec_file::of_text("typed", &text, &Changes::default()).unwrap(), longer);
    // A parent that cannot be made as it is said is no parent.
    fs::remove_dir_all(at("middle")).unwrap();
    fs::remove_dir_all(at("parent")).unwrap();
    assert_eq!(verify(&RunDir::new(at("last")), 1, &mut MemoryRecorder::default()).unwrap().difference, None);
}

/// Nothing is written where the networks do not fit.
#[test]
fn a_branch_that_does_not_fit_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let parent = made(&small(20), &at("parent"), Keep::All);
    let spec = branch_at(&parent, 12, &["task.copying.n_labels=8"]);
    let refused = train(spec, &options(&at("branch"), Keep::All), &mut MemoryRecorder::default()).unwrap_err();
    assert!(refused.to_string().contains("--reset readout.0.weight"), "{refused}");
    assert!(!at("branch").exists());
    let beyond = Divergence { step: 21, ..Divergence::default() };
    assert!(branch_spec(&parent, beyond).unwrap_err().to_string().contains("it went to step 20"));
    // Reset, it goes on.
    let changes = Changes { overrides: vec!["task.copying.n_labels=8".to_owned()], ..Changes::default() };
    let reset = Divergence { step: 12, changes, reset: vec!["readout".to_owned()], ..Divergence::default() };
    let spec = branch_spec(&parent, reset).unwrap();
    assert_eq!(spec.name, "copying-small-at-12-n_labels-8-reset-readout");
    let run = made(&spec, &at("branch"), Keep::All);
    assert_eq!(run.rows[0].step, 20);
    assert_eq!(verify(&run.run_dir, 1, &mut MemoryRecorder::default()).unwrap().difference, None);
}

/// Parent and branch have items of their own, found by their content wherever their files lie.
#[test]
fn items_of_parent_and_branch() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let glyphs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/han-glyphs.npz");
    fs::copy(glyphs, at("items.npz")).unwrap();
    let file = format!("task.copying.items.file={}", at("items.npz").display());
    let more = [&file, "task.copying.items.n_held_out=6", "train.batch_size=8", "probes.ablations=[]"];
    let parent = made(&spec("han-small", 12, &more), &at("parent"), Keep::All);
    let branch = branch_at(&parent, 4, &["task.copying.items.n_held_out=7"]);
    let branch = made(&branch, &at("branch"), Keep::All);
    fs::rename(at("items.npz"), at("moved.npz")).unwrap();
    let moved = RunDir::new(branch.run_dir.root()).with_items(Some(at("moved.npz")));
    assert_eq!(verify(&moved, 1, &mut MemoryRecorder::default()).unwrap().difference, None);
    assert!(verify(&branch.run_dir, 1, &mut MemoryRecorder::default()).is_err());
    // Other items are another digest, and those of the parent stay.
    fs::rename(at("moved.npz"), at("items.npz")).unwrap();
    let built_in = branch_at(&parent, 4, &["task.copying.items.file=builtin:han-glyphs"]);
    let [own, parents] =
        [&built_in, &built_in.branch.as_ref().unwrap().parent].map(|spec| spec.task.family().items().unwrap().clone());
    assert!(own.digest.is_none() && parents.digest.is_some() && own.file != parents.file);
}
