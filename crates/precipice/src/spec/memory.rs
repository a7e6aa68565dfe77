//! What a run will need, before anything is allocated.

use super::{OptimizerSpec, Readout, RunSpec};
use crate::{probe, train};

impl RunSpec {
    /// Numbers in the network's parameters.
    ///
    /// In f64, because the shapes that must be refused overflow integers.
    pub fn n_params(&self) -> f64 {
        let f = |x: usize| x as f64;
        let (model, d_model) = (&self.model, f(self.d_model()));
        let width = f(model.n_heads) * f(self.d_head());
        let maps = if model.output_projection { 4.0 } else { 3.0 };
        let block = maps * d_model * width + 2.0 * d_model * f(model.d_mlp) + f(model.d_mlp) + 5.0 * d_model;
        let d_pair = f(self.task.d_item()) + 1.0;
        let embedding = model.embedding.map_or(0.0, |embedding| {
            let (d_embed, d_mlp) = (f(embedding.d_embed), f(embedding.d_mlp));
            d_embed * (d_pair + 2.0 * d_mlp + 1.0) + d_mlp
        });
        let n_labels = f(self.task.n_labels());
        let d_read = f(self.d_read());
        let readout = match model.readout {
            Readout::Linear => d_read * n_labels,
            Readout::Mlp => {
                let w = f(model.readout_width);
                d_read * w + f(model.readout_layers) * w * w + w * n_labels
            }
        };
        embedding + f(model.n_layers) * block + readout + f(self.n_positions()) * f(self.d_pos())
    }

    /// Upper estimate of the memory of a run, in bytes.
    pub fn memory_bytes(&self) -> f64 {
        let f = |x: usize| x as f64;
        let t = f(self.n_tokens());
        let width = f(self.model.n_heads) * f(self.d_head());
        // Residual streams and their gradients, q, k, v, z and theirs, MLP, patterns; see Trace::new.
        let block =
            t * (4.0 * f(self.d_model()) + 8.0 * width + 3.0 * f(self.model.d_mlp)) + f(self.model.n_heads) * t * t;
        let readout = 2.0 * f(self.task.n_labels()) + 2.0 * f(self.model.readout_layers) * f(self.model.readout_width);
        let embedding = self.model.embedding.map_or(0.0, |embedding| {
            t * (f(self.task.d_item()) + 1.0 + 4.0 * f(embedding.d_embed) + 3.0 * f(embedding.d_mlp))
        });
        let sequence = embedding + f(self.model.n_layers) * block + 6.0 * t * f(self.d_model()) + readout;
        let of = |sequences: usize, chunk: usize| {
            f(train::N_SHARDS) * f(chunk.min(sequences.div_ceil(train::N_SHARDS))) * sequence
        };
        let evaluation = of(self.eval.sequences, probe::CHUNK) + of(self.probes.sequences, probe::CHUNK);
        // The folded form keeps the whole batch, but less of each sequence; see FoldedTrace::new.
        let d_item = f(self.task.d_item()) + 16.0;
        let folded = t * (2.0 * d_item + t + 16.0) + 16.0 * f(self.d_model()) + 4.0 * (t + 16.0) + readout;
        let training = of(self.train.batch_size, train::CHUNK).max(f(self.train.batch_size) * folded);
        let traces = training + evaluation;
        let copies = match &self.train.optimizer {
            OptimizerSpec::Sgd(_) => 3.0,
            OptimizerSpec::Adam(_) => 4.0,
        } + f(train::N_SHARDS);
        let classes = f(self.task.n_classes()) * f(self.task.d_item());
        let labels = classes + 2.0 * f(self.task.n_labels()) * f(self.task.d_item());
        4.0 * (traces + copies * self.n_params() + labels)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Model;
    use crate::spec::RunSpec;

    #[test]
    fn the_default_network_is_counted_within_a_few_percent() {
        let spec = RunSpec::default();
        let table = vec![0.0; 32 * 64];
        let exact = Model::<f32>::new(&spec, &table, precipice_num::Kernels::detect()).layout().len() as f64;
        assert!((spec.n_params() / exact - 1.0).abs() < 0.05);
        assert!(spec.memory_bytes() < 80e6, "{}", spec.memory_bytes());
    }
}
