//! A network, described once: sizes with every default filled in, and what may be said of it.
//!
//! Beside validation and the spec's own defaults only this file takes a [`ModelSpec`] apart, every field of it, so that a
//! new option does not compile until it is described. What an option does to the network is a [`Feature`]. Every predicate
//! that calls a network simple lists the features that it allows, so that a network with one that the predicate was never
//! asked about is never taken for a simpler one.

use crate::sequence::{Geometry, Targets};
use crate::spec::{
    Activation, AttentionKind, ClampSpec, Construction, EmbeddingSpec, MinimalSpec, ModelSpec, Positions, Readout,
    RunSpec,
};

/// What a network has beyond soft-max layers of one head, one-hot positions and a linear readout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Sines and cosines of positions.
    FixedPositions,
    /// A trained table of positions.
    LearnedPositions,
    /// Tokens do not know where they stand.
    NoPositions,
    /// Columns that are empty in the embedding.
    Buffer,
    /// Several heads in a layer.
    ManyHeads,
    /// Scores divided by sqrt(d_head).
    ScaledScores,
    /// Heads write through W_O.
    OutputProjection,
    /// LayerNorm.
    LayerNorm,
    /// An MLP after each attention layer.
    Mlp,
    /// A readout with hidden layers.
    MlpReadout,
    /// A readout that knows the labels from the start.
    HeadStart,
    /// A hand-wired head instead of layers.
    Minimal,
    /// Attention set by hand.
    Clamps,
    /// A layer without soft-max.
    LinearAttention,
    /// All layers have the same parameters.
    TiedLayers,
    /// A factor on what layers add.
    Damping,
    /// A bound on the residual stream.
    TokenClip,
    /// First weights of another scale.
    InitScale,
    /// Some first weights scaled.
    MisreadScale,
    /// A learned embedding of pairs.
    Embedding,
    /// Weights that begin as an algorithm.
    Construction,
}

/// A network, described once. Fields are those of [`ModelSpec`], resolved, and the sizes that follow from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// What tokens are.
    pub geometry: Geometry,
    /// What is asked for.
    pub targets: Targets,
    /// D, width of an item.
    pub d_item: usize,
    /// Width of the position code.
    pub d_pos: usize,
    /// Width of a token's content.
    pub d_content: usize,
    /// C, width of the residual stream.
    pub d_model: usize,
    /// Last columns of the query's row that the readout reads.
    pub d_read: usize,
    /// Positions in all.
    pub n_positions: usize,
    /// Attention layers.
    pub n_layers: usize,
    /// H.
    pub n_heads: usize,
    /// E, width of a head; 0 in a minimal head.
    pub d_head: usize,
    /// Kind of each layer.
    pub attention: Vec<AttentionKind>,
    /// How positions are written.
    pub positions: Positions,
    /// Whether soft-max scores are divided by sqrt(d_head).
    pub scale_scores: bool,
    /// Whether heads write through W_O.
    pub output_projection: bool,
    /// Whether there is LayerNorm.
    pub layer_norm: bool,
    /// Hidden width of the MLP blocks; 0 for none.
    pub d_mlp: usize,
    /// Their nonlinearity.
    pub activation: Activation,
    /// From the query's row to the logits.
    pub readout: Readout,
    /// Hidden layers of the readout; 0 in a linear one.
    pub readout_layers: usize,
    /// Their width.
    pub readout_width: usize,
    /// xi at the start.
    pub readout_overlap: f64,
    /// The minimal head, instead of layers.
    pub minimal: Option<MinimalSpec>,
    /// Heads whose attention is set by hand.
    pub clamps: Vec<ClampSpec>,
    /// Whether all layers have the same parameters.
    pub tied_layers: bool,
    /// Factor on what layers add.
    pub damping: f64,
    /// Bound on the residual stream.
    pub token_clip: Option<f64>,
    /// Variance of the first weights times d_model.
    pub init_scale: Option<f64>,
    /// Factor on some first weights.
    pub misread_scale: f64,
    /// The embedding of pairs.
    pub embedding: Option<EmbeddingSpec>,
    /// The algorithm that the layers begin as.
    pub construction: Option<Construction>,
    features: Vec<Feature>,
}

