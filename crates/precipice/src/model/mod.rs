//! Attention networks with hand-written forward and backward passes.
//!
//! Axes, declared once for all layers: `S` sequences in the batch, `T` tokens of a sequence,
//! `M = S T`, `C` = d_model, `H` heads, `E` = d_head, `R` = rows that a block computes: all M, or
//! the S query rows in the last block of a network that is only read there ([`Reads`]).

mod attention;
pub mod construct;
mod embed;
mod embedding;
mod folded;
mod minimal;
mod mlp;
mod norm;
mod one_layer;
mod params;
pub mod plan;
mod readout;
mod step;
mod trace;

pub use attention::{Ablation, AttentionTrace};
pub use embed::EmbedDims;
pub use folded::{FoldedShard, FoldedTrace};
pub use minimal::{MinimalHead, MinimalScalars};
pub use params::{Init, Layout, Params, TensorInfo};
pub use step::FoldedStep;
pub use trace::{BlockTrace, Reads, Trace};

use std::sync::Arc;

use precipice_num::{Kernels, Real};

use crate::batch::Batch;
use crate::spec::{Construction, RunSpec};
use attention::Attention;
use embed::Embed;
use folded::Folded;
use mlp::Mlp;
use norm::LayerNorm;
use one_layer::OneLayer;
use plan::{Form, Plan};
use readout::ReadoutLayers;

/// A network: shapes and places of its parameters, which it is handed at every call.
#[derive(Clone, Debug)]
pub struct Model<T> {
    kernels: Kernels,
    layout: Arc<Layout>,
    embed: Embed<T>,
    /// Empty where there is a minimal head instead.
    blocks: Vec<Block>,
    minimal: Option<MinimalHead>,
    /// Where training computes the folded form.
    folded: Option<Folded>,
    /// Where the network is one linear layer of the regression task.
    one_layer: Option<OneLayer>,
    /// Bound on the residual stream's entries after every layer.
    token_clip: Option<f64>,
    ln_final: Option<LayerNorm>,
    readout: ReadoutLayers,
    d_model: usize,
    /// Columns of the final row that the readout does not read.
    skipped: usize,
    n_layers: usize,
    is_tied: bool,
    readout_overlap: f64,
    misread_scale: f64,
    construction: Option<(Construction, usize)>,
}

/// One block: x <- x + attention(LN x), then x <- x + mlp(LN x) where there is an MLP.
#[derive(Clone, Debug)]
struct Block {
    ln1: Option<LayerNorm>,
    attention: Attention,
    ln2: Option<LayerNorm>,
    mlp: Option<Mlp>,
}

impl<T: Real> Model<T> {
    /// The network of a valid spec. `label_table` is `[L, D]`.
    ///
    /// # Panics
    /// If the table has another size.
    pub fn new(spec: &RunSpec, label_table: &[f32], kernels: Kernels) -> Self {
        let mut layout = Layout::default();
        let d_model = spec.d_model();
        let embed = Embed::new(spec, label_table, &mut layout);
        let minimal = spec.model.minimal.as_ref().map(|minimal| MinimalHead::new(spec, minimal, &mut layout));
        let n_blocks = if minimal.is_some() { 0 } else { spec.model.n_layers };
        let blocks: Vec<Block> = if spec.model.tied_layers {
            vec![Block::new(spec, 0, &mut layout); n_blocks]
        } else {
            (0..n_blocks).map(|idx| Block::new(spec, idx, &mut layout)).collect()
        };
        let one_layer = blocks.first().and_then(|block| OneLayer::new(spec, &block.attention));
        // The value of the regression task is read as the last layer wrote it.
        let has_final_norm = spec.model.layer_norm && spec.task.regression().is_none();
        let ln_final = has_final_norm.then(|| LayerNorm::new("ln_final", d_model, &mut layout));
        let readout = ReadoutLayers::new(spec, &mut layout);
        let (n_layers, readout_overlap) = (spec.model.n_layers, spec.model.readout_overlap);
        let folded = (Plan::of(spec).form == Form::Folded)
            .then(|| Folded::new(spec, [&blocks[0].attention, &blocks[1].attention], &layout));
        let (layout, skipped) = (Arc::new(layout), d_model - spec.d_read());
        Self {
            kernels,
            layout,
            embed,
            blocks,
            minimal,
            folded,
            one_layer,
            token_clip: spec.model.token_clip,
            ln_final,
            readout,
            d_model,
            skipped,
            n_layers,
            is_tied: spec.model.tied_layers,
            readout_overlap,
            misread_scale: spec.model.misread_scale,
            construction: spec.model.construction.map(|construction| (construction, spec.task.n_exemplars())),
        }
    }

