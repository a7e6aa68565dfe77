//! A run: made step by step or opened, looked at and branched at any step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use precipice::measure::metric::Column;
use precipice::record::Row;
use precipice::run::{Event, Outcome, Run as CoreRun};
use precipice::spec::RunSpec;
use precipice::train::TrainState;
use precipice_lab::error::LabError;
use precipice_lab::input::items;
use precipice_lab::reports::theory::FitReport;
use precipice_lab::runs::threads::{Pool, available};
use precipice_lab::runs::{StoredRun, memory};
use precipice_lab::store::archive::Archive;
use precipice_lab::store::manifest::{self, Manifest, RunOutcome, Session, StoredTransition};
use precipice_lab::store::tables::Table;
use precipice_lab::store::{RunDir, checkpoint};
use precipice_num::{Arithmetic, Kernels};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use crate::figure::{Drawn, Figure};
use crate::look::{Look, Weights};
use crate::own::Own;
use crate::spec::Spec;
use crate::task::{batch_of, check_count, drawn, set_of};
use crate::{arrays, error, work};

/// Bytes of checkpoints that a run keeps in memory; beyond that some make way, and are made again when asked for.
const KEPT_MAX: usize = 1 << 29;

/// One run.
#[pyclass(frozen, module = "precipice._native")]
pub(crate) struct Run {
    inner: Mutex<Inner>,
}

struct Inner {
    spec: RunSpec,
    own: Arc<Own>,
    kernels: Kernels,
    /// None of a run that was opened and not looked into yet.
    live: Option<CoreRun>,
    /// Where there is no live one.
    rows: Vec<Row>,
    past: Past,
    ended: Option<Outcome>,
    /// Whether it is not, or no longer, the run of its spec alone.
    is_branch: bool,
    pool: Arc<Pool>,
    threads: usize,
    /// Where its steps here begin, when, and how long they took.
    first_step: u64,
    started: Option<String>,
    seconds: f64,
}

/// Where earlier steps are found.
enum Past {
    /// Checkpoints in memory.
    Memory(Box<Archive>),
    /// A run directory, and its manifest where it is finished.
    Disk(Box<StoredRun>, Option<Box<Manifest>>),
    /// Nowhere: this is what a probe is shown.
    Absent,
}

