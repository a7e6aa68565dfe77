//! What a run will need, before anything is allocated: the memory that its vectors take once they are written to.
//!
//! Counted in f64, because the shapes that must be refused overflow integers. What is allocated and never written to,
//! such as gradients of an evaluation, takes no memory.

use crate::measure;
use crate::model::Description;
use crate::model::forms::FOLDED_ROOM_MAX;
use crate::model::plan::{FormKind, Plan, folds_last_layer};
use crate::sequence::{CHUNK, N_SHARDS};
use crate::spec::{Activation, OptimizerSpec, RunSpec};

fn f(x: usize) -> f64 {
    x as f64
}

/// Numbers in the network's parameters, within a few percent.
pub fn n_params(network: &Description) -> f64 {
    if network.minimal.is_some() {
        return 3.0 + readout(network).0;
    }
    let d_model = f(network.d_model);
    let width = f(network.n_heads) * f(network.d_head);
    let maps = if network.output_projection { 4.0 } else { 3.0 };
    let block = maps * d_model * width + 2.0 * d_model * f(network.d_mlp) + f(network.d_mlp) + 5.0 * d_model;
    let embedding = network.embedding.map_or(0.0, |embedding| {
        let (d_embed, d_mlp) = (f(embedding.d_embed), f(embedding.d_mlp));
        d_embed * (f(network.d_item) + 2.0 + 2.0 * d_mlp) + d_mlp
    });
    let n_blocks = if network.tied_layers { 1.0 } else { f(network.n_layers) };
    embedding + n_blocks * block + readout(network).0 + f(network.n_positions) * f(network.d_pos)
}

/// Numbers in the readout's weights, and in its outputs for one sequence.
fn readout(network: &Description) -> (f64, f64) {
    network
        .readout_widths()
        .fold((0.0, 0.0), |(weights, outputs), (d_in, d_out)| (weights + f(d_in) * f(d_out), outputs + f(d_out)))
}

/// Memory of one run, in bytes, part by part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// What the task keeps: class means, a pool of functions, labels.
    pub world: f64,
    /// Parameters, moments and gradients.
    pub state: f64,
    /// A training step.
    pub training: f64,
    /// An evaluation.
    pub evaluation: f64,
    /// Looking inside.
    pub probes: f64,
    /// A checkpoint while it is written.
    pub checkpoint: f64,
    /// The rows of the log.
    pub rows: f64,
    /// Drawing figures, after the run.
    pub figures: f64,
}

impl Memory {
    /// Of the run of a spec on so many threads, without items that it reads from a file.
    ///
    /// ```
    /// use precipice::{memory::Memory, spec::RunSpec};
    /// let bytes = Memory::of(&RunSpec::default(), 2).peak();
    /// assert!((5e6..40e6).contains(&bytes), "{bytes}");
    /// ```
    pub fn of(spec: &RunSpec, n_threads: usize) -> Self {
        let network = Description::of(spec);
        let form = Plan::of(&network, spec.train.batch_size).form;
        let params = n_params(&network);
        let n_moments = match &spec.train.optimizer {
            OptimizerSpec::Sgd(sgd) if sgd.momentum == 0.0 => 0.0,
            OptimizerSpec::Sgd(_) => 1.0,
            OptimizerSpec::Adam(_) => 2.0,
        };
        let stored = (1.0 + n_moments) * params;
        let numbers = Self {
            world: world(spec, &network),
            state: (2.0 + n_moments) * params,
            training: training(spec, &network, form, params, n_threads),
            evaluation: evaluation(spec, &network, form),
            probes: probes(spec, &network, form),
            // Its tensors, and the file.
            checkpoint: 2.0 * (stored + labels(&network)),
            rows: 0.0,
            // A trainer, the file, its tensors, and the state that is made of them.
            figures: 2.0 * params + 3.0 * stored + 4.0 * labels(&network),
        };
        numbers.times(4.0).with_rows(spec)
    }

    /// The most while it runs.
    pub fn running(&self) -> f64 {
        let Self { world, state, training, evaluation, probes, checkpoint, rows, .. } = *self;
        world + state + training + evaluation + probes + checkpoint + rows
    }

    /// The most at any time, with figures: half of what they take is memory that the run has given back, as measured.
    pub fn peak(&self) -> f64 {
        self.running() + 0.5 * self.figures
    }