impl Description {
    /// The network of a spec.
    ///
    /// ```
    /// use precipice::model::{Description, Feature};
    /// use precipice::spec::RunSpec;
    /// let mut spec = RunSpec::default();
    /// assert!(Description::of(&spec).can_fold());
    /// spec.model.n_layers = 3;
    /// spec.model.d_mlp = 8;
    /// let description = Description::of(&spec);
    /// assert!(description.has(Feature::Mlp) && !description.can_fold());
    /// ```
    pub fn of(spec: &RunSpec) -> Self {
        use Feature as F;
        // Exhaustive: a new field must be described here.
        let ModelSpec {
            positions,
            d_pos: _,
            n_positions: _,
            d_buffer,
            n_layers,
            n_heads,
            d_head: _,
            scale_scores,
            output_projection,
            layer_norm,
            d_mlp,
            activation,
            readout,
            readout_layers,
            readout_width,
            readout_overlap,
            minimal,
            clamps,
            attention: _,
            tokens: _,
            tied_layers,
            damping,
            token_clip,
            init_scale,
            misread_scale,
            embedding,
            construction,
        } = spec.model.clone();
        let facts = spec.facts();
        let attention: Vec<AttentionKind> = (0..n_layers).map(|layer| spec.attention_kind(layer)).collect();
        let d_pos = spec.d_pos();
        let present = [
            (F::NoPositions, d_pos == 0),
            (F::FixedPositions, d_pos > 0 && positions == Positions::Sinusoidal),
            (F::LearnedPositions, d_pos > 0 && positions == Positions::Learned),
            (F::Buffer, d_buffer > 0 && minimal.is_none()),
            (F::ManyHeads, n_heads > 1),
            (F::ScaledScores, scale_scores),
            (F::OutputProjection, output_projection),
            (F::LayerNorm, layer_norm),
            (F::Mlp, d_mlp > 0),
            (F::MlpReadout, readout == Readout::Mlp),
            (F::HeadStart, readout_overlap != 0.0),
            (F::Minimal, minimal.is_some()),
            (F::Clamps, !clamps.is_empty()),
            (F::LinearAttention, attention.contains(&AttentionKind::Linear)),
            (F::TiedLayers, tied_layers),
            (F::Damping, damping != 1.0),
            (F::TokenClip, token_clip.is_some()),
            (F::InitScale, init_scale.is_some()),
            (F::MisreadScale, misread_scale != 1.0),
            (F::Embedding, embedding.is_some()),
            (F::Construction, construction.is_some()),
        ];
        Self {
            d_item: facts.d_item,
            geometry: facts.geometry,
            targets: facts.targets,
            d_pos,
            d_content: spec.d_content(),
            d_model: spec.d_model(),
            d_read: spec.d_read(),
            n_positions: spec.n_positions(),
            n_layers,
            n_heads,
            d_head: spec.d_head(),
            attention,
            positions,
            scale_scores,
            output_projection,
            layer_norm,
            d_mlp,
            activation,
            readout,
            readout_layers: if readout == Readout::Mlp { readout_layers } else { 0 },
            readout_width,
            readout_overlap,
            minimal,
            clamps,
            tied_layers,
            damping,
            token_clip,
            init_scale,
            misread_scale,
            embedding,
            construction,
            features: present.into_iter().filter_map(|(feature, is_present)| is_present.then_some(feature)).collect(),
        }
    }

    /// T.
    pub fn n_tokens(&self) -> usize {
        self.geometry.n_tokens()
    }

    /// Whether the network has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Whether it has no other features than these.
    fn has_only(&self, allowed: &[Feature]) -> bool {
        self.features.iter().all(|feature| allowed.contains(feature))
    }

    /// Two single-head soft-max layers over items and labels, with one-hot positions and nothing between them that is
    /// not linear in the rows: only then do the layers fold into each other.
    pub fn can_fold(&self) -> bool {
        use Feature as F;
        self.n_layers == 2
            && !self.geometry.has_values()
            && self.has_only(&[F::Buffer, F::ScaledScores, F::MlpReadout, F::HeadStart, F::InitScale])
    }

    /// One linear layer on bare pairs and nothing else: its sufficient statistic, its closed forms and its saddles are
    /// those of theory.
    pub fn is_one_linear_layer(&self) -> bool {
        self.n_layers == 1 && self.attention[0] == AttentionKind::Linear && self.is_bare(&[Feature::ManyHeads])
    }

