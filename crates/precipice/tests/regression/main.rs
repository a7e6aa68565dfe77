//! In-context regression, from the task to what is read of a trained network.

mod probes;
mod task;

use precipice::spec::*;

/// A valid spec with few sequences.
pub fn spec(task: RegressionSpec, model: ModelSpec) -> RunSpec {
    let mut spec =
        RunSpec { name: "regression".to_owned(), task: TaskSpec::Regression(task), model, ..RunSpec::default() };
    spec.probes.sequences = 64;
    spec.eval.sequences = 512;
    spec.resolve();
    spec.validate().unwrap();
    spec
}

/// Linear attention on pairs, and nothing else.
pub fn layers(n_layers: usize) -> ModelSpec {
    ModelSpec {
        attention: vec![AttentionKind::Linear],
        n_layers,
        d_pos: Some(0),
        d_buffer: 0,
        output_projection: true,
        n_positions: None,
        d_head: None,
        ..ModelSpec::default()
    }
}
