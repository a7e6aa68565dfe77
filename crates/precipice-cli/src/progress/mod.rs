//! What a person sees while something goes on.
//!
//! Reading order: `live` (who draws, on what [`crate::screen`] gives), `lines` (what fits into a
//! width), then what is shown: `curve` and `run`, `sweep`, `work`.

mod curve;
pub mod lines;
pub mod live;
mod run;
mod sweep;
mod work;

pub use curve::{Curve, progress_words};
pub use run::Progress;
pub use sweep::SweepProgress;
pub use work::Working;
