//! Places that a result cannot be written to.

use std::path::PathBuf;

/// Why a file is not written there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputProblem {
    /// It would be lost.
    #[error("is there already, with other content; choose another -o, or replace it with --force")]
    Exists,
    /// A folder.
    #[error("is a folder; expected the name of a file")]
    IsAFolder,
    /// A run holds only what it wrote itself.
    #[error("lies in the run directory {}, which holds only what the run wrote; choose another -o", .run.display())]
    InsideARun {
        /// The run.
        run: PathBuf,
    },
    /// A file that the sweep writes.
    #[error("is a file of the sweep itself; choose another -o")]
    OfASweep,
}
