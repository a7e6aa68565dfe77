//! Whether what is to be run fits into this machine, before anything is written.

use precipice::memory::Memory;
use precipice::spec::RunSpec;

use super::lighter;
use crate::error::{LabError, SpecProblem};
use crate::input::items;
use crate::machine;

/// Bytes of the program itself, with what it takes to draw.
pub const PROGRAM: f64 = 22e6;

/// Bytes that a run on so many threads will need at most, without the program's own; `is_drawn` with its figures.
///
/// # Errors
/// If the file of its items cannot be read.
pub fn need(spec: &RunSpec, is_drawn: bool, n_threads: usize) -> Result<f64, LabError> {
    let memory = Memory::of(spec, n_threads);
    let mut most = of_items(spec)? + if is_drawn { memory.peak() } else { memory.running() };
    // What a branch begins with is made before it, one after the other.
    for (origin, _) in spec.branch.iter().flat_map(|branch| branch.origins()) {
        most = most.max(need(origin, false, n_threads)? + memory.state + memory.world);
    }
    Ok(most)
}

fn of_items(spec: &RunSpec) -> Result<f64, LabError> {
    spec.task.family().items().map_or(Ok(0.0), items::bytes)
}

/// Refuses what does not fit: `n_runs` at a time that together need so many bytes, the largest of them that of `spec`.
///
/// # Errors
/// With what is needed, what there is, and what makes the run need less.
pub fn check(spec: &RunSpec, need_bytes: f64, n_runs: usize) -> Result<(), LabError> {
    let have = machine::memory();
    // What the program has taken by now is not left any more.
    if need_bytes + PROGRAM <= have.bytes {
        return Ok(());
    }
    let (need_bytes, have_bytes, whose) = (need_bytes + PROGRAM, have.bytes, have.whose);
    let (largest, advice) = lighter::advice(spec, of_items(spec)?);
    let problem = SpecProblem::TooMuchMemory { need_bytes, have_bytes, whose, n_runs, largest, advice };
    Err(LabError::spec(&spec.name, problem))
}

/// The same for one run.
///
/// # Errors
/// As [`check`].
pub fn check_run(spec: &RunSpec, is_drawn: bool, n_threads: usize) -> Result<(), LabError> {
    check(spec, need(spec, is_drawn, n_threads)?, 1)
}
