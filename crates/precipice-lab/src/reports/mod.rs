//! What is said of runs and of the theory, as data: what `--json` prints, and what the text of a command
//! and a figure are made of.
//!
//! Numbers that are undefined are NaN here and null in JSON. Reading order: [`run`] (what came of it), [`diff`] (beside
//! another), [`network`] (a look into it), [`contexts`] (what it was shown and where it looked), [`at`] (all of it at any
//! step), [`regression`] (beside gradient descent), [`theory`] (beside the formula);
//! of the theory alone [`formula`], [`landscape`], [`surface`], [`scaling`], [`closed_forms`].

pub mod at;
pub mod closed_forms;
pub mod contexts;
pub mod diff;
pub mod formula;
pub mod landscape;
pub mod network;
pub mod regression;
pub mod run;
pub mod scaling;
mod serial;
pub mod surface;
pub mod theory;
