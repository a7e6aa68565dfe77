//! The engine on the processor: shards of the batch, in the form that the plan chose.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use precipice_num::{Kernels, Real, profile};

use super::engine::{Engine, Lane, Sink, Step};
use super::loss;
use crate::model::Model;
use crate::model::forms::{Folded, Form, Held, OneLayer, Plain, ShardSums};
use crate::model::plan::{FormKind, Plan};
use crate::sequence::{self, Batch, Chunk, N_SHARDS, Targets, shard_range};
use crate::task::{Set, Task};
use crate::workers::Workers;

/// The engine for networks like this one, on batches of so many sequences.
///
/// ```
/// use precipice::model::{Model, Params, plan::FormKind};
/// use precipice::train::{Lane, Step, engine};
/// use precipice::{spec::RunSpec, workers::Sequential};
/// let spec = RunSpec::default();
/// let task = spec.build_task(None)?;
/// let model = Model::<f32>::new(&spec, &task.label_table(), precipice_num::Kernels::detect());
/// let (params, mut grads) = (model.init(0), Params::zeros(model.layout().clone()));
/// let mut engine = engine(&model, 16);
/// assert_eq!(engine.form(), FormKind::Folded);
/// let lane = Lane { model: &model, task: &*task, params: &params };
/// engine.gradients(&mut [Step { lane, step: 0, grads: &mut grads, loss_sum: 0.0 }], &Sequential);
/// assert!(grads.values.iter().any(|g| *g != 0.0));
/// # Ok::<(), precipice::task::TaskError>(())
/// ```
pub fn engine<T: Real>(model: &Model<T>, batch_size: usize) -> Box<dyn Engine<T>> {
    let kind = Plan::of(model.description(), batch_size).form;
    engine_of(kind, model, batch_size)
}

/// The engine of a form that the network has.
///
/// # Panics
/// If it does not have it.
pub fn engine_of<T: Real>(kind: FormKind, model: &Model<T>, batch_size: usize) -> Box<dyn Engine<T>> {
    match kind {
        FormKind::Plain | FormKind::Minimal => Box::new(Cpu::new(kind, Plain, model, batch_size)),
        FormKind::Folded => Box::new(Cpu::new(kind, Folded::new(model), model, batch_size)),
        FormKind::OneLayer => Box::new(Cpu::new(kind, OneLayer::new(model), model, batch_size)),
    }
}

/// One form, with room for a batch that is made at the first step.
#[derive(Debug)]
struct Cpu<T: Real, F: Form<T>> {
    kind: FormKind,
    form: F,
    batch_size: usize,
    /// What all sequences share.
    prepared: Vec<T>,
    scratch: F::Scratch,
    /// The batch, cut for as many threads as there were at the last step.
    groups: Vec<Mutex<Group<T, F>>>,
    evaluation: Mutex<Evaluation<T, F>>,
}

/// Consecutive shards of the batch, and what they are computed in.
#[derive(Debug)]
struct Group<T: Real, F: Form<T>> {
    batch: Batch,
    pieces: Vec<Piece>,
    /// One for each piece where the form keeps them, else one for all.
    rooms: Vec<F::Room>,
    sums: ShardSums<T>,
    /// Of the batch's shards; those of others stay 0.
    loss_sums: [f64; N_SHARDS],
}

/// Sequences that are computed together.
#[derive(Clone, Debug)]
struct Piece {
    /// Number of the first one in the batch.
    first: usize,
    /// Their chunks, counted from it.
    chunks: Vec<Chunk>,
}

impl Piece {
    /// The chunks of some shards in pieces of at most so many sequences, or each by itself.
    fn cut(batch_size: usize, shards: Range<usize>, size: Option<usize>) -> Vec<Self> {
        let mut pieces: Vec<Self> = Vec::new();
        for Chunk { shard, sequences } in sequence::chunks(batch_size, shards) {
            let fits = |piece: &Self| size.is_some_and(|size| sequences.end - piece.first <= size);
            if !pieces.last().is_some_and(fits) {
                pieces.push(Self { first: sequences.start, chunks: Vec::new() });
            }
            if let Some(Self { first, chunks }) = pieces.last_mut() {
                chunks.push(Chunk { shard, sequences: sequences.start - *first..sequences.end - *first });
            }
        }
        pieces
    }