    /// Initial parameters: a function of the seed and, where the readout has a head start, of the
    /// label vectors.
    pub fn init(&self, seed: u64) -> Params<T> {
        let mut params = Params::init(self.layout.clone(), seed);
        if self.readout_overlap != 0.0 {
            self.give_head_start(&mut params.values);
        }
        if self.misread_scale != 1.0 {
            let (x, y) = self.embed.columns_of_pair();
            let factor = T::from_f64(self.misread_scale);
            for block in &self.blocks {
                block.attention.scale_misreading(&mut params.values, x.clone(), y, factor);
            }
        }
        if let Some((construction, n_exemplars)) = self.construction {
            let n_written = if self.is_tied { 1 } else { self.n_layers };
            (0..n_written)
                .for_each(|layer| construction.write(&mut params, layer, n_exemplars, self.embed.dims().d_pos));
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
            let scale = T::from_f64(self.readout_overlap / square);
            let row = self.readout.first_row(p, label);
            row.iter_mut().zip(&trace).for_each(|(w, &t)| *w = scale * t);
        }
    }

    /// Names and shapes of the parameters.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
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

    /// Whether scores are (q . k) of the residual stream itself: no LayerNorm, no hand-wired scores.
    pub fn has_bilinear_scores(&self) -> bool {
        self.ln_final.is_none() && self.minimal.is_none()
    }

    /// Attention layers.
    pub fn n_layers(&self) -> usize {
        self.n_layers
    }

    /// Heads of a layer.
    pub fn n_heads(&self, layer: usize) -> usize {
        self.blocks.get(layer).map_or(1, |block| block.attention.n_heads())
    }

    /// Fills the trace with every activation; `trace.logits` is `[S, L]`.
    pub fn forward(&self, params: &Params<T>, batch: &Batch, trace: &mut Trace<T>, ablation: Option<&Ablation<T>>) {
        let p = &params.values;
        trace.set_sequences(batch.n_sequences);
        let s = trace.n_sequences();
        if let Some(one_layer) = self.one_layer.as_ref().filter(|_| trace.reads() == Reads::QueryOnly) {
            let out = trace.readout.outputs(s);
            one_layer.forward(self.kernels, p, batch, &mut trace.one_layer, out);
            return;
        }
        self.embed.forward(self.kernels, p, batch, &mut trace.embedding, &mut trace.blocks[0].resid_pre);
        if let Some(minimal) = &self.minimal {
            minimal.forward(self.kernels, p, batch, trace);
        }
        for (idx, block) in self.blocks.iter().enumerate() {
            let (now, later) = trace.blocks.split_at_mut(idx + 1);
            let out = match later.first_mut() {
                Some(next) => &mut next.resid_pre,
                None => &mut trace.resid_final,
            };
            let ablation = ablation.filter(|a| a.layer == idx);
            block.forward(self.kernels, p, batch, &mut now[idx], out, ablation);
            if let Some(bound) = self.token_clip {
                let bound = T::from_f64(bound);
                out.iter_mut().for_each(|x| *x = clamp(*x, bound));
            }
        }
        let rows = trace.final_rows();
        let input = match &self.ln_final {
            Some(ln) => {
                ln.forward(p, &trace.resid_final[rows.start..], rows.stride, s, &mut trace.ln_final);
                (&trace.ln_final.out[..], self.d_model)
            }
            None => (&trace.resid_final[rows.start + self.skipped..], rows.stride),
        };
        self.readout.forward(self.kernels, p, None, input, s, &mut trace.readout);
    }

