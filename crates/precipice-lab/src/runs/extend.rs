//! Going on with a run under a spec that differs in nothing but more steps: its beginning is that of the longer run.
//!
//! The rows and states of the shorter run are written again under the address of the longer one, up to the last that
//! both have; then the longer run is an unfinished one, and is resumed as any other. Interrupted, it can be begun again
//! by the same command.

use std::path::Path;

use precipice::record::Row;
use precipice::run::{Run, checkpoints_due, is_row_due};
use precipice::spec::{RunSpec, ScheduleShape};
use precipice_num::Kernels;

use super::differences::differences;
use super::options::{Keep, Options};
use super::resume::check_until;
use crate::error::{LabError, RunDirProblem};
use crate::store::log::Entry;
use crate::store::{FIGURES, RunDir, atomic, checkpoint, log};

/// Makes the shorter run that stands in a directory, or beside it where it is the default one, the beginning of `spec`'s.
/// Nothing is done where there is none, and nothing is written before all that is needed was read and found whole.
/// `make` gives a run of `spec` at step 0. Returns what is to be said where not all of its states are there.
///
/// # Errors
/// If a run of this name stands there whose beginning is another, saying why, or is damaged.
pub(super) fn extend(
    run_dir: &RunDir,
    options: &Options,
    spec: &RunSpec,
    make: &Make<'_>,
) -> Result<Option<String>, LabError> {
    if !run_dir.spec_path().is_file() {
        // A packed run stays as long as it is.
        if run_dir.spec().is_ok_and(|stored| stored.hash() != spec.hash() && difference(&stored, spec).is_none()) {
            run_dir.check_unpacked()?;
        }
        let Some((shorter, stored)) = shorter_beside(run_dir, spec).filter(|_| options.out.is_none()) else {
            return Ok(None);
        };
        let beginning = Beginning::read(&shorter, &stored, spec, options, make)?;
        let _lock = run_dir.lock()?;
        run_dir.make_folders()?;
        run_dir.write_spec(spec)?;
        beginning.write(&shorter, run_dir, spec, make)?;
        return Ok(beginning.gap);
    }
    // What cannot be read is told by whoever wants to write there.
    if run_dir.spec().map_or(true, |stored| stored.hash() == spec.hash()) {
        return Ok(None);
    }
    let _lock = run_dir.lock()?;
    // Another process may have made it longer meanwhile.
    let stored = run_dir.spec()?;
    if stored.hash() == spec.hash() {
        return Ok(None);
    }
    let cannot = |why| LabError::run_dir(run_dir.root(), RunDirProblem::CannotExtend { why });
    difference(&stored, spec).map_or(Ok(()), |why| Err(cannot(why)))?;
    let beginning = Beginning::read(run_dir, &stored, spec, options, make)?;
    // From now on it is an unfinished run, of the one spec or of the other.
    remove(&run_dir.manifest_path())?;
    run_dir.make_folders()?;
    beginning.write(run_dir, run_dir, spec, make)?;
    beginning.dropped.iter().try_for_each(|step| run_dir.remove_checkpoint(*step))?;
    let figures = FIGURES.iter().map(|name| run_dir.figures().join(name));
    std::iter::once(run_dir.parquet_path()).chain(figures).try_for_each(|path| remove(&path))?;
    run_dir.write_spec(spec)?;
    Ok(beginning.gap)
}

/// A run of the longer spec at step 0.
type Make<'a> = dyn Fn(Kernels) -> Result<Run, LabError> + 'a;

/// Why a stored run is not the beginning of another; none if it is.
fn difference(stored: &RunSpec, spec: &RunSpec) -> Option<String> {
    let (has, wants) = (stored.train.steps, spec.train.steps);
    let mut longer = stored.clone();
    longer.train.steps = wants;
    if longer.hash() != spec.hash() {
        let fields = differing(stored, spec).join(", ");
        return Some(format!("only train.steps may differ from the stored run, and {fields} does, too"));
    }
    if has > wants {
        return Some(format!("it has {has} steps already, more than {wants}"));
    }
    (spec.train.schedule.shape == ScheduleShape::Cosine)
        .then(|| "its learning rate is a cosine over train.steps, so that every step would be another".to_owned())
}

/// Paths of the first fields that differ, the number of steps excepted.
fn differing(stored: &RunSpec, spec: &RunSpec) -> Vec<String> {
    let mut found: Vec<String> = differences(stored, spec).into_iter().map(|one| one.field).collect();
    found.retain(|path| path != "train.steps" && path != "description");
    found.truncate(6);
    found
}

/// The longest shorter run among those of the same name in the folder of a default directory.
fn shorter_beside(run_dir: &RunDir, spec: &RunSpec) -> Option<(RunDir, RunSpec)> {
    let folder = run_dir.root().parent()?;
    let name = format!("{}-", spec.name);
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let of_name = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name));
    let stored = of_name.filter_map(|entry| {
        let other = RunDir::new(entry.path());
        let stored = other.spec().ok()?;
        difference(&stored, spec).is_none().then_some((other, stored))
    });
    stored.max_by_key(|(_, stored)| stored.train.steps)
}

/// What both runs have of the shorter one, read and found whole.
struct Beginning {
    rows: Vec<Row>,
    /// Steps of its states.
    saved: Vec<u64>,
    /// Steps of states that the longer run has not.
    dropped: Vec<u64>,
    /// The address of the shorter run.
    hash: String,
    /// What is made again, if a finished run no longer has the states for it.
    gap: Option<String>,
}

