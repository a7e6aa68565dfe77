//! Many runs, on all cores.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use precipice_lab::store::RunDir;
use precipice_lab::sweep::{
    self as lab_sweep, Axis, FailedRun, Look, Plan, Record, StoredSweep, SweepKind, SweepOptions, SweepReport,
    SweepRow, SweepStatus, SweepWatcher,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::figure::Figure;
use crate::run::kernels;
use crate::spec::overrides;
use crate::{arrays, error, work};

/// The runs of a sweep that have ended.
#[pyclass(frozen, module = "precipice._native")]
pub(crate) struct Sweep {
    folder: PathBuf,
    rows: Vec<SweepRow>,
    failed: Vec<(String, String)>,
    n_missing: usize,
    is_stopped: bool,
}

#[pymethods]
impl Sweep {
    #[getter]
    fn path(&self) -> &Path {
        &self.folder
    }

    /// Directories of the runs, in the order of the table.
    #[getter]
    fn run_dirs(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.run_dir.as_str()).collect()
    }

    /// Runs that could not be made: which, and why.
    #[getter]
    fn failed(&self) -> Vec<(String, String)> {
        self.failed.clone()
    }

    /// Runs that were asked for and have not ended.
    #[getter]
    fn n_missing(&self) -> usize {
        self.n_missing
    }

    /// Whether Ctrl-C stopped it.
    #[getter]
    fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// A row for each run.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        arrays::table(py, lab_sweep::table(&self.rows))
    }

    /// A row for each row of each run.
    fn curves<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let table = py.detach(|| lab_sweep::curves(&self.rows)).map_err(error::lab)?;
        arrays::table(py, table)
    }

    /// The jump over the seeds of each point, as JSON.
    fn points(&self, py: Python<'_>) -> PyResult<String> {
        let report = SweepReport { runs: self.rows.clone(), ..SweepReport::default() };
        let points = py.detach(|| lab_sweep::summarize(&report));
        serde_json::to_string(&points).map_err(error::other)
    }

    /// A figure of the folder by its name on the command line.
    fn figure(&self, py: Python<'_>, kind: &str) -> PyResult<Figure> {
        let known = SweepKind::ALL.into_iter().find(|known| known.name() == kind);
        let names = || SweepKind::ALL.map(SweepKind::name).join(", ");
        let kind =
            known.ok_or_else(|| error::value("kind", format!("{kind:?}"), format!("must be one of {}", names())))?;
        let drawn = py.detach(|| lab_sweep::draw_stored(kind, &self.folder)).map_err(error::lab)?;
        Ok(Figure(drawn.figure))
    }
}