    /// Adds the gradient of the loss to `grads`, given `trace.d_logits` `[S, L]`.
    pub fn backward(&self, params: &Params<T>, batch: &Batch, trace: &mut Trace<T>, grads: &mut Params<T>) {
        let (p, g) = (&params.values, &mut grads.values);
        let s = trace.n_sequences();
        if let Some(one_layer) = self.one_layer.as_ref().filter(|_| trace.reads() == Reads::QueryOnly) {
            let d_out = trace.readout.logits_and_gradient(s).1;
            one_layer.backward(self.kernels, p, batch, &mut trace.one_layer, d_out, g);
            return;
        }
        let rows = trace.final_rows();
        let Trace { blocks, embedding, resid_final, ln_final, readout, d_resid, d_rows, d_query, scratch, .. } = trace;
        let input = match &self.ln_final {
            Some(_) => (&ln_final.out[..], self.d_model),
            None => (&resid_final[rows.start + self.skipped..], rows.stride),
        };
        self.readout.backward(self.kernels, p, s, readout, d_query);
        self.readout.add_gradients(self.kernels, input, s, readout, g);
        if let Some(minimal) = &self.minimal {
            minimal.backward(self.kernels, p, batch, trace, g);
            return;
        }
        d_resid[..rows.len].fill(T::ZERO);
        match &self.ln_final {
            Some(ln) => ln.backward(p, d_query, s, ln_final, g, &mut d_resid[rows.start..], rows.stride),
            None => {
                for (i, row) in d_query.chunks_exact(self.d_model).take(s).enumerate() {
                    let at = rows.start + i * rows.stride;
                    d_resid[at..at + self.d_model].copy_from_slice(row);
                }
            }
        }
        for (idx, block) in self.blocks.iter().enumerate().rev() {
            // Most embeddings have no parameters.
            let wants_input = idx > 0 || self.embed.has_params();
            if let Some(bound) = self.token_clip {
                // out = clamp(x): no gradient where it is at the bound
                let out = blocks.get(idx + 1).map_or(&resid_final[..], |next| &next.resid_pre[..]);
                let bound = T::from_f64(bound);
                let stopped = |x: T| x >= bound || x <= -bound;
                d_resid.iter_mut().zip(out).filter(|(_, x)| stopped(**x)).for_each(|(d, _)| *d = T::ZERO);
            }
            std::mem::swap(d_resid, d_rows);
            block.backward(self.kernels, p, batch, &mut blocks[idx], d_rows, d_resid, wants_input, g, scratch);
        }
        self.embed.backward(self.kernels, p, batch, d_resid, embedding, g);
    }
}

impl Block {
    fn new(spec: &RunSpec, idx: usize, layout: &mut Layout) -> Self {
        let (model, d_model) = (&spec.model, spec.d_model());
        let ln1 = model.layer_norm.then(|| LayerNorm::new(&format!("blocks.{idx}.ln1"), d_model, layout));
        let attention = Attention::new(spec, idx, layout);
        let has_mlp = model.d_mlp > 0;
        let ln2 = (model.layer_norm && has_mlp).then(|| LayerNorm::new(&format!("blocks.{idx}.ln2"), d_model, layout));
        // Gain 2 keeps the variance through a ReLU (He et al. 2015).
        let mlp = has_mlp.then(|| {
            let (prefix, widths) = (format!("blocks.{idx}.mlp"), [d_model, model.d_mlp]);
            Mlp::new(&prefix, widths, model.activation, [2.0, 1.0], layout)
        });
        Self { ln1, attention, ln2, mlp }
    }