fn lab<T>(result: Result<T, LabError>) -> PyResult<T> {
    result.map_err(error::lab)
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
        Some(n) => Ok(n.min(precipice_lab::runs::threads::THREADS_MAX)),
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
        let (spec, own) = (spec.0.clone(), Arc::new(Own { task, probes }));
        let (kernels, threads) = (kernels(arithmetic)?, self::threads(threads)?);
        py.detach(|| {
            lab(memory::check_run(&spec, true, threads))?;
            let live = fresh(&own, &spec, kernels)?;
            let past = Past::Memory(Box::new(Archive::new(&spec, KEPT_MAX)));
            Self::of(Inner { past, live: Some(live), ..Inner::empty(spec, own, kernels, threads)? })
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
            let found = lab(precipice_lab::store::names::find(&path))?;
            let run_dir = RunDir::new(std::path::absolute(found).map_err(error::other)?);
            let stored = lab(StoredRun::of(run_dir))?;
            let manifest = lab(stored.run_dir.manifest(&stored.spec))?;
            let ended = manifest.as_ref().map(|manifest| match manifest.outcome {
                RunOutcome::Diverged => Outcome::Diverged { step: manifest.steps },
                _ => Outcome::Finished,
            });
            let mut inner = Inner::empty(stored.spec.clone(), own, Kernels::detect(), threads)?;
            inner.rows.clone_from(&stored.rows);
            inner.past = Past::Disk(Box::new(stored), manifest.map(Box::new));
            Self::of(Inner { ended, ..inner })
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
        self.with(py, |run| Ok(run.is_branch))
    }

    #[getter]
    fn threads(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |run| Ok(run.threads))
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

    /// Loss of the last training batch; NaN before the first.
    #[getter]
    fn last_loss(&self, py: Python<'_>) -> PyResult<f64> {
        self.with(py, |run| Ok(run.live.as_ref().map_or(f64::NAN, CoreRun::last_loss)))
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
            let (learned, transition) = precipice::measure::transition::transition_of(&run.spec.facts(), run.rows());
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
            let (own, kernels) = (run.own.clone(), live.trainer().model().kernels());
            let inner =
                Inner { is_branch: run.is_branch, ..Inner::empty(run.spec.clone(), own, kernels, run.threads)? };
            Self::of(inner.beginning_at(live))
        })
    }

    /// A run that has this one's state and goes on under another spec.
    fn branch(&self, py: Python<'_>, spec: &Spec, task: Option<Py<PyAny>>) -> PyResult<Run> {
        let spec = spec.0.clone();
        self.with(py, |run| {
            let own = match task {
                Some(task) => {
                    let probes = Python::attach(|py| run.own.probes.iter().map(|probe| probe.clone_ref(py)).collect());
                    Arc::new(Own { task: Some(task), probes })
                }
                None => run.own.clone(),
            };
            let (is_other, threads, was_branch) = (spec.hash() != run.spec.hash(), run.threads, run.is_branch);
            let parent = run.live()?;
            let kernels = parent.trainer().model().kernels();
            lab(memory::check_run(&spec, true, threads))?;
            let mut live = fresh(&own, &spec, kernels)?;
            if live.state().params.layout != parent.state().params.layout {
                let found = "another network";
                let expected = "must leave tensors and their shapes as they are: the branch begins with the parent's";
                return Err(error::value("changes", found, expected));
            }
            if parent.step() > spec.train.steps {
                let expected = format!("must be at least {}, where the branch begins", parent.step());
                return Err(error::value("train.steps", spec.train.steps, expected));
            }
            let mut state = parent.state().clone();
            let moments = |state: &TrainState| (state.optimizer.first.is_some(), state.optimizer.second.is_some());
            if moments(&state) != moments(live.state()) {
                // Another optimizer begins with moments of its own.
                state.optimizer = live.state().optimizer.clone();
            }
            live.restore(state, parent.rows().to_vec());
            let inner = Inner { is_branch: is_other || was_branch, ..Inner::empty(spec, own, kernels, threads)? };
            Self::of(inner.beginning_at(live))
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
            let n_offsets = (inner.spec.n_positions() + 1).saturating_sub(inner.spec.n_tokens()).max(1);
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
            if run.is_branch {
                let expected = "a branch is not the run of its spec, and its directory would say that it is; export its \
                                rows and weights";
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
        let live = fresh(&own, spec, kernels)?;
        Self::of(Inner { live: Some(live), past: Past::Absent, ..Inner::empty(spec.clone(), own, kernels, 1)? })
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

/// A run at step 0, with items as its spec has them.
fn fresh(own: &Arc<Own>, spec: &RunSpec, kernels: Kernels) -> PyResult<CoreRun> {
    let mut spec = spec.clone();
    let bank = lab(items::load(&mut spec))?;
    work::caught(|| own.build(&spec, bank, kernels))?.map_err(|e| error::lab(LabError::Run(e)))
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

/// Now, as manifests have it.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds).to_string()
}

impl Inner {
    fn empty(spec: RunSpec, own: Arc<Own>, kernels: Kernels, threads: usize) -> PyResult<Self> {
        let pool = work::pool(1)?;
        Ok(Self {
            spec,
            own,
            kernels,
            live: None,
            rows: Vec::new(),
            past: Past::Absent,
            ended: None,
            is_branch: false,
            pool,
            threads,
            first_step: 0,
            started: None,
            seconds: 0.0,
        })
    }

    /// A run in memory that begins where `live` stands, with the rows before it.
    fn beginning_at(self, live: CoreRun) -> Self {
        let mut archive = Archive::new(&self.spec, KEPT_MAX);
        live.rows().iter().for_each(|row| archive.row(row));
        archive.checkpoint(live.trainer());
        let first_step = live.step();
        Self { live: Some(live), past: Past::Memory(Box::new(archive)), first_step, ..self }
    }

    fn kept_steps(&self) -> PyResult<Vec<u64>> {
        match &self.past {
            Past::Memory(archive) => Ok(archive.steps().collect()),
            Past::Disk(stored, _) => lab(stored.run_dir.checkpoint_steps(&stored.spec)),
            Past::Absent => Ok(Vec::new()),
        }
    }

    fn rows(&self) -> &[Row] {
        self.live.as_ref().map_or(&self.rows, CoreRun::rows)
    }

    fn step(&self) -> PyResult<u64> {
        Ok(match (&self.live, &self.past) {
            (Some(live), _) => live.step(),
            (None, Past::Disk(_, Some(manifest))) => manifest.steps,
            (None, Past::Disk(stored, None)) => {
                lab(stored.run_dir.checkpoint_steps(&stored.spec))?.last().copied().unwrap_or(0)
            }
            (None, Past::Memory(archive)) => archive.steps().next_back().unwrap_or(0),
            (None, Past::Absent) => 0,
        })
    }

    /// The run where it stands; one that was opened, or whose task failed, goes on from its last checkpoint.
    fn live(&mut self) -> PyResult<&mut CoreRun> {
        if self.live.is_none() {
            let live = match &self.past {
                Past::Disk(stored, _) => {
                    let last = self.step()?;
                    let build = |spec: &RunSpec, bank, kernels| self.own.build(spec, bank, kernels);
                    lab(work::caught(|| stored.run_before(last, &build))?)?
                }
                Past::Memory(_) => self.kept_at(u64::MAX)?,
                Past::Absent => fresh(&self.own, &self.spec, self.kernels)?,
            };
            self.live = Some(live);
        }
        Ok(self.live.as_mut().expect("made above"))
    }

    /// From the last state in memory at or before a step; from the start where there is none.
    fn kept_at(&self, step: u64) -> PyResult<CoreRun> {
        let mut run = fresh(&self.own, &self.spec, self.kernels)?;
        let Past::Memory(archive) = &self.past else { return Ok(run) };
        match archive.until(step) {
            Some((kept, bytes)) => {
                let name = checkpoint::file_name(kept);
                let layout = run.trainer().model().layout();
                let saved = lab(checkpoint::parse(Path::new(&name), bytes, layout, &self.spec.hash()))?;
                run.restore(saved.state, self.rows().iter().filter(|row| row.step <= kept).cloned().collect());
            }
            None if archive.steps().next().is_some_and(|first| first > 0) => {
                let first = archive.steps().next().unwrap_or(0);
                return Err(error::value("step", step, format!("must be at least {first}, where this run begins")));
            }
            None => {}
        }
        Ok(run)
    }

    /// The run as it was at a step.
    fn replayed(&mut self, step: u64) -> PyResult<CoreRun> {
        let here = self.step()?;
        if step > here {
            return Err(error::value("step", step, format!("must be at most {here}, as far as the run has come")));
        }
        let mut run = match (&self.live, &self.past) {
            (_, Past::Absent) if step != here => {
                return Err(error::value("step", step, format!("must be {here}: what a probe is shown has no past")));
            }
            (Some(live), _) if live.step() == step => {
                let mut run = fresh(&self.own, &self.spec, self.kernels)?;
                run.restore(live.state().clone(), live.rows().to_vec());
                return Ok(run);
            }
            (_, Past::Disk(stored, _)) => {
                let build = |spec: &RunSpec, bank, kernels| self.own.build(spec, bank, kernels);
                lab(work::caught(|| stored.run_before(step, &build))?)?
            }
            _ => self.kept_at(step)?,
        };
        let pool = &*self.pool;
        loop {
            let is_there = pool.with(|| {
                let clock = Instant::now();
                while clock.elapsed() < work::LOOK {
                    // What is due at the step itself is done, too.
                    if matches!(run.advance(u64::from(run.step() < step), pool), Event::Paused | Event::Ended(_))
                        && run.step() >= step
                    {
                        return true;
                    }
                }
                false
            });
            if is_there {
                return Ok(run);
            }
            work::check_signals()?;
        }
    }

    /// A run that was opened and goes on does so in memory.
    fn leave_disk(&mut self) -> PyResult<()> {
        self.live()?;
        if matches!(self.past, Past::Disk(..)) && self.ended.is_none() {
            let live = self.live.take().expect("made above");
            let mut archive = Archive::new(&self.spec, KEPT_MAX);
            live.rows().iter().for_each(|row| archive.row(row));
            archive.checkpoint(live.trainer());
            self.first_step = live.step();
            (self.live, self.past) = (Some(live), Past::Memory(Box::new(archive)));
        }
        Ok(())
    }

    /// One event, kept.
    fn advanced(&mut self, n_steps: u64) -> PyResult<Event> {
        let clock = Instant::now();
        self.started.get_or_insert_with(now);
        let n_rows = self.rows().len();
        self.live()?;
        let live = self.live.as_mut().expect("made above");
        let event = live.advance(n_steps, &*self.pool);
        self.seconds += clock.elapsed().as_secs_f64();
        if let Past::Memory(archive) = &mut self.past {
            match event {
                // A row that was known is measured again, and is the same.
                Event::Row => live.rows().iter().skip(n_rows).for_each(|row| archive.row(row)),
                Event::Checkpoint => archive.checkpoint(live.trainer()),
                // However a run ends, its last state is kept.
                Event::Ended(_) if archive.steps().next_back() != Some(live.step()) => {
                    archive.checkpoint(live.trainer())
                }
                _ => {}
            }
        }
        if let Event::Ended(outcome) = event {
            self.ended = Some(outcome);
        }
        Ok(event)
    }

    /// Events for some time, up to step `last` and what is due there; the last of them where that is reached, or where it
    /// is a row that was asked for.
    fn slice(&mut self, last: u64, stops_at_row: bool) -> PyResult<Option<Event>> {
        let clock = Instant::now();
        while clock.elapsed() < work::LOOK {
            let step = self.live()?.step();
            // One step at a time costs nothing, and a slow one is not waited for longer than it takes.
            let event = self.advanced(u64::from(step < last))?;
            let is_over = match event {
                Event::Ended(_) => true,
                Event::Paused => step >= last,
                Event::Row => stops_at_row,
                Event::Checkpoint => false,
            };
            if is_over {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Step, loss and what rises as the task is learned.
    fn told(&self) -> PyResult<(u64, f64, f64)> {
        let column = Column::of_progress(&self.spec.facts());
        let progress = self.rows().last().map_or(f64::NAN, |row| row.get(&column));
        Ok((self.step()?, self.live.as_ref().map_or(f64::NAN, CoreRun::last_loss), progress))
    }

    /// After a panic the state may be half of two steps.
    fn abandon(&mut self) {
        if let (Some(live), Past::Memory(archive)) = (&self.live, &self.past) {
            let kept = archive.steps().next_back().unwrap_or(0);
            self.rows = live.rows().iter().filter(|row| row.step <= kept).cloned().collect();
        }
        self.live = None;
    }

    /// Writes the run directory; `finishes` where it is only drawn from.
    fn saved(&mut self, root: &Path, finishes: bool) -> PyResult<()> {
        match &self.past {
            Past::Memory(_) => {}
            Past::Disk(..) => return Err(error::other("this run is on the disk already")),
            Past::Absent => return Err(error::other("what a probe is shown is not a run of its own")),
        }
        // What is due where it stands is measured first.
        while !matches!(self.advanced(0)?, Event::Paused | Event::Ended(_)) {}
        let (Some(live), Past::Memory(archive)) = (&self.live, &mut self.past) else { return Ok(()) };
        if archive.steps().next_back() != Some(live.step()) {
            archive.checkpoint(live.trainer());
        }
        let session = Session {
            machine: manifest::machine(),
            threads: self.threads,
            started: self.started.clone().unwrap_or_else(now),
            ended: now(),
            seconds: self.seconds.max(1e-3),
            first_step: self.first_step,
        };
        let outcome = self.ended.or_else(|| finishes.then_some(Outcome::Stopped { step: live.step() }));
        if outcome.is_none() && !archive.is_whole() {
            return Err(error::other(
                "this run has not ended and lacks checkpoints from before its first step here, so that nobody could go on \
                 with its directory; run it to its end first, or give `out` from the start",
            ));
        }
        let manifest = outcome.map(|outcome| Manifest::of(live, outcome, session));
        lab(archive.write_to(&RunDir::new(root), &self.spec, manifest))
    }
}
