//! What is said of one run.

use std::path::PathBuf;

use axum::http::StatusCode;
use precipice::measure::metric::{Better, Unit};
use precipice::measure::{Metric, metric};
use precipice::record::Row;
use precipice::spec::RunSpec;
use precipice_lab::error::LabError;
use precipice_lab::input::spec_file;
use precipice_lab::runs::StoredRun;
use precipice_lab::store::manifest::StoredTransition;
use precipice_lab::store::{RunDir, log};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::place::{Look, Place, check_bytes, file_at};
use crate::refusal::Refusal;
use crate::standing::{Other, Standing};

/// A run, its rows, and what their columns mean.
#[derive(Debug, Serialize)]
pub struct RunSaid {
    path: String,
    spec_hash: String,
    spec: RunSpec,
    toml: String,
    /// Null of a run that has not ended, as the next.
    digest: Option<String>,
    arithmetic: Option<String>,
    columns: Vec<ColumnSaid>,
    rows: Vec<Map<String, Value>>,
    checkpoints: Vec<u64>,
    outcome: Standing,
    transition: Option<StoredTransition>,
    is_training: bool,
}

/// A column and its metric.
#[derive(Debug, Serialize)]
struct ColumnSaid {
    name: String,
    /// Null where only the program that measured it knows.
    words: Option<String>,
    unit: Option<Unit>,
    better: Option<Better>,
    group: Option<String>,
}

/// What is said of the run at a path.
///
/// # Errors
/// If there is none, it is damaged, or more than may be read.
pub fn run(place: &Place, path: &str, most: u64) -> Result<RunSaid, Refusal> {
    let (root, folder) = found(place, path)?;
    let said = || -> Result<RunSaid, LabError> {
        Look::at(&root, &folder)?.check_bytes(&folder, most)?;
        let run = StoredRun::open(&folder)?;
        let manifest = run.run_dir.manifest(&run.spec)?;
        let outcome = Standing::of(&run.run_dir, manifest.as_ref());
        Ok(RunSaid {
            path: Place::relative(&root, &folder),
            spec_hash: run.spec.hash(),
            toml: spec_file::to_toml(&run.spec),
            columns: columns(&run.rows, &run.own_metrics),
            rows: run.rows.iter().map(log::to_object).collect(),
            checkpoints: run.run_dir.checkpoint_steps(&run.spec)?,
            digest: manifest.as_ref().map(|manifest| manifest.digest.clone()),
            arithmetic: manifest.as_ref().map(|manifest| manifest.arithmetic.clone()),
            transition: manifest.and_then(|manifest| manifest.transition),
            is_training: outcome == Standing::Other(Other::Training),
            outcome,
            spec: run.spec,
        })
    };
    said().map_err(|error| Refusal::of(&error, &root))
}

/// The bytes of the checkpoint of a step.
///
/// # Errors
/// If there is none, it is damaged, or more than may be read.
pub fn checkpoint(place: &Place, path: &str, step: u64, most: u64) -> Result<Vec<u8>, Refusal> {
    let (root, folder) = found(place, path)?;
    let bytes = || -> Result<Vec<u8>, LabError> {
        let (look, run_dir) = (Look::at(&root, &folder)?, RunDir::new(&folder));
        let saved = run_dir.checkpoint_path(step);
        let n_bytes = file_at(&root, &saved)?.map_or(0, |file| file.len());
        check_bytes(&saved, look.bytes()[0] + n_bytes, most)?;
        run_dir.checkpoint_bytes(&run_dir.spec()?, step)
    };
    bytes().map_err(|error| Refusal::of(&error, &root))
}

/// The root of all runs, and the folder that a path from there means.
pub fn found(place: &Place, path: &str) -> Result<(PathBuf, PathBuf), Refusal> {
    let folder = place.resolve(path)?;
    let gone = || Refusal::new(StatusCode::NOT_FOUND, "the folder of runs is gone; start the server again");
    Ok((place.root().ok_or_else(gone)?, folder))
}

/// All columns of the rows, in order, and what they mean.
fn columns(rows: &[Row], own: &[Metric]) -> Vec<ColumnSaid> {
    let mut names: Vec<&str> = Vec::new();
    // Rows of a run have the same columns, but for what only the first or the last has.
    for name in rows.iter().flat_map(|row| row.columns.iter().map(|(name, _)| name.as_str())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| column(name, own)).collect()
}

fn column(name: &str, own: &[Metric]) -> ColumnSaid {
    let metric = metric::ALL.iter().chain(own).find(|metric| metric.is_of(name));
    ColumnSaid {
        name: name.to_owned(),
        words: metric.map(|metric| metric.words.to_string()),
        unit: metric.map(|metric| metric.unit),
        better: metric.map(|metric| metric.better),
        group: metric.map(|metric| metric.group.to_string()),
    }
}

/// A run that is followed, and its spec.
///
/// # Errors
/// If there is none, or it is damaged.
pub fn followed(place: &Place, path: &str, most: u64) -> Result<(PathBuf, RunDir, RunSpec), Refusal> {
    let (root, folder) = found(place, path)?;
    let run_dir = RunDir::new(&folder);
    let spec = || -> Result<RunSpec, LabError> {
        check_bytes(&folder, Look::at(&root, &folder)?.bytes()[0], most)?;
        run_dir.spec()
    };
    let spec = spec().map_err(|error| Refusal::of(&error, &root))?;
    Ok((root, run_dir, spec))
}
