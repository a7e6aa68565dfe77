//! How a branch begins: its parent is made again up to the step where they part, from its spec alone, or from the states
//! of a run that is at hand.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::rc::Rc;

use precipice::model::Params;
use precipice::record::{Next, Row};
use precipice::run::{Run, RunError, pass};
use precipice::spec::{BranchSpec, RunSpec};
use precipice::task::ItemBank;
use precipice::train::{Diverged, TrainState};
use precipice::workers::Workers;
use precipice_num::Kernels;

use super::parents::Parents;
use super::trainer::{Build, explained};
use crate::error::{LabError, RunDirProblem};
use crate::input::items;

/// A run at step 0 with the fields of a spec: a branch still has to begin, or to be restored.
///
/// # Errors
/// If the spec or its items cannot be run.
pub fn unbegun(spec: &RunSpec, bank: Option<ItemBank>, build: &Build<'_>, kernels: Kernels) -> Result<Run, LabError> {
    spec.validate().map_err(|e| LabError::Run(RunError::Spec(e)))?;
    build(&spec.without_branch(), bank, kernels).map_err(|e| explained(spec, e))
}

/// Such a run in a saved state, with the rows that were measured before it.
///
/// # Panics
/// If the state belongs to another network.
pub fn restored(mut run: Run, spec: &RunSpec, state: TrainState, rows: Vec<Row>) -> Run {
    match &spec.branch {
        None => run.restore(state, rows),
        Some(branch) => run.branch_off((**branch).clone(), state, rows),
    }
    run
}

/// Refuses a branch whose network does not fit that of its parent, before anything is computed.
///
/// # Errors
/// Naming the tensor, or the name that means none.
pub fn check_branch(run: &Run, spec: &RunSpec, build: &Build<'_>) -> Result<(), LabError> {
    let Some(branch) = &spec.branch else { return Ok(()) };
    let fresh = |origin: &RunSpec, _| {
        let mut origin = origin.clone();
        let bank = items::load(&mut origin)?;
        let run = unbegun(&origin, bank, build, Kernels::detect())?;
        check_branch(&run, &origin, build)?;
        Ok(run.into_trainer().into_state())
    };
    // Shapes are the same at every step.
    let origins = branch.origins().map(|(origin, _)| (origin, 0));
    started(run, spec, branch, &each_once(origins, fresh)?).map(drop)
}

/// What is made of runs at steps, in their order: once for each run and step.
fn each_once<'a, T>(
    origins: impl Iterator<Item = (&'a RunSpec, u64)>,
    mut make: impl FnMut(&RunSpec, u64) -> Result<T, LabError>,
) -> Result<Vec<Rc<T>>, LabError> {
    let mut made: HashMap<(String, u64), Rc<T>> = HashMap::new();
    origins
        .map(|(origin, step)| match made.entry((origin.hash(), step)) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(place) => Ok(place.insert(Rc::new(make(origin, step)?)).clone()),
        })
        .collect()
}

/// The first state of a branch, of those of its parent and the other runs.
fn started(run: &Run, spec: &RunSpec, branch: &BranchSpec, states: &[Rc<TrainState>]) -> Result<TrainState, LabError> {
    let grafts: Vec<&Params<f32>> = states[1..].iter().map(|state| &state.params).collect();
    run.start_of(branch, &states[0], &grafts).map_err(|e| LabError::spec(&spec.name, e.into()))
}

/// The state of a run before anything is measured at a step, where it can be had from what is stored.
pub(super) type Near<'a> = dyn Fn(&RunSpec, u64) -> Result<Option<TrainState>, LabError> + Sync + 'a;

/// Nothing that is stored is used.
pub(super) const FROM_SPECS: &Near<'static> = &|_, _| Ok(None);

/// How beginnings are made.
pub(super) struct Beginning<'a> {
    pub build: &'a Build<'a>,
    pub kernels: Kernels,
    pub workers: &'a dyn Workers,
    /// States that are at hand.
    pub near: &'a Near<'a>,
    /// Where those that are made are kept for others.
    pub parents: Option<&'a Parents>,
    /// The run that it is for.
    pub root: &'a Path,
}

/// Told of every step of other runs, with its loss.
pub type Told<'a> = dyn FnMut(u64, f64) -> Next + Send + 'a;

