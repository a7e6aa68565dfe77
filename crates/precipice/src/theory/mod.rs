//! The induction head as three nested soft-maxes with parameters (beta, alpha, xi).
//!
//! Layer 1 attends to the previous token with strength beta, layer 2 to the token that followed the
//! query's copy with strength alpha, and the readout reads the attended label with overlap xi.
//!
//! Reading order: `loss` (the formula), `flow` (gradient flow and its cliff), `descent` (steps of
//! finite size, with noise), `manifold` (why the flow is two-dimensional, and its saddle),
//! `landscape` (surfaces over two parameters), `scaling` (when the cliff comes), `fit` (a measured
//! path and the flow that follows it best), `reach` (how far out anything is computed); `integrate` and `schedule` are tools. `regression` is another
//! theory, of the linear layer that learns a step of gradient descent.

mod descent;
mod fit;
mod flow;
mod integrate;
mod landscape;
mod loss;
mod manifold;
mod reach;
pub mod regression;
mod scaling;
mod schedule;

pub use descent::{Descent, DescentError, descend};
pub use fit::{Fit, Path, PathError, PathPoint, fit};
pub use flow::{Flow, FlowError, FlowPoint, Motion, Start, flow};
pub use landscape::{Axis, AxisError, Parameter, Plane, Surface, Third};
pub use loss::{Context, ContextError, Evaluation, Point};
pub use manifold::Manifold;
pub use reach::{OutOfReach, REACH, within_reach};
pub use scaling::{Exponent, Over, ScalingError, ScalingPoint, exponent, scaling};
pub use schedule::{Schedule, ScheduleError};
