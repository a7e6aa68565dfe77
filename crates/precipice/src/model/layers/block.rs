//! One block: attention and an MLP, each beside the residual stream.

use precipice_num::{Kernels, Real};

use super::attention::{Ablation, Attention, Looks};
use super::mlp::Mlp;
use super::norm::LayerNorm;
use crate::model::description::Description;
use crate::model::params::Layout;
use crate::model::trace::{BlockRows, BlockTrace};
use crate::sequence::Batch;

/// One block: x <- x + attention(LN x), then x <- x + mlp(LN x) where there is an MLP.
#[derive(Clone, Debug)]
pub(in crate::model) struct Block {
    ln1: Option<LayerNorm>,
    pub(in crate::model) attention: Attention,
    ln2: Option<LayerNorm>,
    mlp: Option<Mlp>,
}

impl Block {
    pub(in crate::model) fn new(description: &Description, idx: usize, layout: &mut Layout) -> Self {
        let &Description { d_model, layer_norm, d_mlp, activation, .. } = description;
        let ln1 = layer_norm.then(|| LayerNorm::new(&format!("blocks.{idx}.ln1"), d_model, layout));
        let attention = Attention::new(description, idx, layout);
        let has_mlp = d_mlp > 0;
        let ln2 = (layer_norm && has_mlp).then(|| LayerNorm::new(&format!("blocks.{idx}.ln2"), d_model, layout));
        // Gain 2 keeps the variance through a ReLU (He et al. 2015).
        let mlp = has_mlp.then(|| {
            let (prefix, widths) = (format!("blocks.{idx}.mlp"), [d_model, d_mlp]);
            Mlp::new(&prefix, widths, activation, [2.0, 1.0], layout)
        });
        Self { ln1, attention, ln2, mlp }
    }

    pub(in crate::model) fn forward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        looks: Looks<'_, T>,
        batch: &Batch,
        trace: &mut BlockTrace<T>,
        out: &mut [T],
    ) {
        let s = batch.n_sequences;
        let c = self.attention.d_model();
        let (m, r, rows) = (trace.n_tokens * s, trace.n_rows(s), trace.rows());
        let input = match &self.ln1 {
            Some(ln) => {
                ln.forward(kernels, p, &trace.resid_pre, c, m, &mut trace.ln1);
                &trace.ln1.out
            }
            None => &trace.resid_pre,
        };
        let mid = if self.mlp.is_some() { &mut trace.resid_mid[..r * c] } else { &mut out[..r * c] };
        copy_rows(&trace.resid_pre, rows, c, mid);
        self.attention.forward(kernels, p, looks, input, batch, &mut trace.attention, mid);
        self.pass_mlp(kernels, p, r, trace, out);
    }

    /// The same of a block that has been computed, with a head replaced.
    pub(in crate::model) fn forward_without<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        n_sequences: usize,
        trace: &mut BlockTrace<T>,
        out: &mut [T],
        ablation: &Ablation<T>,
    ) {
        let (c, r, rows) = (self.attention.d_model(), trace.n_rows(n_sequences), trace.rows());
        let mid = if self.mlp.is_some() { &mut trace.resid_mid[..r * c] } else { &mut out[..r * c] };
        copy_rows(&trace.resid_pre, rows, c, mid);
        self.attention.write_without(kernels, p, n_sequences, &trace.attention, mid, ablation);
        self.pass_mlp(kernels, p, r, trace, out);
    }

    /// From between attention and MLP to the block's output, in `r` rows.
    fn pass_mlp<T: Real>(&self, kernels: Kernels, p: &[T], r: usize, trace: &mut BlockTrace<T>, out: &mut [T]) {
        let Some(mlp) = &self.mlp else { return };
        let c = self.attention.d_model();
        let input = match &self.ln2 {
            Some(ln) => {
                ln.forward(kernels, p, &trace.resid_mid, c, r, &mut trace.ln2);
                &trace.ln2.out
            }
            None => &trace.resid_mid,
        };
        out[..r * c].copy_from_slice(&trace.resid_mid[..r * c]);
        mlp.forward(kernels, p, &input[..r * c], &mut trace.mlp, &mut out[..r * c]);
    }

    /// `d_out` `[R, C]` is used up; `d_in` `[M, C]` is written where it is wanted.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    pub(in crate::model) fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut BlockTrace<T>,
        d_out: &mut [T],
        d_in: &mut [T],
        wants_input: bool,
        g: &mut [T],
        [scratch, turned]: [&mut [T]; 2],
    ) {
        let (c, s) = (self.attention.d_model(), batch.n_sequences);
        let (m, r) = (trace.n_tokens * s, trace.n_rows(s));
        if let Some(mlp) = &self.mlp {
            // resid_post = resid_mid + mlp(LN resid_mid)
            let scratch = &mut scratch[..r * c];
            match &self.ln2 {
                Some(ln) => {
                    mlp.backward(kernels, p, &trace.ln2.out[..r * c], &d_out[..r * c], &mut trace.mlp, g, scratch);
                    ln.backward(kernels, p, scratch, r, &trace.ln2, g, d_out, c);
                }
                None => {
                    mlp.backward(kernels, p, &trace.resid_mid[..r * c], &d_out[..r * c], &mut trace.mlp, g, scratch);
                    T::axpy(kernels, T::ONE, scratch, &mut d_out[..r * c]);
                }
            }
        }
        // resid_mid = resid_pre + attention(LN resid_pre)
        let input = if self.ln1.is_some() { &trace.ln1.out } else { &trace.resid_pre };
        // Where nobody asks for the block's input, the norm's parameters follow from the maps' gradients.
        let attention = &mut trace.attention;
        let is_read_through = !wants_input && attention.maps_all(trace.n_tokens);
        let norm = self.ln1.as_ref().filter(|_| is_read_through).map(|ln| (ln, &trace.ln1.normalized[..]));
        let wants_attention_input = wants_input || (self.ln1.is_some() && norm.is_none());
        let d_attention_input = wants_attention_input.then_some(&mut scratch[..m * c]);
        let d_out = &d_out[..r * c];
        self.attention.backward(kernels, p, input, batch, d_out, attention, g, d_attention_input, turned, norm);
        if !wants_attention_input {
            return;
        }
        let d_in = &mut d_in[..m * c];
        d_in.fill(T::ZERO);
        let rows = trace.rows();
        for (i, row) in d_out.chunks_exact(c).enumerate() {
            let at = rows.token(i) * c;
            d_in[at..at + c].copy_from_slice(row);
        }
        match &self.ln1 {
            Some(ln) => ln.backward(kernels, p, &scratch[..m * c], m, &trace.ln1, g, d_in, c),
            None => T::axpy(kernels, T::ONE, &scratch[..m * c], d_in),
        }
    }
}

/// Copies the rows that a block computes out of all token rows.
fn copy_rows<T: Real>(all: &[T], rows: BlockRows, c: usize, out: &mut [T]) {
    for (i, row) in out.chunks_exact_mut(c).enumerate() {
        let at = rows.token(i) * c;
        row.copy_from_slice(&all[at..at + c]);
    }
}
