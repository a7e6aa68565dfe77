//! A run: made step by step or opened, looked at and branched at any step. This is its face; `inner` is what it holds.

mod inner;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, TryLockError};

use precipice::measure::transition::transition_of;
use precipice::run::{Event, Outcome};
use precipice::spec::{RunSpec, TaskSpec};
use precipice::train::TrainState;
use precipice_lab::input::spec_file::Changes;
use precipice_lab::reports::theory::FitReport;
use precipice_lab::runs::threads::{THREADS_MAX, available};
use precipice_lab::runs::{Divergence, Graft, StoredRun, branch_spec_of, check_branch, memory};
use precipice_lab::store::manifest::{RunOutcome, StoredTransition};
use precipice_lab::store::tables::Table;
use precipice_lab::store::{RunDir, names};
use precipice_num::{Arithmetic, Kernels};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use self::inner::{Inner, Past, lab, unbegun};
use crate::figure::{Drawn, Figure};
use crate::look::{Look, Weights};
use crate::own::Own;
use crate::spec::{Spec, overrides};
use crate::task::{batch_of, check_count, drawn, n_offsets, set_of};
use crate::{arrays, error, work};

/// One run.
#[pyclass(frozen, module = "precipice._native")]
pub(crate) struct Run {
    inner: Mutex<Inner>,
}

/// Kernels of an arithmetic by its name.
pub(crate) fn kernels(arithmetic: Option<&str>) -> PyResult<Kernels> {
    let Some(name) = arithmetic else { return Ok(Kernels::detect()) };
    let known = Arithmetic::from_name(name);
    let known =
        known.ok_or_else(|| error::value("arithmetic", format!("{name:?}"), "must be \"fused\" or \"portable\""))?;
    Ok(Kernels::with_arithmetic(known))
}

/// Threads as asked for, or all that a run can use.
pub(crate) fn threads(asked: Option<usize>) -> PyResult<usize> {
    match asked {
        None => Ok(available()),
        Some(0) => Err(error::value("threads", 0, "must be at least 1")),
        Some(n) => Ok(n.min(THREADS_MAX)),
    }
}

#[pymethods]
impl Run {
    /// A run at step 0.
    #[new]
    #[pyo3(signature = (spec, threads, arithmetic, task, probes))]
    fn new(
        py: Python<'_>,
        spec: &Spec,
        threads: Option<usize>,
        arithmetic: Option<&str>,
        task: Option<Py<PyAny>>,
        probes: Vec<Py<PyAny>>,
    ) -> PyResult<Self> {
        let (mut spec, own) = (spec.0.clone(), Arc::new(Own { task, probes }));
        let (kernels, threads) = (kernels(arithmetic)?, self::threads(threads)?);
        py.detach(|| {
            lab(memory::check_run(&spec, true, threads))?;
            let live = unbegun(&own, &mut spec, kernels)?;
            let build = |spec: &RunSpec, bank, kernels| own.build(spec, bank, kernels);
            lab(work::caught(|| check_branch(&live, &spec, &build))?)?;
            let live = spec.branch.is_none().then_some(live);
            Self::of(Inner::empty(spec, own, kernels, threads)?.beginning(live))
        })
    }

