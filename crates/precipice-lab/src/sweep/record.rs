//! What a folder of runs was asked for: every sweep that writes there enters its runs, so that all of them can be
//! told of together.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use precipice::spec::RunSpec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::apart::Points;
use super::grid::Job;
use super::report::SweepRow;
use crate::error::{LabError, RunDirProblem};
use crate::store::spec_text::Header;
use crate::store::{Lock, Manifest, RunDir, atomic, files, output, seal, spec_text};

/// The runs of a folder, in the order in which they were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    runs: Vec<Planned>,
    /// Of the file that it was read from.
    #[serde(skip)]
    check: String,
}

/// One run that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    run: String,
    swept: Map<String, Value>,
    seed: u64,
}

/// Name of the file.
const FILE: &str = output::OF_SWEEPS[0];

/// The directory of a run in the folder, `<name>-<hash12>`: a million runs share no such name.
pub(super) fn name_of(spec: &RunSpec) -> String {
    format!("{}-{}", spec.name, &spec.hash()[..12])
}

impl Record {
    /// Whether a folder is that of a sweep.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Reads it.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Self, LabError> {
        let path = folder.join(FILE);
        if !Self::is_in(folder) {
            let problem = match Header::read(&folder.join("spec.toml")) {
                Some(_) => Some(RunDirProblem::IsARun),
                None => folder.exists().then(|| RunDirProblem::NotASweep { is_folder: folder.is_dir() }),
            };
            problem.map_or(Ok(()), |problem| Err(LabError::run_dir(folder, problem)))?;
        }
        let error = |problem| LabError::run_dir(&path, problem);
        let text = String::from_utf8(atomic::read(&path)?).ok();
        let sealed = text.as_deref().and_then(|text| seal::unseal(text.strip_suffix('\n')?, ""));
        let (object, check) = sealed.ok_or_else(|| error(RunDirProblem::DamagedRecord))?;
        let mut found: Self = serde_json::from_str(&object).map_err(|_| error(RunDirProblem::DamagedRecord))?;
        found.check = check;
        if found.format != spec_text::FORMAT {
            let (found, expected) = (found.format.to_string(), spec_text::FORMAT.to_string());
            return Err(error(RunDirProblem::OtherFormat { found, expected }));
        }
        // What a record names lies in its folder.
        let is_inside =
            |planned: &Planned| Path::new(&planned.run).file_name().is_some_and(|name| *name == *planned.run);
        if !found.runs.iter().all(is_inside) {
            return Err(error(RunDirProblem::DamagedRecord));
        }
        Ok(found)
    }

    /// Enters the runs of a sweep, beside those that stand there. Who makes a part of its own `may_lack_locks`.
    ///
    /// # Errors
    /// If the folder is no place for a sweep, or cannot be written.
    pub(super) fn enter(folder: &Path, jobs: &[Job], may_lack_locks: bool) -> Result<(), LabError> {
        let error = |problem| LabError::run_dir(folder, problem);
        RunDir::check_outside(folder)?;
        let taken = output::OF_SWEEPS.into_iter().find(|name| folder.join(name).exists());
        if let (Some(name), false) = (taken, Self::is_in(folder)) {
            return Err(error(RunDirProblem::NotOfASweep { name: name.to_owned() }));
        }
        // When the first of a thousand workers has entered what they all make, the others need not wait for each other.
        if Self::is_in(folder) && !Self::read(folder)?.add(jobs) {
            return match RunDir::new(folder).lock() {
                Err(e @ LabError::RunDir { problem: RunDirProblem::NoLocks { .. }, .. }) if !may_lack_locks => Err(e),
                _ => Ok(()),
            };
        }
        let _lock = lock(folder, may_lack_locks)?;
        let mut all = if Self::is_in(folder) {
            atomic::sweep(folder)?;
            Self::read(folder)?
        } else {
            Self { format: spec_text::FORMAT, runs: Vec::new(), check: String::new() }
        };
        if !all.add(jobs) {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&all).expect("a record is plain data");
        atomic::write(&folder.join(FILE), (seal::seal(&text, "").0 + "\n").as_bytes())
    }

    /// Adds runs, and tells whether anything is new.
    fn add(&mut self, jobs: &[Job]) -> bool {
        let known: HashMap<String, usize> =
            self.runs.iter().enumerate().map(|(i, planned)| (planned.run.clone(), i)).collect();
        let mut is_new = false;
        for Job { spec, swept, seed, .. } in jobs {
            let run = name_of(spec);
            match known.get(&run) {
                Some(&i) => {
                    let before = &mut self.runs[i].swept;
                    is_new |= swept.iter().any(|(key, value)| before.get(key) != Some(value));
                    before.extend(swept.clone());
                }
                None => {
                    is_new = true;
                    self.runs.push(Planned { run, swept: swept.clone(), seed: *seed });
                }
            }
        }
        is_new
    }

    /// Runs that were asked for.
    pub fn n_runs(&self) -> usize {
        self.runs.len()
    }

    /// A digest of all that it says.
    pub(super) fn check(&self) -> &str {
        &self.check
    }

    /// The directories of the runs.
    pub fn run_dirs(&self, folder: &Path) -> impl Iterator<Item = RunDir> {
        self.runs.iter().map(move |planned| RunDir::new(folder.join(&planned.run)))
    }

    /// All runs that have ended, whichever sweep made them; fields in which their specs differ stand among the swept.
    ///
    /// # Errors
    /// If one of them is damaged.
    pub fn ended(&self, folder: &Path) -> Result<Vec<SweepRow>, LabError> {
        let (rows, others) = self.all(folder, ended);
        match others.into_iter().find_map(|run| run.problem) {
            Some(problem) => Err(problem),
            None => Ok(rows),
        }
    }

    /// All runs, by who reads one of them: those that have ended, as [`Record::ended`] has them, and the others.
    pub(super) fn all(
        &self,
        folder: &Path,
        mut read: impl FnMut(&RunDir) -> Result<Option<(RunSpec, Manifest)>, LabError>,
    ) -> (Vec<SweepRow>, Vec<NotEnded>) {
        let (mut rows, mut others, mut points) = (Vec::new(), Vec::new(), Points::default());
        for Planned { run, swept, seed } in &self.runs {
            let run_dir = RunDir::new(folder.join(run));
            let (swept, seed) = (swept.clone(), *seed);
            match read(&run_dir) {
                Ok(Some((spec, manifest))) => {
                    rows.push(SweepRow::new(manifest, run_dir.root(), points.enter(&spec), swept, seed));
                }
                Ok(None) => others.push(NotEnded { run_dir, swept, seed, problem: None }),
                Err(problem) => others.push(NotEnded { run_dir, swept, seed, problem: Some(problem) }),
            }
        }
        points.complete(rows.iter_mut().map(|row| (&row.point, &mut row.swept)));
        (rows, others)
    }
}