    fn times(self, factor: f64) -> Self {
        Self {
            world: self.world * factor,
            state: self.state * factor,
            training: self.training * factor,
            evaluation: self.evaluation * factor,
            probes: self.probes * factor,
            checkpoint: self.checkpoint * factor,
            rows: self.rows * factor,
            figures: self.figures * factor,
        }
    }

    /// Rows are kept by the run, and by whoever stores and draws it, each column with its name.
    fn with_rows(self, spec: &RunSpec) -> Self {
        let facts = spec.facts();
        let n_columns = 6.0 * f(facts.eval_sets.len()) + if spec.probes.enabled { 70.0 } else { 4.0 };
        let n_rows = spec.train.steps as f64 / spec.eval.every as f64 + 2.0;
        Self { rows: n_rows * n_columns * 210.0, ..self }
    }
}

/// Numbers in what the task keeps.
fn world(spec: &RunSpec, network: &Description) -> f64 {
    // The network has label vectors of its own.
    2.0 * labels(network) + f(spec.facts().n_kept)
}

fn labels(network: &Description) -> f64 {
    if network.targets.are_labels() { f(network.targets.n_labels()) * f(network.d_item) } else { 0.0 }
}

/// Numbers in the activations of one sequence in the plain form, of the last block `rows` rows; where `is_training`
/// their gradients too.
fn plain(network: &Description, rows: f64, is_training: bool) -> f64 {
    let (t, c) = (f(network.n_tokens()), f(network.d_model));
    let (heads, width) = (f(network.n_heads), f(network.n_heads) * f(network.d_head));
    let gradients = if is_training { 1.0 } else { 0.0 };
    let outputs = (1.0 + gradients) * readout(network).1;
    if network.minimal.is_some() {
        return t * c + (1.0 + rows) * t + rows * c + 2.0 * t + outputs + gradients * c;
    }
    // GELU keeps what it was given.
    let kept = if network.activation == Activation::Gelu { 2.0 } else { 1.0 };
    let block = |rows: f64| {
        // A query that does without keys and values has three vectors a head instead.
        let tokens = if rows < t && folds_last_layer(network) {
            (2.0 + gradients) * heads * c
        } else {
            (1.0 + gradients) * 2.0 * t * width
        };
        let attention = (1.0 + gradients) * 2.0 * rows * width + tokens + heads * rows * t;
        let norms = if network.layer_norm { 2.0 * t * c + 2.0 * rows * c } else { 0.0 };
        let mlp = if network.d_mlp > 0 { rows * c + (kept + gradients) * rows * f(network.d_mlp) } else { 0.0 };
        t * c + attention + norms + mlp
    };
    let embedding = network.embedding.map_or(0.0, |embedding| {
        let (d_embed, d_mlp) = (f(embedding.d_embed), f(embedding.d_mlp));
        t * (f(network.d_item) + 1.0 + 2.0 * (1.0 + gradients) * d_embed + (kept + gradients) * d_mlp)
    });
    let blocks = (f(network.n_layers) - 1.0) * block(t) + block(rows);
    embedding + blocks + rows * c + (1.0 + 2.0 * gradients) * t * c + outputs
}

/// Numbers in where every token of one sequence looks, and in the interactions of what is there.
fn patterns(network: &Description) -> f64 {
    let (t, c, layers) = (f(network.n_tokens()), f(network.d_model), f(network.n_layers));
    if network.minimal.is_some() {
        return plain(network, t, false);
    }
    // Scores of all layers and the last one's patterns; a head's queries and keys, or what takes their place.
    let of_tokens = (layers + 1.0) * f(network.n_heads) * t * t + layers * t * (c + f(network.d_head));
    // What earlier layers wrote; rows that ask, and three parts of them mapped.
    let interactions = t * c + 4.0 * f(network.geometry.n_exemplars()) * c;
    plain(network, 1.0, false) + of_tokens + interactions
}

/// Numbers in a batch of one sequence.
fn batch(network: &Description) -> f64 {
    let n = f(network.geometry.n_exemplars()) + 1.0;
    n * (f(network.d_item) + 3.25)
}

/// Shapes of the folded form: of one sequence, of one room, and of what all sequences share.
struct FoldedSizes {
    sequence: f64,
    room: f64,
    prepared: f64,
    lookups: f64,
}

