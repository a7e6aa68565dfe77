//! The laboratory around precipice: everything that touches the outside world.
//!
//! Reading order: [`session`] (train into a run directory, resume), [`sweep`] (many of
//! them), [`verify`], [`store`] (the run
//! directory), [`spec_file`] and [`items`] (what goes in), [`run_figures`] (what
//! comes out), [`regression_report`] (a network beside gradient descent), [`claims`] (the register that `precipice reproduce` runs), [`mod@bench`],
//! [`threads`], [`error`].
#![forbid(unsafe_code)]

pub mod bench;
pub mod claims;
pub mod companion;
pub mod error;
pub mod items;
pub mod landscape;
pub mod regression_report;
pub mod run_figures;
pub mod run_theory;
pub mod session;
pub mod spec_file;
pub mod store;
pub mod sweep;
pub mod threads;
pub mod verify;
