//! Places that a result cannot be written to.

use std::path::PathBuf;

/// Why a file is not written there.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// More than the memory holds.
    #[error(
        "would take {:.1} GB of memory, and {} {:.1} GB; ask for fewer --sequences, or fewer steps",
        .need_bytes / 1e9, .whose, .have_bytes / 1e9
    )]
    TooLarge {
        /// What it takes while it is made.
        need_bytes: f64,
        /// What there is.
        have_bytes: f64,
        /// What sets the limit.
        whose: &'static str,
    },
    /// A file that the sweep writes.
    #[error("is a file of the sweep itself; choose another -o")]
    OfASweep,
}
