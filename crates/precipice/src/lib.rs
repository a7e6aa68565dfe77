//! The science of precipice: small attention networks that learn to answer from their context, abruptly.
//!
//! # Data flow
//!
//! ```text
//! RunSpec ─> Task::fill(set, step) ─> Batch ─> Model::forward ─> Trace ─> loss ─> Model::backward ─> Params (gradient) ─> update
//!                                                                  │                                                     │
//!                                                                  └─> probes ─> Row ─> Recorder <──── TrainState ───────┘
//! ```
//!
//! # Reading order
//!
//! [`run`] (the loop), [`spec`], [`task`], [`batch`], [`model`], [`train`], [`probe`], [`theory`],
//! [`record`], [`workers`].
//!
//! # Symbols
//!
//! | symbol | meaning | identifier |
//! | --- | --- | --- |
//! | N | item-label pairs in a context | `n_exemplars` |
//! | L | labels in all | `n_labels` |
//! | D | width of an item | `d_item` |
//! | T | tokens of a sequence, 2N + 1 | `n_tokens` |
//! | S, M | sequences in a batch, S T | `n_sequences` |
//! | C, H, E | residual width, heads, head width | `d_model`, `n_heads`, `d_head` |
//! | y, z | attention of a label to its item; of the query to its label | `ila1`, `tila2` |
//! | beta, alpha, xi | order parameters of the induction head | `beta`, `alpha`, `xi` |
//!
//! This crate does no input or output, reads no clock and spawns no threads; it compiles to WebAssembly.
//!
//! ```
//! use precipice::{record::MemoryRecorder, run::{Inputs, run}, spec::RunSpec, workers::Sequential};
//! let mut spec = RunSpec { name: "example".to_owned(), ..RunSpec::default() };
//! spec.train.steps = 2;
//! spec.eval.sequences = 64;
//! let mut recorder = MemoryRecorder::default();
//! let kernels = precipice_num::Kernels::detect();
//! run(&spec, Inputs { items: None, start: None, workers: &Sequential, kernels }, &mut recorder)?;
//! assert_eq!(recorder.rows.len(), 2);
//! # Ok::<(), precipice::run::RunError>(())
//! ```
#![forbid(unsafe_code)]

pub mod batch;
pub mod model;
pub mod probe;
pub mod record;
pub mod run;
pub mod spec;
pub mod task;
pub mod theory;
pub mod train;
pub mod workers;
