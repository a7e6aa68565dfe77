//! Fields that are set and that nothing in the run would read: whoever set one expected something of it.

use crate::field::{SpecError, error};
use crate::sequence::Tokens;
use crate::spec::{ModelSpec, Readout, RunSpec, ScheduleShape};

impl RunSpec {
    /// Checks that every field that is not at its default has an effect. Stored runs may be older than this check, so
    /// that it is no part of [`RunSpec::validate`].
    ///
    /// # Errors
    /// The first that has none.
    ///
    /// ```
    /// use precipice::{sequence::Tokens, spec::RunSpec};
    /// let mut spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
    /// spec.model.tokens = Tokens::Stream;
    /// assert_eq!(spec.validate_use().unwrap_err().field, "model.tokens");
    /// ```
    pub fn validate_use(&self) -> Result<(), SpecError> {
        let (model, default) = (&self.model, ModelSpec::default());
        let is_minimal = model.minimal.is_some();
        let has_hidden_units = model.d_mlp > 0 || model.embedding.is_some();
        let is_linear = model.readout == Readout::Linear;
        let idle = [
            (
                "model.tokens",
                self.task.regression().is_none() && model.tokens != Tokens::Pairs,
                "must be left alone outside the regression task",
            ),
            (
                "model.readout_layers",
                is_linear && model.readout_layers != default.readout_layers,
                "has no effect without readout = \"mlp\"",
            ),
            (
                "model.readout_width",
                is_linear && model.readout_width != default.readout_width,
                "has no effect without readout = \"mlp\"",
            ),
            (
                "model.activation",
                !has_hidden_units && model.activation != default.activation,
                "has no effect without d_mlp or an embedding",
            ),
            (
                "model.positions",
                self.d_pos() == 0 && model.positions != default.positions,
                "has no effect where d_pos is 0",
            ),
            ("model.init_scale", is_minimal && model.init_scale.is_some(), "has no effect with model.minimal"),
            (
                "train.schedule.final_fraction",
                self.train.schedule.shape == ScheduleShape::Constant && self.train.schedule.final_fraction != 0.0,
                "has no effect without shape = \"cosine\"",
            ),
        ];
        match idle.into_iter().find(|(_, is_idle, _)| *is_idle) {
            Some((field, _, expected)) => Err(error(field, "set", expected)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Activation, MinimalSpec, Positions};

    #[test]
    fn what_nothing_reads_is_named() {
        type Change = fn(&mut RunSpec);
        let changes: [(&str, Change); 7] = [
            ("model.tokens", |s| s.model.tokens = Tokens::Stream),
            ("model.readout_layers", |s| s.model.readout_layers = 1),
            ("model.readout_width", |s| s.model.readout_width = 7),
            ("model.activation", |s| s.model.activation = Activation::Gelu),
            ("model.positions", |s| {
                (s.model.minimal, s.model.positions) = (Some(MinimalSpec::default()), Positions::Learned);
            }),
            ("model.init_scale", |s| {
                (s.model.minimal, s.model.init_scale) = (Some(MinimalSpec::default()), Some(1.0));
            }),
            ("train.schedule.final_fraction", |s| s.train.schedule.final_fraction = 0.5),
        ];
        for (field, change) in changes {
            let mut spec = RunSpec { name: "idle".to_owned(), ..RunSpec::default() };
            spec.validate_use().unwrap();
            change(&mut spec);
            assert_eq!(spec.validate_use().unwrap_err().field, field);
            spec.validate().unwrap();
        }
    }
}
