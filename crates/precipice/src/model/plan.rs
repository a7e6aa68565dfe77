//! Which of the equal forms of the network training computes, by counting its work.

use super::description::{Description, Feature};
use crate::sequence::n_chunks;

/// A way to compute the loss and its gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormKind {
    /// Layer by layer as the network is written, the last layer at the query only: see [`folds_last_layer`].
    Plain,
    /// Two layers without a row for every token: see `forms::folded`.
    Folded,
    /// One linear layer by its sufficient statistic: see `forms::one_layer`.
    OneLayer,
    /// A minimal head's layers, wired by hand: a row for the query alone.
    Minimal,
}

impl FormKind {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            FormKind::Plain => "plain: layer by layer, the last at the query only",
            FormKind::Folded => "folded: query only, factored scores, one-hot look-ups, label table, no input gradient",
            FormKind::OneLayer => {
                "one linear layer by its sufficient statistic: sums over the context, never their matrix"
            }
            FormKind::Minimal => "minimal head: overlaps with the query, no maps",
        }
    }
}

/// The choice for a network and what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The form that is computed.
    pub form: FormKind,
    /// Floating-point operations of its training step; a multiplication with its addition counts 2, elementwise work is
    /// not counted.
    pub flops: f64,
    /// Those of a step with queries, keys and values of every token; for a minimal head, which has no such form, the same
    /// number.
    pub plain_flops: f64,
}

impl Plan {
    /// The cheapest form that the network allows, for batches of so many sequences.
    ///
    /// ```
    /// use precipice::model::{Description, plan::{FormKind, Plan}};
    /// use precipice::spec::RunSpec;
    /// let mut spec = RunSpec::default();
    /// let plan = Plan::of(&Description::of(&spec), 128);
    /// assert!(plan.form == FormKind::Folded && plan.flops < plan.plain_flops / 4.0);
    /// spec.model.layer_norm = true;
    /// assert_eq!(Plan::of(&Description::of(&spec), 128).form, FormKind::Plain);
    /// ```
    pub fn of(description: &Description, batch_size: usize) -> Self {
        let s = batch_size as f64;
        let readout = readout_flops(description, s);
        if description.minimal.is_some() {
            let flops = minimal_flops(description, s) + readout;
            return Self { form: FormKind::Minimal, flops, plain_flops: flops };
        }
        let plain_flops = plain_flops(description, s) + readout;
        let saved = if folds_last_layer(description) {
            [tokens_flops, query_flops].map(|count| count(description, s))
        } else {
            [0.0; 2]
        };
        let flops = plain_flops - saved[0] + saved[1] - saved_in_first(description, s);
        let mut plan = Self { form: FormKind::Plain, flops, plain_flops };
        let forms = [
            (FormKind::Folded, description.can_fold().then(|| folded_flops(description, s) + readout)),
            (FormKind::OneLayer, description.is_one_linear_layer().then(|| one_layer_flops(description, batch_size))),
        ];
        for (form, flops) in forms {
            // The statistic is always taken where it exists: it has no pattern to store either.
            if let Some(flops) = flops.filter(|&flops| flops < plan.flops || form == FormKind::OneLayer) {
                (plan.form, plan.flops) = (form, flops);
            }
        }
        plan
    }
}

/// Of a product and of both its gradients.
const WITH_GRADIENTS: f64 = 3.0;

/// Whether a last layer that is read at the query does without keys and values of the tokens: where that is less work,
/// and takes no more memory.
pub fn folds_last_layer(d: &Description) -> bool {
    let is_smaller = 3 * d.d_model <= 4 * d.n_tokens() * d.d_head;
    is_smaller && query_flops(d, 1.0) < tokens_flops(d, 1.0)
}

/// First columns of what a layer reads that are not always 0.
pub fn score_width(d: &Description, layer: usize) -> usize {
    if d.reads_one_hot(layer) { d.d_pos + d.d_content } else { d.d_model }
}

/// Whether scores of all tokens are less work by one map a head than by its queries and keys.
pub fn has_score_maps(d: &Description, layer: usize) -> bool {
    let (t, e, f) = (d.n_tokens(), d.d_head, score_width(d, layer));
    let multiplied = if d.reads_one_hot(layer) { d.d_content } else { f };
    f * (multiplied + t) < e * (2 * multiplied + t)
}

/// Of a product with a layer's input, which wants no gradient where it has no parameters.
fn with_input(d: &Description, layer: usize) -> f64 {
    if layer > 0 || d.trains_embedding() || d.layer_norm { WITH_GRADIENTS } else { 2.0 }
}

/// Maps, scores and sums over tokens of a layer for `rows` queries a sequence, with keys and values of every token.
fn attention_flops(d: &Description, s: f64, layer: usize, rows: f64) -> f64 {
    let (t, c) = (d.n_tokens() as f64, d.d_model as f64);
    let width = (d.n_heads * d.d_head) as f64;
    with_input(d, layer) * 2.0 * s * (2.0 * t + rows) * c * width + WITH_GRADIENTS * 4.0 * s * rows * t * width
}

