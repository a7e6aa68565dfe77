//! What reads a run, each with the text of what it comes to.

use std::path::Path;

use precipice::record::{MemoryRecorder, Row};
use precipice::spec::RunSpec;
use precipice::workers::Sequential;
use precipice_lab::error::LabError;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::reports::network::NetworkReport;
use precipice_lab::reports::theory::FitReport;
use precipice_lab::run_figures::{Kind, draw};
use precipice_lab::runs::{Keep, Options, StoredRun, Training, at_step, checkpoint_bytes, train};
use precipice_lab::store::tables::Table;
use precipice_lab::store::{Manifest, RunDir};

pub fn spec(seed: u64) -> RunSpec {
    let overrides = [
        "task.copying.d_item=8",
        "train.batch_size=8",
        "eval.every=4",
        "eval.sequences=16",
        "probes.sequences=8",
        "probes.ablations=[]",
    ];
    let overrides = overrides.map(str::to_owned).to_vec();
    spec_file::load("copying-small", &Changes { overrides, seed: Some(seed), steps: Some(22) }).unwrap()
}

pub fn options(root: &Path) -> Options {
    Options { out: Some(root.to_owned()), threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None }
}

/// The stored result, as `run` repeats it.
pub fn stored(root: &Path, spec: &RunSpec) -> Result<Manifest, LabError> {
    Ok(train(spec.clone(), &options(root), &mut MemoryRecorder::default()).and_then(Training::seal)?.manifest)
}

/// What the rows of a run are, undefined values included.
pub fn rows(root: &Path) -> Result<Vec<Row>, LabError> {
    Ok(StoredRun::open(root)?.rows)
}

pub fn text(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("{row:?}\n")).collect()
}

/// A command that only reads.
pub type Reading = fn(&Path) -> Result<String, LabError>;

/// `export`, `theory fit`, `figure`, `probe`, of the last and of a named checkpoint.
pub const READINGS: [(&str, Reading); 9] = [
    ("rows", |root| Ok(text(&rows(root)?))),
    ("export csv", |root| {
        let run_dir = RunDir::new(root);
        Ok(Table::of_run(&run_dir.spec()?, &run_dir.rows()?).csv())
    }),
    ("theory fit", |root| {
        let run = StoredRun::open(root)?;
        Ok(serde_json::to_string(&FitReport::new(&run.spec, &run.rows).ok()).unwrap())
    }),
    ("figure learning-curve", |root| figure(Kind::LearningCurve, root)),
    ("figure order-parameters", |root| figure(Kind::OrderParameters, root)),
    ("figure attention", |root| figure(Kind::Attention, root)),
    ("probe", |root| {
        let run_dir = RunDir::new(root);
        let spec = run_dir.spec()?;
        let last = run_dir.checkpoint_steps(&spec)?.last().copied();
        probe(root, last.unwrap_or(u64::MAX))
    }),
    ("probe --step 8", |root| probe(root, 8)),
    ("export safetensors --step 16", |root| {
        let run_dir = RunDir::new(root);
        Ok(format!("{:?}", checkpoint_bytes(&run_dir, &run_dir.spec()?, 16, &Sequential)?))
    }),
];

fn figure(kind: Kind, root: &Path) -> Result<String, LabError> {
    Ok(draw(kind, &StoredRun::open(root)?, &Sequential)?.svg().to_owned())
}

fn probe(root: &Path, step: u64) -> Result<String, LabError> {
    let run_dir = RunDir::new(root);
    let spec = run_dir.spec()?;
    let trainer = at_step(&run_dir, &spec, step)?;
    Ok(serde_json::to_string(&NetworkReport::new(&spec, &trainer, &Sequential)).unwrap())
}
