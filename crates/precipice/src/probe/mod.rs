//! What is measured at an evaluation. Probes read; nothing here changes a run's bits.

pub mod accuracy;
pub mod attention;
pub mod interactions;
pub mod order_parameters;
mod query;
pub mod regression;
pub mod survival;
pub mod transition;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::batch::Batch;
use crate::model::{Ablation, Model, Params, Reads, Trace};
use crate::record::Row;
use crate::spec::{AblationMode, AblationSpec, RunSpec};
use crate::task::{Set, Task};
use crate::train::{N_SHARDS, Trainer, shard_range};
use crate::workers::Workers;
use accuracy::Accuracy;
use attention::AttentionScores;
use interactions::Interactions;
use order_parameters::{OrderParameters, OrderSums};
use query::QueryRooms;
use regression::{Baselines, SquareError};

/// Sequences that are evaluated together. Fewer than in training: evaluation is rare, memory is not.
pub const CHUNK: usize = 4;

/// A sum over sequences that can be computed in parts and added in a fixed order.
pub trait Tally: Send {
    /// Adds the sequences of a batch whose forward pass is in the trace.
    fn add(&mut self, model: &Model<f32>, params: &Params<f32>, batch: &Batch, trace: &Trace<f32>);
    /// Adds another part.
    fn merge(&mut self, other: Self);
}

/// Two tallies of the same forward passes.
impl<A: Tally, B: Tally> Tally for (A, B) {
    fn add(&mut self, model: &Model<f32>, params: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        self.0.add(model, params, batch, trace);
        self.1.add(model, params, batch, trace);
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
        self.1.merge(other.1);
    }
}

/// Room for the forward passes of an evaluation, kept between evaluations.
#[derive(Debug)]
struct Room {
    batch: Batch,
    trace: Trace<f32>,
}

/// Evaluates a network on fixed sequences.
#[derive(Debug)]
pub struct Observer {
    spec: RunSpec,
    /// For accuracies.
    query_rooms: QueryRooms,
    /// For what looks at every token.
    full_rooms: Vec<Mutex<Room>>,
    /// Nearest-neighbor accuracy on each evaluation set; it does not change.
    nearest_neighbor: Vec<f64>,
    /// What a network of the regression task is compared with.
    baselines: Option<Baselines>,
}

/// The results of the probes at one step.
#[derive(Clone, Debug)]
pub struct ProbeReport {
    /// Attention of each head.
    pub attention: AttentionScores,
    /// The nine interactions of each layer's leading head.
    pub interactions: Interactions,
    /// (beta, alpha, xi) and the loss they predict.
    pub order_parameters: OrderParameters,
}

impl Observer {
    /// Sized for the spec's network.
    pub fn new(spec: &RunSpec, trainer: &Trainer) -> Self {
        let query_rooms = QueryRooms::new(spec, trainer, spec.eval.sequences);
        let capacity = CHUNK.min(spec.probes.sequences.div_ceil(N_SHARDS));
        let room = |_| {
            let trace = Trace::new(spec, capacity, Reads::All);
            Mutex::new(Room { batch: trainer.task().workspace(capacity), trace })
        };
        let baselines = Baselines::new(spec, trainer.task());
        let full_rooms =
            if spec.probes.enabled && baselines.is_none() { (0..N_SHARDS).map(room).collect() } else { Vec::new() };
        let sets = if trainer.task().has_real_items() { trainer.task().eval_sets() } else { &[] };
        let nearest_neighbor = sets.iter().map(|&set| accuracy::nearest_neighbor(spec, trainer.task(), set)).collect();
        Self { spec: spec.clone(), query_rooms, full_rooms, nearest_neighbor, baselines }
    }

    /// One row of the log, and the report behind it where probes are enabled.
    pub fn observe(&self, trainer: &Trainer, train_loss: f64, workers: &dyn Workers) -> (Row, Option<ProbeReport>) {
        let step = trainer.state().step;
        let mut row = Row { step, sequences: step * self.spec.train.batch_size as u64, columns: Vec::new() };
        row.push("train_loss", train_loss);
        if let Some(baselines) = &self.baselines {
            self.observe_regression(trainer, baselines, &mut row, workers);
            return (row, None);
        }
        for (idx, &set) in trainer.task().eval_sets().iter().enumerate() {
            let prefix = set.prefix();
            let accuracy: Accuracy = self.query_rooms.scores(trainer, set, self.spec.eval.sequences, workers);
            accuracy.push_columns(prefix, &mut row);
            if let Some(&value) = self.nearest_neighbor.get(idx) {
                row.push(format!("{prefix}nearest_neighbor_accuracy"), value);
            }
        }
        if self.spec.probes.enabled {
            let report = self.probe(trainer, workers);
            report.push_columns(&mut row);
            for ablation in &self.spec.probes.ablations {
                let accuracy = self.ablated(trainer, ablation, workers);
                let AblationSpec { layer, head, mode } = ablation;
                let mode = if *mode == AblationMode::Mean { "mean" } else { "zero" };
                row.push(format!("accuracy_ablate_{layer}_{head}_{mode}"), accuracy.accuracy());
            }
            return (row, Some(report));
        }
        (row, None)
    }

