//! Everything that is read inside a network: forward passes that keep every activation.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::attention::AttentionScores;
use super::interactions::Interactions;
use super::metric::{self, Metric};
use super::order_parameters::{OrderParameters, OrderSums, context_of};
use super::{CHUNK, Probe, Row, Tally};
use crate::model::{Ablation, Reads, Trace};
use crate::sequence::{Batch, N_SHARDS, shard_range};
use crate::task::Set;
use crate::train::Trainer;
use crate::workers::Workers;

/// Room for forward passes over the first sequences of the probed set, kept between evaluations.
#[derive(Debug)]
pub struct Rooms {
    rooms: Vec<Mutex<(Batch, Trace<f32>)>>,
    n_sequences: usize,
}

impl Rooms {
    /// For so many sequences, of which every token is computed or what the query's answer needs.
    pub fn new(trainer: &Trainer, n_sequences: usize, reads: Reads) -> Self {
        let capacity = CHUNK.min(n_sequences.div_ceil(N_SHARDS));
        let room = |_| (trainer.task().workspace(capacity), trainer.model().trace(capacity, reads));
        Self { rooms: (0..N_SHARDS).map(room).map(Mutex::new).collect(), n_sequences }
    }

    /// Sums over all sequences, in fixed shards added in order.
    pub fn tally<A: Tally>(
        &self,
        trainer: &Trainer,
        ablation: Option<&Ablation<f32>>,
        workers: &dyn Workers,
        empty: impl Fn() -> A,
    ) -> A {
        let parts: Vec<Mutex<A>> = self.rooms.iter().map(|_| Mutex::new(empty())).collect();
        workers.run(self.rooms.len(), &|idx| {
            let (batch, trace) = &mut *self.rooms[idx].lock().unwrap_or_else(PoisonError::into_inner);
            let mut part = parts[idx].lock().unwrap_or_else(PoisonError::into_inner);
            forward(trainer, ablation, (batch, trace), shard_range(self.n_sequences, idx), &mut *part);
        });
        let mut total = empty();
        for part in parts {
            total.merge(part.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        total
    }
}

fn forward(
    trainer: &Trainer,
    ablation: Option<&Ablation<f32>>,
    (batch, trace): (&mut Batch, &mut Trace<f32>),
    range: Range<usize>,
    part: &mut impl Tally,
) {
    let (model, params, task) = (trainer.model(), &trainer.state().params, trainer.task());
    for first in range.clone().step_by(trace.capacity()) {
        batch.n_sequences = (range.end - first).min(trace.capacity());
        task.fill(model.kernels(), task.facts().probed_set, 0, first, batch);
        model.forward(params, batch, trace, ablation);
        part.add(model, params, batch, trace);
    }
}

/// What is found inside a network.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Attention of each head.
    pub attention: AttentionScores,
    /// The nine interactions of each layer's leading head.
    pub interactions: Interactions,
    /// (beta, alpha, xi) and the loss they predict, where the formula describes the network.
    pub order_parameters: Option<OrderParameters>,
}

/// Attention, interactions and order parameters of a network that answers with labels.
#[derive(Debug)]
pub struct Inside {
    rooms: Rooms,
}

impl Inside {
    /// On the first sequences of the probed set.
    pub fn new(trainer: &Trainer, n_sequences: usize) -> Self {
        Self { rooms: Rooms::new(trainer, n_sequences, Reads::All) }
    }

    /// Looks inside.
    pub fn look(&self, trainer: &Trainer, workers: &dyn Workers) -> Findings {
        let of_heads = |heads: &[usize]| (Interactions::of_heads(heads), OrderSums::of_heads(heads));
        let model = trainer.model();
        let (attention, (interactions, sums)) = if (0..model.n_layers()).all(|layer| model.n_heads(layer) == 1) {
            // Single heads lead, so that one pass is enough.
            let heads = vec![0; model.n_layers()];
            self.rooms.tally(trainer, None, workers, || (AttentionScores::default(), of_heads(&heads)))
        } else {
            let attention = self.rooms.tally(trainer, None, workers, AttentionScores::default);
            let heads = attention.leading_heads();
            (attention, self.rooms.tally(trainer, None, workers, || of_heads(&heads)))
        };
        let context = context_of(trainer.task().facts(), trainer.model().description()).ok();
        let order_parameters = context.map(|context| OrderParameters::new(context, &sums));
        Findings { attention, interactions, order_parameters }
    }
}

impl Probe for Inside {
    fn metrics(&self) -> Vec<Metric> {
        let groups = ["attention", "order parameters", "interactions"];
        metric::ALL.iter().filter(|metric| groups.contains(&&*metric.group)).cloned().collect()
    }

    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row) {
        let findings = self.look(trainer, workers);
        findings.attention.push_columns(row);
        if let Some(order_parameters) = &findings.order_parameters {
            order_parameters.push_columns(row);
        }
        findings.interactions.push_columns(row);
    }
}

/// One forward pass that keeps every activation, for figures of single sequences, and the leading
/// head of each layer.
///
/// ```
/// use precipice::measure::inside::look;
/// use precipice::{spec::RunSpec, task::Set, train::Trainer};
/// let spec = RunSpec::default();
/// let trainer = Trainer::new(&spec, spec.build_task(None)?, precipice_num::Kernels::detect())?;
/// let (batch, trace, heads) = look(&trainer, Set::MAIN, 4);
/// let attention = trace.attention(1, heads[1], 3, batch.geometry().query_token());
/// assert!((attention.iter().sum::<f32>() - 1.0).abs() < 1e-5);
/// # Ok::<(), precipice::run::RunError>(())
/// ```
pub fn look(trainer: &Trainer, set: Set, n_sequences: usize) -> (Batch, Trace<f32>, Vec<usize>) {
    let (model, params) = (trainer.model(), &trainer.state().params);
    let batch = trainer.task().batch(set, 0, n_sequences);
    let mut trace = model.trace(n_sequences, Reads::All);
    model.forward(params, &batch, &mut trace, None);
    let mut scores = AttentionScores::default();
    scores.add(model, params, &batch, &trace);
    (batch, trace, scores.leading_heads())
}