    /// A run that is stored.
    #[staticmethod]
    #[pyo3(signature = (path, threads, task, probes))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        threads: Option<usize>,
        task: Option<Py<PyAny>>,
        probes: Vec<Py<PyAny>>,
    ) -> PyResult<Self> {
        let (own, threads) = (Arc::new(Own { task, probes }), self::threads(threads)?);
        py.detach(|| {
            // Whoever goes to another folder must still find it.
            let found = lab(names::find(&path))?;
            let run_dir = RunDir::new(std::path::absolute(found).map_err(error::other)?);
            let stored = lab(StoredRun::of(run_dir))?;
            let manifest = lab(stored.run_dir.manifest(&stored.spec))?;
            let arithmetic =
                manifest.as_ref().map(|manifest| manifest.known_arithmetic(&stored.run_dir.manifest_path()));
            let kernels = lab(arithmetic.transpose())?.map_or_else(Kernels::detect, Kernels::with_arithmetic);
            let inner = Inner::empty(stored.spec.clone(), own, kernels, threads)?;
            Self::of(inner.opened(stored, manifest))
        })
    }

    #[getter]
    fn spec(&self, py: Python<'_>) -> PyResult<Spec> {
        self.with(py, |run| Ok(Spec(run.spec.clone())))
    }

    #[getter]
    fn step(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |run| run.step())
    }

    /// The run directory, of one that was opened.
    #[getter]
    fn path(&self, py: Python<'_>) -> PyResult<Option<PathBuf>> {
        self.with(py, |run| {
            Ok(match &run.past {
                Past::Disk(stored, _) => Some(stored.run_dir.root().to_owned()),
                _ => None,
            })
        })
    }

    #[getter]
    fn is_branch(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |run| Ok(run.spec.branch.is_some()))
    }

    #[getter]
    fn arithmetic(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |run| {
            Ok(match (&run.live, &run.past) {
                (None, Past::Disk(_, Some(manifest))) => manifest.arithmetic.clone(),
                _ => run.live()?.trainer().model().kernels().arithmetic().name().to_owned(),
            })
        })
    }

    /// BLAKE3 of the parameters' bits.
    #[getter]
    fn digest(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |run| match (&run.live, &run.past) {
            (None, Past::Disk(_, Some(manifest))) => Ok(manifest.digest.clone()),
            _ => Ok(run.live()?.state().params.digest()),
        })
    }

    /// `{outcome, transition}` as JSON; outcome null while it goes on.
    #[getter]
    fn outcome(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |run| {
            let (learned, transition) = transition_of(&run.spec.facts(), run.rows());
            let outcome = run.ended.map(|outcome| RunOutcome::of(outcome, learned));
            Ok(json!({ "outcome": outcome, "transition": transition.map(StoredTransition::from) }).to_string())
        })
    }

    /// What was measured, by column.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let table = self.with(py, |run| Ok(Table::of_rows(run.rows())))?;
        arrays::table(py, table)
    }

    /// The last row, by column; empty before the first.
    fn last_row(&self, py: Python<'_>) -> PyResult<BTreeMap<String, f64>> {
        self.with(py, |run| {
            Ok(run.rows().last().map_or_else(BTreeMap::new, |row| row.columns.iter().cloned().collect()))
        })
    }

    /// Steps that are kept, rising.
    fn kept_steps(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        self.with(py, |run| run.kept_steps())
    }

    /// Makes up to so many steps, or all that are left, or only those up to the next row, and tells `tick` of step, loss and
    /// progress now and then: `row`, `paused`, `finished`, `diverged`.
    #[pyo3(signature = (n_steps, stops_at_row, tick))]
    fn train(
        &self,
        py: Python<'_>,
        n_steps: Option<u64>,
        stops_at_row: bool,
        tick: Option<Py<PyAny>>,
    ) -> PyResult<&'static str> {
        self.with(py, |run| {
            run.leave_disk()?;
            let last = run.live()?.step().saturating_add(n_steps.unwrap_or(u64::MAX));
            let pool = run.pool.clone();
            loop {
                let ended = pool.with(|| run.slice(last, stops_at_row))?;
                let told = run.told()?;
                Python::attach(|py| {
                    py.check_signals()?;
                    tick.as_ref().map_or(Ok(()), |tick| tick.call1(py, told).map(drop))
                })?;
                if let Some(event) = ended {
                    return Ok(name_of(event));
                }
            }
        })
    }

    /// The run as it was at a step, to be looked at and gone on with.
    fn at(&self, py: Python<'_>, step: u64) -> PyResult<Run> {
        self.with(py, |run| {
            let live = run.replayed(step)?;
            Self::of(run.going_on(live)?)
        })
    }

    /// The spec of a branch of this run where it stands; grafts are runs, their steps, and tensors.
    #[pyo3(signature = (changes, steps, reset, zero, grafts))]
    fn branch_spec(
        &self,
        py: Python<'_>,
        changes: Vec<(String, String)>,
        steps: Option<u64>,
        reset: Vec<String>,
        zero: Vec<String>,
        grafts: Vec<(Py<Run>, u64, String)>,
    ) -> PyResult<Spec> {
        let changes = Changes { overrides: overrides(changes)?, steps, seed: None };
        let graft = |(run, step, tensor): (Py<Run>, u64, String)| {
            run.get().with(py, |run| Ok(Graft { run: run.spec.clone(), step, tensor }))
        };
        let grafts = grafts.into_iter().map(graft).collect::<PyResult<Vec<_>>>()?;
        self.with(py, |run| {
            let divergence = Divergence { step: run.step()?, changes, reset, zero, grafts };
            lab(branch_spec_of(&run.spec, divergence)).map(Spec)
        })
    }

    /// The run of such a spec, with the same runs and steps, or with another task.
    #[pyo3(signature = (spec, grafts, task))]
    fn branch(
        &self,
        py: Python<'_>,
        spec: &Spec,
        grafts: Vec<(Py<Run>, u64)>,
        task: Option<Py<PyAny>>,
    ) -> PyResult<Run> {
        let mut spec = spec.0.clone();
        let Some(branch) = spec.branch.clone() else { return Err(error::other("this is not the spec of a branch")) };
        let grafted = |(run, step): (Py<Run>, u64)| {
            run.get().with(py, |run| Ok(run.replayed(step)?.into_trainer().into_state().params))
        };
        let grafts = grafts.into_iter().map(grafted).collect::<PyResult<Vec<_>>>()?;
        self.with(py, |run| {
            let own = match task {
                Some(task) => {
                    let probes = Python::attach(|py| run.own.probes.iter().map(|probe| probe.clone_ref(py)).collect());
                    Arc::new(Own { task: Some(task), probes })
                }
                None => run.own.clone(),
            };
            let (threads, kernels) = (run.threads, run.live()?.trainer().model().kernels());
            lab(memory::check_run(&spec, true, threads))?;
            let live = unbegun(&own, &mut spec, kernels)?;
            let parent = run.before_the_row(branch.step)?;
            let start = live.start_of(&branch, &parent, &grafts.iter().collect::<Vec<_>>()).map_err(|e| {
                // Here it is not an option of the command line.
                let expected = e.expected.replace(&format!("branch.reset (--reset {})", e.value), "reset");
                error::value(&e.field, e.value, expected)
            })?;
            Self::of(Inner::empty(spec, own, kernels, threads)?.branching(live, start))
        })
    }

    /// All tensors by name.
    fn weights<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.with(py, |run| Ok(Weights::of(run.live()?.trainer())))?.into_dict(py)
    }

    /// What the network makes of sequences `first..first + n` of a set.
    fn look<'py>(
        &self,
        py: Python<'py>,
        set: &str,
        first: usize,
        n: usize,
        wants_residuals: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        check_count(first, n)?;
        let look = self.with(py, |run| {
            let spec = run.spec.clone();
            let trainer = run.live()?.trainer();
            let batch = drawn(trainer.task(), set_of(trainer.task(), set)?, 0, first, n);
            Look::new(&spec, trainer, batch, wants_residuals)
        })?;
        look.into_dict(py)
    }

    /// The same of a batch that is given.
    fn look_at<'py>(
        &self,
        py: Python<'py>,
        batch: &Bound<'py, PyDict>,
        wants_residuals: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        // Reading a stored network takes long; reading arrays needs the interpreter.
        self.with(py, |run| run.live().map(drop))?;
        let batch = {
            let mut inner = self.locked()?;
            let n_offsets = n_offsets(&inner.spec);
            batch_of(inner.live()?.trainer().task(), batch, n_offsets)?
        };
        let look = self.with(py, |run| {
            let spec = run.spec.clone();
            Look::new(&spec, run.live()?.trainer(), batch, wants_residuals)
        })?;
        look.into_dict(py)
    }

    /// The formula held against the run: what `precipice theory fit --json` says.
    fn fit(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |run| {
            let report = FitReport::new(&run.spec, run.rows()).map_err(error::other)?;
            serde_json::to_string(&report).map_err(error::other)
        })
    }

    /// A figure by its name on the command line.
    #[pyo3(signature = (kind, heads, steps))]
    fn figure(&self, py: Python<'_>, kind: &str, heads: Vec<(usize, usize)>, steps: Vec<u64>) -> PyResult<Figure> {
        let drawn = Drawn::new(kind, heads, steps)?;
        self.with(py, |run| match &run.past {
            Past::Disk(stored, _) => drawn.of(stored, &run.pool),
            _ => {
                // Figures look into checkpoints, which are files.
                let folder = tempfile::tempdir().map_err(error::other)?;
                let root = folder.path().join("run");
                run.saved(&root, true)?;
                drawn.check_steps(&run.kept_steps()?)?;
                drawn.of(&lab(StoredRun::open(&root))?, &run.pool)
            }
        })
    }

    /// Writes the run directory of a run in memory.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, |run| {
            if run.spec.branch.is_some() && is_of_own_tasks(&run.spec) {
                let expected = "a branch on a task of your own is in memory alone: nobody could make its parent again from \
                                its directory; export its rows and weights";
                return Err(error::other(expected));
            }
            run.saved(&path, false)
        })
    }
}

