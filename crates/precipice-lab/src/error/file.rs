//! Files that are not read.

use std::path::PathBuf;

use super::hint;

/// What is wrong with a file before its content is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// Nothing.
    #[error("no such file{}", hint(.nearest.as_deref(), |path| path.display().to_string()))]
    Missing {
        /// A file beside it that is spelled alike.
        nearest: Option<PathBuf>,
    },
    /// A directory.
    #[error("is a directory; expected a file")]
    IsADirectory,
    /// A device, a pipe or a socket, which may have no end.
    #[error("is no regular file (a device, a pipe or a socket); copy its content into one")]
    NotRegular,
    /// More than a file of its kind holds.
    #[error("is larger than {most} bytes, more than {what} needs")]
    TooLarge {
        /// Bytes at most.
        most: u64,
        /// What it should be.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("cannot read it: {cause}")]
    Unreadable {
        /// Why.
        cause: String,
    },
}