impl Beginning {
    /// An extension that was interrupted may have written some of it already, under the address of the longer run:
    /// states one by one, then the log, the spec last.
    fn read(
        from: &RunDir,
        stored: &RunSpec,
        spec: &RunSpec,
        options: &Options,
        make: &Make<'_>,
    ) -> Result<Self, LabError> {
        let (old, new) = (stored.hash(), spec.hash());
        let agrees = |name: &str| options.agrees(name).map_err(|problem| LabError::run_dir(from.root(), problem));
        let manifest = from.manifest(stored)?;
        if let Some(manifest) = &manifest {
            agrees(&manifest.arithmetic)?;
            manifest.check_those(from.root(), |name| name == "log.jsonl" || name.starts_with("checkpoints/"))?;
        }
        let (entries, is_log_old) = entries(from, &old, &new)?;
        // The last row of the shorter run may be one that the longer has not, and ends its mean of the training loss.
        let n_rows = entries.iter().take_while(|entry| is_row_due(spec, entry.row.step)).count();
        let end = entries.get(n_rows).map_or(u64::MAX, |entry| entry.row.step);
        let layout = make(options.kernels())?.trainer().model().layout().clone();
        let (mut saved, mut dropped, mut new_check, mut n_checked) = (Vec::new(), Vec::new(), new.clone(), 0);
        for step in checkpoint::steps(&from.checkpoints())? {
            if step >= end {
                dropped.push(step);
                continue;
            }
            while let Some(entry) = entries[..n_rows].get(n_checked).filter(|entry| entry.row.step <= step) {
                (new_check, n_checked) = (log::to_line(&entry.row, &new_check).1, n_checked + 1);
            }
            let path = from.checkpoints().join(checkpoint::file_name(step));
            let of_old = checkpoint::read(&path, &layout, &old).map(|saved| (saved, true));
            let (state, is_old) = match of_old {
                Ok(read) => read,
                Err(e) => (checkpoint::read(&path, &layout, &new).map_err(|_| e)?, false),
            };
            let expected = if is_old { check_until(&entries, step, &old) } else { &new_check };
            if (is_old && !is_log_old) || state.log_check != expected {
                return Err(LabError::run_dir(&path, RunDirProblem::CheckpointOfAnotherLog));
            }
            agrees(state.arithmetic.name())?;
            saved.push(step);
        }
        let rows = entries.into_iter().take(n_rows).map(|entry| entry.row).collect();
        let mut beginning = Self { rows, saved, dropped, hash: old, gap: None };
        if let Some(manifest) = manifest.filter(|_| options.keep == Keep::All) {
            beginning.close_gap(from, spec, end.min(manifest.steps + 1));
        }
        Ok(beginning)
    }

    /// The longer run has every state that is due. Where a finished one has not, because it was relieved of them or is one
    /// of many, what comes after the first that is missing is made again.
    fn close_gap(&mut self, from: &RunDir, spec: &RunSpec, end: u64) {
        let missing = checkpoints_due(spec).take_while(|&step| step < end).find(|step| !self.saved.contains(step));
        let Some(missing) = missing else { return };
        self.dropped.extend(self.saved.extract_if(.., |step| *step > missing));
        self.rows.retain(|row| self.saved.last().is_some_and(|&last| row.step <= last));
        let last = self.saved.last().copied().unwrap_or(0);
        self.gap = Some(format!(
            "{}: no longer has its checkpoint of step {missing}; what follows step {last} is made again, to the same bits",
            from.root().display()
        ));
    }

    /// Under the address of the longer run: the states, then the log.
    fn write(&self, from: &RunDir, to: &RunDir, spec: &RunSpec, make: &Make<'_>) -> Result<(), LabError> {
        let new = spec.hash();
        let mut run = make(Kernels::detect())?;
        let (mut text, mut log_check) = (String::new(), new.clone());
        let append = |row: &Row, text: &mut String, log_check: &mut String| {
            let (line, check) = log::to_line(row, log_check);
            text.push_str(&line);
            text.push('\n');
            *log_check = check;
        };
        let mut rows = self.rows.iter().peekable();
        for &step in &self.saved {
            let path = from.checkpoints().join(checkpoint::file_name(step));
            let layout = run.trainer().model().layout().clone();
            let saved =
                checkpoint::read(&path, &layout, &self.hash).or_else(|_| checkpoint::read(&path, &layout, &new))?;
            while let Some(row) = rows.next_if(|row| row.step <= step) {
                append(row, &mut text, &mut log_check);
            }
            if run.trainer().model().kernels().arithmetic() != saved.arithmetic {
                run = make(Kernels::with_arithmetic(saved.arithmetic))?;
            }
            run.restore(saved.state, Vec::new());
            checkpoint::write(&to.checkpoints(), run.trainer(), &new, &log_check)?;
        }
        rows.for_each(|row| append(row, &mut text, &mut log_check));
        atomic::write(&to.log_path(), text.as_bytes())
    }
}

/// The rows of the shorter run, and whether its log is still under its own address.
fn entries(from: &RunDir, old: &str, new: &str) -> Result<(Vec<Entry>, bool), LabError> {
    let reading = log::read(&from.log_path(), old)?;
    let Some(line) = reading.damaged_line else { return Ok((reading.entries, true)) };
    let rewritten = log::read(&from.log_path(), new)?;
    if rewritten.damaged_line.is_none() {
        return Ok((rewritten.entries, false));
    }
    Err(LabError::run_dir(&from.log_path(), RunDirProblem::DamagedLog { line }))
}

fn remove(path: &Path) -> Result<(), LabError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(LabError::io("remove", path)(e)),
        _ => Ok(()),
    }
}