impl FoldedSizes {
    fn of(network: &Description) -> Self {
        let pad = |x: usize| f(x.next_multiple_of(16));
        let (t, c, d) = (f(network.n_tokens()), f(network.d_model), f(network.d_item));
        let (p, labels, width) = (f(network.d_pos), f(network.targets.n_labels()), f(network.d_pos) + d);
        let (t_pad, d_pad) = (pad(network.n_tokens()), pad(network.d_item));
        let stride = p - t + t_pad;
        let n_items = f(network.geometry.n_exemplars()) + 1.0;
        let look_ups = p * stride + p * d_pad + labels * d_pad;
        Self {
            sequence: (2.0 * n_items + t) * d_pad
                + t * t_pad
                + 4.0 * t_pad
                + 10.0 * c
                + 4.0 * width
                + 2.0 * readout(network).1,
            room: 2.0 * t * d_pad + d_pad * t_pad + t * t_pad,
            prepared: look_ups + d * (stride + d_pad) + c * width + 3.0 * c * c + readout(network).0,
            lookups: look_ups + p * d_pad,
        }
    }
}

/// Numbers that a training step is computed in: every thread has a group of shards, and the first one closes the sums of
/// its shards as they come.
fn training(spec: &RunSpec, network: &Description, form: FormKind, params: f64, n_threads: usize) -> f64 {
    let (n, groups) = (spec.train.batch_size, n_threads.next_power_of_two().min(N_SHARDS));
    let n_sums = f(N_SHARDS - N_SHARDS / groups + 2.min(N_SHARDS / groups));
    let chunk = CHUNK.min(n.div_ceil(N_SHARDS));
    let plain_like = |of_sequence: f64| f(groups * chunk) * (batch(network) + of_sequence) + n_sums * params;
    match form {
        FormKind::Folded => {
            let sizes = FoldedSizes::of(network);
            let room = FOLDED_ROOM_MAX.min(n.div_ceil(groups));
            let shared = f(network.d_item) * f(network.d_item) + sizes.lookups;
            let rooms = f(n) * sizes.sequence + f(n.div_ceil(room)) * sizes.room;
            f(groups * room) * batch(network) + rooms + sizes.prepared + n_sums * sizes.lookups + shared
        }
        FormKind::Plain | FormKind::Minimal => plain_like(plain(network, 1.0, true)),
        FormKind::OneLayer => plain_like(one_layer(network)) + one_layer_prepared(network),
    }
}

fn one_layer(network: &Description) -> f64 {
    2.0 * f(network.n_heads) * f(network.d_model)
}

fn one_layer_prepared(network: &Description) -> f64 {
    let c = f(network.d_model);
    f(network.n_heads) * c * (c + 1.0)
}

/// Numbers that an evaluation is computed in.
fn evaluation(spec: &RunSpec, network: &Description, form: FormKind) -> f64 {
    let n_of = |chunk: usize| f(N_SHARDS) * f(chunk.min(spec.eval.sequences.div_ceil(N_SHARDS)));
    match form {
        FormKind::Folded => {
            let sizes = FoldedSizes::of(network);
            n_of(16) * (sizes.sequence + batch(network)) + f(N_SHARDS) * sizes.room + sizes.prepared
        }
        FormKind::Plain | FormKind::Minimal => n_of(4) * (plain(network, 1.0, false) + batch(network)),
        FormKind::OneLayer => n_of(16) * (one_layer(network) + batch(network)) + one_layer_prepared(network),
    }
}

/// Numbers that probes are computed in.
fn probes(spec: &RunSpec, network: &Description, form: FormKind) -> f64 {
    if !spec.probes.enabled {
        return 0.0;
    }
    let (t, n) = (f(network.n_tokens()), spec.probes.sequences);
    if network.targets.are_labels() {
        let capacity = f(N_SHARDS) * f(measure::CHUNK.min(n.div_ceil(N_SHARDS)));
        return capacity * (patterns(network) + batch(network));
    }
    let looked_into = plain(network, t, false) + batch(network);
    let of_form = if form == FormKind::OneLayer { one_layer(network) } else { plain(network, 1.0, false) };
    let all_rows = if network.geometry.has_pairs() { 0.0 } else { looked_into };
    // Two batches, one moved, and sensitivities in f64.
    f(n) * (of_form + all_rows + 2.0 * batch(network) + 6.0 * f(network.d_item))
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
    }
}
