//! What can go wrong between the science and the outside world.

use std::io;
use std::path::{Path, PathBuf};

use precipice::run::RunError;

/// An error that names what, where, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {cause}")]
    Io {
        /// "read", "write" ...
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A spec that cannot be read or run.
    #[error("{origin}: {problem}")]
    Spec {
        /// Built-in name, file, or override.
        origin: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A spec that can be read, but not run.
    #[error("{origin}: {problem}")]
    Invalid {
        /// Built-in name or file.
        origin: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A file of items that cannot be used.
    #[error("{path}: {problem}")]
    Items {
        /// The file.
        path: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A run directory in a state that does not allow what was asked.
    #[error("{path}: {problem}")]
    RunDir {
        /// The directory or a file in it.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A figure that cannot be drawn.
    #[error("figure {kind}: {problem}")]
    Figure {
        /// Kind of figure.
        kind: String,
        /// Why.
        problem: String,
    },
    /// A task that cannot be timed.
    #[error("bench {task}: {problem}")]
    Bench {
        /// Name of the task.
        task: String,
        /// Why.
        problem: String,
    },
    /// Ctrl-C; what was done is saved.
    #[error("stopped at {path}; the same command goes on")]
    Stopped {
        /// The run that was stopped.
        path: PathBuf,
    },
    /// The run itself.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl LabError {
    /// For `map_err` on an input or output operation.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LabError {
        let path = path.to_owned();
        move |cause| LabError::Io { action, path, cause }
    }

    pub(crate) fn run_dir(path: &Path, problem: impl Into<String>) -> LabError {
        LabError::RunDir { path: path.to_owned(), problem: problem.into() }
    }
}
