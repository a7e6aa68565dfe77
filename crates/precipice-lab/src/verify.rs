//! Running a finished run again and comparing bits.

use precipice::record::{MemoryRecorder, Recorder, Row};
use precipice::run::{self, Inputs};
use precipice_num::{Arithmetic, Kernels};

use crate::error::LabError;
use crate::items;
use crate::session::{Both, unwrap_record};
use crate::store::{Manifest, RunDir, log};
use crate::threads::Pool;

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
pub fn verify(run_dir: &RunDir, threads: usize, watch: &mut dyn Recorder) -> Result<Verification, LabError> {
    let mut spec = run_dir.spec()?;
    if !run_dir.manifest_path().is_file() {
        return Err(LabError::run_dir(run_dir.root(), "is not finished; go on with `precipice run --resume`"));
    }
    let manifest = Manifest::read(&run_dir.manifest_path())?;
    let stored = run_dir.rows()?;
    let bank = items::load(&mut spec)?;
    let is_fused = manifest.arithmetic == Arithmetic::Fused.name();
    let arithmetic = if is_fused { Arithmetic::Fused } else { Arithmetic::Portable };
    let pool = Pool::new(threads).map_err(|e| LabError::run_dir(run_dir.root(), format!("no threads: {e}")))?;
    let inputs = Inputs { items: bank, start: None, workers: &pool, kernels: Kernels::with_arithmetic(arithmetic) };
    let mut memory = MemoryRecorder::default();
    let (state, _) = run::run(&spec, inputs, &mut Both { store: &mut memory, watch }).map_err(unwrap_record)?;
    let rows = memory.rows;
    let line = |rows: &[Row], i: usize| rows.get(i).map(log::to_line);
    let differs = (0..rows.len().max(stored.len())).find(|&i| line(&rows, i) != line(&stored, i));
    let digest = state.params.digest();
    let difference = match differs {
        Some(i) => Some(format!("row {i} (step {})", stored.get(i).or(rows.get(i)).map_or(0, |row| row.step))),
        None if digest != manifest.digest => Some("the final parameters".to_owned()),
        None => None,
    };
    Ok(Verification { rows: stored.len(), stored_digest: manifest.digest, digest, difference })
}
