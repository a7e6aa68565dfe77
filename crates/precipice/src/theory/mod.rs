//! The induction head as three nested soft-maxes with parameters (beta, alpha, xi).
//!
//! Layer 1 attends to the previous token with strength beta, layer 2 to the token that followed the
//! query's copy with strength alpha, and the readout reads the attended label with overlap xi.

mod flow;
mod loss;

pub use flow::{Flow, FlowError, FlowPoint, Start, flow};
pub use loss::{Context, ContextError, Evaluation, Point};
