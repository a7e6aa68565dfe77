//! Two stored runs, held against each other.

use precipice::spec::RunSpec;
use precipice_lab::meter::Meter;
use precipice_lab::reports::diff::DiffReport;
use precipice_lab::{runs, sweep};
use pyo3::prelude::*;

use crate::figure::Figure;
use crate::run::{Run, threads};
use crate::{error, work};

/// What `precipice diff --json` says. Runs on a task of one's own are made with that of the first.
#[pyfunction]
#[pyo3(signature = (a, b, threads))]
pub(crate) fn diff(py: Python<'_>, a: &Bound<'_, Run>, b: &Bound<'_, Run>, threads: Option<usize>) -> PyResult<String> {
    let threads = self::threads(threads)?;
    let ((a, own), (b, _)) = (a.get().stored(py, "a")?, b.get().stored(py, "b")?);
    let meter = Meter::default();
    let (report, raised) = work::attended(py, meter.stop(), &mut |_| Ok(()), || {
        let build = |spec: &RunSpec, bank, kernels| own.build(spec, bank, kernels);
        DiffReport::new([&a, &b], runs::diff([&a, &b], &build, threads, &meter)?)
    })?;
    raised.map_or(Ok(()), Err)?;
    serde_json::to_string(&report.map_err(error::lab)?).map_err(error::other)
}

/// Both curves, and their difference below.
#[pyfunction]
pub(crate) fn twins(py: Python<'_>, a: &Bound<'_, Run>, b: &Bound<'_, Run>) -> PyResult<Figure> {
    let ((a, _), (b, _)) = (a.get().stored(py, "a")?, b.get().stored(py, "b")?);
    py.detach(|| sweep::draw_twins(&a, &b)).map(Figure).map_err(error::lab)
}
