//! Everything that is read inside a network: forward passes that keep what probes read.

use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

use super::ablations::{self, Answers};
use super::attention::{AttentionScores, HeadOutput};
use super::interactions::Interactions;
use super::metric::{self, Metric};
use super::order_parameters::{OrderParameters, OrderSums, context_of};
use super::{CHUNK, Probe, Row, Tally};
use crate::model::{Ablation, Reads, Trace};
use crate::sequence::{Batch, N_SHARDS, shard_range};
use crate::spec::{AblationSpec, ProbeSpec};
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
    /// For so many sequences, of which that much is computed.
    pub fn new(trainer: &Trainer, n_sequences: usize, reads: Reads) -> Self {
        let capacity = CHUNK.min(n_sequences.div_ceil(N_SHARDS));
        let room = |_| (trainer.task().workspace(capacity), trainer.model().trace(capacity, reads));
        Self { rooms: (0..N_SHARDS).map(room).map(Mutex::new).collect(), n_sequences }
    }

    /// Sums over all sequences, in fixed shards added in order.
    pub fn tally<A: Tally>(&self, trainer: &Trainer, workers: &dyn Workers, empty: impl Fn() -> A) -> A {
        self.tally_without(trainer, &[], workers, empty).0
    }

    /// The same, and the accuracy without each of some heads.
    fn tally_without<A: Tally>(
        &self,
        trainer: &Trainer,
        heads: &[Ablation<f32>],
        workers: &dyn Workers,
        empty: impl Fn() -> A,
    ) -> (A, Vec<f64>) {
        let part = || (empty(), vec![Answers::default(); heads.len()]);
        let parts: Vec<Mutex<(A, Vec<Answers>)>> = self.rooms.iter().map(|_| Mutex::new(part())).collect();
        let maps = trainer.model().score_maps(&trainer.state().params);
        // A replaced head changes what comes after it: so the last layers are first.
        let mut order: Vec<usize> = (0..heads.len()).collect();
        order.sort_by_key(|&i| Reverse(heads[i].layer));
        workers.run(self.rooms.len(), &|idx| {
            let (batch, trace) = &mut *self.rooms[idx].lock().unwrap_or_else(PoisonError::into_inner);
            let (part, answers) = &mut *parts[idx].lock().unwrap_or_else(PoisonError::into_inner);
            let (model, params, task) = (trainer.model(), &trainer.state().params, trainer.task());
            let range = shard_range(self.n_sequences, idx);
            for first in range.clone().step_by(trace.capacity()) {
                batch.n_sequences = (range.end - first).min(trace.capacity());
                task.fill(model.kernels(), task.facts().probed_set, 0, first, batch);
                model.forward_with(params, &maps, batch, trace);
                part.add(model, params, batch, trace);
                for &i in &order {
                    model.answer_without(params, &maps, batch, trace, &heads[i]);
                    answers[i].add(trace.logits(), batch);
                }
            }
        });
        let (mut total, mut answers) = part();
        for part in parts {
            let (part, of_part) = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            total.merge(part);
            answers.iter_mut().zip(of_part).for_each(|(answers, of_part)| answers.merge(of_part));
        }
        (total, answers.iter().map(Answers::accuracy).collect())
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
    /// Accuracy without each of the heads that are ablated.
    pub ablated: Vec<f64>,
}

/// Attention, interactions, order parameters and ablations of a network that answers with labels.
#[derive(Debug)]
pub struct Inside {
    rooms: Rooms,
    ablations: Vec<AblationSpec>,
}

impl Inside {
    /// On the first sequences of the probed set.
    pub fn new(trainer: &Trainer, probes: &ProbeSpec) -> Self {
        Self { rooms: Rooms::new(trainer, probes.sequences, Reads::Patterns), ablations: probes.ablations.clone() }
    }

    /// Looks inside: all probes read the same forward pass.
    pub fn look(&self, trainer: &Trainer, workers: &dyn Workers) -> Findings {
        let (model, params) = (trainer.model(), &trainer.state().params);
        let mean = |layer, head| self.rooms.tally(trainer, workers, || HeadOutput::new(layer, head)).mean();
        let without = ablations::replacements(&self.ablations, model.description(), mean);
        let of_heads = |heads: &[usize]| (Interactions::of_heads(model, params, heads), OrderSums::of_heads(heads));
        let (attention, (interactions, sums), ablated);
        if (0..model.n_layers()).all(|layer| model.n_heads(layer) == 1) {
            // Single heads lead, so that one pass is enough.
            let empty = (AttentionScores::default(), of_heads(&vec![0; model.n_layers()]));
            ((attention, (interactions, sums)), ablated) =
                self.rooms.tally_without(trainer, &without, workers, || empty.clone());
        } else {
            (attention, ablated) = self.rooms.tally_without(trainer, &without, workers, AttentionScores::default);
            let empty = of_heads(&attention.leading_heads());
            (interactions, sums) = self.rooms.tally(trainer, workers, || empty.clone());
        }
        let context = context_of(trainer.task().facts(), model.description()).ok();
        let order_parameters = context.map(|context| OrderParameters::new(context, &sums));
        Findings { attention, interactions, order_parameters, ablated }
    }
}

impl Probe for Inside {
    fn metrics(&self) -> Vec<Metric> {
        let groups = ["attention", "order parameters", "interactions", "ablations"];
        metric::ALL.iter().filter(|metric| groups.contains(&&*metric.group)).cloned().collect()
    }

    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row) {
        let findings = self.look(trainer, workers);
        findings.attention.push_columns(row);
        if let Some(order_parameters) = &findings.order_parameters {
            order_parameters.push_columns(row);
        }
        findings.interactions.push_columns(row);
        for (ablation, accuracy) in self.ablations.iter().zip(findings.ablated) {
            row.push(ablations::column_of(ablation), accuracy);
        }
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
    model.forward(params, &batch, &mut trace);
    let mut scores = AttentionScores::default();
    scores.add(model, params, &batch, &trace);
    (batch, trace, scores.leading_heads())
}
