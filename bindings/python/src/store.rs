//! Runs that are written to the disk as they are made, as the command line makes them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use precipice::measure::metric::Column;
use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::spec::RunSpec;
use precipice::train::Trainer;
use precipice_lab::error::LabError;
use precipice_lab::runs::{Keep, Options, train_run};
use precipice_lab::whole_run::train_and_draw_run;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::own::Own;
use crate::run::{kernels, threads};
use crate::spec::Spec;
use crate::{error, work};

/// Trains into a run directory and returns it, with warnings and whether Ctrl-C stopped it. An unfinished run goes on. `tick` is told of step, loss and progress now and then.
#[pyfunction]
#[pyo3(signature = (spec, out, threads, force, figures, arithmetic, task, probes, tick))]
#[expect(clippy::too_many_arguments, reason = "what Python gives by name")]
pub(crate) fn train(
    py: Python<'_>,
    spec: &Spec,
    out: Option<PathBuf>,
    threads: Option<usize>,
    force: bool,
    figures: bool,
    arithmetic: Option<&str>,
    task: Option<Py<PyAny>>,
    probes: Vec<Py<PyAny>>,
    tick: Option<Py<PyAny>>,
) -> PyResult<(PathBuf, Vec<String>, bool)> {
    let (spec, own) = (spec.0.clone(), Arc::new(Own { task, probes }));
    let arithmetic = arithmetic.map(|name| kernels(Some(name)).map(|kernels| kernels.arithmetic())).transpose()?;
    let threads = self::threads(threads)?;
    let options = Options { out, threads, resume: !force, force, keep: Keep::All, arithmetic };
    let (stop, told) = (AtomicBool::new(false), Told::default());
    let mut show = |py: Python<'_>| tick.as_ref().map_or(Ok(()), |tick| tick.call1(py, told.now()).map(drop));
    let mut watch = Watch { stop: &stop, told: &told, progress: Column::of_progress(&spec.facts()) };
    let (report, raised) = work::attended(py, &stop, &mut show, || {
        let build = |spec: &RunSpec, bank, kernels| own.build(spec, bank, kernels);
        if figures {
            train_and_draw_run(spec, &build, &options, &mut watch)
        } else {
            train_run(spec, &build, &options, &mut watch).and_then(|training| training.seal())
        }
    })?;
    let is_stopped = work::is_interrupt(raised)?;
    let report = report.map_err(|e| match e {
        // While that was made again from which a branch begins: nothing is there yet.
        LabError::Stopped { .. } if is_stopped => PyKeyboardInterrupt::new_err(()),
        e => error::lab(e),
    })?;
    Ok((report.run_dir.root().to_owned(), report.warnings, is_stopped))
}

/// How far a run is, from one thread to another.
#[derive(Default)]
struct Told {
    step: AtomicU64,
    /// Bits of numbers.
    loss: AtomicU64,
    progress: AtomicU64,
}

impl Told {
    fn now(&self) -> (u64, f64, f64) {
        let number = |bits: &AtomicU64| f64::from_bits(bits.load(Ordering::Relaxed));
        (self.step.load(Ordering::Relaxed), number(&self.loss), number(&self.progress))
    }
}

struct Watch<'a> {
    stop: &'a AtomicBool,
    told: &'a Told,
    progress: Column,
}

impl Recorder for Watch<'_> {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        let progress = row.value(self.progress.name()).unwrap_or(f64::NAN);
        self.told.progress.store(progress.to_bits(), Ordering::Relaxed);
        Ok(())
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, step: u64, loss: f64) -> Next {
        self.told.step.store(step, Ordering::Relaxed);
        self.told.loss.store(loss.to_bits(), Ordering::Relaxed);
        if self.stop.load(Ordering::Relaxed) { Next::Stop } else { Next::Continue }
    }
}
