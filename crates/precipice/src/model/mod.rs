//! Attention networks with hand-written forward and backward passes.
//!
//! [`description`] says what a network is, `layers` has one layer a file, [`trace`] their activations, [`forms`] the
//! equal ways to compute a training step, and [`plan`] which of them is cheapest.
//!
//! Axes, declared once for all layers: `S` sequences in the batch, `T` tokens of a sequence,
//! `M = S T`, `C` = d_model, `H` heads, `E` = d_head, `R` = rows that a block computes: all M, or
//! the S query rows in the last block of a network that is only read there ([`Reads`]).

pub mod construct;
pub mod description;
pub mod forms;
mod layers;
mod params;
pub mod plan;
pub mod trace;

pub use description::{Description, Feature};
pub use layers::attention::{Ablation, Attention, AttentionTrace, PatternTrace};
pub use layers::embed::EmbedDims;
pub use layers::minimal::{MinimalHead, MinimalScalars};
pub use params::{Init, Layout, Params, TensorInfo};
pub(crate) use params::{has_heads, is_in};
pub use trace::{BlockTrace, Reads, Trace};

use std::sync::Arc;

use precipice_num::{Kernels, Real};

use crate::sequence::Batch;
use crate::spec::RunSpec;
use layers::attention::Looks;
use layers::block::Block;
use layers::embed::Embed;
use layers::norm::LayerNorm;
use layers::readout::ReadoutLayers;

/// A network: shapes and places of its parameters, which it is handed at every call.
///
/// ```
/// use precipice::model::{Model, Reads};
/// use precipice::spec::RunSpec;
/// use precipice::task::Set;
/// let spec = RunSpec::default();
/// let task = spec.build_task(None)?;
/// let model = Model::<f32>::new(&spec, &task.label_table(), precipice_num::Kernels::detect());
/// let (params, batch) = (model.init(0), task.batch(Set::Train, 0, 4));
/// let mut trace = model.trace(4, Reads::All);
/// model.forward(&params, &batch, &mut trace);
/// assert_eq!(trace.logits().len(), 4 * 32);
/// # Ok::<(), precipice::task::TaskError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Model<T> {
    kernels: Kernels,
    description: Arc<Description>,
    layout: Arc<Layout>,
    embed: Embed<T>,
    /// Empty where there is a minimal head instead.
    blocks: Vec<Block>,
    minimal: Option<MinimalHead>,
    ln_final: Option<LayerNorm>,
    readout: ReadoutLayers,
}

/// Of each layer A of all heads, `[H, F, F]`, whose scores are u_i A u_j; none where queries and keys are less work.
/// They change with the parameters and serve all sequences.
#[derive(Clone, Debug)]
pub struct ScoreMaps<T> {
    layers: Vec<Vec<T>>,
}

impl<T: Real> Model<T> {
    /// The network of a valid spec. `label_table` is `[L, D]`.
    ///
    /// # Panics
    /// If the table has another size.
    pub fn new(spec: &RunSpec, label_table: &[f32], kernels: Kernels) -> Self {
        let (description, mut layout) = (Description::of(spec), Layout::default());
        let &Description { d_model, n_layers, tied_layers, .. } = &description;
        let embed = Embed::new(&description, label_table, &mut layout);
        let minimal = description.minimal.as_ref().map(|minimal| MinimalHead::new(&description, minimal, &mut layout));
        let n_blocks = if minimal.is_some() { 0 } else { n_layers };
        let blocks: Vec<Block> = if tied_layers {
            vec![Block::new(&description, 0, &mut layout); n_blocks]
        } else {
            (0..n_blocks).map(|idx| Block::new(&description, idx, &mut layout)).collect()
        };
        let ln_final = description.has_final_norm().then(|| LayerNorm::new("ln_final", d_model, &mut layout));
        let readout = ReadoutLayers::new(&description, &mut layout);
        let (description, layout) = (Arc::new(description), Arc::new(layout));
        Self { kernels, description, layout, embed, blocks, minimal, ln_final, readout }
    }

    /// Initial parameters: a function of the seed and, where the readout has a head start, of the
    /// label vectors.
    pub fn init(&self, seed: u64) -> Params<T> {
        let mut params = Params::init(self.layout.clone(), seed);
        let description = &self.description;
        if description.has(Feature::HeadStart) {
            self.give_head_start(&mut params.values);
        }
        if description.has(Feature::MisreadScale) {
            let (x, y) = self.embed.columns_of_pair();
            let factor = T::from_f64(description.misread_scale);
            for block in &self.blocks {
                block.attention.scale_misreading(&mut params.values, x.clone(), y, factor);
            }
        }
        if let Some(construction) = description.construction {
            let n_written = if description.tied_layers { 1 } else { description.n_layers };
            let n_exemplars = description.geometry.n_exemplars();
            (0..n_written).for_each(|layer| construction.write(&mut params, layer, n_exemplars, description.d_pos));
        }
        params
    }

