//! How a run is made, and what of it is kept.

use std::path::PathBuf;
use std::time::Duration;

use precipice_num::{Arithmetic, Kernels};

use crate::error::RunDirProblem;

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
    /// The arithmetic of a new run; default that of this processor. A stored run keeps its own.
    pub arithmetic: Option<Arithmetic>,
}

/// What a run directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything: all checkpoints, table, and figures where someone draws them.
    All,
    /// The log, the last checkpoint and the manifest. Interrupted, it starts again.
    Results,
    /// The same of one run of many, which others may go on with.
    Rolling {
        /// Until the run ends, the newest of the states that are saved every so often and where it is stopped is kept.
        every: Duration,
        /// Whether the run is nobody else's by agreement, so that a file system without locks will do.
        is_alone: bool,
    },
}

impl Options {
    /// Refuses to go on in another arithmetic than that of a stored run.
    pub(super) fn agrees(&self, stored: &str) -> Result<(), RunDirProblem> {
        match self.arithmetic.map(Arithmetic::name) {
            Some(asked) if asked != stored => {
                Err(RunDirProblem::OtherArithmetic { stored: stored.to_owned(), asked: asked.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// The kernels of a new run.
    pub(super) fn kernels(&self) -> Kernels {
        self.arithmetic.map_or_else(Kernels::detect, Kernels::with_arithmetic)
    }
}
