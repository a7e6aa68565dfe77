//! Inside a network: its weights, and what it makes of contexts.

use precipice::model::{Description, Reads, TensorInfo, Trace};
use precipice::sequence::Batch;
use precipice::spec::RunSpec;
use precipice::train::Trainer;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::array;
use crate::error;
use crate::task::dict_of;
use crate::work;

/// Sequences in a forward pass.
const CHUNK: usize = 64;

/// Numbers that one look may fill: 4 GB.
const NUMBERS_MAX: usize = 1 << 30;

/// Tensors with their names and shapes.
pub(crate) struct Weights(Vec<(String, Vec<f32>, Vec<usize>)>);

impl Weights {
    /// All tensors by the names that they have in checkpoints; label vectors, which are not trained, too.
    pub fn of(trainer: &Trainer) -> Self {
        let params = &trainer.state().params;
        let tensor =
            |info: &TensorInfo| (info.name.clone(), params.values[info.range.clone()].to_vec(), info.shape.clone());
        let mut tensors: Vec<_> = params.layout.tensors().iter().map(tensor).collect();
        let (labels, d) = (trainer.model().label_table().to_vec(), trainer.task().facts().d_item);
        if !labels.is_empty() {
            let shape = vec![labels.len() / d, d];
            tensors.push(("embed.labels".to_owned(), labels, shape));
        }
        Self(tensors)
    }

    pub fn into_dict(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let dict = PyDict::new(py);
        for (name, values, shape) in self.0 {
            dict.set_item(name, array(py, values, &shape))?;
        }
        Ok(dict)
    }
}

/// What a network makes of a batch.
pub(crate) struct Look {
    batch: Batch,
    /// `[S, L]`, or `[S]` where values are asked for.
    outputs: Vec<f32>,
    /// `[layer, head, S, T, T]`
    attention: Vec<f32>,
    /// `[layer + 1, S, T, C]`; empty where they are not asked for.
    residuals: Vec<f32>,
    layers: [usize; 2],
    d_model: usize,
}

impl Look {
    pub fn new(spec: &RunSpec, trainer: &Trainer, batch: Batch, wants_residuals: bool) -> PyResult<Self> {
        let Description { n_layers, n_heads, d_model, minimal, .. } = Description::of(spec);
        // A minimal head has no layers that could be looked into.
        let (n_layers, n_heads) = if minimal.is_some() { (0, 0) } else { (n_layers, n_heads) };
        let (s, t) = (batch.n_sequences, batch.n_tokens());
        let wants_residuals = wants_residuals && n_layers > 0;
        let n_residuals = if wants_residuals { n_layers + 1 } else { 0 };
        let need = [n_layers, n_heads, s, t, t].into_iter().try_fold(1_usize, usize::checked_mul);
        let rows = [n_residuals, s, t, d_model].into_iter().try_fold(1_usize, usize::checked_mul);
        if need.zip(rows).and_then(|(a, b)| a.checked_add(b)).is_none_or(|n| n > NUMBERS_MAX) {
            return Err(error::value("n", s, "would give arrays of more than 4 GB; look at fewer sequences at a time"));
        }
        let mut look = Self {
            outputs: Vec::with_capacity(s * trainer.task().facts().targets.n_outputs()),
            attention: vec![0.0; n_layers * n_heads * s * t * t],
            residuals: vec![0.0; n_residuals * s * t * d_model],
            layers: [n_layers, n_heads],
            d_model,
            batch,
        };
        let model = trainer.model();
        let mut part = trainer.task().workspace(CHUNK.min(s));
        let mut trace = model.trace(CHUNK.min(s), Reads::All);
        for first in (0..s).step_by(CHUNK) {
            work::check_signals()?;
            copy_part(&look.batch, first, CHUNK.min(s - first), &mut part);
            model.forward(&trainer.state().params, &part, &mut trace);
            look.take(&trace, first, part.n_sequences, n_residuals);
        }
        Ok(look)
    }

    /// Sequences `first..first + n` from a trace.
    fn take(&mut self, trace: &Trace<f32>, first: usize, n: usize, n_residuals: usize) {
        let [n_layers, n_heads] = self.layers;
        let (s, t) = (self.batch.n_sequences, self.batch.n_tokens());
        let (map, row) = (t * t, t * self.d_model);
        self.outputs.extend(trace.logits());
        for (layer, block) in trace.blocks.iter().enumerate().take(n_layers) {
            for (i, pattern) in block.attention.pattern.chunks_exact(map).take(n * n_heads).enumerate() {
                let (sequence, head) = (first + i / n_heads, i % n_heads);
                let at = ((layer * n_heads + head) * s + sequence) * map;
                self.attention[at..at + map].copy_from_slice(pattern);
            }
        }
        for layer in 0..n_residuals {
            let from = trace.blocks.get(layer).map_or(&trace.resid_final, |block| &block.resid_pre);
            let at = (layer * s + first) * row;
            self.residuals[at..at + n * row].copy_from_slice(&from[..n * row]);
        }
    }

    /// The batch's arrays, `outputs`, `attention` and `residuals`.
    pub fn into_dict(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let Self { batch, outputs, attention, residuals, layers: [n_layers, n_heads], d_model } = self;
        let (s, t) = (batch.n_sequences, batch.n_tokens());
        let (n_outputs, n_residuals) = (outputs.len() / s, if residuals.is_empty() { 0 } else { n_layers + 1 });
        let shape = if batch.targets().are_labels() { vec![s, n_outputs] } else { vec![s] };
        let dict = dict_of(py, batch)?;
        dict.set_item("outputs", array(py, outputs, &shape))?;
        dict.set_item("attention", array(py, attention, &[n_layers, n_heads, s, t, t]))?;
        dict.set_item("residuals", array(py, residuals, &[n_residuals, s, t, d_model]))?;
        Ok(dict)
    }
}

/// Sequences `first..first + n` of a batch.
fn copy_part(batch: &Batch, first: usize, n: usize, part: &mut Batch) {
    fn copy<T: Copy>(from: &[T], to: &mut [T], first: usize, n: usize, n_sequences: usize) {
        let width = from.len() / n_sequences;
        to[..n * width].copy_from_slice(&from[first * width..(first + n) * width]);
    }
    part.n_sequences = n;
    let all = batch.n_sequences;
    copy(&batch.items, &mut part.items, first, n, all);
    copy(&batch.item_ids, &mut part.item_ids, first, n, all);
    copy(&batch.label_ids, &mut part.label_ids, first, n, all);
    copy(&batch.offsets, &mut part.offsets, first, n, all);
    copy(&batch.answers, &mut part.answers, first, n, all);
    copy(&batch.matches, &mut part.matches, first, n, all);
    copy(&batch.values, &mut part.values, first, n, all);
}