    /// W_l = ξ0 t / |t|², t what an attended label l leaves in the query's row: its vector in a
    /// minimal head, its value in the last layer of a network.
    fn give_head_start(&self, p: &mut [T]) {
        let EmbedDims { d_pos, d_item, d_model } = self.embed.dims();
        for (label, vector) in self.label_table().chunks_exact(d_item).enumerate() {
            let mut embedded = vec![T::ZERO; d_model];
            embedded[d_pos..d_pos + d_item].copy_from_slice(vector);
            let trace = match self.blocks.last() {
                Some(block) => block.attention.values(self.kernels, p, &embedded),
                None => vector.to_vec(),
            };
            let square = T::dot(self.kernels, &trace, &trace).to_f64();
            let scale = T::from_f64(self.description.readout_overlap / square);
            let row = self.readout.first_row(p, label);
            row.iter_mut().zip(&trace).for_each(|(w, &t)| *w = scale * t);
        }
    }

    /// Names and shapes of the parameters.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// What it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Room for the activations of `capacity` sequences.
    pub fn trace(&self, capacity: usize, reads: Reads) -> Trace<T> {
        Trace::new(&self.description, capacity, reads)
    }

    /// The kernels it computes with.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Columns of the residual stream: position, content, buffer.
    pub fn embed_dims(&self) -> EmbedDims {
        self.embed.dims()
    }

    /// The label vectors, `[L, D]`.
    pub fn label_table(&self) -> &[T] {
        self.embed.label_table()
    }

    /// The attention layer of a block, for probes.
    pub fn attention(&self, block: usize) -> &Attention {
        &self.blocks[block].attention
    }

    /// The minimal head, where there is one instead of attention layers.
    pub fn minimal(&self) -> Option<&MinimalHead> {
        self.minimal.as_ref()
    }

    /// Attention layers.
    pub fn n_layers(&self) -> usize {
        self.description.n_layers
    }

    /// Heads of a layer.
    pub fn n_heads(&self, layer: usize) -> usize {
        self.blocks.get(layer).map_or(1, |block| block.attention.n_heads())
    }

    /// Columns of the final row that the readout does not read.
    fn n_skipped(&self) -> usize {
        self.description.d_model - self.description.d_read
    }

    /// What traces of [`Reads::Patterns`] are filled with.
    pub fn score_maps(&self, params: &Params<T>) -> ScoreMaps<T> {
        let of_layer = |(layer, block): (usize, &Block)| {
            let attention = &block.attention;
            let heads = if plan::has_score_maps(&self.description, layer) { attention.n_heads() } else { 0 };
            (0..heads).flat_map(|head| attention.score_map(self.kernels, &params.values, head)).collect()
        };
        ScoreMaps { layers: self.blocks.iter().enumerate().map(of_layer).collect() }
    }

    /// Fills the trace with every activation that it has room for; `trace.logits` is `[S, L]`.
    pub fn forward(&self, params: &Params<T>, batch: &Batch, trace: &mut Trace<T>) {
        match trace.reads() {
            Reads::Patterns => self.forward_with(params, &self.score_maps(params), batch, trace),
            Reads::All | Reads::QueryOnly => self.forward_with(params, &ScoreMaps { layers: Vec::new() }, batch, trace),
        }
    }

    /// The same with maps that serve many batches; only traces of [`Reads::Patterns`] want any.
    pub fn forward_with(&self, params: &Params<T>, maps: &ScoreMaps<T>, batch: &Batch, trace: &mut Trace<T>) {
        let p = &params.values;
        trace.set_sequences(batch.n_sequences);
        self.embed.forward(self.kernels, p, batch, &mut trace.embedding, &mut trace.blocks[0].resid_pre);
        if let Some(minimal) = &self.minimal {
            minimal.forward(self.kernels, p, batch, trace);
        }
        self.pass_blocks(p, (maps, true), batch, 0, trace);
        self.answer(p, trace);
    }

    /// Answers again, with a head replaced, given a trace of [`Self::forward_with`] up to that layer. What comes after it
    /// is overwritten, up to the logits; of the last layer's patterns those of all tokens stay as they were.
    pub fn answer_without(
        &self,
        params: &Params<T>,
        maps: &ScoreMaps<T>,
        batch: &Batch,
        trace: &mut Trace<T>,
        ablation: &Ablation<T>,
    ) {
        let p = &params.values;
        let (now, out) = trace.block_and_next(ablation.layer);
        self.blocks[ablation.layer].forward_without(self.kernels, p, batch.n_sequences, now, out, ablation);
        self.clip(out);
        self.pass_blocks(p, (maps, false), batch, ablation.layer + 1, trace);
        self.answer(p, trace);
    }