    fn forward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut BlockTrace<T>,
        out: &mut [T],
        ablation: Option<&Ablation<T>>,
    ) {
        let s = batch.n_sequences;
        let c = self.attention.d_model();
        let (m, r, rows) = (trace.n_tokens * s, trace.n_rows(s), trace.rows());
        let input = match &self.ln1 {
            Some(ln) => {
                ln.forward(p, &trace.resid_pre, c, m, &mut trace.ln1);
                &trace.ln1.out
            }
            None => &trace.resid_pre,
        };
        let mid = if self.mlp.is_some() { &mut trace.resid_mid[..r * c] } else { &mut out[..r * c] };
        copy_rows(&trace.resid_pre, rows, c, mid);
        self.attention.forward(kernels, p, input, batch, &mut trace.attention, mid, ablation);
        let Some(mlp) = &self.mlp else { return };
        let input = match &self.ln2 {
            Some(ln) => {
                ln.forward(p, &trace.resid_mid, c, r, &mut trace.ln2);
                &trace.ln2.out
            }
            None => &trace.resid_mid,
        };
        out[..r * c].copy_from_slice(&trace.resid_mid[..r * c]);
        mlp.forward(kernels, p, &input[..r * c], &mut trace.mlp, &mut out[..r * c]);
    }

    /// `d_out` `[R, C]` is used up; `d_in` `[M, C]` is written where it is wanted.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut BlockTrace<T>,
        d_out: &mut [T],
        d_in: &mut [T],
        wants_input: bool,
        g: &mut [T],
        scratch: &mut [T],
    ) {
        let (c, s) = (self.attention.d_model(), batch.n_sequences);
        let (m, r) = (trace.n_tokens * s, trace.n_rows(s));
        if let Some(mlp) = &self.mlp {
            // resid_post = resid_mid + mlp(LN resid_mid)
            let scratch = &mut scratch[..r * c];
            match &self.ln2 {
                Some(ln) => {
                    mlp.backward(kernels, p, &trace.ln2.out[..r * c], &d_out[..r * c], &mut trace.mlp, g, scratch);
                    ln.backward(p, scratch, r, &trace.ln2, g, d_out, c);
                }
                None => {
                    mlp.backward(kernels, p, &trace.resid_mid[..r * c], &d_out[..r * c], &mut trace.mlp, g, scratch);
                    T::axpy(kernels, T::ONE, scratch, &mut d_out[..r * c]);
                }
            }
        }
        // resid_mid = resid_pre + attention(LN resid_pre)
        let input = if self.ln1.is_some() { &trace.ln1.out } else { &trace.resid_pre };
        let wants_attention_input = wants_input || self.ln1.is_some();
        let d_attention_input = wants_attention_input.then_some(&mut scratch[..m * c]);
        self.attention.backward(kernels, p, input, batch, &d_out[..r * c], &mut trace.attention, g, d_attention_input);
        if !wants_attention_input {
            return;
        }
        let d_in = &mut d_in[..m * c];
        d_in.fill(T::ZERO);
        let rows = trace.rows();
        for (i, row) in d_out[..r * c].chunks_exact(c).enumerate() {
            let at = rows.token(i) * c;
            d_in[at..at + c].copy_from_slice(row);
        }
        match &self.ln1 {
            Some(ln) => ln.backward(p, &scratch[..m * c], m, &trace.ln1, g, d_in, c),
            None => T::axpy(kernels, T::ONE, &scratch[..m * c], d_in),
        }
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

/// Copies the rows that a block computes out of all token rows.
fn copy_rows<T: Real>(all: &[T], rows: trace::BlockRows, c: usize, out: &mut [T]) {
    for (i, row) in out.chunks_exact_mut(c).enumerate() {
        let at = rows.token(i) * c;
        row.copy_from_slice(&all[at..at + c]);
    }
}
