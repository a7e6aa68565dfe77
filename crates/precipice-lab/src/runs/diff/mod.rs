//! Two runs held against each other: where they part, by how much, and in which tensor.
//!
//! Reading order: `rows` (their logs), `tensors` (two states), `replay` (both made again, side by side), `states` (all
//! states, stored and replayed), `outside` (what no spec says), and here all of it.

mod outside;
mod replay;
mod rows;
mod states;
mod tensors;

use serde::Serialize;

pub use self::outside::Outside;
use self::outside::outside;
pub use self::rows::{ColumnDifference, RowDifference, RowsDifference};
use self::states::States;
pub use self::states::{Parted, Side, StatesDifference};
pub use self::tensors::{Distance, OnlyTensor, OtherShape, TensorDifference};
use super::differences::{FieldDifference, differences};
use super::stored::StoredRun;
use super::trainer::Build;
use crate::error::{LabError, RunDirProblem};
use crate::meter::Meter;

/// All that differs between two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunsDifference {
    /// Whether both specs have one address, so that the runs should have the same bits.
    pub equal_specs: bool,
    /// Fields of the specs that differ.
    pub specs: Vec<FieldDifference>,
    /// What else differs.
    pub outside: Vec<Outside>,
    /// The logs.
    pub rows: RowsDifference,
    /// Parameters and moments.
    pub states: StatesDifference,
}

impl RunsDifference {
    /// Whether rows and states have the same bits, whatever the specs say.
    pub fn is_none(&self) -> bool {
        self.rows.is_none() && self.states.is_none()
    }
}

/// Holds two runs against each other: specs, rows, and the states at their checkpoints; between the last step at which
/// these agree and the first at which they do not, both are replayed side by side to the exact step. Runs may be
/// unfinished. `build` makes them, as for [`super::verify_run`].
///
/// # Errors
/// If a run has neither rows nor checkpoints, is damaged, or cannot be made here, or the meter says that nobody waits.
///
/// ```
/// use precipice::record::MemoryRecorder;
/// use precipice::run::Run;
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::meter::Meter;
/// use precipice_lab::runs::{Keep, Options, StoredRun, diff, train};
/// # let folder = tempfile::tempdir()?;
/// let make = |name: &str, changed: &str| -> Result<StoredRun, Box<dyn std::error::Error>> {
///     let overrides = ["eval.sequences=64", "probes.sequences=16", changed].map(str::to_owned).to_vec();
///     let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(4), seed: None })?;
///     let out = Some(folder.path().join(name));
///     let options = Options { out, threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
///     train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
///     Ok(StoredRun::open(&folder.path().join(name))?)
/// };
/// let (a, b) = (make("a", "seeds.data=0")?, make("b", "seeds.data=1")?);
/// let found = diff([&a, &b], &Run::new, 1, &Meter::default())?;
/// assert_eq!(found.specs[0].field, "seeds.data");
/// assert_eq!(found.states.parted.map(|parted| (parted.step, parted.same_until)), Some((1, Some(0))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn diff(
    runs: [&StoredRun; 2],
    build: &Build<'_>,
    threads: usize,
    meter: &Meter,
) -> Result<RunsDifference, LabError> {
    let [a, b] = runs;
    for run in runs.iter().filter(|run| run.rows.is_empty()) {
        if run.run_dir.checkpoint_steps(&run.spec)?.is_empty() {
            return Err(LabError::run_dir(run.run_dir.root(), RunDirProblem::NoRows));
        }
    }
    let states = States::new(runs, build, threads)?;
    let (mut found, same_until) = states.stored(meter)?;
    states.replay(&mut found, same_until, build, threads, meter)?;
    Ok(RunsDifference {
        equal_specs: a.spec.hash() == b.spec.hash(),
        specs: differences(&a.spec, &b.spec),
        outside: outside(runs, &states)?,
        rows: RowsDifference::of(&a.rows, &b.rows),
        states: found,
    })
}
