//! A certified run made again, and held against its certificate.

use std::path::Path;

use precipice::record::{Next, Recorder};
use precipice::run::{Event, Outcome, Run};
use precipice_num::{Arithmetic, Kernels};
use serde::Serialize;

use super::text::{Certified, State, items_of_a_file};
use crate::error::{CertificateProblem, LabError, RunDirProblem};
use crate::input::items;
use crate::runs::branch::from_its_spec;
use crate::runs::memory;
use crate::runs::threads::Pool;
use crate::store::manifest::StoredTransition;
use crate::store::{RunOutcome, log, move_items};

/// What a repetition came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repetition {
    /// Name of the run.
    pub name: String,
    /// Address of its spec.
    pub spec_hash: String,
    /// Rows that were measured again.
    pub rows: usize,
    /// Certified states that have the same bits.
    pub states: usize,
    /// What differs first, or nothing.
    pub difference: Option<String>,
}

/// Makes a certified run again, in memory and in its arithmetic, and compares bits; it ends at the first difference.
/// `items_file` is that of the items that it was trained on, where they are not built in; `path` is where errors say that the
/// certificate is.
///
/// # Errors
/// If its spec cannot be read or run here.
pub fn repeat(
    path: &Path,
    certified: &Certified,
    items_file: Option<&Path>,
    threads: usize,
    watch: &mut dyn Recorder,
) -> Result<Repetition, LabError> {
    let mut spec = certified.spec(path)?;
    if let Some(digest) = items_of_a_file(path, &spec)? {
        let needed = || CertificateProblem::NeedsItems { name: certified.name.clone(), digest: digest.clone() };
        let file = items_file.ok_or_else(|| LabError::certificate(path, needed()))?;
        let absolute = std::path::absolute(file).map_err(LabError::io("find", file))?;
        move_items(&mut spec, &absolute.display().to_string(), Some(&digest));
    }
    memory::check_run(&spec, false, threads)?;
    let bank = items::load(&mut spec)?;
    let problem = || RunDirProblem::UnknownArithmetic { name: certified.arithmetic.clone() };
    let unknown = || LabError::run_dir(path, problem());
    let arithmetic = Arithmetic::from_name(&certified.arithmetic).ok_or_else(unknown)?;
    let pool = Pool::for_work_at(threads, path)?;
    let kernels = Kernels::with_arithmetic(arithmetic);
    let told = &mut |step, loss| watch.step(step, loss);
    let mut run = pool.with(|| from_its_spec(&spec, bank, &Run::new, kernels, (&pool, path), told))?;
    let mut beside = Beside { left: &certified.states, log: certified.spec_hash.clone(), ..Beside::default() };
    let outcome = pool.with(|| beside.drive(&mut run, &pool, watch))?;
    let difference = beside.difference.or_else(|| at_the_end(certified, &run, outcome, beside.n_rows));
    let (name, spec_hash) = (certified.name.clone(), certified.spec_hash.clone());
    Ok(Repetition { name, spec_hash, rows: beside.n_rows, states: beside.n_states, difference })
}

/// What is the same so far.
#[derive(Debug, Default)]
struct Beside<'a> {
    left: &'a [State],
    log: String,
    n_rows: usize,
    n_states: usize,
    same_until: Option<u64>,
    difference: Option<String>,
}

impl Beside<'_> {
    /// Makes the run up to its end or the first difference; the outcome, if it came to its end.
    fn drive(&mut self, run: &mut Run, pool: &Pool, watch: &mut dyn Recorder) -> Result<Option<Outcome>, LabError> {
        let failed = |e| LabError::Run(precipice::run::RunError::Record(e));
        loop {
            let before = run.step();
            let event = run.advance(1, pool);
            if run.step() > before && watch.step(run.step(), run.last_loss()) == Next::Stop {
                return Ok(None);
            }
            if let (Event::Row, Some(row)) = (event, run.rows().last()) {
                (self.log, self.n_rows) = (log::to_line(row, &self.log).1, self.n_rows + 1);
                watch.row(row).map_err(failed)?;
            }
            // A row that is due at a step comes before all else there.
            self.compare(run);
            if let Event::Ended(outcome) = event {
                return Ok(Some(outcome));
            }
            if self.difference.is_some() {
                return Ok(None);
            }
        }
    }

    /// Holds the state of this step against the certificate, if it has one.
    fn compare(&mut self, run: &Run) {
        let Some((state, left)) = self.left.split_first().filter(|(state, _)| state.step == run.step()) else { return };
        let found = State::of(state.step, &run.state().params, self.log.clone());
        let what = match (state.log == found.log, state.params == found.params) {
            (true, true) => {
                (self.left, self.n_states, self.same_until) = (left, self.n_states + 1, Some(state.step));
                return;
            }
            (true, false) => "the parameters",
            (false, true) => "the rows of the log up to",
            (false, false) => "the parameters and the rows up to",
        };
        let at = if what.ends_with("to") { "" } else { " at" };
        let since = self.same_until.map_or(String::new(), |step| format!(" (the same at step {step})"));
        self.difference.get_or_insert(format!("{what}{at} step {}{since}", state.step));
    }
}

/// What of the ending is not what was certified.
fn at_the_end(certified: &Certified, run: &Run, outcome: Option<Outcome>, n_rows: usize) -> Option<String> {
    let outcome = outcome?;
    let (learned, jump) = run.transition();
    let t50 = jump.map(StoredTransition::from).and_then(|jump| jump.t50);
    let found = RunOutcome::of(outcome, learned);
    let pairs = [
        (format!("it ended after {} steps, not {}", run.step(), certified.steps), run.step() == certified.steps),
        (format!("it has {n_rows} rows, not {}", certified.rows), n_rows == certified.rows),
        (format!("its outcome is {found:?}, not {:?}", certified.outcome).to_lowercase(), found == certified.outcome),
        ("the step of its jump".to_owned(), t50.map(f64::to_bits) == certified.t50.map(f64::to_bits)),
    ];
    pairs.into_iter().find(|(_, is_same)| !is_same).map(|(what, _)| what)
}
