//! Going on with a run under a spec that differs in nothing but more steps: its beginning is that of the longer run.
//!
//! The rows and states of the shorter run are written again under the address of the longer one, up to the last that
//! both have; then the longer run is an unfinished one, and is resumed as any other. Interrupted, it can be begun again
//! by the same command.

use std::path::Path;

use precipice::record::Row;
use precipice::run::{Run, is_row_due};
use precipice::spec::{RunSpec, ScheduleShape};
use precipice_num::Kernels;

use crate::error::{LabError, RunDirProblem};
use crate::store::{FIGURES, RunDir, atomic, checkpoint, log};

/// Makes the shorter run that stands in a directory, or beside it where it is the default one, the beginning of `spec`'s.
/// Nothing is done where there is none. `make` gives a run of `spec` at step 0.
///
/// # Errors
/// If a run of this name stands there whose beginning is another, saying why.
pub(super) fn extend(
    run_dir: &RunDir,
    is_default: bool,
    spec: &RunSpec,
    make: &dyn Fn(Kernels) -> Result<Run, LabError>,
) -> Result<(), LabError> {
    if !run_dir.spec_path().is_file() {
        return match shorter_beside(run_dir, spec).filter(|_| is_default) {
            Some((shorter, stored)) => copy(&shorter, &stored, run_dir, spec, make),
            None => Ok(()),
        };
    }
    // What cannot be read is told by whoever wants to write there.
    let Ok(stored) = run_dir.spec() else { return Ok(()) };
    if stored.hash() == spec.hash() {
        return Ok(());
    }
    let cannot = |why| LabError::run_dir(run_dir.root(), RunDirProblem::CannotExtend { why });
    difference(&stored, spec).map_or(Ok(()), |why| Err(cannot(why)))?;
    copy(run_dir, &stored, run_dir, spec, make)
}

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

/// Paths of the fields that differ, the number of steps excepted.
fn differing(stored: &RunSpec, spec: &RunSpec) -> Vec<String> {
    fn compare(path: &str, a: &serde_json::Value, b: &serde_json::Value, found: &mut Vec<String>) {
        let none = serde_json::Value::Null;
        match (a.as_object(), b.as_object()) {
            (Some(left), Some(right)) => {
                let more = right.keys().filter(|key| !left.contains_key(*key));
                for key in left.keys().chain(more) {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    compare(&path, left.get(key).unwrap_or(&none), right.get(key).unwrap_or(&none), found);
                }
            }
            _ if a != b => found.push(path.to_owned()),
            _ => {}
        }
    }
    let json = |spec: &RunSpec| serde_json::to_value(spec).expect("a spec is plain data");
    let mut found = Vec::new();
    compare("", &json(stored), &json(spec), &mut found);
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

/// Writes what both runs have of the shorter one under the address of the longer, the spec last where it replaces one.
fn copy(
    from: &RunDir,
    stored: &RunSpec,
    to: &RunDir,
    spec: &RunSpec,
    make: &dyn Fn(Kernels) -> Result<Run, LabError>,
) -> Result<(), LabError> {
    let is_in_place = from.root() == to.root();
    let (old, new) = (stored.hash(), spec.hash());
    let lock = to.lock()?;
    to.make_folders()?;
    if is_in_place {
        // From now on it is an unfinished run, of the one spec or of the other.
        remove(&to.manifest_path())?;
    } else {
        to.write_spec(spec)?;
    }
    // An extension that was interrupted may have written some of it.
    let read = |hash: &str| log::read(&from.log_path(), hash).map(|reading| reading.entries);
    let mut entries = read(&old)?;
    if entries.is_empty() && is_in_place {
        entries = read(&new)?;
    }
    // The last row of the shorter run may be one that the longer has not, and ends its mean of the training loss.
    let n_rows = entries.iter().take_while(|entry| is_row_due(spec, entry.row.step)).count();
    let end = entries.get(n_rows).map_or(u64::MAX, |entry| entry.row.step);
    let mut run = make(Kernels::detect())?;
    let (mut text, mut log_check) = (String::new(), new.clone());
    let append = |row: &Row, text: &mut String, log_check: &mut String| {
        let (line, check) = log::to_line(row, log_check);
        (*text, *log_check) = (std::mem::take(text) + &line + "\n", check);
    };
    let mut rows = entries.into_iter().take(n_rows).map(|entry| entry.row).peekable();
    for step in checkpoint::steps(&from.checkpoints())? {
        let path = from.checkpoints().join(checkpoint::file_name(step));
        let layout = run.trainer().model().layout().clone();
        let saved = checkpoint::read(&path, &layout, &old).or_else(|_| checkpoint::read(&path, &layout, &new));
        let Some(saved) = saved.ok().filter(|_| step < end) else {
            if is_in_place {
                to.remove_checkpoint(step)?;
            }
            continue;
        };
        while let Some(row) = rows.next_if(|row| row.step <= step) {
            append(&row, &mut text, &mut log_check);
        }
        let kernels = Kernels::with_arithmetic(saved.arithmetic);
        if run.trainer().model().kernels().arithmetic() != saved.arithmetic {
            run = make(kernels)?;
        }
        run.restore(saved.state, Vec::new());
        checkpoint::write(&to.checkpoints(), run.trainer(), &new, &log_check)?;
    }
    rows.for_each(|row| append(&row, &mut text, &mut log_check));
    atomic::write(&to.log_path(), text.as_bytes())?;
    if is_in_place {
        let figures = FIGURES.iter().map(|name| to.figures().join(name));
        std::iter::once(to.parquet_path()).chain(figures).try_for_each(|path| remove(&path))?;
        to.write_spec(spec)?;
    }
    drop(lock);
    Ok(())
}

fn remove(path: &Path) -> Result<(), LabError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(LabError::io("remove", path)(e)),
        _ => Ok(()),
    }
}
