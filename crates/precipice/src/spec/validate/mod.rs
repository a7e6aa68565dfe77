//! Which specs can be run, and why the others cannot.

use super::{ClampPattern, ClampSpec, MinimalSpec, ModelSpec, OptimizerSpec, Positions, Readout, RunSpec};
use crate::field::{SpecError, WIDTH_MAX, error, fraction, name, positive, share, within};

mod attention;
mod idle;

/// Soft-max arguments beyond this are certainties.
const SCALAR_MAX: f64 = 1e3;
const OVERLAP_MAX: f64 = 1e4;
const SEED_MAX: u64 = i64::MAX as u64;
/// The address of a random number has 56 bits for the step.
const STEPS_MAX: u64 = 1 << 50;

impl RunSpec {
    /// Checks every field by itself and against the others.
    ///
    /// # Errors
    /// The first field that cannot be run.
    pub fn validate(&self) -> Result<(), SpecError> {
        name("name", &self.name)?;
        self.task.family().validate()?;
        self.validate_model()?;
        self.validate_train()?;
        self.validate_measurements()?;
        for (field, seed) in [
            ("seeds.world", self.seeds.world),
            ("seeds.init", self.seeds.init),
            ("seeds.data", self.seeds.data),
            ("seeds.eval", self.seeds.eval),
        ] {
            within(field, seed, 0, SEED_MAX)?;
        }
        self.validate_branch()
    }

    fn validate_model(&self) -> Result<(), SpecError> {
        let model = &self.model;
        self.validate_attention()?;
        if !self.targets().are_labels() {
            self.validate_model_of_values()?;
        }
        if let Some(minimal) = &model.minimal {
            self.validate_minimal(minimal)?;
            return self.validate_clamps();
        }
        self.validate_overlap()?;
        within("model.d_pos", self.d_pos(), usize::from(!self.facts().geometry.has_pairs()), WIDTH_MAX)?;
        within("model.d_buffer", model.d_buffer, 0, WIDTH_MAX)?;
        within("model.n_layers", model.n_layers, 1, 64)?;
        within("model.n_heads", model.n_heads, 1, 256)?;
        within("model.d_head", self.d_head(), 1, WIDTH_MAX)?;
        within("model.d_mlp", model.d_mlp, 0, WIDTH_MAX)?;
        self.validate_readout()?;
        self.validate_positions()?;
        if !model.output_projection && model.n_heads * self.d_head() != self.d_model() {
            let expected = format!(
                "n_heads x d_head must be d_model = {} (d_pos + d_item + d_buffer) where heads are concatenated; \
                 set output_projection = true for other widths",
                self.d_model()
            );
            return Err(error("model.d_head", self.d_head(), expected));
        }
        self.validate_clamps()
    }

    /// Clamped heads exist, once each; only the last layer's query has something to match.
    fn validate_clamps(&self) -> Result<(), SpecError> {
        let (model, clamps) = (&self.model, &self.model.clamps);
        for (i, clamp) in clamps.iter().enumerate() {
            let &ClampSpec { layer, head, pattern } = clamp;
            within("model.clamps.layer", layer, 0, model.n_layers - 1)?;
            within("model.clamps.head", head, 0, model.n_heads - 1)?;
            if clamps[..i].iter().any(|other| (other.layer, other.head) == (layer, head)) {
                return Err(error("model.clamps", format!("layer {layer}, head {head}"), "must name each head once"));
            }
            let last = model.n_layers - 1;
            if pattern == ClampPattern::Match && layer != last {
                let expected = format!("must be {last} for pattern = \"match\": only the last layer's query is read");
                return Err(error("model.clamps.layer", layer, expected));
            }
            if model.minimal.is_some() && pattern == ClampPattern::PreviousToken && layer != 0 {
                let expected = "must be 0 for pattern = \"previous-token\" with model.minimal, which is wired by hand";
                return Err(error("model.clamps.layer", layer, expected));
            }
        }
        Ok(())
    }

    fn validate_readout(&self) -> Result<(), SpecError> {
        if self.model.readout == Readout::Mlp {
            within("model.readout_layers", self.model.readout_layers, 1, 64)?;
            within("model.readout_width", self.model.readout_width, 1, WIDTH_MAX)?;
        }
        Ok(())
    }

