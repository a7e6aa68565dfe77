//! Training: a plain value that advances one step at a time and can be saved at any of them.
//!
//! [`Trainer`] (parameters, moments, one update), [`mod@engine`] (what computes its gradients), [`loss`].

mod cpu;
pub mod engine;
pub mod loss;
mod optimizer;
mod past;
mod schedule;
mod trainer;

pub use cpu::{engine, engine_of};
pub use engine::{Engine, Lane, Sink, Step};
pub use optimizer::{OptimizerState, update};
pub use past::Past;
pub use schedule::rate_factor;
pub use trainer::{Diverged, TrainState, Trainer};
