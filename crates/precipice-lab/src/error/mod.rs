//! What can go wrong between the science and the outside world: where, and of what kind.
//!
//! Every kind is a variant with its values, so that a program can match it; what it prints says what was
//! expected and what to do.

#[cfg(feature = "runs")]
mod certificate;
mod figure;
mod file;
#[cfg(feature = "runs")]
mod inventory;
mod items;
mod output;
mod run_dir;
mod spec;
mod sweep;

use std::io;
use std::path::{Path, PathBuf};

use precipice::run::RunError;

#[cfg(feature = "runs")]
pub use certificate::CertificateProblem;
pub use figure::{BenchProblem, FigureProblem};
pub use file::FileProblem;
#[cfg(feature = "runs")]
pub use inventory::InventoryProblem;
pub use items::{ArrayProblem, ItemsProblem, OtherValues};
pub use output::OutputProblem;
pub(crate) use precipice::field::excerpt;
pub use run_dir::RunDirProblem;
pub use spec::SpecProblem;
pub use sweep::SweepProblem;

/// An error that names what, where, what was expected and what to do.
///
/// ```
/// use precipice_lab::error::{LabError, SpecProblem};
/// use precipice_lab::input::spec_file::{Changes, load};
/// match load("copyin", &Changes::default()) {
///     Err(LabError::Spec { problem: SpecProblem::Unknown { nearest, .. }, .. }) => {
///         assert_eq!(nearest.as_deref(), Some("copying"));
///     }
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
        /// Built-in name, file with line and column, or override.
        origin: String,
        /// What is wrong.
        problem: SpecProblem,
    },
    /// A grid of runs that cannot be made.
    #[error("{origin}: {problem}")]
    Sweep {
        /// Built-in name or file of the sweep or its spec.
        origin: String,
        /// What is wrong.
        problem: SweepProblem,
    },
    /// A file of items that cannot be used.
    #[error("{path}: {problem}")]
    Items {
        /// The file.
        path: String,
        /// What is wrong.
        problem: ItemsProblem,
    },
    /// A file that is not read.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: FileProblem,
    },
    /// A run directory in a state that does not allow what was asked.
    #[error("{path}: {problem}")]
    RunDir {
        /// The directory or a file in it.
        path: PathBuf,
        /// Its state.
        problem: RunDirProblem,
    },
    /// A place that a result cannot be written to.
    #[error("{path}: {problem}")]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: OutputProblem,
    },
    /// A figure that cannot be drawn.
    #[error("figure {kind}: {problem}")]
    Figure {
        /// Kind of figure, or its file.
        kind: String,
        /// Why.
        problem: FigureProblem,
    },
    /// A run that is not certified, or a certificate that cannot be read.
    #[cfg(feature = "runs")]
    #[error("{path}: {problem}")]
    Certificate {
        /// The run or the file.
        path: PathBuf,
        /// What is wrong.
        problem: CertificateProblem,
    },
    /// A list of runs that cannot be made.
    #[cfg(feature = "runs")]
    #[error(transparent)]
    Inventory(#[from] InventoryProblem),
    /// A task that cannot be timed.
    #[error("bench {task}: {problem}")]
    Bench {
        /// Name of the task.
        task: String,
        /// Why.
        problem: BenchProblem,
    },
    /// The operating system gives no threads.
    #[error("{path}: no threads: {cause}")]
    NoThreads {
        /// What they were for.
        path: PathBuf,
        /// Why.
        cause: String,
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

    /// Whether something stored is not what was written: damaged, exchanged or gone.
    pub fn is_damage(&self) -> bool {
        matches!(self, LabError::RunDir { problem, .. } if problem.is_damage())
    }

    /// The run that was meant by a name of none.
    pub fn nearest_run(&self) -> Option<PathBuf> {
        match self {
            LabError::RunDir { problem: RunDirProblem::NoSuchRun { nearest }, .. } => nearest.clone(),
            _ => None,
        }
    }

    pub(crate) fn run_dir(path: &Path, problem: RunDirProblem) -> LabError {
        LabError::RunDir { path: path.to_owned(), problem }
    }

    pub(crate) fn output(path: &Path, problem: OutputProblem) -> LabError {
        LabError::Output { path: path.to_owned(), problem }
    }

    pub(crate) fn spec(origin: &str, problem: SpecProblem) -> LabError {
        LabError::Spec { origin: excerpt(origin), problem }
    }

    #[cfg(feature = "runs")]
    pub(crate) fn certificate(path: &Path, problem: CertificateProblem) -> LabError {
        LabError::Certificate { path: path.to_owned(), problem }
    }

    #[cfg(feature = "runs")]
    pub(crate) fn sweep(origin: &str, problem: SweepProblem) -> LabError {
        LabError::Sweep { origin: excerpt(origin), problem }
    }

    #[cfg(feature = "runs")]
    pub(crate) fn figure(kind: &str, problem: impl Into<FigureProblem>) -> LabError {
        LabError::Figure { kind: kind.to_owned(), problem: problem.into() }
    }
}

/// "; did you mean ...?" where a name is near.
fn hint<T: ?Sized>(nearest: Option<&T>, quoted: impl Fn(&T) -> String) -> String {
    nearest.map_or(String::new(), |name| format!("; did you mean {}?", quoted(name)))
}