impl Run {
    fn of(inner: Inner) -> PyResult<Self> {
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// What a probe is shown, to be filled by [`Run::show`].
    pub fn shown_to_probes(own: &Own, spec: &RunSpec, kernels: Kernels) -> PyResult<Self> {
        let task = Python::attach(|py| own.task.as_ref().map(|task| task.clone_ref(py)));
        let own = Arc::new(Own { task, probes: Vec::new() });
        let live = unbegun(&own, &mut spec.clone(), kernels)?;
        Self::of(Inner::empty(spec.clone(), own, kernels, 1)?.without_past(live))
    }

    /// Takes another state.
    pub fn show(&self, py: Python<'_>, state: TrainState) -> PyResult<()> {
        self.with(py, |run| {
            run.live()?.restore(state, Vec::new());
            Ok(())
        })
    }

    /// Works on the run without the interpreter's lock.
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Inner) -> PyResult<T> + Send) -> PyResult<T> {
        py.detach(|| {
            let mut inner = self.locked()?;
            inner.pool = work::pool(inner.threads)?;
            let inner = &mut *inner;
            work::apart(|| {
                work::caught(|| work(inner)).unwrap_or_else(|raised| {
                    inner.abandon();
                    Err(raised)
                })
            })
        })
    }

    /// What is stored of it, and what its program brings; `which` says which run is meant where it is in memory alone.
    pub fn stored(&self, py: Python<'_>, which: &str) -> PyResult<(StoredRun, Arc<Own>)> {
        self.with(py, |run| match &run.past {
            Past::Disk(stored, _) => Ok(((**stored).clone(), run.own.clone())),
            _ => {
                let expected = "is in memory alone; save it, and load what was saved";
                Err(error::value(which, &run.spec.name, expected))
            }
        })
    }

    fn locked(&self) -> PyResult<std::sync::MutexGuard<'_, Inner>> {
        match self.inner.try_lock() {
            Ok(inner) => Ok(inner),
            Err(TryLockError::Poisoned(inner)) => Ok(inner.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(error::other("this run is at work, in another thread or in the task or probe that asks"))
            }
        }
    }
}

/// Whether it, or what a branch begins with, is on a task that only a program has.
fn is_of_own_tasks(spec: &RunSpec) -> bool {
    let mut origins = spec.branch.iter().flat_map(|branch| branch.origins());
    matches!(spec.task, TaskSpec::Own(_)) || origins.any(|(origin, _)| is_of_own_tasks(origin))
}

fn name_of(event: Event) -> &'static str {
    match event {
        Event::Row => "row",
        Event::Checkpoint => "checkpoint",
        Event::Paused => "paused",
        Event::Ended(Outcome::Diverged { .. }) => "diverged",
        Event::Ended(_) => "finished",
    }
}
