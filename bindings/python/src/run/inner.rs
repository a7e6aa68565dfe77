//! What a run holds: the network where it stands, what was measured, and the states from which earlier steps are reached.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use precipice::measure::metric::Column;
use precipice::record::{Next, Row};
use precipice::run::{Event, Outcome, Run as CoreRun, is_row_due, pass};
use precipice::spec::RunSpec;
use precipice::train::{Diverged, TrainState};
use precipice::workers::Workers;
use precipice_lab::error::LabError;
use precipice_lab::input::items;
use precipice_lab::runs::threads::Pool;
use precipice_lab::runs::{self, StoredRun, from_its_spec, restored};
use precipice_lab::store::archive::Archive;
use precipice_lab::store::manifest::{self, Manifest, RunOutcome, Session};
use precipice_lab::store::{RunDir, checkpoint};
use precipice_num::Kernels;
use pyo3::prelude::*;

use crate::own::Own;
use crate::{error, work};

/// Bytes of checkpoints that a run keeps in memory; beyond that some make way, and are made again when asked for.
const KEPT_MAX: usize = 1 << 29;

/// The network, its past and how far it is.
pub(super) struct Inner {
    pub spec: RunSpec,
    pub own: Arc<Own>,
    kernels: Kernels,
    /// None of a run that was opened and not looked into yet.
    pub live: Option<CoreRun>,
    /// Where there is no live one.
    rows: Vec<Row>,
    pub past: Past,
    pub ended: Option<Outcome>,
    /// What a branch begins with, once it was made.
    start: OnceLock<Arc<TrainState>>,
    pub pool: Arc<Pool>,
    pub threads: usize,
    /// Where its steps here begin, when, and how long they took.
    first_step: u64,
    started: Option<String>,
    seconds: f64,
}

/// Where earlier steps are found.
pub(super) enum Past {
    /// Checkpoints in memory.
    Memory(Box<Archive>),
    /// A run directory, and its manifest where it is finished.
    Disk(Box<StoredRun>, Option<Box<Manifest>>),
    /// Nowhere: this is what a probe is shown.
    Absent,
}

pub(super) fn lab<T>(result: Result<T, LabError>) -> PyResult<T> {
    result.map_err(error::lab)
}

/// A run at step 0 with the fields of a spec, whose items are read and entered: a branch still has to begin.
pub(super) fn unbegun(own: &Arc<Own>, spec: &mut RunSpec, kernels: Kernels) -> PyResult<CoreRun> {
    let bank = lab(items::load(spec))?;
    let build = |spec: &RunSpec, bank, kernels| own.build(spec, bank, kernels);
    lab(work::caught(|| runs::unbegun(spec, bank, &build, kernels))?)
}

/// Now, as manifests have it.
fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

impl Inner {
    pub fn empty(spec: RunSpec, own: Arc<Own>, kernels: Kernels, threads: usize) -> PyResult<Self> {
        let pool = work::pool(1)?;
        Ok(Self {
            spec,
            own,
            kernels,
            live: None,
            rows: Vec::new(),
            past: Past::Absent,
            ended: None,
            start: OnceLock::new(),
            pool,
            threads,
            first_step: 0,
            started: None,
            seconds: 0.0,
        })
    }

    /// A run that is stored.
    pub fn opened(self, stored: StoredRun, manifest: Option<Manifest>) -> Self {
        let ended = manifest.as_ref().map(|manifest| match manifest.outcome {
            RunOutcome::Diverged => Outcome::Diverged { step: manifest.steps },
            _ => Outcome::Finished,
        });
        let rows = stored.rows.clone();
        Self { ended, rows, past: Past::Disk(Box::new(stored), manifest.map(Box::new)), ..self }
    }

    /// A run in memory, at its start; a branch that is not there yet is begun where that is asked for.
    pub fn beginning(self, live: Option<CoreRun>) -> Self {
        let past = Past::Memory(Box::new(Archive::new(&self.spec, KEPT_MAX)));
        Self { live, past, ..self }
    }

    /// A branch in memory, of a run of [`unbegun`] and the state that it begins with.
    pub fn branching(self, live: CoreRun, start: TrainState) -> Self {
        let live = restored(live, &self.spec, start.clone(), Vec::new());
        Self { start: OnceLock::from(Arc::new(start)), ..self.beginning(Some(live)) }
    }

