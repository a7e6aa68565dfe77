//! Failures that a program can tell apart without reading their words.

use std::fs;
use std::path::Path;

use precipice::record::MemoryRecorder;
use precipice::spec::RunSpec;
use precipice::workers::Sequential;
use precipice_lab::error::{
    ArrayProblem, FigureProblem, ItemsProblem, LabError, RunDirProblem, SpecProblem, SweepProblem,
};
use precipice_lab::input::items;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::run_figures::{Kind, draw};
use precipice_lab::runs::{Keep, Options, StoredRun, train, verify};
use precipice_lab::store::RunDir;
use precipice_lab::sweep::{Axis, Plan};

fn tiny(overrides: &[&str]) -> Result<RunSpec, LabError> {
    let tiny = ["eval.sequences=64", "probes.sequences=16"];
    let overrides = tiny.iter().chain(overrides).map(|text| (*text).to_owned()).collect();
    spec_file::load("copying-small", &Changes { overrides, seed: None, steps: Some(2) })
}

fn options(out: &Path) -> Options {
    Options {
        out: Some(out.to_owned()),
        threads: 1,
        resume: false,
        force: false,
        keep: Keep::Results,
        arithmetic: None,
    }
}

fn run(spec: RunSpec, out: &Path) -> Result<StoredRun, LabError> {
    let report = train(spec, &options(out), &mut MemoryRecorder::default())?.seal()?;
    StoredRun::open(report.run_dir.root())
}

#[test]
fn specs_that_cannot_be_read_or_run() {
    let of = |loaded: Result<RunSpec, LabError>| match loaded {
        Err(LabError::Spec { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    match of(tiny(&["model.redout=mlp"])) {
        SpecProblem::UnknownField { found, nearest, .. } => {
            assert_eq!((found.as_str(), &nearest[0][..]), ("model.redout", "model.readout"));
        }
        other => panic!("{other:?}"),
    }
    match of(tiny(&["task.copying.n_labels=2"])) {
        SpecProblem::Invalid(error) => assert_eq!(error.field, "task.copying.n_labels"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(of(tiny(&["train.steps=many"])), SpecProblem::WrongKind { .. }));
    assert_eq!(of(tiny(&["train.steps"])), SpecProblem::NotAnAssignment);
    assert!(matches!(of(tiny(&["train.optimizer={}"])), SpecProblem::NotOneChoice { .. }));
}

#[test]
fn states_of_a_run_directory() {
    let folder = tempfile::tempdir().unwrap();
    let of = |result: Result<(), LabError>| match result {
        Err(LabError::RunDir { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let at = |name: &str| folder.path().join(name);
    assert_eq!(of(StoredRun::open(&at("nowhere")).map(drop)), RunDirProblem::NotARunDirectory);
    let stored = run(tiny(&[]).unwrap(), &at("run")).unwrap();
    let not_made = stored.at_step(3).map(drop);
    assert_eq!(of(not_made), RunDirProblem::StepNotMade { step: 3, first: 0, last: 2 });
    let no_checkpoint = stored.run_at(1, &precipice::run::Run::new).map(drop);
    assert_eq!(of(no_checkpoint), RunDirProblem::NoCheckpoint { step: 1, there_are: vec![2] });
    let other = tiny(&["task.copying.n_labels=8"]).unwrap();
    assert!(matches!(of(run(other, &at("run")).map(drop)), RunDirProblem::AnotherSpec { .. }));
    fs::remove_file(stored.run_dir.manifest_path()).unwrap();
    assert_eq!(of(run(tiny(&[]).unwrap(), &at("run")).map(drop)), RunDirProblem::UnfinishedRun);
    let verified = verify(&stored.run_dir, 1, &mut MemoryRecorder::default());
    assert!(matches!(of(verified.map(drop)), RunDirProblem::NotFinished { .. }));
    let lock = stored.run_dir.lock().unwrap();
    assert_eq!(of(run(tiny(&[]).unwrap(), &at("run")).map(drop)), RunDirProblem::LockedByAnother);
    drop(lock);
    fs::create_dir(at("letters")).unwrap();
    fs::write(at("letters/to-mother.txt"), "Dear mother").unwrap();
    let foreign = of(run(tiny(&[]).unwrap(), &at("letters")).map(drop));
    assert_eq!(foreign, RunDirProblem::ForeignContent { name: Some("to-mother.txt".to_owned()) });
}

#[test]
fn items_figures_and_sweeps() {
    let mut spec = spec_file::load("han-small", &Changes::default()).unwrap();
    spec.task.family_mut().items_mut().unwrap().array = "itms".to_owned();
    match items::load(&mut spec) {
        Err(LabError::Items {
            problem: ItemsProblem::Array { problem: ArrayProblem::Missing { there_are, .. }, .. },
            ..
        }) => {
            assert!(there_are.contains(&"items".to_owned()));
        }
        other => panic!("{:?}", other.map(drop)),
    }
    let empty = StoredRun {
        run_dir: RunDir::new("runs/empty"),
        spec: tiny(&[]).unwrap(),
        rows: Vec::new(),
        own_metrics: Vec::new(),
    };
    let drawn = draw(Kind::LearningCurve, &empty, &Sequential);
    assert!(matches!(drawn, Err(LabError::Figure { problem: FigureProblem::NoRows { .. }, .. })));
    let mut plan = Plan::load("copying-small", false).unwrap();
    plan.axes = vec![Axis::of("train.steps", [3]); 2];
    match plan.jobs() {
        Err(LabError::Sweep { problem: SweepProblem::SweptTwice { key }, .. }) => assert_eq!(key, "train.steps"),
        other => panic!("{:?}", other.map(drop)),
    }
}