/// Makes all runs of a grid. `grid` has for each axis its key, or keys with commas, and its values as JSON; `tick` is told
/// how many runs have ended, and of how many. With `collect` nothing is made: the runs that others make are entered, and
/// those that have ended are read.
#[pyfunction]
#[pyo3(signature = (spec, fast, changes, steps, grid, seeds, out, workers, arithmetic, tick, collect))]
#[expect(clippy::too_many_arguments, reason = "what Python gives by name")]
pub(crate) fn sweep(
    py: Python<'_>,
    spec: &str,
    fast: bool,
    changes: Vec<(String, String)>,
    steps: Option<u64>,
    grid: Vec<(String, Vec<String>)>,
    seeds: Option<String>,
    out: Option<PathBuf>,
    workers: Option<usize>,
    arithmetic: Option<&str>,
    tick: Option<Py<PyAny>>,
    collect: bool,
) -> PyResult<Sweep> {
    let mut plan = Plan::load(spec, fast).map_err(error::lab)?;
    plan.changes.overrides.extend(overrides(changes)?);
    plan.changes.steps = steps;
    plan.arithmetic = arithmetic.map(|name| kernels(Some(name)).map(|kernels| kernels.arithmetic())).transpose()?;
    let axes = grid.into_iter().map(|(key, values)| axis_of(&key, values)).collect::<PyResult<Vec<_>>>()?;
    plan.set_axes(axes).map_err(error::lab)?;
    if let Some(text) = seeds {
        plan.seeds = lab_sweep::parse_seeds(&text).map_err(|expected| error::value("seeds", &text, expected))?;
    }
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let workers = match workers {
        Some(0) => return Err(error::value("workers", 0, "must be at least 1")),
        workers => workers.unwrap_or(cores),
    };
    let jobs = py.detach(|| plan.jobs()).map_err(error::lab)?;
    let name = if plan.is_of_one_spec { jobs[0].spec.name.clone() } else { plan.name };
    let folder = out.unwrap_or_else(|| PathBuf::from("runs").join(format!("sweep-{name}")));
    let folder = std::path::absolute(folder).map_err(error::other)?;
    if collect {
        return py
            .detach(|| {
                lab_sweep::enter(&folder, &jobs)?;
                let Look { report, missing, damaged } = lab_sweep::look(&jobs, &folder)?;
                let failed = damaged.into_iter().map(|problem| (String::new(), problem)).collect();
                Ok(Sweep { folder, rows: report.runs, failed, n_missing: missing.len(), is_stopped: false })
            })
            .map_err(error::lab);
    }
    let (stop, n_ended, n_runs) = (AtomicBool::new(false), AtomicUsize::new(0), jobs.len());
    let mut show = |py: Python<'_>| {
        let told = (n_ended.load(Ordering::Relaxed), n_runs);
        tick.as_ref().map_or(Ok(()), |tick| tick.call1(py, told).map(drop))
    };
    let (report, raised) = work::attended(py, &stop, &mut show, || {
        let is_stopped = || stop.load(Ordering::Relaxed);
        lab_sweep::sweep(jobs, &folder, &SweepOptions::of(workers), &is_stopped, &mut Watch { n_ended: &n_ended })
    })?;
    let is_stopped = work::is_interrupt(raised)?;
    let report = report.map_err(error::lab)?;
    if let (Some(tick), false) = (&tick, is_stopped) {
        tick.call1(py, (n_ended.into_inner(), n_runs))?;
    }
    let told = |failed: &FailedRun| (format!("{:?} seed {}", failed.swept, failed.seed), failed.problem.clone());
    let failed = report.failed.iter().map(told).collect();
    let n_missing = n_runs - report.runs.len();
    Ok(Sweep { folder, rows: report.runs, failed, n_missing, is_stopped })
}

/// The runs of a folder that have ended, whichever sweeps made them.
#[pyfunction]
pub(crate) fn load_sweep(py: Python<'_>, path: PathBuf) -> PyResult<Sweep> {
    py.detach(|| {
        let path = std::path::absolute(path).map_err(error::other)?;
        let stored = StoredSweep::open(&path, |run: &RunDir| lab_sweep::ended(run)).map_err(error::lab)?;
        let record = Record::read(&path).map_err(error::lab)?;
        let n_missing = record.n_runs() - stored.ended.len();
        let damaged = stored.others.iter().filter_map(|run| run.problem.as_ref());
        let failed = damaged.map(|problem| (String::new(), problem.to_string())).collect();
        Ok(Sweep { folder: path, rows: stored.ended, failed, n_missing, is_stopped: false })
    })
}

/// How many runs of a folder have ended, and of how many; none where there is no sweep yet.
#[pyfunction]
pub(crate) fn sweep_progress(py: Python<'_>, path: PathBuf) -> PyResult<Option<(usize, usize)>> {
    py.detach(|| {
        if !Record::is_in(&path) {
            return Ok(None);
        }
        let status = SweepStatus::of(&path).map_err(error::lab)?;
        Ok(Some((status.n_ended, status.n_runs)))
    })
}

/// As typed on the command line, so that both mean the same.
fn axis_of(key: &str, values: Vec<String>) -> PyResult<Axis> {
    let typed = overrides(values.into_iter().map(|value| ("value".to_owned(), value)).collect())?;
    let typed: Vec<&str> = typed.iter().filter_map(|text| text.strip_prefix("value=")).collect();
    Axis::parse(&format!("{key}={}", typed.join(","))).map_err(|expected| error::value(key, typed.join(","), expected))
}

struct Watch<'a> {
    n_ended: &'a AtomicUsize,
}

impl SweepWatcher for Watch<'_> {
    fn ended(&mut self, _: usize, _: &Result<SweepRow, FailedRun>, _: bool) {
        self.n_ended.fetch_add(1, Ordering::Relaxed);
    }
}
