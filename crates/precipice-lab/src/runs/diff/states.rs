//! The states of two runs: those that are stored, and those between by replay.

use precipice::train::TrainState;
use precipice_num::Kernels;
use serde::Serialize;

use super::replay::{Replayed, side_by_side};
use super::tensors::{Distance, OnlyTensor, OtherShape, Pairing, TensorDifference};
use crate::error::LabError;
use crate::input::items;
use crate::meter::Meter;
use crate::runs::StoredRun;
use crate::runs::branch::unbegun;
use crate::runs::memory;
use crate::runs::threads::Pool;
use crate::runs::trainer::Build;
use crate::store::checkpoint::Saved;

/// One of two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// The first step at which the states of two runs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parted {
    /// Updates done.
    pub step: u64,
    /// The last step before at which every bit was the same; none where nothing before it was compared.
    pub same_until: Option<u64>,
    /// Whether parameters differ, and not only moments of the optimizer.
    pub in_parameters: bool,
    /// The tensors that differ: parameters, then moments, each with the largest absolute difference first.
    pub tensors: Vec<TensorDifference>,
}

/// What the states of two runs have in common, and where they part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatesDifference {
    /// Checkpoints of steps at which both have one.
    pub compared: usize,
    /// Step of the last checkpoint of the first run.
    pub last_a: Option<u64>,
    /// Of the second.
    pub last_b: Option<u64>,
    /// Tensors, moments of the optimizer among them, that are compared.
    pub tensors: usize,
    /// Tensors that only the first has.
    pub only_a: Vec<OnlyTensor>,
    /// Tensors that only the second has.
    pub only_b: Vec<OnlyTensor>,
    /// Tensors that both have in different shapes.
    pub other_shapes: Vec<OtherShape>,
    /// Steps between which both were replayed, if they were.
    pub replayed: Option<[u64; 2]>,
    /// Where they part: found by replay, or among the stored states where the replay does not come to them.
    pub parted: Option<Parted>,
    /// Runs whose stored state is not the one that their replay comes to.
    pub not_reproduced: Vec<Side>,
    /// Digest of the parameters at the last step, where both have the same.
    pub digest: Option<String>,
    /// At each step where both have a checkpoint.
    pub distances: Vec<Distance>,
}

impl StatesDifference {
    /// Whether both have the same tensors and end with the same bits, which were the same all the way as far as it was
    /// looked at.
    pub fn is_none(&self) -> bool {
        let shapes = self.only_a.is_empty() && self.only_b.is_empty() && self.other_shapes.is_empty();
        shapes && self.parted.is_none() && self.not_reproduced.is_empty() && self.last_a == self.last_b
    }
}

/// Two runs whose states are compared.
pub(super) struct States<'a> {
    sources: [Source<'a>; 2],
    pairing: Pairing,
    /// Steps of their checkpoints.
    kept: [Vec<u64>; 2],
}

