//! The network.

use serde::{Deserialize, Serialize};

use crate::sequence::Tokens;

/// The attention network. Defaults are the essay's network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSpec {
    /// How positions are written into the residual stream.
    pub positions: Positions,
    /// Width of the position subspace. Default T, the length of a sequence; 0 where tokens are pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_pos: Option<usize>,
    /// Positions in all; a sequence starts at a random one that leaves room. Default `d_pos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_positions: Option<usize>,
    /// Width of the subspace that is empty in the embedding.
    pub d_buffer: usize,
    /// Attention layers.
    pub n_layers: usize,
    /// Heads in each layer.
    pub n_heads: usize,
    /// Width of a head's queries, keys and values. Default `d_model / n_heads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_head: Option<usize>,
    /// Whether scores are divided by sqrt(d_head).
    pub scale_scores: bool,
    /// Whether heads write through W_O; without it their outputs are concatenated.
    pub output_projection: bool,
    /// LayerNorm before attention, before the MLP block and before the readout.
    pub layer_norm: bool,
    /// Hidden width of an MLP block after each attention layer; 0 for none.
    pub d_mlp: usize,
    /// Nonlinearity of the MLP blocks.
    pub activation: Activation,
    /// From the query's row to the logits.
    pub readout: Readout,
    /// Hidden layers of the `mlp` readout.
    pub readout_layers: usize,
    /// Hidden width of the `mlp` readout.
    pub readout_width: usize,
    /// ξ0, how much of each label the `linear` readout recognizes from the start.
    pub readout_overlap: f64,
    /// A minimal head instead of attention layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimal: Option<MinimalSpec>,
    /// Heads whose attention is set by hand, in training too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clamps: Vec<ClampSpec>,
    /// Kind of each attention layer; one for all, none for soft-max.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<AttentionKind>,
    /// How the pairs of the regression task become tokens.
    pub tokens: Tokens,
    /// Whether all layers have the same parameters.
    pub tied_layers: bool,
    /// Factor on what every attention layer adds.
    pub damping: f64,
    /// Bound on the entries of the residual stream after every layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_clip: Option<f64>,
    /// The attention's weights begin with variance init_scale / d_model. Default: variance 1 / D.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_scale: Option<f64>,
    /// Factor on the first values of the weights by which values read x and keys read y, in regression: a descent
    /// has neither, and their product is what a run can be trapped by.
    pub misread_scale: f64,
    /// A learned embedding of the pairs before attention, in regression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<EmbeddingSpec>,
    /// Attention begins as this algorithm, in regression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub construction: Option<Construction>,
}

/// e = (x, y) W_E, then e + mlp(e): the content of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingSpec {
    /// Width of e.
    pub d_embed: usize,
    /// Hidden width of the MLP, which has the nonlinearity of the MLP blocks.
    pub d_mlp: usize,
}

/// An algorithm that one attention layer computes exactly; see [`crate::model::construct`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Construction {
    /// A step of gradient descent on |W x - y|^2 / (2N): the update of y is -(eta/N) sum_i y_i x_i . x.
    GradientDescent {
        /// eta.
        rate: f64,
    },
    /// The same and x <- x - gamma X^T X x.
    #[serde(rename = "gd-plus-plus")]
    GradientDescentPlusPlus {
        /// eta.
        rate: f64,
        /// gamma.
        shrinkage: f64,
    },
    /// The Nadaraya-Watson smoother with the kernel e^(s x_i . x), by a soft-max layer with unit score scale:
    /// the answer is the mean of the context's y under it.
    KernelSmoother {
        /// s.
        sharpness: f64,
    },
}

/// What an attention layer does with its scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionKind {
    /// Normalizes their exponentials.
    #[default]
    Softmax,
    /// Uses them as they are (von Oswald et al. 2023).
    Linear,
}

/// One head whose attention is perfect from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClampSpec {
    /// Layer, from 0.
    pub layer: usize,
    /// Head, from 0.
    #[serde(default)]
    pub head: usize,
    /// Where it looks.
    pub pattern: ClampPattern,
}

/// Attention set by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClampPattern {
    /// Every token at the one before it.
    PreviousToken,
    /// The query at the labels of its class, evenly; left alone where the context has none.
    Match,
}

/// The minimal induction head (Reddy 2024): the scalars' first values, and which of them learn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MinimalSpec {
    /// Previous-token strength, layer 1.
    pub beta: f64,
    /// Match strength, layer 2.
    pub alpha: f64,
    /// Preference of layer 2 for label tokens.
    pub beta_2: f64,
    /// The three-parameter head; in the two-parameter head `beta_2` stays as it is.
    pub trains_beta_2: bool,
}

impl Default for ModelSpec {
    fn default() -> Self {
        Self {
            positions: Positions::OneHot,
            d_pos: None,
            n_positions: None,
            d_buffer: 64,
            n_layers: 2,
            n_heads: 1,
            d_head: None,
            scale_scores: false,
            output_projection: false,
            layer_norm: false,
            d_mlp: 0,
            activation: Activation::Relu,
            readout: Readout::Linear,
            readout_layers: 3,
            readout_width: 128,
            readout_overlap: 0.0,
            minimal: None,
            clamps: Vec::new(),
            attention: Vec::new(),
            tokens: Tokens::Pairs,
            tied_layers: false,
            damping: 1.0,
            token_clip: None,
            init_scale: None,
            misread_scale: 1.0,
            embedding: None,
            construction: None,
        }
    }
}

/// Position code, written into its own `d_pos` columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// One column for each position.
    OneHot,
    /// Sines and cosines of geometric wavelengths (Vaswani et al. 2017).
    Sinusoidal,
    /// A trained table `embed.positions`.
    Learned,
}

/// Nonlinearity of an MLP block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(0, x)
    Relu,
    /// The tanh form of GELU (Hendrycks and Gimpel 2016).
    Gelu,
}

/// The map from the query's final row to the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// Soft-max regression from zero weights (the essay's).
    Linear,
    /// ReLU layers with one scalar bias each, then a linear map without bias (Reddy 2024).
    Mlp,
}
