//! Which of the equivalent forms of the network training computes, by counting its work.

use crate::spec::{AttentionKind, Positions, Readout, RunSpec};

/// A way to compute the loss and its gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Queries, keys and values of every token, the last layer's output at the query only.
    Plain,
    /// Two layers without a row for every token: see `folded`.
    Folded,
}

impl Form {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Form::Plain => "plain, last layer at the query only",
            Form::Folded => "folded: query only, factored scores, one-hot look-ups, label table, no input gradient",
        }
    }
}

/// The choice for a spec and what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The form chosen.
    pub form: Form,
    /// Floating-point operations of a training step in the plain form; a multiplication with its
    /// addition counts 2, elementwise work is not counted.
    pub plain_flops: f64,
    /// The same in the folded form; infinite where it does not apply.
    pub folded_flops: f64,
}

impl Plan {
    /// The cheaper form that the network allows.
    pub fn of(spec: &RunSpec) -> Self {
        let (plain_flops, folded_flops) = (plain_flops(spec), folded_flops(spec));
        let form = if folded_flops < plain_flops { Form::Folded } else { Form::Plain };
        Self { form, plain_flops, folded_flops }
    }

    /// Of the chosen form.
    pub fn flops(&self) -> f64 {
        self.plain_flops.min(self.folded_flops)
    }
}

/// Two single-head layers and nothing between them that is not linear in the rows, with codes that
/// are one-hot: only then do the layers fold into each other.
fn can_fold(spec: &RunSpec) -> bool {
    let model = &spec.model;
    let is_softmax = (0..model.n_layers).all(|layer| spec.attention_kind(layer) == AttentionKind::Softmax);
    spec.task.regression().is_none()
        && is_softmax
        && !model.tied_layers
        && model.damping == 1.0
        && model.token_clip.is_none()
        && model.n_layers == 2
        && model.n_heads == 1
        && !model.output_projection
        && !model.layer_norm
        && model.d_mlp == 0
        && model.minimal.is_none()
        && model.clamps.is_empty()
        && model.positions == Positions::OneHot
        && spec.d_pos() > 0
}

/// Of a product and of both its gradients.
const WITH_GRADIENTS: f64 = 3.0;

fn plain_flops(spec: &RunSpec) -> f64 {
    let model = &spec.model;
    let (s, t, c) = (spec.train.batch_size as f64, spec.n_tokens() as f64, spec.d_model() as f64);
    let width = (model.n_heads * spec.d_head()) as f64;
    if model.minimal.is_some() {
        return readout_flops(spec);
    }
    let layer = |idx: usize| {
        let is_last = idx + 1 == model.n_layers;
        let rows = if is_last { 1.0 } else { t };
        // No gradient of an input without parameters.
        let has_input_gradient =
            idx > 0 || model.positions == Positions::Learned || model.layer_norm || model.embedding.is_some();
        let maps = 2.0 * s * (2.0 * t + rows) * c * width;
        let maps = maps * if has_input_gradient { WITH_GRADIENTS } else { 2.0 };
        let attention = WITH_GRADIENTS * 4.0 * s * rows * t * width;
        let projection = if model.output_projection { WITH_GRADIENTS * 2.0 * s * rows * width * c } else { 0.0 };
        let mlp = WITH_GRADIENTS * 4.0 * s * rows * c * model.d_mlp as f64;
        maps + attention + projection + mlp
    };
    let embedding = model.embedding.map_or(0.0, |embedding| {
        let (d_embed, d_mlp) = (embedding.d_embed as f64, embedding.d_mlp as f64);
        // Pairs are no parameters, so that they have no gradient.
        4.0 * s * t * (spec.task.d_item() as f64 + 1.0) * d_embed + WITH_GRADIENTS * 4.0 * s * t * d_embed * d_mlp
    });
    embedding + (0..model.n_layers).map(layer).sum::<f64>() + readout_flops(spec)
}

fn folded_flops(spec: &RunSpec) -> f64 {
    if !can_fold(spec) {
        return f64::INFINITY;
    }
    let (s, t, c) = (spec.train.batch_size as f64, spec.n_tokens() as f64, spec.d_model() as f64);
    let (d, labels) = (spec.task.d_item() as f64, spec.task.n_labels() as f64);
    let f = spec.d_pos() as f64 + d;
    let items = s * (t + 1.0) / 2.0;
    // A and both its gradients; the label table and the items times A_cc, and the gradients of A_cc.
    let shared = 2.0 * f * f * c * WITH_GRADIENTS + 4.0 * (labels + items) * d * d;
    // Scores of width 2 D and their two gradients of width D.
    let scores = 2.0 * s * t * t * 2.0 * d * 2.0;
    // Three maps of V, three of layer 2; and what is summed over or compared with the tokens.
    let vectors = WITH_GRADIENTS * 2.0 * s * (3.0 * f * c + 3.0 * c * c);
    let tokens = 2.0 * s * t * d * 10.0 + 2.0 * s * t * t * 8.0;
    shared + scores + vectors + tokens + readout_flops(spec)
}

fn readout_flops(spec: &RunSpec) -> f64 {
    let (s, labels) = (spec.train.batch_size as f64, spec.task.n_labels() as f64);
    if labels == 0.0 {
        return 0.0;
    }
    let (d_read, model) = (spec.d_read() as f64, &spec.model);
    let weights = match model.readout {
        Readout::Linear => d_read * labels,
        Readout::Mlp => {
            let width = model.readout_width as f64;
            d_read * width + (model.readout_layers as f64 - 1.0) * width * width + width * labels
        }
    };
    WITH_GRADIENTS * 2.0 * s * weights
}