    /// A head start needs labels that are read as the last layer writes them.
    fn validate_overlap(&self) -> Result<(), SpecError> {
        let model = &self.model;
        let overlap = model.readout_overlap;
        within("model.readout_overlap", overlap, -OVERLAP_MAX, OVERLAP_MAX)?;
        let is_direct = model.readout == Readout::Linear && !model.output_projection && !model.layer_norm;
        if overlap != 0.0 && !is_direct {
            let expected = "needs readout = \"linear\", without output_projection and layer_norm";
            return Err(error("model.readout_overlap", overlap, expected));
        }
        Ok(())
    }

    /// A minimal head has two hand-wired layers, so whatever shapes layers must be left alone.
    fn validate_minimal(&self, minimal: &MinimalSpec) -> Result<(), SpecError> {
        let (model, default) = (&self.model, ModelSpec::default());
        for (field, value) in [("beta", minimal.beta), ("alpha", minimal.alpha), ("beta_2", minimal.beta_2)] {
            within(&format!("model.minimal.{field}"), value, -SCALAR_MAX, SCALAR_MAX)?;
        }
        let fields = [
            ("n_layers", model.n_layers.to_string(), default.n_layers.to_string()),
            ("n_heads", model.n_heads.to_string(), default.n_heads.to_string()),
            ("d_mlp", model.d_mlp.to_string(), default.d_mlp.to_string()),
            ("layer_norm", model.layer_norm.to_string(), default.layer_norm.to_string()),
            ("scale_scores", model.scale_scores.to_string(), default.scale_scores.to_string()),
            ("output_projection", model.output_projection.to_string(), default.output_projection.to_string()),
        ];
        for (field, value, expected) in fields {
            if value != expected {
                let expected = format!("must be {expected} with model.minimal, which is wired by hand");
                return Err(error(&format!("model.{field}"), value, expected));
            }
        }
        if !self.probes.ablations.is_empty() {
            let expected = "must be empty with model.minimal; set its scalars instead";
            return Err(error("probes.ablations", format!("{} entries", self.probes.ablations.len()), expected));
        }
        within("model.n_positions", self.n_positions(), self.n_tokens(), WIDTH_MAX)?;
        self.validate_readout()?;
        self.validate_overlap()
    }

    fn validate_positions(&self) -> Result<(), SpecError> {
        let facts = self.facts();
        if facts.geometry.has_pairs() {
            return Ok(());
        }
        let n_positions = self.n_positions();
        within("model.n_positions", n_positions, 1, WIDTH_MAX)?;
        if self.n_tokens() > n_positions {
            let field = if self.model.positions == Positions::OneHot { "model.d_pos" } else { "model.n_positions" };
            let expected = format!(
                "must be at least T = {} = {}, the length of a sequence; left out, it is T",
                facts.geometry.length_words(),
                self.n_tokens()
            );
            return Err(error(field, n_positions, expected));
        }
        if self.model.positions == Positions::OneHot && n_positions != self.d_pos() {
            let expected = format!("must equal d_pos = {} where positions are one-hot", self.d_pos());
            return Err(error("model.n_positions", n_positions, expected));
        }
        Ok(())
    }

    fn validate_train(&self) -> Result<(), SpecError> {
        let train = &self.train;
        within("train.steps", train.steps, 0, STEPS_MAX)?;
        within("train.batch_size", train.batch_size, 1, 1 << 24)?;
        let rule = match &train.optimizer {
            OptimizerSpec::Sgd(sgd) => {
                fraction("train.optimizer.sgd.momentum", sgd.momentum)?;
                fraction("train.optimizer.sgd.decay", sgd.decay)?;
                "sgd"
            }
            OptimizerSpec::Adam(adam) => {
                fraction("train.optimizer.adam.adam_beta1", adam.adam_beta1)?;
                fraction("train.optimizer.adam.adam_beta2", adam.adam_beta2)?;
                positive("train.optimizer.adam.epsilon", adam.epsilon)?;
                if !(adam.decay >= 0.0 && adam.decay.is_finite()) {
                    return Err(error("train.optimizer.adam.decay", adam.decay, "must be a finite number, 0 or more"));
                }
                "adam"
            }
        };
        positive(&format!("train.optimizer.{rule}.learning_rate"), train.optimizer.learning_rate())?;
        for (group, &factor) in &train.rate_factors {
            positive(&format!("train.rate_factors.{group:?}"), factor)?;
        }
        if let Some(clip_norm) = train.clip_norm {
            positive("train.clip_norm", clip_norm)?;
        }
        let final_fraction = train.schedule.final_fraction;
        share("train.schedule.final_fraction", final_fraction)
    }