    /// Whether a layer is one linear head on bare pairs, among such layers: its four matrices say what step it makes.
    pub fn is_step(&self, layer: usize) -> bool {
        self.attention[layer] == AttentionKind::Linear && self.is_bare(&[])
    }

    /// Attention on bare pairs through W_O and nothing beside it.
    fn is_bare(&self, also: &[Feature]) -> bool {
        use Feature as F;
        let allowed = [
            F::NoPositions,
            F::ScaledScores,
            F::OutputProjection,
            F::LinearAttention,
            F::TiedLayers,
            F::Damping,
            F::InitScale,
            F::MisreadScale,
            F::Construction,
        ];
        self.geometry.has_pairs() && self.output_projection && self.has_only(&[&allowed[..], also].concat())
    }

    /// Whether scores are (q . k) of the residual stream itself.
    pub fn has_bilinear_scores(&self) -> bool {
        use Feature as F;
        self.has_only(&[
            F::FixedPositions,
            F::LearnedPositions,
            F::NoPositions,
            F::Buffer,
            F::ManyHeads,
            F::ScaledScores,
            F::OutputProjection,
            F::Mlp,
            F::MlpReadout,
            F::HeadStart,
            F::Clamps,
            F::LinearAttention,
            F::TiedLayers,
            F::Damping,
            F::TokenClip,
            F::InitScale,
            F::MisreadScale,
            F::Embedding,
            F::Construction,
        ])
    }

    /// Whether what the second of two layers reads of the first is linear in the first's weights: scores on contents
    /// can be read off both.
    pub fn has_composed_scores(&self) -> bool {
        use Feature as F;
        let allowed = [
            F::FixedPositions,
            F::LearnedPositions,
            F::NoPositions,
            F::Buffer,
            F::ManyHeads,
            F::ScaledScores,
            F::OutputProjection,
            F::MlpReadout,
            F::HeadStart,
            F::Damping,
            F::InitScale,
        ];
        self.n_layers == 2 && !self.geometry.has_values() && self.has_only(&allowed)
    }