    fn n_sequences(&self) -> usize {
        self.chunks.last().map_or(0, |chunk| chunk.sequences.end)
    }
}

/// Room for evaluations, made when it is first asked for and kept.
#[derive(Debug)]
struct Evaluation<T: Real, F: Form<T>> {
    prepared: Vec<T>,
    rooms: Vec<Mutex<(Batch, F::Room)>>,
    /// For batches that somebody else drew, of at most so many sequences.
    answers: Option<(usize, F::Room)>,
}

impl<T: Real, F: Form<T>> Cpu<T, F> {
    fn new(kind: FormKind, form: F, model: &Model<T>, batch_size: usize) -> Self {
        let prepared = vec![T::ZERO; form.prepared_cuts().last().copied().unwrap_or(0)];
        let scratch = form.scratch(model);
        let evaluation = Mutex::new(Evaluation { prepared: Vec::new(), rooms: Vec::new(), answers: None });
        Self { kind, form, batch_size, prepared, scratch, groups: Vec::new(), evaluation }
    }

    /// Cuts the batch for so many threads: bits do not depend on it.
    fn cut(&mut self, model: &Model<T>, task: &dyn Task, n_threads: usize) {
        let n_groups = n_threads.next_power_of_two().min(N_SHARDS);
        if self.groups.len() == n_groups {
            return;
        }
        let keeps = self.form.kept_sequences();
        let group = |idx: usize| {
            let shards = N_SHARDS * idx / n_groups..N_SHARDS * (idx + 1) / n_groups;
            let pieces = Piece::cut(self.batch_size, shards.clone(), keeps);
            let most = pieces.iter().map(Piece::n_sequences).max().unwrap_or(0);
            let room = |capacity| self.form.room(model, capacity);
            let rooms = if keeps.is_some() {
                pieces.iter().map(|piece| room(piece.n_sequences())).collect()
            } else {
                vec![room(most)]
            };
            let sums = ShardSums::new(shards, self.form.sums_len(model));
            Mutex::new(Group { batch: task.workspace(most), pieces, rooms, sums, loss_sums: [0.0; N_SHARDS] })
        };
        self.groups = (0..n_groups).map(group).collect();
    }

    fn prepare(form: &F, run: Lane<'_, T>, prepared: &mut Vec<T>, workers: &dyn Workers) {
        let cuts = form.prepared_cuts();
        prepared.resize(cuts.last().copied().unwrap_or(0), T::ZERO);
        workers.run_parts(prepared, cuts, &|part, to| form.prepare(run.model, run.params, part, to));
    }

    /// Losses and sums of one group's shards.
    fn compute_group(&self, run: Lane<'_, T>, step: u64, idx: usize) {
        let Group { batch, pieces, rooms, sums, loss_sums } = &mut *lock(&self.groups[idx]);
        let Lane { model, task, params } = run;
        let keeps_rooms = self.form.kept_sequences().is_some();
        sums.clear();
        *loss_sums = [0.0; N_SHARDS];
        for (i, piece) in pieces.iter().enumerate() {
            let room = &mut rooms[if keeps_rooms { i } else { 0 }];
            batch.n_sequences = piece.n_sequences();
            profile::stage("data");
            task.fill(model.kernels(), Set::Train, step, piece.first, batch);
            profile::stage("forward");
            self.form.forward(model, params, &self.prepared, batch, room);
            profile::stage("loss");
            for chunk in &piece.chunks {
                let outputs = F::outputs(room);
                loss_sums[chunk.shard] += self.loss_gradient(model.kernels(), outputs, batch, &chunk.sequences);
            }
            profile::stage("backward");
            self.form.backward(model, params, &self.prepared, batch, &piece.chunks, room, sums);
        }
    }

