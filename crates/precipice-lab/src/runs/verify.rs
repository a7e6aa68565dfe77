//! Running a finished run again and comparing bits.

use std::fs;

use precipice::record::{MemoryRecorder, Recorder, Row};
use precipice::run::Run;
use precipice::spec::RunSpec;
use precipice::train::TrainState;
use precipice_num::{Arithmetic, Kernels};

use super::memory;
use super::session::{Both, unwrap_record};
use super::threads::Pool;
use super::trainer::{Build, explained};
use crate::error::{LabError, RunDirProblem};
use crate::input::items;
use crate::store::{Manifest, RunDir, checkpoint, log};

/// What a repetition of a run came to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// Rows compared.
    pub rows: usize,
    /// Digest that is stored.
    pub stored_digest: String,
    /// Digest of the repetition.
    pub digest: String,
    /// What differs first, or nothing.
    pub difference: Option<String>,
}

/// Runs a finished run again from its spec, in memory, and compares bits.
///
/// # Errors
/// If the run is not finished or cannot be repeated here.
///
/// ```
/// use precipice::record::MemoryRecorder;
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::runs::{Keep, Options, train, verify};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// # let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// # let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None })?;
/// # let options = Options { out: Some(root), threads: 1, resume: false, force: false, keep: Keep::Results };
/// let report = train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
/// let again = verify(&report.run_dir, 1, &mut MemoryRecorder::default())?;
/// assert_eq!(again.difference, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(run_dir: &RunDir, threads: usize, watch: &mut dyn Recorder) -> Result<Verification, LabError> {
    verify_run(run_dir, &Run::new, threads, watch)
}

/// The same for a run that is made by the caller, with a task or probes of its own.
///
/// # Errors
/// As [`verify`].
pub fn verify_run(
    run_dir: &RunDir,
    build: &Build<'_>,
    threads: usize,
    watch: &mut dyn Recorder,
) -> Result<Verification, LabError> {
    let mut spec = run_dir.spec()?;
    memory::check_run(&spec, false)?;
    // The digest of items is part of the address.
    let bank = items::load(&mut spec)?;
    if !run_dir.manifest_path().is_file() {
        return Err(LabError::run_dir(run_dir.root(), RunDirProblem::NotFinished));
    }
    let manifest = Manifest::read(&run_dir.manifest_path())?;
    let problem = || RunDirProblem::UnknownArithmetic { name: manifest.arithmetic.clone() };
    let unknown = || LabError::run_dir(&run_dir.manifest_path(), problem());
    let arithmetic = Arithmetic::from_name(&manifest.arithmetic).ok_or_else(unknown)?;
    let pool = Pool::for_work_at(threads, run_dir.root())?;
    let mut run = build(&spec, bank, Kernels::with_arithmetic(arithmetic)).map_err(|e| explained(&spec, e))?;
    let mut memory = MemoryRecorder::default();
    let mut both = Both { store: &mut memory, watch };
    pool.with(|| run.record(&pool, &mut both)).map_err(unwrap_record)?;
    let (rows, state) = (memory.rows, run.state());
    let digest = state.params.digest();
    let log_bytes: String = rows.iter().map(|row| log::to_line(row) + "\n").collect();
    let stored_bytes = fs::read(run_dir.log_path()).map_err(LabError::io("read", &run_dir.log_path()))?;
    let difference = if log_bytes.as_bytes() != stored_bytes {
        Some(first_difference(&rows, &stored_bytes))
    } else if digest != manifest.digest || state.step != manifest.steps {
        Some("the final parameters".to_owned())
    } else {
        damaged_checkpoint(run_dir, &spec, state)?
    };
    Ok(Verification { rows: rows.len(), stored_digest: manifest.digest, digest, difference })
}

/// The first line of the log that is not the repetition's.
fn first_difference(rows: &[Row], stored: &[u8]) -> String {
    let mut lines = stored.split_inclusive(|&b| b == b'\n');
    let differs = rows.iter().find(|row| lines.next() != Some((log::to_line(row) + "\n").as_bytes()));
    differs.map_or("the log has more lines than the run has rows".to_owned(), |row| {
        format!("the log at step {}", row.step)
    })
}

/// The first checkpoint that cannot be read, or whose final state is another.
fn damaged_checkpoint(run_dir: &RunDir, spec: &RunSpec, state: &TrainState) -> Result<Option<String>, LabError> {
    for step in checkpoint::steps(&run_dir.checkpoints())? {
        let path = run_dir.checkpoints().join(checkpoint::file_name(step));
        match checkpoint::read(&path, &state.params.layout, &spec.hash()) {
            Err(e) => return Ok(Some(e.to_string())),
            Ok(saved) if step == state.step && saved.state != *state => {
                return Ok(Some(format!("{}: holds another state", path.display())));
            }
            Ok(_) => {}
        }
    }
    Ok(None)
}