    /// The same run in memory, going on where `live` stands, with the rows before it.
    pub fn going_on(&self, live: CoreRun) -> PyResult<Self> {
        let kernels = live.trainer().model().kernels();
        let mut made = Self::empty(self.spec.clone(), self.own.clone(), kernels, self.threads)?;
        made.start.clone_from(&self.start);
        let earlier = self.kept_before_the_row(live.step())?;
        made.go_on(live);
        if let (Some((step, bytes)), Past::Memory(archive)) = (earlier, &mut made.past) {
            archive.keep(step, bytes);
        }
        Ok(made)
    }

    /// The last saved state before a step whose row is due: a branch begins before the row is measured.
    fn kept_before_the_row(&self, step: u64) -> PyResult<Option<(u64, Vec<u8>)>> {
        let Some(before) = step.checked_sub(1).filter(|_| is_row_due(&self.spec, step)) else { return Ok(None) };
        match &self.past {
            Past::Memory(archive) => Ok(archive.until(before).map(|(kept, bytes)| (kept, bytes.to_vec()))),
            Past::Disk(stored, _) => {
                let Some(kept) = kept_until(stored, before)? else { return Ok(None) };
                Ok(Some((kept, lab(stored.run_dir.checkpoint_bytes(&stored.spec, kept))?)))
            }
            Past::Absent => Ok(None),
        }
    }

    /// What a probe is shown.
    pub fn without_past(self, live: CoreRun) -> Self {
        Self { live: Some(live), past: Past::Absent, ..self }
    }

    fn go_on(&mut self, live: CoreRun) {
        let mut archive = Archive::new(&self.spec, KEPT_MAX);
        live.rows().iter().for_each(|row| archive.row(row));
        archive.checkpoint(live.trainer());
        self.first_step = live.step();
        (self.live, self.past) = (Some(live), Past::Memory(Box::new(archive)));
    }

    pub fn kept_steps(&self) -> PyResult<Vec<u64>> {
        match &self.past {
            Past::Memory(archive) => Ok(archive.steps().collect()),
            Past::Disk(stored, _) => lab(stored.run_dir.checkpoint_steps(&stored.spec)),
            Past::Absent => Ok(Vec::new()),
        }
    }

    pub fn rows(&self) -> &[Row] {
        self.live.as_ref().map_or(&self.rows, CoreRun::rows)
    }

    pub fn step(&self) -> PyResult<u64> {
        Ok(match (&self.live, &self.past) {
            (Some(live), _) => live.step(),
            (None, Past::Disk(_, Some(manifest))) => manifest.steps,
            (None, Past::Disk(stored, None)) => kept_until(stored, u64::MAX)?.unwrap_or(self.spec.first_step()),
            (None, Past::Memory(archive)) => archive.steps().next_back().unwrap_or(self.spec.first_step()),
            (None, Past::Absent) => 0,
        })
    }

    /// The run where it stands; one that was opened, or whose task failed, goes on from its last checkpoint.
    pub fn live(&mut self) -> PyResult<&mut CoreRun> {
        if self.live.is_none() {
            let live = self.kept_at(u64::MAX)?;
            self.live = Some(live);
        }
        Ok(self.live.as_mut().expect("made above"))
    }

    /// The run at its first step. What a branch begins with is made once, and Ctrl-C is answered meanwhile.
    fn begun(&self) -> PyResult<CoreRun> {
        let mut spec = self.spec.clone();
        let start = self.start.get();
        if spec.branch.is_none() || start.is_some() {
            let run = unbegun(&self.own, &mut spec, self.kernels)?;
            return Ok(match start {
                Some(start) => restored(run, &self.spec, (**start).clone(), Vec::new()),
                None => run,
            });
        }
        let bank = lab(items::load(&mut spec))?;
        // A run is not shared by threads, what it is made of is.
        let (own, kernels, workers, stop) = (&self.own, self.kernels, &*self.pool, AtomicBool::new(false));
        let build = |spec: &RunSpec, bank, kernels| own.build(spec, bank, kernels);
        let place = (workers as &dyn Workers, Path::new(&self.spec.name));
        let mut told = |_: u64, _: f64| if stop.load(Ordering::Relaxed) { Next::Stop } else { Next::Continue };
        let begin = || workers.with(|| from_its_spec(&spec, bank, &build, kernels, place, &mut told));
        let (begun, raised) = Python::attach(|py| work::attended(py, &stop, &mut |_| Ok(()), begin))?;
        raised.map_or(Ok(()), Err)?;
        let begun = lab(begun)?;
        // Whoever was first has made the same.
        let _ = self.start.set(Arc::new(begun.state().clone()));
        Ok(begun)
    }