    /// From the residual stream before a block to that after the last one; in the last layer, where the trace has room for
    /// them, with patterns of all tokens or without.
    fn pass_blocks(
        &self,
        p: &[T],
        (maps, from_all): (&ScoreMaps<T>, bool),
        batch: &Batch,
        first: usize,
        trace: &mut Trace<T>,
    ) {
        for (idx, block) in self.blocks.iter().enumerate().skip(first) {
            let (now, out) = trace.block_and_next(idx);
            block.forward(self.kernels, p, Looks { maps: maps.of(idx), from_all }, batch, now, out);
            self.clip(out);
        }
    }

    fn clip(&self, out: &mut [T]) {
        if let Some(bound) = self.description.token_clip {
            let bound = T::from_f64(bound);
            out.iter_mut().for_each(|x| *x = clamp(*x, bound));
        }
    }

    /// From the residual stream to the logits.
    fn answer(&self, p: &[T], trace: &mut Trace<T>) {
        let (rows, s) = (trace.final_rows(), trace.n_sequences());
        let input = match &self.ln_final {
            Some(ln) => {
                ln.forward(self.kernels, p, &trace.resid_final[rows.start..], rows.stride, s, &mut trace.ln_final);
                (&trace.ln_final.out[..], self.description.d_model)
            }
            None => (&trace.resid_final[rows.start + self.n_skipped()..], rows.stride),
        };
        self.readout.forward(self.kernels, p, None, input, s, &mut trace.readout);
    }

    /// Adds the gradient of the loss to `g`, given `trace.d_logits` `[S, L]`.
    pub fn backward(&self, params: &Params<T>, batch: &Batch, trace: &mut Trace<T>, g: &mut [T]) {
        let p = &params.values;
        let s = trace.n_sequences();
        let rows = trace.final_rows();
        let Trace {
            blocks, embedding, resid_final, ln_final, readout, d_resid, d_rows, d_query, scratch, turned, ..
        } = trace;
        let input = match &self.ln_final {
            Some(_) => (&ln_final.out[..], self.description.d_model),
            None => (&resid_final[rows.start + self.n_skipped()..], rows.stride),
        };
        self.readout.backward(self.kernels, p, s, readout, d_query);
        self.readout.add_gradients(self.kernels, input, s, readout, g);
        if let Some(minimal) = &self.minimal {
            minimal.backward(self.kernels, p, batch, trace, g);
            return;
        }
        d_resid[..rows.len].fill(T::ZERO);
        match &self.ln_final {
            Some(ln) => ln.backward(self.kernels, p, d_query, s, ln_final, g, &mut d_resid[rows.start..], rows.stride),
            None => {
                for (i, row) in d_query.chunks_exact(self.description.d_model).take(s).enumerate() {
                    let at = rows.start + i * rows.stride;
                    d_resid[at..at + self.description.d_model].copy_from_slice(row);
                }
            }
        }
        for (idx, block) in self.blocks.iter().enumerate().rev() {
            // Most embeddings have no parameters.
            let wants_input = idx > 0 || self.description.trains_embedding();
            if let Some(bound) = self.description.token_clip {
                // out = clamp(x): no gradient where it is at the bound
                let out = blocks.get(idx + 1).map_or(&resid_final[..], |next| &next.resid_pre[..]);
                let bound = T::from_f64(bound);
                let stopped = |x: T| x >= bound || x <= -bound;
                d_resid.iter_mut().zip(out).filter(|(_, x)| stopped(**x)).for_each(|(d, _)| *d = T::ZERO);
            }
            std::mem::swap(d_resid, d_rows);
            block.backward(
                self.kernels,
                p,
                batch,
                &mut blocks[idx],
                d_rows,
                d_resid,
                wants_input,
                g,
                [scratch, turned],
            );
        }
        self.embed.backward(self.kernels, p, batch, d_resid, embedding, g);
    }
}

impl<T> ScoreMaps<T> {
    /// Of a layer; empty where there are none.
    fn of(&self, layer: usize) -> &[T] {
        self.layers.get(layer).map_or(&[], Vec::as_slice)
    }
}

/// NaN passes through, so that divergence is seen.
fn clamp<T: Real>(x: T, bound: T) -> T {
    if x > bound {
        bound
    } else if x < -bound {
        -bound
    } else {
        x
    }
}
