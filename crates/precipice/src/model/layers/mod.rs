//! One layer a file, forward and backward side by side.

pub(super) mod attention;
pub(super) mod block;
mod clamp;
pub(super) mod embed;
mod embedding;
pub(super) mod minimal;
mod mlp;
pub(super) mod norm;
pub(super) mod readout;

pub(super) use embedding::EmbeddingTrace;
pub(super) use mlp::MlpTrace;