    /// The loss of what the batch asks for, summed over some sequences, and the gradient of its mean.
    fn loss_gradient(&self, kernels: Kernels, outputs: (&[T], &mut [T]), batch: &Batch, of: &Range<usize>) -> f64 {
        let scale = 1.0 / self.batch_size as f64;
        let width = outputs.0.len() / batch.n_sequences;
        let place = of.start * width..of.end * width;
        let (outputs, d_outputs) = (&outputs.0[place.clone()], &mut outputs.1[place]);
        match batch.targets() {
            Targets::QueryLabel { .. } => {
                loss::cross_entropy_gradient(kernels, outputs, &batch.answers[of.clone()], scale, d_outputs)
            }
            Targets::QueryValue => {
                let values = batch.query_values().skip(of.start);
                loss::square_gradient(outputs, values, scale, d_outputs)
            }
        }
    }
}

impl<T: Real, F: Form<T>> Engine<T> for Cpu<T, F> {
    fn form(&self) -> FormKind {
        self.kind
    }

    /// One run after the other.
    fn gradients(&mut self, runs: &mut [Step<'_, T>], workers: &dyn Workers) {
        for Step { lane, step, grads, loss_sum } in runs {
            profile::stage("prepare");
            self.cut(lane.model, lane.task, workers.n_threads());
            Self::prepare(&self.form, *lane, &mut self.prepared, workers);
            workers.run(self.groups.len(), &|idx| self.compute_group(*lane, *step, idx));
            let groups: Vec<MutexGuard<'_, Group<T, F>>> = self.groups.iter().map(lock).collect();
            let rooms: Vec<(&F::Room, &[Chunk])> = groups
                .iter()
                .filter(|_| self.form.kept_sequences().is_some())
                .flat_map(|group| group.rooms.iter().zip(group.pieces.iter().map(|piece| &piece.chunks[..])))
                .collect();
            let sums: Vec<&[T]> = groups.iter().flat_map(|group| group.sums.in_order()).collect();
            profile::stage("reduce");
            let held = Held { rooms: &rooms, sums: &sums };
            self.form.reduce(lane.model, lane.params, &held, &mut self.scratch, &mut grads.values, workers);
            *loss_sum = (0..N_SHARDS).map(|shard| groups.iter().map(|group| group.loss_sums[shard]).sum::<f64>()).sum();
        }
    }

    fn answers(&self, run: Lane<'_, T>, batch: &Batch, workers: &dyn Workers) -> Vec<T> {
        let Evaluation { prepared, answers, .. } = &mut *lock(&self.evaluation);
        Self::prepare(&self.form, run, prepared, workers);
        let fits = answers.take().filter(|(capacity, _)| *capacity >= batch.n_sequences);
        let (_, room) =
            answers.insert(fits.unwrap_or_else(|| (batch.n_sequences, self.form.room(run.model, batch.n_sequences))));
        self.form.forward(run.model, run.params, prepared, batch, room);
        F::outputs(room).0.to_vec()
    }

    fn outputs(&self, run: Lane<'_, T>, set: Set, n_sequences: usize, workers: &dyn Workers, sink: &Sink<'_, T>) {
        let Lane { model, task, params } = run;
        let capacity = F::EVAL_CHUNK.min(n_sequences.div_ceil(N_SHARDS));
        let Evaluation { prepared, rooms, .. } = &mut *lock(&self.evaluation);
        if rooms.first().is_none_or(|room| lock(room).0.capacity() != capacity) {
            let room = |_| Mutex::new((task.workspace(capacity), self.form.room(model, capacity)));
            *rooms = (0..N_SHARDS).map(room).collect();
        }
        Self::prepare(&self.form, run, prepared, workers);
        let (prepared, rooms) = (&prepared[..], &rooms[..]);
        workers.run(N_SHARDS, &|idx| {
            let (batch, room) = &mut *lock(&rooms[idx]);
            let range = shard_range(n_sequences, idx);
            for first in range.clone().step_by(capacity) {
                batch.n_sequences = (range.end - first).min(capacity);
                task.fill(model.kernels(), set, 0, first, batch);
                self.form.forward(model, params, prepared, batch, room);
                sink(idx, F::outputs(room).0, batch);
                workers.done(batch.n_sequences as u64);
            }
        });
    }
}

/// A poisoned lock only says that another job panicked; that panic is on its way already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
