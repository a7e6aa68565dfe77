//! What a person sees while something goes on.
//!
//! Reading order: `live` (who draws, on what [`crate::screen`] gives), then what is shown: `curve` and `run`, `sweep`, `work`. What fits into a width says [`crate::lines`].

mod curve;
pub mod live;
mod run;
mod sweep;
mod work;

pub use curve::{Curve, progress_words};
pub use run::Progress;
pub use sweep::SweepProgress;
pub use work::Working;
