//! The engine on the processor: shards of the batch, in the form that the plan chose.

use std::sync::{Mutex, MutexGuard, PoisonError};

use precipice_num::{Kernels, Real, profile};

use super::engine::{Engine, Lane, Sink, Step};
use super::loss;
use crate::model::Model;
use crate::model::forms::{self, Folded, Form, OneLayer, Plain};
use crate::model::plan::{FormKind, Plan};
use crate::sequence::{Batch, CHUNK, N_SHARDS, Targets, shard_range};
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
/// let mut engine = engine(&model, &*task, 16);
/// assert_eq!(engine.form(), FormKind::Folded);
/// let lane = Lane { model: &model, task: &*task, params: &params };
/// engine.gradients(&mut [Step { lane, step: 0, grads: &mut grads, loss_sum: 0.0 }], &Sequential);
/// assert!(grads.values.iter().any(|g| *g != 0.0));
/// # Ok::<(), precipice::task::TaskError>(())
/// ```
pub fn engine<T: Real>(model: &Model<T>, task: &dyn Task, batch_size: usize) -> Box<dyn Engine<T>> {
    let kind = Plan::of(model.description(), batch_size).form;
    engine_of(kind, model, task, batch_size)
}

/// The engine of a form that the network has.
///
/// # Panics
/// If it does not have it.
pub fn engine_of<T: Real>(kind: FormKind, model: &Model<T>, task: &dyn Task, batch_size: usize) -> Box<dyn Engine<T>> {
    match kind {
        FormKind::Plain | FormKind::Minimal => Box::new(Cpu::new(kind, Plain, model, task, batch_size)),
        FormKind::Folded => Box::new(Cpu::new(kind, Folded::new(model), model, task, batch_size)),
        FormKind::OneLayer => Box::new(Cpu::new(kind, OneLayer::new(model), model, task, batch_size)),
    }
}

/// One form, with room for a batch.
#[derive(Debug)]
struct Cpu<T: Real, F: Form<T>> {
    kind: FormKind,
    form: F,
    batch_size: usize,
    /// What all sequences share.
    prepared: Vec<T>,
    scratch: F::Scratch,
    shards: Vec<Mutex<Shard<T, F>>>,
    evaluation: Mutex<Evaluation<T, F>>,
}

/// What one shard of the batch is computed in.
#[derive(Debug)]
struct Shard<T: Real, F: Form<T>> {
    batch: Batch,
    rooms: Vec<F::Room>,
    sums: F::Sums,
    loss_sum: f64,
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
    fn new(kind: FormKind, form: F, model: &Model<T>, task: &dyn Task, batch_size: usize) -> Self {
        let shard = |idx| {
            let len = shard_range(batch_size, idx).len();
            let rooms = if F::KEEPS_ROOMS {
                (0..len).step_by(CHUNK).map(|first| form.room(model, (len - first).min(CHUNK))).collect()
            } else {
                vec![form.room(model, CHUNK.min(batch_size.div_ceil(N_SHARDS)))]
            };
            let batch = task.workspace(CHUNK.min(batch_size.div_ceil(N_SHARDS)));
            Mutex::new(Shard { batch, rooms, sums: form.sums(model), loss_sum: 0.0 })
        };
        let shards = (0..N_SHARDS).map(shard).collect();
        let prepared = vec![T::ZERO; form.prepared_cuts().last().copied().unwrap_or(0)];
        let scratch = form.scratch(model);
        let evaluation = Mutex::new(Evaluation { prepared: Vec::new(), rooms: Vec::new(), answers: None });
        Self { kind, form, batch_size, prepared, scratch, shards, evaluation }
    }

    fn prepare(form: &F, run: Lane<'_, T>, prepared: &mut Vec<T>, workers: &dyn Workers) {
        let cuts = form.prepared_cuts();
        prepared.resize(cuts.last().copied().unwrap_or(0), T::ZERO);
        workers.run_parts(prepared, cuts, &|part, to| form.prepare(run.model, run.params, part, to));
    }

    /// Loss and sums of one shard, chunk by chunk.
    fn compute_shard(&self, run: Lane<'_, T>, step: u64, idx: usize) {
        let Shard { batch, rooms, sums, loss_sum } = &mut *lock(&self.shards[idx]);
        let Lane { model, task, params } = run;
        F::clear(sums);
        *loss_sum = 0.0;
        let range = shard_range(self.batch_size, idx);
        let scale = 1.0 / self.batch_size as f64;
        for (chunk, first) in range.clone().step_by(CHUNK).enumerate() {
            batch.n_sequences = (range.end - first).min(CHUNK);
            profile::stage("data");
            task.fill(model.kernels(), Set::Train, step, first, batch);
            profile::stage("forward");
            let room = &mut rooms[if F::KEEPS_ROOMS { chunk } else { 0 }];
            self.form.forward(model, params, &self.prepared, batch, room);
            profile::stage("loss");
            *loss_sum += loss_gradient(model.kernels(), F::outputs(room), batch, scale);
            profile::stage("backward");
            self.form.backward(model, params, &self.prepared, batch, room, sums);
        }
    }
}

/// The loss of what the batch asks for, summed, and its gradient times `scale`.
fn loss_gradient<T: Real>(kernels: Kernels, (outputs, d_outputs): (&[T], &mut [T]), batch: &Batch, scale: f64) -> f64 {
    match batch.targets() {
        Targets::QueryLabel { .. } => {
            loss::cross_entropy_gradient(kernels, outputs, &batch.answers[..batch.n_sequences], scale, d_outputs)
        }
        Targets::QueryValue => loss::square_gradient(outputs, batch.query_values(), scale, d_outputs),
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
            Self::prepare(&self.form, *lane, &mut self.prepared, workers);
            workers.run(N_SHARDS, &|idx| self.compute_shard(*lane, *step, idx));
            let shards: [MutexGuard<'_, Shard<T, F>>; N_SHARDS] = std::array::from_fn(|idx| lock(&self.shards[idx]));
            let held: [_; N_SHARDS] =
                std::array::from_fn(|idx| forms::Shard { rooms: &shards[idx].rooms[..], sums: &shards[idx].sums });
            profile::stage("reduce");
            self.form.reduce(lane.model, lane.params, &held, &mut self.scratch, &mut grads.values, workers);
            *loss_sum = shards.iter().map(|shard| shard.loss_sum).sum();
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