/// A run of a sweep that has no outcome.
#[derive(Debug)]
pub struct NotEnded {
    /// Where it is, or will be.
    pub run_dir: RunDir,
    /// The swept fields.
    pub swept: Map<String, Value>,
    /// Of all four.
    pub seed: u64,
    /// What is wrong with it, if it is not only unfinished.
    pub problem: Option<LabError>,
}

/// The spec and the manifest of a run; none if it has not ended.
///
/// # Errors
/// If it is damaged.
pub fn ended(run_dir: &RunDir) -> Result<Option<(RunSpec, Manifest)>, LabError> {
    // Without a manifest it may not have been begun.
    if !files::is_file(&run_dir.manifest_path()) {
        return Ok(None);
    }
    let spec = run_dir.spec()?;
    Ok(run_dir.manifest(&spec)?.map(|manifest| (spec, manifest)))
}

/// Enters the runs of a sweep that other processes are going to make.
///
/// # Errors
/// If the folder is no place for a sweep, or cannot be written.
pub fn enter(folder: &Path, jobs: &[Job]) -> Result<(), LabError> {
    fs::create_dir_all(folder).map_err(LabError::io("create", folder))?;
    Record::enter(folder, jobs, true)
}

/// The right to write the files of the folder itself; others hold it only for moments. Who makes a part of its own, or
/// collects what others made, `may_lack_locks`.
///
/// # Errors
/// If it is not to be had.
pub fn lock(folder: &Path, may_lack_locks: bool) -> Result<Lock, LabError> {
    let folder = RunDir::new(folder);
    folder.lock_soon().or_else(|e| if may_lack_locks { folder.unlocked(e) } else { Err(e) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Axis, Plan};

    fn jobs(seeds: Vec<u64>) -> Vec<Job> {
        let mut plan = Plan::load("copying-small", false).unwrap();
        plan.set_axis(Axis::of("train.batch_size", [8, 16]));
        plan.seeds = seeds;
        plan.jobs().unwrap()
    }

    #[test]
    fn a_second_sweep_is_entered_beside_the_first() {
        let folder = tempfile::tempdir().unwrap();
        Record::enter(folder.path(), &jobs(vec![0, 1]), false).unwrap();
        let first = Record::read(folder.path()).unwrap();
        assert_eq!(first.n_runs(), 4);
        Record::enter(folder.path(), &jobs(vec![1, 2]), false).unwrap();
        let both = Record::read(folder.path()).unwrap();
        assert_eq!((both.n_runs(), &both.runs[..4]), (6, &first.runs[..]));
        assert!(both.ended(folder.path()).unwrap().is_empty());
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("\"seed\": 0", "\"seed\": 7", 1)).unwrap();
        assert!(Record::enter(folder.path(), &jobs(vec![3]), false).unwrap_err().is_damage());
    }

    #[test]
    fn a_record_names_what_lies_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let read = |run: &str| {
            let planned = Planned { run: run.to_owned(), swept: Map::new(), seed: 0 };
            let text = serde_json::to_string_pretty(&Record {
                format: spec_text::FORMAT,
                runs: vec![planned],
                check: String::new(),
            })
            .unwrap();
            fs::write(folder.path().join(FILE), seal::seal(&text, "").0 + "\n").unwrap();
            Record::read(folder.path())
        };
        assert_eq!(read("copying-0123").unwrap().n_runs(), 1);
        for outside in ["", ".", "..", "../copying-0123", "/copying-0123", "a/b", "a/"] {
            assert!(read(outside).unwrap_err().is_damage(), "{outside:?}");
        }
    }

    #[test]
    fn tables_of_others_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("runs.parquet"), "mine").unwrap();
        let error = Record::enter(folder.path(), &jobs(vec![0]), false).unwrap_err().to_string();
        assert!(error.contains("runs.parquet") && !Record::is_in(folder.path()), "{error}");
    }
}