impl<'a> States<'a> {
    pub fn new([a, b]: [&'a StoredRun; 2], build: &Build<'_>, threads: usize) -> Result<Self, LabError> {
        let kept = [a.run_dir.checkpoint_steps(&a.spec)?, b.run_dir.checkpoint_steps(&b.spec)?];
        let sources = [Source::new(a, build, threads)?, Source::new(b, build, threads)?];
        let pairing = Pairing::of(&sources[0].any, &sources[1].any);
        Ok(Self { sources, pairing, kept })
    }

    /// What the stored states say, and the last step at which all that was compared until then was the same.
    pub fn stored(&self, meter: &Meter) -> Result<(StatesDifference, Option<u64>), LabError> {
        let (pairing, [of_a, of_b]) = (&self.pairing, &self.kept);
        let common: Vec<u64> = of_a.iter().filter(|step| of_b.binary_search(step).is_ok()).copied().collect();
        let mut found = StatesDifference {
            compared: common.len(),
            last_a: of_a.last().copied(),
            last_b: of_b.last().copied(),
            tensors: pairing.len(),
            only_a: pairing.only_a.clone(),
            only_b: pairing.only_b.clone(),
            other_shapes: pairing.other_shapes.clone(),
            replayed: None,
            parted: None,
            not_reproduced: Vec::new(),
            digest: None,
            distances: Vec::new(),
        };
        meter.expect(common.len() as u64);
        let mut same_until = None;
        for &step in &common {
            if meter.is_stopped() {
                return Err(LabError::Stopped { path: self.sources[0].run.run_dir.root().to_owned() });
            }
            let [a, b] = [self.sources[0].read(step)?, self.sources[1].read(step)?];
            found.distances.push(pairing.distance(&a, &b));
            if found.parted.is_none() {
                found.parted = parted(pairing, &a, &b, same_until);
                same_until = if found.parted.is_some() { same_until } else { Some(step) };
            }
            if found.last_a == Some(step) && found.last_b == Some(step) {
                let digests = [a, b].map(|state| state.params.digest());
                found.digest = (digests[0] == digests[1]).then(|| digests[0].clone());
            }
            meter.done(1);
        }
        Ok((found, same_until))
    }

    /// The arithmetic of a run by its last state, if it has one.
    pub fn arithmetic(&self, of: usize) -> Result<Option<String>, LabError> {
        let saved = self.kept[of].last().map(|&step| self.sources[of].saved(step)).transpose()?;
        Ok(saved.map(|saved| saved.arithmetic.name().to_owned()))
    }

    /// Replays both from the last step at which they are the same to the first at which they are not, or to the last that
    /// both came to, where the stored states leave steps between.
    pub fn replay(
        &self,
        found: &mut StatesDifference,
        same_until: Option<u64>,
        build: &Build<'_>,
        threads: usize,
        meter: &Meter,
    ) -> Result<(), LabError> {
        let [a, b] = [self.sources[0].run, self.sources[1].run];
        let both_came_to = found.last_a.zip(found.last_b).map(|(a, b)| a.min(b));
        let (unknown, parted_at) =
            (same_until.map_or(0, |step| step + 1), found.parted.as_ref().map(|parted| parted.step));
        let is_left = match (parted_at, both_came_to) {
            (Some(step), _) => unknown < step,
            (None, last) => last.is_some_and(|last| unknown <= last),
        };
        let Some(until) = parted_at.or(both_came_to).filter(|_| is_left && self.pairing.len() > 0) else {
            return Ok(());
        };
        let need = memory::need(&a.spec, false, threads)? + memory::need(&b.spec, false, threads)?;
        memory::check(&a.spec, need, 2)?;
        let pool = Pool::for_work_at(threads, a.run_dir.root())?;
        let from = same_until.unwrap_or(0);
        let look = |a: &TrainState, b: &TrainState| parted(&self.pairing, a, b, None);
        let replayed = side_by_side([a, b], build, (from, until), (&pool, meter), look)?;
        let Some(replayed) = replayed else { return Ok(()) };
        found.replayed = Some([replayed.from, replayed.runs[0].step()]);
        match replayed.found {
            Some((parted, before)) => found.parted = Some(Parted { same_until: before, ..parted }),
            None => found.not_reproduced = self.not_reproduced(&replayed)?,
        }
        Ok(())
    }

    /// The runs whose stored state at the step that their replay has come to is another one, or that did not come so far.
    fn not_reproduced<T>(&self, replayed: &Replayed<T>) -> Result<Vec<Side>, LabError> {
        let mut found = Vec::new();
        for (i, side) in [Side::A, Side::B].into_iter().enumerate() {
            let state = replayed.runs[i].state();
            if replayed.ended == Some(i) {
                found.push(side);
            } else if self.kept[i].contains(&state.step) {
                let stored = self.sources[i].read(state.step)?;
                let pairing = Pairing::of(&stored, state);
                found.extend((!pairing.differences(&stored, state).is_empty()).then_some(side));
            }
        }
        Ok(found)
    }
}

/// The difference of two states of one step, if there is any.
fn parted(pairing: &Pairing, a: &TrainState, b: &TrainState, same_until: Option<u64>) -> Option<Parted> {
    let tensors = pairing.differences(a, b);
    let in_parameters = tensors.first().is_some_and(TensorDifference::is_parameter);
    (!tensors.is_empty()).then_some(Parted { step: a.step, same_until, in_parameters, tensors })
}

/// Where the states of a run are read from.
struct Source<'a> {
    run: &'a StoredRun,
    /// That of step 0, for names and shapes.
    any: TrainState,
}

impl<'a> Source<'a> {
    fn new(run: &'a StoredRun, build: &Build<'_>, threads: usize) -> Result<Self, LabError> {
        let mut spec = run.spec.clone();
        memory::check_run(&spec, false, threads)?;
        let bank = items::load(&mut spec)?;
        let any = unbegun(&spec, bank, build, Kernels::detect())?;
        Ok(Self { run, any: any.state().clone() })
    }

    fn read(&self, step: u64) -> Result<TrainState, LabError> {
        Ok(self.saved(step)?.state)
    }

    fn saved(&self, step: u64) -> Result<Saved, LabError> {
        Ok(self.run.run_dir.checkpoint(&self.run.spec, step, &self.any.params.layout)?.1)
    }
}
