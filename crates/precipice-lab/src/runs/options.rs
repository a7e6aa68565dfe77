//! How a run is made, and what of it is kept.

use std::path::PathBuf;

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run directory; default `runs/<name>-<hash8>`.
    pub out: Option<PathBuf>,
    /// Threads; the result does not depend on them.
    pub threads: usize,
    /// Go on with an unfinished run.
    pub resume: bool,
    /// Compute again what is finished or unfinished.
    pub force: bool,
    /// What to write.
    pub keep: Keep,
}

/// What a run directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything: all checkpoints, table, and figures where someone draws them.
    All,
    /// The log, the last checkpoint and the manifest: one run of many. Interrupted, it starts again.
    Results,
}
