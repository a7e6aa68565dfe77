//! Figures that cannot be drawn, and tasks that cannot be timed.

use std::path::PathBuf;

#[cfg(feature = "runs")]
use precipice_figures::FigureError;

/// Why there is no figure.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FigureProblem {
    /// The log is empty.
    #[error("{} has no rows yet", .path.display())]
    NoRows {
        /// The run.
        path: PathBuf,
    },
    /// There is nothing to draw.
    #[error("there are no runs")]
    NoRuns,
    /// The run has nothing of what the figure shows.
    #[error("{why}")]
    NotForThisRun {
        /// What it lacks.
        why: String,
    },
    /// The theory says nothing there.
    #[error("{why}")]
    Theory {
        /// Why.
        why: String,
    },
    /// Data that make no figure.
    #[cfg(feature = "runs")]
    #[error(transparent)]
    Data(#[from] FigureError),
    /// A file that is no figure's.
    #[error("the file name must end in .svg, .png or .pdf")]
    Extension,
}

/// Why there is no timing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BenchProblem {
    /// The operating system gives no threads.
    #[error("no threads: {cause}")]
    NoThreads {
        /// Why.
        cause: String,
    },
    /// The loss was not finite.
    #[error("diverged at step {step}; try a smaller learning rate")]
    Diverged {
        /// Updates done.
        step: u64,
    },
}
