//! Which attention can be run on which task.

use crate::field::{SpecError, WIDTH_MAX, error, positive, within};
use crate::spec::{AttentionKind, Construction, ModelSpec, RunSpec};
use crate::task::regression::SCALE_MAX;

impl RunSpec {
    /// Kinds, damping, clip and first scale of the attention layers.
    pub(super) fn validate_attention(&self) -> Result<(), SpecError> {
        let model = &self.model;
        let n_kinds = model.attention.len();
        if n_kinds > 1 && n_kinds != model.n_layers {
            let expected = format!("must be one kind for all layers, or n_layers = {} of them", model.n_layers);
            return Err(error("model.attention", format!("{n_kinds} kinds"), expected));
        }
        if model.tied_layers && n_kinds > 1 {
            return Err(error("model.attention", format!("{n_kinds} kinds"), "must be one where tied_layers = true"));
        }
        if !(model.damping.is_finite() && model.damping.abs() <= SCALE_MAX) {
            return Err(error("model.damping", model.damping, "must be a finite number"));
        }
        if model.damping != 1.0 && !model.output_projection {
            return Err(error("model.damping", model.damping, "must be 1 without output_projection"));
        }
        for (field, value) in [("model.token_clip", model.token_clip), ("model.init_scale", model.init_scale)] {
            value.map_or(Ok(()), |value| positive(field, value))?;
        }
        let is_default = n_kinds == 0 && !model.tied_layers && model.damping == 1.0 && model.token_clip.is_none();
        if model.minimal.is_some() && !is_default {
            let expected = "must be left alone with model.minimal: attention, tied_layers, damping, token_clip";
            return Err(error("model.attention", "set", expected));
        }
        if model.misread_scale != 1.0 && self.targets().are_labels() {
            return Err(error("model.misread_scale", model.misread_scale, "must be 1 outside the regression task"));
        }
        if self.targets().are_labels() {
            let expected = "must be absent outside the regression task";
            if model.embedding.is_some() {
                return Err(error("model.embedding", "set", expected));
            }
            if model.construction.is_some() {
                return Err(error("model.construction", "set", expected));
            }
        }
        let is_linear = (0..model.n_layers).any(|layer| self.attention_kind(layer) == AttentionKind::Linear);
        if is_linear && self.targets().are_labels() && self.probes.enabled {
            let expected = "linear attention has no fractions to measure: set probes.enabled = false";
            return Err(error("model.attention", "linear", expected));
        }
        Ok(())
    }

    /// What has no use where values are asked for must be left alone.
    pub(super) fn validate_model_of_values(&self) -> Result<(), SpecError> {
        let (model, default) = (&self.model, ModelSpec::default());
        let refuse = |field: &str, value: String, expected: &str| Err(error(field, value, expected));
        if model.minimal.is_some() {
            return refuse("model.minimal", "set".to_owned(), "must be absent: the regression task has no labels");
        }
        if model.readout != default.readout || model.readout_overlap != 0.0 {
            let expected = "must be left alone: the regression task reads the query's y entry";
            return refuse("model.readout", "set".to_owned(), expected);
        }
        if !model.clamps.is_empty() {
            return refuse("model.clamps", format!("{} entries", model.clamps.len()), "must be empty in regression");
        }
        if !self.probes.ablations.is_empty() {
            let found = format!("{} entries", self.probes.ablations.len());
            return refuse("probes.ablations", found, "must be empty in regression");
        }
        within("model.misread_scale", model.misread_scale, 0.0, SCALE_MAX)?;
        if self.facts().geometry.has_pairs() && self.d_pos() != 0 {
            let expected = "must be 0 where tokens = \"pairs\": the order of the pairs says nothing";
            return refuse("model.d_pos", self.d_pos().to_string(), expected);
        }
        if let Some(embedding) = model.embedding {
            within("model.embedding.d_embed", embedding.d_embed, 2, WIDTH_MAX)?;
            within("model.embedding.d_mlp", embedding.d_mlp, 1, WIDTH_MAX)?;
            if model.misread_scale != 1.0 {
                let expected = "must be 1 with model.embedding, which mixes x and y";
                return refuse("model.misread_scale", model.misread_scale.to_string(), expected);
            }
        }
        self.validate_construction()
    }

    /// An algorithm needs layers of its kind, as wide as a token.
    fn validate_construction(&self) -> Result<(), SpecError> {
        let model = &self.model;
        let Some(construction) = model.construction else { return Ok(()) };
        let field = "model.construction";
        let (kind, numbers) = match construction {
            Construction::GradientDescent { rate } => (AttentionKind::Linear, vec![rate]),
            Construction::GradientDescentPlusPlus { rate, shrinkage } => (AttentionKind::Linear, vec![rate, shrinkage]),
            Construction::KernelSmoother { sharpness } => (AttentionKind::Softmax, vec![sharpness]),
        };
        if let Some(number) = numbers.iter().find(|number| !number.is_finite() || number.abs() > SCALE_MAX) {
            return Err(error(field, number, format!("must be from -{SCALE_MAX} to {SCALE_MAX}")));
        }
        if let Some(layer) = (0..model.n_layers).find(|&layer| self.attention_kind(layer) != kind) {
            let name = if kind == AttentionKind::Linear { "linear" } else { "softmax" };
            return Err(error(field, format!("for layer {layer}"), format!("needs model.attention = [\"{name}\"]")));
        }
        if !self.facts().geometry.has_pairs() {
            return Err(error(field, "set", "needs model.tokens = \"pairs\""));
        }
        let is_altered = model.layer_norm || model.d_mlp > 0 || model.damping != 1.0 || model.scale_scores;
        if is_altered {
            let expected = "needs layer_norm = false, d_mlp = 0, damping = 1 and scale_scores = false";
            return Err(error(field, "set", expected));
        }
        if !model.output_projection || model.d_buffer != 0 || self.d_head() < self.d_model() {
            let expected = format!("needs output_projection, d_buffer = 0 and d_head of at least {}", self.d_model());
            return Err(error(field, "set", expected));
        }
        Ok(())
    }
}
