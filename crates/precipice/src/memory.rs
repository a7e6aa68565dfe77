//! What a run will need, before anything is allocated.

use crate::measure;
use crate::model::Description;
use crate::sequence::{CHUNK, N_SHARDS};
use crate::spec::{OptimizerSpec, RunSpec};

// In f64, because the shapes that must be refused overflow integers.
fn f(x: usize) -> f64 {
    x as f64
}

/// Numbers in the network's parameters, within a few percent.
pub fn n_params(network: &Description) -> f64 {
    let d_model = f(network.d_model);
    let width = f(network.n_heads) * f(network.d_head);
    let maps = if network.output_projection { 4.0 } else { 3.0 };
    let block = maps * d_model * width + 2.0 * d_model * f(network.d_mlp) + f(network.d_mlp) + 5.0 * d_model;
    let embedding = network.embedding.map_or(0.0, |embedding| {
        let (d_embed, d_mlp) = (f(embedding.d_embed), f(embedding.d_mlp));
        d_embed * (f(network.d_item) + 2.0 + 2.0 * d_mlp) + d_mlp
    });
    let readout: f64 = network.readout_widths().map(|(d_in, d_out)| f(d_in) * f(d_out)).sum();
    embedding + f(network.n_layers) * block + readout + f(network.n_positions) * f(network.d_pos)
}

/// Upper estimate of the memory of a run, in bytes.
///
/// ```
/// use precipice::{memory, spec::RunSpec};
/// assert!(memory::bytes(&RunSpec::default()) < 80e6);
/// ```
pub fn bytes(spec: &RunSpec) -> f64 {
    let network = Description::of(spec);
    let (t, d_model) = (f(network.n_tokens()), f(network.d_model));
    let width = f(network.n_heads) * f(network.d_head);
    // Residual streams and their gradients, q, k, v, z and theirs, MLP, patterns; see Trace::new.
    let block = t * (4.0 * d_model + 8.0 * width + 3.0 * f(network.d_mlp)) + f(network.n_heads) * t * t;
    let readout: f64 = network.readout_widths().map(|(_, d_out)| 2.0 * f(d_out)).sum();
    let embedding = network
        .embedding
        .map_or(0.0, |embedding| t * (f(network.d_item) + 1.0 + 4.0 * f(embedding.d_embed) + 3.0 * f(embedding.d_mlp)));
    let sequence = embedding + f(network.n_layers) * block + 6.0 * t * d_model + readout;
    let of = |sequences: usize, chunk: usize| f(N_SHARDS) * f(chunk.min(sequences.div_ceil(N_SHARDS))) * sequence;
    let evaluation = of(spec.eval.sequences, measure::CHUNK) + of(spec.probes.sequences, measure::CHUNK);
    // The folded form keeps the whole batch, but less of each sequence; see FoldedTrace::new.
    let folded = t * (2.0 * (f(network.d_item) + 16.0) + t + 16.0) + 16.0 * d_model + 4.0 * (t + 16.0) + readout;
    let training = of(spec.train.batch_size, CHUNK).max(f(spec.train.batch_size) * folded);
    let copies = match &spec.train.optimizer {
        OptimizerSpec::Sgd(_) => 3.0,
        OptimizerSpec::Adam(_) => 4.0,
    } + f(N_SHARDS);
    let labels = 2.0 * f(network.targets.n_labels()) * f(network.d_item);
    4.0 * (training + evaluation + copies * n_params(&network) + labels + f(spec.facts().n_kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn the_default_network_is_counted_within_a_few_percent() {
        let spec = RunSpec::default();
        let table = vec![0.0; 32 * 64];
        let exact = Model::<f32>::new(&spec, &table, precipice_num::Kernels::detect()).layout().len() as f64;
        assert!((n_params(&Description::of(&spec)) / exact - 1.0).abs() < 0.05);
        assert!(bytes(&spec) < 80e6, "{}", bytes(&spec));
    }
}