/// The last layer at the query, by keys and values of every token.
fn tokens_flops(d: &Description, s: f64) -> f64 {
    attention_flops(d, s, d.n_layers - 1, 1.0)
}

/// The same without them: q, r and z of every head, which are vectors, and two products of heads with the tokens.
fn query_flops(d: &Description, s: f64) -> f64 {
    let (t, c, heads) = (d.n_tokens() as f64, d.d_model as f64, d.n_heads as f64);
    let map = 2.0 * s * c * heads * d.d_head as f64;
    let with_input = with_input(d, d.n_layers - 1);
    with_input * map + WITH_GRADIENTS * 2.0 * map + with_input * 4.0 * s * heads * t * c
}

/// What a first layer need not multiply: of one-hot positions every map of those columns and of the empty ones, and its
/// gradient; behind a LayerNorm the gradient of its input. A layer that reads at the query alone makes no maps of tokens.
fn saved_in_first(d: &Description, s: f64) -> f64 {
    if d.n_layers == 1 {
        return 0.0;
    }
    let of_columns = 2.0 * s * 3.0 * d.n_tokens() as f64 * (d.n_heads * d.d_head) as f64;
    if d.reads_one_hot(0) {
        2.0 * of_columns * (d.d_model - d.d_content) as f64
    } else if d.layer_norm && !d.trains_embedding() {
        of_columns * d.d_model as f64
    } else {
        0.0
    }
}

fn plain_flops(d: &Description, s: f64) -> f64 {
    let (t, c) = (d.n_tokens() as f64, d.d_model as f64);
    let width = (d.n_heads * d.d_head) as f64;
    let layer = |idx: usize| {
        let is_last = idx + 1 == d.n_layers;
        let rows = if is_last { 1.0 } else { t };
        let attention = attention_flops(d, s, idx, rows);
        let projection =
            if d.has(Feature::OutputProjection) { WITH_GRADIENTS * 2.0 * s * rows * width * c } else { 0.0 };
        let mlp = WITH_GRADIENTS * 4.0 * s * rows * c * d.d_mlp as f64;
        attention + projection + mlp
    };
    let embedding = d.embedding.map_or(0.0, |embedding| {
        let (d_embed, d_mlp) = (embedding.d_embed as f64, embedding.d_mlp as f64);
        // Pairs are no parameters, so that they have no gradient.
        4.0 * s * t * (d.d_item as f64 + 1.0) * d_embed + WITH_GRADIENTS * 4.0 * s * t * d_embed * d_mlp
    });
    embedding + (0..d.n_layers).map(layer).sum::<f64>()
}

fn folded_flops(description: &Description, s: f64) -> f64 {
    let (t, c) = (description.n_tokens() as f64, description.d_model as f64);
    let (d, labels) = (description.d_item as f64, description.targets.n_labels() as f64);
    let f = description.d_pos as f64 + d;
    let items = s * (description.geometry.n_exemplars() as f64 + 1.0);
    // A and both its gradients; the label table and the items times A_cc, and the gradients of A_cc.
    let shared = 2.0 * f * f * c * WITH_GRADIENTS + 4.0 * (labels + items) * d * d;
    // Scores of width 2 D and their two gradients of width D.
    let scores = 2.0 * s * t * t * 2.0 * d * 2.0;
    // Three maps of V, three of layer 2; and what is summed over or compared with the tokens.
    let vectors = WITH_GRADIENTS * 2.0 * s * (3.0 * f * c + 3.0 * c * c);
    let tokens = 2.0 * s * t * d * 10.0 + 2.0 * s * t * t * 8.0;
    shared + scores + vectors + tokens
}

/// Each head: B and a once a step, their gradients once a chunk; of each sequence e_q B, G a and G b, two products with
/// the query's row, and the gradient of B.
fn one_layer_flops(d: &Description, batch_size: usize) -> f64 {
    let (n, c, e) = (d.geometry.n_exemplars() as f64, d.d_model as f64, d.d_head as f64);
    let maps = 2.0 * (c * c * e + c * e) * (1.0 + 2.0 * n_chunks(batch_size) as f64);
    let (gram, looks) = (4.0 * n * c, 2.0 * d.d_item as f64 * c);
    d.n_heads as f64 * (maps + batch_size as f64 * (2.0 * gram + 2.0 * looks + 4.0 * c))
}

/// Of each sequence: overlaps with the query, what it attends to, and for the gradient the overlaps of that twice.
fn minimal_flops(d: &Description, s: f64) -> f64 {
    8.0 * s * d.n_tokens() as f64 * d.d_item as f64
}

fn readout_flops(d: &Description, s: f64) -> f64 {
    if !d.targets.are_labels() {
        return 0.0;
    }
    let weights: f64 = d.readout_widths().map(|(d_in, d_out)| (d_in * d_out) as f64).sum();
    WITH_GRADIENTS * 2.0 * s * weights
}
