//! The science of precipice: small attention networks that learn to answer from their context, abruptly.
//!
//! # Data flow
//!
//! ```text
//! RunSpec ─> Task::fill(set, step) ─> Batch ─> Form::forward ─> outputs ─> loss ─> Form::backward ─> gradient ─> update
//!   │                                           └──────────────── Engine ─────────────────┘                      │
//!   └─> Facts, Description                                         │                                             │
//!                                                   probes ─> Row ─> Run ─> Recorder <────────── TrainState ─────┘
//! ```
//!
//! # Reading order
//!
//! [`run`] (the loop), [`spec`], [`sequence`], [`task`], [`model`], [`train`], [`measure`], [`theory`],
//! [`record`], [`memory`], [`workers`], [`field`], [`purpose`].
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
//! use precipice::{record::MemoryRecorder, run::Run, spec::RunSpec, workers::Sequential};
//! let mut spec = RunSpec { name: "example".to_owned(), ..RunSpec::default() };
//! spec.train.steps = 2;
//! spec.eval.sequences = 64;
//! let mut recorder = MemoryRecorder::default();
//! let mut run = Run::new(&spec, None, precipice_num::Kernels::detect())?;
//! run.record(&Sequential, &mut recorder)?;
//! assert_eq!(recorder.rows.len(), 2);
//! # Ok::<(), precipice::run::RunError>(())
//! ```
#![forbid(unsafe_code)]

pub mod field;
pub mod measure;
pub mod memory;
pub mod model;
pub mod purpose;
pub mod record;
pub mod run;
pub mod sequence;
pub mod spec;
pub mod task;
pub mod theory;
pub mod train;
pub mod workers;