    fn validate_measurements(&self) -> Result<(), SpecError> {
        within("eval.every", self.eval.every, 1, STEPS_MAX)?;
        within("eval.sequences", self.eval.sequences, 1, 1 << 24)?;
        within("probes.sequences", self.probes.sequences, 2, 1 << 24)?;
        within("checkpoint.every", self.checkpoint.every, 1, STEPS_MAX)?;
        if !self.probes.enabled && !self.probes.ablations.is_empty() {
            return Err(error("probes.enabled", false, "must be true where probes.ablations asks for ablations"));
        }
        for ablation in &self.probes.ablations {
            within("probes.ablations.layer", ablation.layer, 0, self.model.n_layers - 1)?;
            within("probes.ablations.head", ablation.head, 0, self.model.n_heads - 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{AblationMode, AblationSpec, Seeds, TaskSpec};

    fn good() -> RunSpec {
        RunSpec { name: "test".to_owned(), ..RunSpec::default() }
    }

    fn rejected(change: impl FnOnce(&mut RunSpec)) -> SpecError {
        let mut spec = good();
        change(&mut spec);
        spec.validate().expect_err("must be rejected")
    }

    #[test]
    fn defaults_are_valid_and_l_equal_n_is_legal() {
        good().validate().unwrap();
        let mut spec = good();
        spec.task = TaskSpec::Copying(crate::spec::CopyingSpec { n_labels: 8, ..Default::default() });
        spec.validate().unwrap();
    }

    #[test]
    fn each_wrong_field_is_named() {
        fn task(spec: &mut RunSpec) -> &mut crate::spec::CopyingSpec {
            let TaskSpec::Copying(copying) = &mut spec.task else { unreachable!("the default task") };
            copying
        }
        assert_eq!(rejected(|s| s.name = "a/b".to_owned()).field, "name");
        assert_eq!(rejected(|s| task(s).n_exemplars = 0).field, "task.copying.n_exemplars");
        assert_eq!(rejected(|s| task(s).n_labels = 7).field, "task.copying.n_labels");
        assert_eq!(rejected(|s| s.model.d_pos = Some(16)).field, "model.d_pos");
        assert_eq!(rejected(|s| s.model.n_heads = 3).field, "model.d_head");
        assert_eq!(rejected(|s| s.train.batch_size = 0).field, "train.batch_size");
        assert_eq!(rejected(|s| s.train.clip_norm = Some(f64::NAN)).field, "train.clip_norm");
        assert_eq!(rejected(|s| s.eval.every = 0).field, "eval.every");
        assert_eq!(rejected(|s| s.seeds = Seeds::all(u64::MAX)).field, "seeds.world");
        let rate = rejected(|s| {
            s.train.optimizer =
                OptimizerSpec::Sgd(crate::spec::SgdSpec { learning_rate: f64::NAN, momentum: 0.0, decay: 0.0 });
        });
        assert_eq!(rate.to_string(), "train.optimizer.sgd.learning_rate = NaN: must be a finite number above 0");
        let head = AblationSpec { layer: 2, head: 0, mode: AblationMode::Zero };
        assert_eq!(rejected(|s| s.probes.ablations.push(head)).field, "probes.ablations.layer");
    }

    #[test]
    fn the_position_code_follows_the_sequence() {
        let of = |n_exemplars: usize| {
            let mut spec = good();
            spec.task = TaskSpec::Copying(crate::spec::CopyingSpec { n_exemplars, ..Default::default() });
            spec.resolve();
            spec.validate().unwrap();
            spec
        };
        assert_eq!([4, 8, 16].map(|n| (of(n).d_pos(), of(n).n_positions())), [(9, 9), (17, 17), (33, 33)]);
        let explicit = RunSpec { model: ModelSpec { d_pos: Some(17), ..ModelSpec::default() }, ..good() };
        assert_eq!(explicit.hash(), good().hash(), "the same run, said or left out");
        let pairs = TaskSpec::Regression(crate::spec::RegressionSpec::default());
        assert_eq!(RunSpec { task: pairs, ..good() }.d_pos(), 0);
    }

    #[test]
    fn the_hash_sees_every_field_but_the_description() {
        let spec = good();
        let described = RunSpec { description: "words".to_owned(), ..spec.clone() };
        assert_eq!(spec.hash(), described.hash());
        let mut resolved = spec.clone();
        resolved.resolve();
        assert_eq!(spec.hash(), resolved.hash());
        assert_ne!(spec.hash(), RunSpec { seeds: Seeds::all(1), ..spec }.hash());
    }
}
