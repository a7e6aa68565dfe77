//! A training step in the folded form, stage by stage; see `folded`.

use precipice_num::{MatMut, Real};

use super::folded::{Folded, FoldedShard, FoldedTrace, accumulate};
use super::{Model, Params};
use crate::batch::Batch;

/// What the stages of a step hand to one another, and where their parts end.
#[derive(Clone, Debug)]
pub struct FoldedStep<T> {
    /// What all sequences share.
    pub prepared: Vec<T>,
    /// Ends of its parts.
    pub prepared_cuts: Vec<usize>,
    /// The gradient of the labels' part of it.
    pub labels: Vec<T>,
    /// The gradients of the rest of what is shared.
    pub shared: Vec<T>,
    /// Ends of its parts.
    pub shared_cuts: Vec<usize>,
    /// Ends of the parts of the parameters' gradient.
    pub gradient_cuts: Vec<usize>,
}

impl<T: Real> Model<T> {
    /// Room for the stages of a step, where the plan chose the folded form.
    pub fn folded_step(&self) -> Option<FoldedStep<T>> {
        let folded = self.folded.as_ref()?;
        let zeros = |len: usize| vec![T::ZERO; len];
        let [labels, shared] = folded.shared_len();
        let mut prepared_cuts = folded.prepared_cuts().to_vec();
        for len in self.readout.weight_lens() {
            prepared_cuts.push(prepared_cuts[prepared_cuts.len() - 1] + len);
        }
        Some(FoldedStep {
            prepared: zeros(*prepared_cuts.last().expect("there are parts")),
            prepared_cuts,
            labels: zeros(labels),
            shared: zeros(shared - labels),
            shared_cuts: folded.shared_cuts().to_vec(),
            gradient_cuts: folded.gradient_cuts().collect(),
        })
    }

    fn folded(&self) -> &Folded {
        self.folded.as_ref().expect("the plan chose the folded form")
    }

    /// Computes one part of what the sequences share.
    ///
    /// # Panics
    /// If the plan chose another form; so do all that follow.
    pub fn prepare(&self, params: &Params<T>, part: usize, to: &mut [T]) {
        let (folded, p) = (self.folded(), &params.values);
        match part.checked_sub(folded.prepared_cuts().len()) {
            None => folded.prepare(self.kernels, p, self.label_table(), part, to),
            Some(layer) => self.readout.transpose(self.kernels, p, layer, to),
        }
    }

    /// Fills the trace.
    pub fn forward_folded(&self, params: &Params<T>, prepared: &[T], batch: &Batch, trace: &mut FoldedTrace<T>) {
        let (p, s) = (&params.values, batch.n_sequences);
        self.folded().forward(self.kernels, p, self.label_table(), prepared, batch, trace);
        let (out, readout) = (&trace.out, &mut trace.readout);
        let transposed = &prepared[self.folded().prepared_len()..];
        self.readout.forward(self.kernels, p, Some(transposed), (&out[self.skipped..], self.d_model), s, readout);
    }

    /// Fills the trace's gradients, given that of the logits, and adds to those of look-ups.
    pub fn backward_folded(
        &self,
        params: &Params<T>,
        prepared: &[T],
        batch: &Batch,
        trace: &mut FoldedTrace<T>,
        lookups: &mut [T],
    ) {
        let p = &params.values;
        self.readout.backward(self.kernels, p, batch.n_sequences, &mut trace.readout, &mut trace.d_out);
        self.folded().backward(self.kernels, p, prepared, batch, trace, lookups);
    }

    /// Adds up the labels' part of the shared gradients.
    pub fn add_up_labels(&self, shards: &[&FoldedShard<T>], to: &mut [T]) {
        self.folded().add_up_labels(self.kernels, shards, to);
    }

    /// Computes one part of the rest of them.
    pub fn add_up_shared(&self, shards: &[&FoldedShard<T>], labels: &[T], part: usize, to: &mut [T]) {
        self.folded().add_up_shared(self.kernels, self.label_table(), shards, labels, part, to);
    }

    /// Computes one part of the parameters' gradient.
    pub fn folded_gradient(
        &self,
        params: &Params<T>,
        shards: &[&FoldedShard<T>],
        shared: &[T],
        part: usize,
        to: &mut [T],
    ) {
        let kernels = self.kernels;
        let rest = self.folded().gradient(kernels, &params.values, shards, shared, part, to);
        let traces = shards.iter().flat_map(|shard| &shard.traces);
        match rest {
            None => {}
            Some((layer, Some(rows))) => {
                let factors = traces.map(|trace| {
                    let input = (&trace.out[self.skipped..], self.d_model);
                    self.readout.factors(layer, input, trace.n_sequences(), &trace.readout)
                });
                let d_in = to.len() / rows.len();
                accumulate(kernels, factors, &rows, MatMut::new(to, rows.len(), d_in));
            }
            Some((layer, None)) => {
                let sums = traces.map(|trace| self.readout.d_bias(kernels, layer, trace.n_sequences(), &trace.readout));
                to[0] = sums.sum();
            }
        }
    }
}