    /// Why the parameters of three nested soft-maxes do not exist in this network; none where they do: in two layers of one
    /// soft-max head each, the first of which reads positions.
    pub fn lack_of_order_parameters(&self) -> Option<&'static str> {
        use Feature as F;
        let allowed = [
            F::FixedPositions,
            F::LearnedPositions,
            F::Buffer,
            F::ScaledScores,
            F::OutputProjection,
            F::MlpReadout,
            F::HeadStart,
            F::Minimal,
            F::InitScale,
        ];
        if self.n_layers != 2 || self.geometry.has_values() {
            return Some("describes two attention layers on tokens of items and labels");
        }
        let lacks = |feature: &Feature| match feature {
            F::ManyHeads => "describes one head a layer",
            F::LayerNorm => "has no LayerNorm, which rescales its parameters in every token",
            F::Mlp => "has no MLP between its layers",
            F::Clamps => "has no clamped attention, whose scores are not learned",
            F::NoPositions => "needs positions, which its first layer reads",
            F::LinearAttention => "has soft-max attention",
            _ => "describes layers without tying, damping, clipping, an embedding or constructed weights",
        };
        // A minimal head has its position scores as a scalar.
        let is_allowed =
            |feature: &Feature| allowed.contains(feature) || (*feature == F::NoPositions && self.minimal.is_some());
        self.features.iter().find(|feature| !is_allowed(feature)).map(lacks)
    }

    /// The same of the flow on its landscape, which also reads labels off with a linear map.
    pub fn lack_of_flow(&self) -> Option<&'static str> {
        let deep = "reads labels off with a linear map; a deep readout has a plateau of its own";
        self.lack_of_order_parameters().or(self.has(Feature::MlpReadout).then_some(deep))
    }

    /// Whether the network is one layer, once or several times, and can be applied again to what it wrote.
    pub fn can_repeat(&self) -> bool {
        self.output_projection && (self.n_layers == 1 || self.tied_layers)
    }

    /// Whether the readout reads a normalized row; a value is read as the last layer wrote it.
    pub fn has_final_norm(&self) -> bool {
        self.layer_norm && self.targets.are_labels()
    }

    /// Whether the embedding has parameters, which want a gradient.
    pub fn trains_embedding(&self) -> bool {
        self.has(Feature::LearnedPositions) || self.has(Feature::Embedding)
    }

    /// Whether a layer reads rows of one-hot positions, contents and zeros: of each map the position's part is a look-up.
    pub fn reads_one_hot(&self, layer: usize) -> bool {
        let is_first = layer == 0 && (self.n_layers == 1 || !self.tied_layers);
        is_first && self.d_pos > 0 && self.positions == Positions::OneHot && !self.layer_norm
    }

    /// (d_in, d_out) of each layer of the readout.
    pub fn readout_widths(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (hidden, width, d_read, n_outputs) =
            (self.readout_layers, self.readout_width, self.d_read, self.targets.n_outputs());
        (0..=hidden).map(move |i| (if i == 0 { d_read } else { width }, if i == hidden { n_outputs } else { width }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ClampPattern, RegressionSpec, TaskSpec};

    fn regression(change: impl FnOnce(&mut ModelSpec)) -> Description {
        let mut spec = RunSpec { task: TaskSpec::Regression(RegressionSpec::default()), ..RunSpec::default() };
        spec.model = ModelSpec {
            attention: vec![AttentionKind::Linear],
            n_layers: 1,
            d_pos: Some(0),
            d_buffer: 0,
            output_projection: true,
            ..ModelSpec::default()
        };
        change(&mut spec.model);
        Description::of(&spec)
    }

    /// One predicate for the statistic, the closed forms and the saddles; no option slips past it.
    #[test]
    fn only_a_bare_linear_layer_is_one() {
        let plain = regression(|_| {});
        assert!(plain.is_one_linear_layer() && plain.is_step(0));
        let heads = regression(|model| model.n_heads = 2);
        assert!(heads.is_one_linear_layer() && !heads.is_step(0));
        let changes: [fn(&mut ModelSpec); 6] = [
            |model| model.token_clip = Some(0.01),
            |model| model.d_buffer = 1,
            |model| model.d_mlp = 4,
            |model| model.layer_norm = true,
            |model| model.embedding = Some(EmbeddingSpec { d_embed: 4, d_mlp: 4 }),
            |model| model.attention = vec![AttentionKind::Softmax],
        ];
        for change in changes {
            let changed = regression(change);
            assert!(!changed.is_one_linear_layer() && !changed.is_step(0), "{changed:?}");
        }
        assert!(!regression(|model| model.n_layers = 2).is_one_linear_layer());
    }

    #[test]
    fn the_formula_describes_two_layers_of_one_head() {
        let lack = |change: fn(&mut ModelSpec)| {
            let mut spec = RunSpec::default();
            change(&mut spec.model);
            let network = Description::of(&spec);
            (network.lack_of_order_parameters().is_some(), network.lack_of_flow().is_some())
        };
        assert_eq!(lack(|_| {}), (false, false));
        assert_eq!(lack(|model| model.minimal = Some(MinimalSpec::default())), (false, false));
        assert_eq!(lack(|model| model.readout = Readout::Mlp), (false, true));
        let others: [fn(&mut ModelSpec); 8] = [
            |model| model.n_layers = 4,
            |model| model.n_layers = 1,
            |model| model.n_heads = 4,
            |model| model.layer_norm = true,
            |model| model.d_mlp = 8,
            |model| model.d_pos = Some(0),
            |model| model.tied_layers = true,
            |model| model.clamps = vec![ClampSpec { layer: 0, head: 0, pattern: ClampPattern::PreviousToken }],
        ];
        for (i, change) in others.into_iter().enumerate() {
            assert_eq!(lack(change), (true, true), "change {i}");
        }
        let values = regression(|_| {});
        assert!(values.lack_of_order_parameters().is_some());
    }

    #[test]
    fn only_the_essay_s_kind_of_network_folds() {
        let folds = |change: fn(&mut ModelSpec)| {
            let mut spec = RunSpec::default();
            change(&mut spec.model);
            Description::of(&spec).can_fold()
        };
        assert!(
            folds(|_| {}) && folds(|model| model.scale_scores = true) && folds(|model| model.readout = Readout::Mlp)
        );
        assert!(!folds(|model| model.n_layers = 3) && !folds(|model| model.n_heads = 2));
        assert!(!folds(|model| model.token_clip = Some(9.0)) && !folds(|model| model.tied_layers = true));
        assert!(!folds(|model| model.positions = Positions::Learned) && !folds(|model| model.d_mlp = 8));
    }
}