/// A run at its first step, of its spec alone: a parent is made again, and nothing that is stored is trusted.
///
/// # Errors
/// If the spec cannot be run, its parent cannot be made, or whoever is told asks to stop.
///
/// ```
/// use precipice::{record::Next, run::Run, spec::{BranchSpec, RunSpec}, workers::Sequential};
/// use precipice_lab::runs::from_its_spec;
/// let mut spec = RunSpec { name: "example".to_owned(), ..RunSpec::default() };
/// (spec.train.steps, spec.eval.sequences) = (4, 64);
/// let branch =
///     BranchSpec { step: 3, reset: Vec::new(), zero: Vec::new(), graft: Vec::new(), parent: spec.clone() };
/// spec.branch = Some(Box::new(branch));
/// let (kernels, place) = (precipice_num::Kernels::detect(), std::path::Path::new("example"));
/// let run = from_its_spec(&spec, None, &Run::new, kernels, (&Sequential, place), &mut |_, _| Next::Continue)?;
/// assert_eq!((run.step(), run.rows().len()), (3, 0));
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn from_its_spec(
    spec: &RunSpec,
    bank: Option<ItemBank>,
    build: &Build<'_>,
    kernels: Kernels,
    (workers, root): (&dyn Workers, &Path),
    told: &mut Told<'_>,
) -> Result<Run, LabError> {
    let run = unbegun(spec, bank, build, kernels)?;
    Beginning { build, kernels, workers, near: FROM_SPECS, parents: None, root }.of(run, spec, told)
}

impl Beginning<'_> {
    /// A run of [`unbegun`] at the first step of its spec.
    ///
    /// # Errors
    /// If the parent cannot be made up to there, or whoever is told asks to stop.
    pub fn of(&self, run: Run, spec: &RunSpec, told: &mut Told<'_>) -> Result<Run, LabError> {
        let Some(branch) = &spec.branch else { return Ok(run) };
        let states = each_once(branch.origins(), |origin, step| self.state_at(origin, step, told))?;
        let state = started(&run, spec, branch, &states)?;
        Ok(restored(run, spec, state, Vec::new()))
    }

    /// The state of a run before anything is measured at a step.
    fn state_at(&self, spec: &RunSpec, step: u64, told: &mut Told<'_>) -> Result<TrainState, LabError> {
        if let Some(state) = (self.near)(spec, step)? {
            return Ok(state);
        }
        let mut spec = spec.clone();
        let bank = items::load(&mut spec)?;
        let run = unbegun(&spec, bank, self.build, self.kernels)?;
        let mut way = self.parents.map(|parents| parents.way(&spec, step, self.kernels));
        let kept = way.as_ref().and_then(|way| way.furthest(run.trainer().model().layout()));
        let run = match kept {
            Some(state) => restored(run, &spec, state, Vec::new()),
            None => self.of(run, &spec, told)?,
        };
        let (first, mut trainer) = (run.step(), run.into_trainer());
        while trainer.state().step < step {
            let loss = pass(&mut trainer, &spec, self.workers).map_err(|Diverged { step }| {
                LabError::run_dir(self.root, RunDirProblem::ParentDiverged { name: spec.name.clone(), step })
            })?;
            if told(trainer.state().step, loss) == Next::Stop {
                way.inspect(|way| way.keep(&trainer));
                return Err(LabError::Stopped { path: self.root.to_owned() });
            }
            way.iter_mut().for_each(|way| way.look_around(&mut trainer));
        }
        way.filter(|_| first < step).inspect(|way| way.keep(&trainer));
        Ok(trainer.into_state())
    }
}

#[cfg(test)]
mod tests {
    use precipice::spec::GraftSpec;
    use precipice::workers::Sequential;

    use super::*;

    /// Many heads of one run are grafted from one replay of it.
    #[test]
    fn each_run_is_made_once_for_a_step() {
        let mut parent = RunSpec { name: "parent".to_owned(), ..RunSpec::default() };
        (parent.train.steps, parent.eval.sequences, parent.probes.sequences) = (8, 64, 16);
        let graft = |step, tensor: &str| GraftSpec { step, tensor: tensor.to_owned(), run: parent.clone() };
        let graft = vec![graft(5, "readout"), graft(5, "blocks.0"), graft(2, "blocks.1"), graft(5, "blocks.1")];
        let branch = BranchSpec { step: 5, reset: Vec::new(), zero: Vec::new(), graft, parent: parent.clone() };
        let spec = RunSpec { branch: Some(Box::new(branch)), ..parent.clone() };
        let (n_built, n_steps) = (std::sync::atomic::AtomicUsize::new(0), &mut 0);
        let build = |spec: &RunSpec, bank, kernels| {
            n_built.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Run::new(spec, bank, kernels)
        };
        let kernels = Kernels::detect();
        let run = unbegun(&spec, None, &build, kernels).unwrap();
        check_branch(&run, &spec, &build).unwrap();
        assert_eq!(n_built.swap(0, std::sync::atomic::Ordering::Relaxed), 2, "itself and the other");
        let told = &mut |_, _| {
            *n_steps += 1;
            Next::Continue
        };
        let place = Path::new("example");
        from_its_spec(&spec, None, &build, kernels, (&Sequential, place), told).unwrap();
        assert_eq!((n_built.into_inner(), *n_steps), (3, 5 + 2));
    }
}
