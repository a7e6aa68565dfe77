//! All runs and sweeps below a folder. What was read once is kept until its files change.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use precipice::spec::Seeds;
use precipice_lab::error::LabError;
use precipice_lab::store::{Manifest, RunDir, atomic};
use serde::Serialize;

use crate::curve;
use crate::limits::Limits;
use crate::members::{Members, SweepEntry, SweepSaid};
use crate::place::{Look, Place};
use crate::refusal::{Refusal, told};
use crate::standing::{Other, Standing};
use crate::walk::{folders, in_parallel, lock, take};

/// What is known of the runs below a folder.
#[derive(Debug, Default)]
pub struct List {
    runs: Mutex<HashMap<PathBuf, (Look, RunEntry)>>,
    members: Members,
}

/// All runs and sweeps, the last written first.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// The folder as it was named.
    dir: String,
    entries: Vec<Entry>,
    /// Whether there are more than are listed.
    cut: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Entry {
    Run(RunEntry),
    Sweep(SweepEntry),
}

/// A run in a list.
#[derive(Clone, Debug, Serialize)]
pub struct RunEntry {
    path: String,
    name: String,
    family: Option<String>,
    outcome: Standing,
    /// Of the whole run.
    steps: Option<u64>,
    /// The last that has a row.
    step: Option<u64>,
    /// Null where the four seeds differ.
    seed: Option<u64>,
    t50: Option<f64>,
    modified: u64,
    /// The column that rises as the task is learned.
    column: Option<String>,
    sparkline: Option<Vec<Option<f64>>>,
    problem: Option<String>,
}

impl List {
    /// Looks at all that lies below the folder.
    pub fn look(&self, place: &Place, limits: &Limits) -> Listed {
        let Some(root) = place.root() else {
            return Listed { dir: place.named(), entries: Vec::new(), cut: false };
        };
        let (folders, cut) = folders(&root, limits);
        let left = AtomicU64::new(limits.list_bytes);
        let mut entries = in_parallel(&folders, |folder| self.entry(&root, folder, limits, &left));
        let key = |entry: &Entry| match entry {
            Entry::Run(run) => (Reverse(run.modified), run.path.clone()),
            Entry::Sweep(sweep) => (Reverse(sweep.modified), sweep.path.clone()),
        };
        entries.sort_by_cached_key(key);
        // What is gone need not be known.
        let is_there: HashSet<&PathBuf> = folders.iter().collect();
        lock(&self.runs).retain(|folder, _| is_there.contains(folder));
        self.members.retain(|folder| is_there.contains(folder));
        Listed { dir: place.named(), entries, cut }
    }

    /// What is said of the sweep at a path.
    ///
    /// # Errors
    /// If there is none, or its record is damaged.
    pub fn sweep(&self, place: &Place, path: &str, limits: &Limits) -> Result<SweepSaid, Refusal> {
        self.members.sweep(place, path, limits)
    }

    fn entry(&self, root: &Path, folder: &PathBuf, limits: &Limits, left: &AtomicU64) -> Entry {
        match Look::at(root, folder) {
            Ok(look) if look.is_sweep() => Entry::Sweep(self.members.entry(root, folder, &look, limits)),
            Ok(look) => Entry::Run(self.run(root, folder, look, limits, left)),
            Err(error) => {
                Entry::Run(RunEntry { problem: Some(told(&error, root)), ..RunEntry::damaged(root, folder, 0) })
            }
        }
    }

    fn run(&self, root: &Path, folder: &PathBuf, look: Look, limits: &Limits, left: &AtomicU64) -> RunEntry {
        let known = lock(&self.runs).get(folder).filter(|(known, _)| *known == look).map(|(_, entry)| entry.clone());
        let mut entry = known.unwrap_or_else(|| {
            let entry = read(root, folder, &look, limits, left);
            // Without a curve it is worth another look.
            if entry.sparkline.is_some() || entry.outcome == Standing::DAMAGED {
                lock(&self.runs).insert(folder.clone(), (look, entry.clone()));
            }
            entry
        });
        // Whether anybody writes it does not show in its files.
        if let Standing::Other(Other::Training | Other::Stopped) = entry.outcome {
            entry.outcome = Standing::unfinished(&RunDir::new(folder));
        }
        entry
    }
}

impl RunEntry {
    fn damaged(root: &Path, folder: &Path, modified: u64) -> Self {
        Self {
            path: Place::relative(root, folder),
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            family: None,
            outcome: Standing::DAMAGED,
            steps: None,
            step: None,
            seed: None,
            t50: None,
            modified,
            column: None,
            sparkline: None,
            problem: None,
        }
    }
}

/// Reads spec, manifest and log of a run.
fn read(root: &Path, folder: &Path, look: &Look, limits: &Limits, left: &AtomicU64) -> RunEntry {
    let mut entry = RunEntry::damaged(root, folder, look.modified());
    let run_dir = RunDir::new(folder);
    let mut read = || -> Result<(), LabError> {
        look.check_bytes(folder, limits.read_bytes)?;
        let spec = run_dir.spec()?;
        let facts = spec.facts();
        let column = facts.progress.column;
        (entry.name, entry.family, entry.steps) = (spec.name.clone(), Some(facts.family), Some(spec.train.steps));
        entry.seed = (spec.seeds == Seeds::all(spec.seeds.data)).then_some(spec.seeds.data);
        entry.column = Some(column.clone());
        let manifest = run_dir.manifest(&spec)?;
        entry.step = manifest.as_ref().map(|manifest| manifest.steps);
        entry.t50 = manifest.as_ref().and_then(|manifest| manifest.transition?.t50);
        if take(left, look.bytes()[1]) {
            let (last, sparkline) = sparkline(&run_dir, manifest.as_ref(), &column)?;
            (entry.step, entry.sparkline) = (entry.step.or(last), Some(sparkline));
        }
        entry.outcome = Standing::of(&run_dir, manifest.as_ref());
        Ok(())
    };
    if let Err(error) = read() {
        entry.problem = Some(told(&error, root));
    }
    entry
}

/// The curve of a run, whose log is checked: by its digest where there is one, else line by line. Then its last step is
/// known, too.
fn sparkline(
    run_dir: &RunDir,
    manifest: Option<&Manifest>,
    column: &str,
) -> Result<(Option<u64>, Vec<Option<f64>>), LabError> {
    if let Some(manifest) = manifest {
        let bytes = atomic::read(&run_dir.log_path())?;
        manifest.check_file(run_dir.root(), "log.jsonl", &bytes)?;
        return Ok((None, curve::of_log(&bytes, column)));
    }
    let rows = run_dir.rows()?;
    Ok((rows.last().map(|row| row.step), curve::of_rows(&rows, column)))
}
