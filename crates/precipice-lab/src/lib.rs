//! The laboratory around precipice: everything that touches the outside world.
//!
//! # Reading order
//!
//! [`machine`] (how much memory is left), [`meter`] (how far a computation is), [`input`] (specs and items from files), [`store`] (the run directory), [`runs`] (train into one,
//! open it again, verify), [`reports`] (what is said of a run and of the theory), [`run_figures`] (what
//! is drawn of it), [`whole_run`] (train and draw), [`certificate`] (what a run came to, for others to make again),
//! [`sweep`] (many runs), [`inventory`] (what runs there are), [`claims`] (the register that `precipice reproduce` runs),
//! [`mod@bench`], [`error`].
//!
//! No module knows one that comes after it in this list, [`error`] excepted, which all know. Nothing
//! here prints or exits: whoever watches a run or a sweep is told of it.
//!
//! What needs a disk, threads or drawing is the feature `runs`, on by default.
//!
//! ```
//! use precipice::record::MemoryRecorder;
//! use precipice_lab::input::spec_file::{self, Changes};
//! use precipice_lab::runs::{Keep, Options, StoredRun, train};
//! # let folder = tempfile::tempdir()?;
//! # let root = folder.path().join("run");
//! let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
//! let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None })?;
//! let options = Options { out: Some(root.clone()), threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
//! let report = train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
//! assert_eq!(StoredRun::open(&root)?.rows.last().map(|row| row.step), Some(report.manifest.steps));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "runs")]
pub mod bench;
#[cfg(feature = "runs")]
pub mod certificate;
#[cfg(feature = "runs")]
pub mod claims;
pub mod error;
pub mod input;
#[cfg(feature = "runs")]
pub mod inventory;
pub mod machine;
pub mod meter;
#[cfg(feature = "runs")]
pub mod reports;
#[cfg(feature = "runs")]
pub mod run_figures;
#[cfg(feature = "runs")]
pub mod runs;
pub mod store;
#[cfg(feature = "runs")]
pub mod sweep;
#[cfg(feature = "runs")]
pub mod whole_run;