    /// Loss of the network and of the predictors; where probes are enabled, how near it is to gradient descent.
    fn observe_regression(&self, trainer: &Trainer, baselines: &Baselines, row: &mut Row, workers: &dyn Workers) {
        let error: SquareError = self.query_rooms.scores(trainer, Set::Eval, self.spec.eval.sequences, workers);
        row.push("loss", error.loss());
        baselines.push_columns(row);
        let (zero, descent) = (row.get("zero_loss"), row.get("gd_loss"));
        row.push("gd_share", (zero - error.loss()) / (zero - descent));
        if !self.spec.probes.enabled {
            return;
        }
        let descents = baselines.losses.iter().map(|(predictor, _)| predictor);
        let descents: Vec<_> = descents.filter(|predictor| predictor.name().starts_with("gd")).collect();
        let compared = regression::compare(&self.spec, trainer, &descents, self.spec.probes.sequences);
        for (predictor, comparison) in descents.iter().zip(compared) {
            let name = predictor.name();
            row.push(format!("{name}_prediction_difference"), comparison.prediction_difference);
            row.push(format!("{name}_sensitivity_difference"), comparison.sensitivity_difference);
            row.push(format!("{name}_sensitivity_cosine"), comparison.sensitivity_cosine);
        }
        if let Some(value) = regression::own_value_attention(&self.spec, trainer, self.spec.probes.sequences) {
            row.push("own_value_attention", value);
        }
    }

    /// Everything that is read inside the network.
    fn probe(&self, trainer: &Trainer, workers: &dyn Workers) -> ProbeReport {
        let pass = self.probe_pass(trainer, None, workers);
        let attention = pass.tally(AttentionScores::default);
        let heads = attention.leading_heads();
        let (interactions, sums) = pass.tally(|| (Interactions::of_heads(&heads), OrderSums::of_heads(&heads)));
        let order_parameters = OrderParameters::new(&self.spec, &sums);
        ProbeReport { attention, interactions, order_parameters }
    }

    /// Accuracy on the probe sequences with one head replaced.
    pub fn ablated(&self, trainer: &Trainer, ablation: &AblationSpec, workers: &dyn Workers) -> Accuracy {
        let AblationSpec { layer, head, mode } = *ablation;
        let replacement = match mode {
            AblationMode::Zero => vec![0.0; self.spec.n_tokens() * self.spec.d_head()],
            AblationMode::Mean => {
                let pass = self.probe_pass(trainer, None, workers);
                pass.tally(|| attention::HeadOutput::new(layer, head)).mean()
            }
        };
        let ablation = Ablation { layer, head, replacement };
        self.probe_pass(trainer, Some(&ablation), workers).tally(Accuracy::default)
    }

    fn probe_pass<'a>(
        &'a self,
        trainer: &'a Trainer,
        ablation: Option<&'a Ablation<f32>>,
        workers: &'a dyn Workers,
    ) -> Pass<'a> {
        let (rooms, n_sequences) = (&self.full_rooms, self.spec.probes.sequences);
        Pass { rooms, trainer, n_sequences, ablation, workers }
    }
}

impl ProbeReport {
    /// Appends the columns of the log.
    pub fn push_columns(&self, row: &mut Row) {
        self.attention.push_columns(row);
        self.order_parameters.push_columns(row);
        self.interactions.push_columns(row);
    }
}

/// Forward passes over the first sequences of the probed set.
struct Pass<'a> {
    rooms: &'a [Mutex<Room>],
    trainer: &'a Trainer,
    n_sequences: usize,
    ablation: Option<&'a Ablation<f32>>,
    workers: &'a dyn Workers,
}

impl Pass<'_> {
    /// Sums over all sequences, in fixed shards added in order.
    fn tally<A: Tally>(&self, empty: impl Fn() -> A) -> A {
        let parts: Vec<Mutex<A>> = self.rooms.iter().map(|_| Mutex::new(empty())).collect();
        self.workers.run(self.rooms.len(), &|idx| {
            let mut room = self.rooms[idx].lock().unwrap_or_else(PoisonError::into_inner);
            let mut part = parts[idx].lock().unwrap_or_else(PoisonError::into_inner);
            self.forward_shard(&mut room, shard_range(self.n_sequences, idx), &mut *part);
        });
        let mut total = empty();
        for part in parts {
            total.merge(part.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        total
    }

    fn forward_shard(&self, room: &mut Room, range: Range<usize>, part: &mut impl Tally) {
        let Room { batch, trace } = room;
        let (model, params) = (self.trainer.model(), &self.trainer.state().params);
        for first in range.clone().step_by(trace.capacity()) {
            batch.n_sequences = (range.end - first).min(trace.capacity());
            let task = self.trainer.task();
            task.fill(model.kernels(), task.probed_set(), 0, first, batch);
            model.forward(params, batch, trace, self.ablation);
            part.add(model, params, batch, trace);
        }
    }
}

/// One forward pass that keeps every activation, for figures of single sequences, and the leading
/// head of each layer.
pub fn look(spec: &RunSpec, trainer: &Trainer, set: Set, n_sequences: usize) -> (Batch, Trace<f32>, Vec<usize>) {
    let task: &Task = trainer.task();
    let batch = task.batch(set, 0, n_sequences);
    let mut trace = Trace::new(spec, n_sequences, Reads::All);
    let (model, params) = (trainer.model(), &trainer.state().params);
    model.forward(params, &batch, &mut trace, None);
    let mut scores = AttentionScores::default();
    scores.add(model, params, &batch, &trace);
    (batch, trace, scores.leading_heads())
}
