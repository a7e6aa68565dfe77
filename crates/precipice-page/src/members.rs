//! Sweeps: in a list by numbers, opened with all their runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use precipice::spec::RunSpec;
use precipice_lab::error::LabError;
use precipice_lab::store::spec_text::Header;
use precipice_lab::store::{Manifest, RunDir, files};
use precipice_lab::sweep::{
    Axis, NotEnded, Record, StoredSweep, SweepRow, ended, folder_name, has_jumped, value_as_json,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::curve;
use crate::limits::Limits;
use crate::place::{Look, Place};
use crate::refusal::{Refusal, told};
use crate::run::found;
use crate::standing::Standing;
use crate::walk::{in_parallel, lock, take};

/// What is known of the runs of sweeps.
#[derive(Debug, Default)]
pub struct Members {
    /// By folder of the sweep.
    counted: Mutex<HashMap<PathBuf, Known<Counted>>>,
    /// Of the sweep that was opened last.
    opened: Mutex<(PathBuf, Known<Arc<Opened>>)>,
}

/// What was read of runs, by their folders, and how their files looked then.
type Known<T> = HashMap<PathBuf, (Look, T)>;

/// What a list counts of a run.
#[derive(Clone, Debug)]
enum Counted {
    NotEnded,
    Ended { has_jumped: bool },
    Damaged(String),
}

/// A run of a sweep that has ended.
#[derive(Debug)]
struct Opened {
    spec: RunSpec,
    manifest: Manifest,
    /// Null where too much would have had to be read.
    curve: Option<Vec<Option<f64>>>,
}

/// A sweep in a list.
#[derive(Clone, Debug, Serialize)]
pub struct SweepEntry {
    pub path: String,
    name: String,
    /// That were asked for.
    n_runs: usize,
    /// That have ended.
    n_done: usize,
    n_jumped: usize,
    pub modified: u64,
    problem: Option<String>,
}

/// A sweep and its runs.
#[derive(Debug, Serialize)]
pub struct SweepSaid {
    path: String,
    name: String,
    axes: Vec<AxisSaid>,
    runs: Vec<MemberSaid>,
}

/// A swept field and its values; fields that go together with it, value by value.
#[derive(Debug, Serialize)]
struct AxisSaid {
    field: String,
    values: Vec<Value>,
    together: Vec<AxisSaid>,
}

#[derive(Debug, Serialize)]
struct MemberSaid {
    /// Its directory in the sweep's.
    id: String,
    values: Map<String, Value>,
    seed: u64,
    outcome: Standing,
    t50: Option<f64>,
    #[serde(rename = "final")]
    final_row: Option<Map<String, Value>>,
    curve: Option<Vec<Option<f64>>>,
    problem: Option<String>,
}

impl Members {
    /// Forgets the sweeps that are gone.
    pub fn retain(&self, is_there: impl Fn(&PathBuf) -> bool) {
        lock(&self.counted).retain(|folder, _| is_there(folder));
    }

    /// What a list says of a sweep.
    pub fn entry(&self, root: &Path, folder: &Path, look: &Look, limits: &Limits) -> SweepEntry {
        let mut entry = SweepEntry {
            path: Place::relative(root, folder),
            name: folder_name(folder),
            n_runs: 0,
            n_done: 0,
            n_jumped: 0,
            modified: look.modified(),
            problem: None,
        };
        let record = look.check_bytes(folder, limits.read_bytes).and_then(|()| Record::read(folder));
        let runs: Vec<RunDir> = match record {
            Ok(record) => record.run_dirs(folder).collect(),
            Err(error) => return SweepEntry { problem: Some(told(&error, root)), ..entry },
        };
        let known = lock(&self.counted).remove(folder).unwrap_or_default();
        let counted = in_parallel(&runs, |run_dir| count(root, run_dir, &known, limits));
        entry.n_runs = runs.len();
        for (look, counted) in &counted {
            entry.modified = entry.modified.max(look.as_ref().map_or(0, Look::modified));
            match counted {
                Counted::NotEnded => {}
                Counted::Ended { has_jumped } => {
                    entry.n_done += 1;
                    entry.n_jumped += usize::from(*has_jumped);
                }
                Counted::Damaged(problem) => drop(entry.problem.get_or_insert_with(|| problem.clone())),
            }
        }
        let known = runs.iter().zip(counted).filter_map(|(run_dir, (look, counted))| {
            let look = look.filter(|look| look.has_ended())?;
            Some((run_dir.root().to_owned(), (look, counted)))
        });
        lock(&self.counted).insert(folder.to_owned(), known.collect());
        entry
    }

    /// What is said of the sweep at a path.
    ///
    /// # Errors
    /// If there is none, or its record is damaged.
    pub fn sweep(&self, place: &Place, path: &str, limits: &Limits) -> Result<SweepSaid, Refusal> {
        let (root, folder) = found(place, path)?;
        let said = || -> Result<SweepSaid, LabError> {
            Look::at(&root, &folder)?.check_bytes(&folder, limits.read_bytes)?;
            let runs: Vec<RunDir> = Record::read(&folder)?.run_dirs(&folder).collect();
            let (of, known) = std::mem::take(&mut *lock(&self.opened));
            let known = if of == folder { known } else { HashMap::new() };
            let left = AtomicU64::new(limits.list_bytes);
            let opened = in_parallel(&runs, |run_dir| open(&root, run_dir, &known, limits, &left));
            let mut opened: HashMap<&Path, _> = runs.iter().map(RunDir::root).zip(opened).collect();
            let mut kept = HashMap::new();
            let stored = StoredSweep::open(&folder, |run_dir| {
                let Some((look, run)) = opened.remove(run_dir.root()).transpose()?.flatten() else { return Ok(None) };
                kept.insert(run_dir.root().to_owned(), (look, run.clone()));
                Ok(Some((run.spec.clone(), run.manifest.clone())))
            })?;
            let said = said(&root, &folder, stored, &kept);
            // What has no curve yet is looked at again.
            kept.retain(|_, (_, run)| run.curve.is_some());
            *lock(&self.opened) = (folder.clone(), kept);
            Ok(said)
        };
        said().map_err(|error| Refusal::of(&error, &root))
    }
}

/// Whether a run has ended, and what a list says of it.
fn count(root: &Path, run_dir: &RunDir, known: &Known<Counted>, limits: &Limits) -> (Option<Look>, Counted) {
    let count = |look: &Look| -> Result<Counted, LabError> {
        if !look.has_ended() {
            return Ok(Counted::NotEnded);
        }
        look.check_bytes(run_dir.root(), limits.read_bytes)?;
        // The first line of a spec is enough to know whose the manifest is.
        let Some(header) = Header::read(&run_dir.spec_path()) else {
            return run_dir.spec().map(|_| Counted::NotEnded);
        };
        let manifest = Manifest::read(&run_dir.manifest_path(), &header.spec_hash)?;
        let t50 = manifest.transition.and_then(|jump| jump.t50);
        Ok(Counted::Ended { has_jumped: has_jumped(manifest.outcome, t50) })
    };
    match Look::at(root, run_dir.root()) {
        Err(error) => (None, Counted::Damaged(told(&error, root))),
        Ok(look) => {
            let known = known.get(run_dir.root()).filter(|(before, _)| *before == look);
            let counted = known.map(|(_, counted)| counted.clone());
            let counted = counted.unwrap_or_else(|| count(&look).unwrap_or_else(|e| Counted::Damaged(told(&e, root))));
            (Some(look), counted)
        }
    }
}

/// Reads a run of a sweep; none if it has not ended.
fn open(
    root: &Path,
    run_dir: &RunDir,
    known: &Known<Arc<Opened>>,
    limits: &Limits,
    left: &AtomicU64,
) -> Result<Option<(Look, Arc<Opened>)>, LabError> {
    let folder = run_dir.root();
    let look = Look::at(root, folder)?;
    if let Some((_, run)) = known.get(folder).filter(|(before, _)| *before == look) {
        return Ok(Some((look, run.clone())));
    }
    look.check_bytes(folder, limits.read_bytes)?;
    let Some((spec, manifest)) = ended(run_dir)? else { return Ok(None) };
    let curve = if take(left, look.bytes()[1]) {
        let bytes = files::read(&run_dir.log_path())?;
        manifest.check_file(folder, "log.jsonl", &bytes)?;
        Some(curve::of_log(&bytes, &spec.facts().progress.column))
    } else {
        None
    };
    Ok(Some((look, Arc::new(Opened { spec, manifest, curve }))))
}

fn said(root: &Path, folder: &Path, stored: StoredSweep, kept: &Known<Arc<Opened>>) -> SweepSaid {
    let StoredSweep { name, axes, ended, others } = stored;
    let of_ended = |row: SweepRow| {
        let run_dir = Path::new(&row.run_dir);
        MemberSaid {
            id: id(run_dir),
            values: row.swept,
            seed: row.seed,
            outcome: Standing::Ended(row.outcome),
            t50: row.t50,
            final_row: Some(row.final_row),
            curve: kept.get(run_dir).and_then(|(_, run)| run.curve.clone()),
            problem: None,
        }
    };
    let of_other = |NotEnded { run_dir, swept, seed, problem }: NotEnded| MemberSaid {
        id: id(run_dir.root()),
        values: swept,
        seed,
        outcome: if problem.is_some() { Standing::DAMAGED } else { Standing::unfinished(&run_dir) },
        t50: None,
        final_row: None,
        curve: None,
        problem: problem.map(|error| told(&error, root)),
    };
    let runs = ended.into_iter().map(of_ended).chain(others.into_iter().map(of_other)).collect();
    SweepSaid { path: Place::relative(root, folder), name, axes: axes.iter().map(axis).collect(), runs }
}

fn id(run_dir: &Path) -> String {
    run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn axis(axis: &Axis) -> AxisSaid {
    let field = |i: usize| {
        let values = axis.points.iter().map(|point| value_as_json(&point[i])).collect();
        AxisSaid { field: axis.keys[i].clone(), values, together: Vec::new() }
    };
    AxisSaid { together: (1..axis.keys.len()).map(field).collect(), ..field(0) }
}