    /// From the last state at or before a step that is kept; from the start where there is none.
    fn kept_at(&self, step: u64) -> PyResult<CoreRun> {
        match &self.past {
            Past::Absent => unbegun(&self.own, &mut self.spec.clone(), self.kernels),
            Past::Disk(stored, _) => match kept_until(stored, step)? {
                Some(kept) => {
                    let own = &self.own;
                    let build = |spec: &RunSpec, bank, kernels| own.build(spec, bank, kernels);
                    lab(work::caught(|| stored.run_at(kept, &build))?)
                }
                None => self.begun(),
            },
            Past::Memory(archive) => {
                let Some((kept, bytes)) = archive.until(step) else { return self.begun() };
                let run = unbegun(&self.own, &mut self.spec.clone(), self.kernels)?;
                let name = checkpoint::file_name(kept);
                let layout = run.trainer().model().layout();
                let saved = lab(checkpoint::parse(Path::new(&name), bytes, layout, &self.spec.hash()))?;
                let rows = self.rows().iter().filter(|row| row.step <= kept).cloned().collect();
                Ok(restored(run, &self.spec, saved.state, rows))
            }
        }
    }

    /// The run as it was at a step.
    pub fn replayed(&self, step: u64) -> PyResult<CoreRun> {
        let (here, first) = (self.step()?, self.spec.first_step());
        if step < first {
            return Err(error::value("step", step, format!("must be at least {first}, where this run begins")));
        }
        if step > here {
            return Err(error::value("step", step, format!("must be at most {here}, as far as the run has come")));
        }
        let mut run = match (&self.live, &self.past) {
            (_, Past::Absent) if step != here => {
                return Err(error::value("step", step, format!("must be {here}: what a probe is shown has no past")));
            }
            (Some(live), _) if live.step() == step => {
                let run = unbegun(&self.own, &mut self.spec.clone(), self.kernels)?;
                return Ok(restored(run, &self.spec, live.state().clone(), live.rows().to_vec()));
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

    /// The state before anything is measured at a step, which is what a branch begins with: a row ends the mean of the
    /// losses behind it.
    pub fn before_the_row(&self, step: u64) -> PyResult<TrainState> {
        if matches!(self.past, Past::Absent) {
            return Err(error::other("what a probe is shown has no past to branch from; branch the run itself"));
        }
        if !is_row_due(&self.spec, step) {
            return Ok(self.replayed(step)?.state().clone());
        }
        if step == self.spec.first_step() {
            return Ok(self.begun()?.state().clone());
        }
        let mut trainer = self.replayed(step - 1)?.into_trainer();
        let (spec, pool) = (&self.spec, &*self.pool);
        let passed = work::caught(|| pool.with(|| pass(&mut trainer, spec, pool)))?;
        passed.map_err(|Diverged { step }| error::other(format!("the run diverged at step {step}")))?;
        Ok(trainer.into_state())
    }

    /// A run that was opened and goes on does so in memory.
    pub fn leave_disk(&mut self) -> PyResult<()> {
        self.live()?;
        if matches!(self.past, Past::Disk(..)) && self.ended.is_none() {
            let live = self.live.take().expect("made above");
            self.go_on(live);
        }
        Ok(())
    }

    /// One event, kept.
    pub fn advanced(&mut self, n_steps: u64) -> PyResult<Event> {
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
    pub fn slice(&mut self, last: u64, stops_at_row: bool) -> PyResult<Option<Event>> {
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
    pub fn told(&self) -> PyResult<(u64, f64, f64)> {
        let column = Column::of_progress(&self.spec.facts());
        let progress = self.rows().last().map_or(f64::NAN, |row| row.get(&column));
        Ok((self.step()?, self.live.as_ref().map_or(f64::NAN, CoreRun::last_loss), progress))
    }

    /// After a panic the state may be half of two steps.
    pub fn abandon(&mut self) {
        if let (Some(live), Past::Memory(archive)) = (&self.live, &self.past) {
            let kept = archive.steps().next_back().unwrap_or(0);
            self.rows = live.rows().iter().filter(|row| row.step <= kept).cloned().collect();
        }
        self.live = None;
    }

    /// Writes the run directory; `finishes` where it is only drawn from.
    pub fn saved(&mut self, root: &Path, finishes: bool) -> PyResult<()> {
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

/// The last step at or before this one whose state is stored.
fn kept_until(stored: &StoredRun, step: u64) -> PyResult<Option<u64>> {
    let there_are = lab(stored.run_dir.checkpoint_steps(&stored.spec))?;
    Ok(there_are.into_iter().rfind(|&kept| kept <= step))
}
