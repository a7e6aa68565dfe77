//! Experiments that are part of the program: specs and sweeps, by name.

/// A built-in experiment: its name and its TOML.
pub const BUILT_INS: [(&str, &str); 18] = [
    ("copying", include_str!("../../../../specs/copying.toml")),
    ("copying-small", include_str!("../../../../specs/copying-small.toml")),
    ("copying-no-curriculum", include_str!("../../../../specs/copying-no-curriculum.toml")),
    ("minimal-head", include_str!("../../../../specs/minimal-head.toml")),
    ("regression", include_str!("../../../../specs/regression.toml")),
    ("regression-two-layers", include_str!("../../../../specs/regression-two-layers.toml")),
    ("regression-rank-one", include_str!("../../../../specs/regression-rank-one.toml")),
    ("regression-stream", include_str!("../../../../specs/regression-stream.toml")),
    ("regression-sine", include_str!("../../../../specs/regression-sine.toml")),
    ("classification", include_str!("../../../../specs/classification.toml")),
    ("classification-fast", include_str!("../../../../specs/classification-fast.toml")),
    ("classification-minimal", include_str!("../../../../specs/classification-minimal.toml")),
    ("classification-han", include_str!("../../../../specs/classification-han.toml")),
    ("relation-marries", include_str!("../../../../specs/relation-marries.toml")),
    ("relation-order", include_str!("../../../../specs/relation-order.toml")),
    ("relation-mixed", include_str!("../../../../specs/relation-mixed.toml")),
    ("han", include_str!("../../../../specs/han.toml")),
    ("han-small", include_str!("../../../../specs/han-small.toml")),
];

/// Sweeps that are part of the program.
pub const BUILT_IN_SWEEPS: [(&str, &str); 14] = [
    ("reddy-reference", include_str!("../../../../specs/sweeps/reddy-reference.toml")),
    ("reddy-frozen-biases", include_str!("../../../../specs/sweeps/reddy-frozen-biases.toml")),
    ("reddy-classes-burstiness", include_str!("../../../../specs/sweeps/reddy-classes-burstiness.toml")),
    ("reddy-noise", include_str!("../../../../specs/sweeps/reddy-noise.toml")),
    ("reddy-zipf", include_str!("../../../../specs/sweeps/reddy-zipf.toml")),
    ("reddy-minimal", include_str!("../../../../specs/sweeps/reddy-minimal.toml")),
    ("reddy-minimal-classes", include_str!("../../../../specs/sweeps/reddy-minimal-classes.toml")),
    ("reddy-bursty-novel", include_str!("../../../../specs/sweeps/reddy-bursty-novel.toml")),
    ("reddy-exemplars-labels", include_str!("../../../../specs/sweeps/reddy-exemplars-labels.toml")),
    ("reddy-interventions", include_str!("../../../../specs/sweeps/reddy-interventions.toml")),
    ("oswald-exemplars", include_str!("../../../../specs/sweeps/oswald-exemplars.toml")),
    ("oswald-heads", include_str!("../../../../specs/sweeps/oswald-heads.toml")),
    ("oswald-misread", include_str!("../../../../specs/sweeps/oswald-misread.toml")),
    ("han-classes-burstiness", include_str!("../../../../specs/sweeps/han-classes-burstiness.toml")),
];

/// Whether a name is that of a spec that is part of the program.
pub fn is_built_in(name: &str) -> bool {
    BUILT_INS.iter().any(|(built_in, _)| *built_in == name)
}

/// The TOML of a sweep that is part of the program.
pub fn sweep(name: &str) -> Option<&'static str> {
    BUILT_IN_SWEEPS.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| *text)
}
