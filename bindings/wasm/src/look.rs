//! One context, and what the network makes of it: where every token looks, and what is answered.

use precipice::measure::ablations::column_of;
use precipice::measure::inside::Inside;
use precipice::measure::{Probe, Row};
use precipice::model::{Reads, Trace};
use precipice::sequence::Batch;
use precipice::spec::{AblationMode, AblationSpec, RunSpec};
use precipice::task::Set;
use precipice::train::Trainer;
use precipice::workers::Sequential;
use serde::Serialize;

/// A context and the network's view of it.
#[derive(Serialize)]
pub(crate) struct Look {
    step: u64,
    n_tokens: usize,
    n_exemplars: usize,
    /// `[N + 1]` row of the item bank, or class; 0 where items have neither.
    item_ids: Vec<u32>,
    /// `[N]`
    labels: Vec<u32>,
    /// `[N]` exemplars whose label is the answer.
    matches: Vec<bool>,
    /// `[N + 1]` where values are asked for.
    values: Vec<f32>,
    answer: u32,
    /// Logits of all labels, or the value that is answered.
    outputs: Vec<f32>,
    /// `[layer][head][T T]`, row by row: how much a token (row) attends to each.
    patterns: Vec<Vec<Vec<f32>>>,
}

/// The network's view of one evaluation context.
pub(crate) fn look(trainer: &Trainer, set: Set, sequence: usize) -> Look {
    look_at(trainer, &context(trainer, set, sequence))
}

/// The same of a context with items that were given: `[N + 1, D]`, or all of them; the query's is the last.
pub(crate) fn look_with(trainer: &Trainer, set: Set, sequence: usize, items: &[f32]) -> Result<Look, String> {
    let mut batch = context(trainer, set, sequence);
    let expected = (batch.n_exemplars + 1) * batch.d_item;
    if items.len() != expected {
        return Err(format!("{} numbers were given as items; expected {expected}, (N + 1) x D", items.len()));
    }
    batch.items[..expected].copy_from_slice(items);
    Ok(look_at(trainer, &batch))
}

/// Items of an evaluation context, `[N + 1, D]`.
pub(crate) fn items(trainer: &Trainer, set: Set, sequence: usize) -> Vec<f32> {
    context(trainer, set, sequence).items_of(0).to_vec()
}

/// One context of an evaluation set, the same as probes and exports number it.
fn context(trainer: &Trainer, set: Set, sequence: usize) -> Batch {
    let mut batch = trainer.task().workspace(1);
    batch.n_sequences = 1;
    trainer.task().fill(trainer.model().kernels(), set, 0, sequence, &mut batch);
    batch
}

fn look_at(trainer: &Trainer, batch: &Batch) -> Look {
    let model = trainer.model();
    let mut trace: Trace<f32> = model.trace(1, Reads::All);
    model.forward(&trainer.state().params, batch, &mut trace);
    let t = batch.n_tokens();
    let heads = |pattern: &[f32]| pattern.chunks_exact(t * t).map(<[f32]>::to_vec).collect();
    let are_labels = batch.targets().are_labels();
    Look {
        step: trainer.state().step,
        n_tokens: t,
        n_exemplars: batch.n_exemplars,
        item_ids: batch.item_ids[..=batch.n_exemplars].to_vec(),
        labels: if are_labels { batch.labels_of(0).to_vec() } else { Vec::new() },
        matches: if are_labels { batch.matches_of(0).to_vec() } else { Vec::new() },
        values: if are_labels { Vec::new() } else { batch.values_of(0).to_vec() },
        answer: batch.answers[0],
        outputs: trace.logits().to_vec(),
        patterns: trace.blocks.iter().map(|block| heads(&block.attention.pattern)).collect(),
    }
}

/// Accuracy on the probes' contexts with one head silenced; none where nothing has a label.
pub(crate) fn without_head(spec: &RunSpec, trainer: &Trainer, layer: usize, head: usize) -> Option<f64> {
    if !trainer.task().facts().targets.are_labels() {
        return None;
    }
    let ablation = AblationSpec { layer, head, mode: AblationMode::Zero };
    let mut probes = spec.probes.clone();
    probes.ablations = vec![ablation.clone()];
    let mut row = Row::default();
    Inside::new(trainer, &probes).measure(trainer, &Sequential, &mut row);
    Some(row.get(&column_of(&ablation)))
}
