//! What keeps a page from being served or written.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use precipice_lab::error::LabError;

/// Why there is no page: where, what was expected, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The folder of runs is none.
    #[error("{}: {problem}; name a folder of runs", .path.display())]
    NoRuns {
        /// As it was named.
        path: PathBuf,
        /// What stands there.
        problem: String,
    },
    /// A name of this machine that is none.
    #[error(
        "--host {host}: {cause}; expected an address of this machine, such as 127.0.0.1 or 0.0.0.0 for all of them"
    )]
    NoAddress {
        /// As it was named.
        host: String,
        /// Why.
        cause: String,
    },
    /// Another program listens there.
    #[error("{address}: another program listens on this port; choose another --port, or 0 for any that is free")]
    PortInUse {
        /// Where.
        address: SocketAddr,
    },
    /// The system does not let it listen.
    #[error("{address}: cannot listen: {cause}; choose another --port (above 1023) or --host")]
    CannotListen {
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// The system refused while the page was served.
    #[error("cannot serve: {0}")]
    Broken(io::Error),
    /// A folder that would hold the page and what is not of it.
    #[error("{}: is not empty and no earlier page; choose another -o, or write among what is there with --force", .0.display())]
    NotAPage(PathBuf),
    /// A file where the folder should be.
    #[error("{}: is a file; expected a folder for the page", .0.display())]
    IsAFile(PathBuf),
    /// The page could not be written.
    #[error(transparent)]
    Lab(#[from] LabError),
}
