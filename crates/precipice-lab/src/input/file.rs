//! Bytes of files that have an end, and no more of them than their reader can use.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::told;
use crate::error::{FileProblem, LabError};

/// Bytes of a spec or a sweep file, at most.
pub const TEXT_MAX: u64 = 16 << 20;

/// Opens a file, and says how long it is. Devices and pipes, which may have no end, are refused unopened.
///
/// # Errors
/// If it is no regular file, or the system refuses.
///
/// ```
/// use precipice_lab::input::file::open;
/// assert!(open(std::path::Path::new("/")).is_err());
/// ```
pub fn open(path: &Path) -> Result<(File, u64), FileProblem> {
    let unreadable = |cause: std::io::Error| FileProblem::Unreadable { cause: cause.to_string() };
    let missing = || FileProblem::Missing { nearest: told::nearest_beside(path) };
    let failed =
        |cause: std::io::Error| if cause.kind() == ErrorKind::NotFound { missing() } else { unreadable(cause) };
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(FileProblem::IsADirectory);
    }
    if !metadata.is_file() {
        return Err(FileProblem::NotRegular);
    }
    Ok((File::open(path).map_err(unreadable)?, metadata.len()))
}

/// The content of a file of at most `most` bytes.
///
/// # Errors
/// If it is no regular file, longer, or the system refuses.
pub fn bytes(path: &Path, most: u64, what: &'static str) -> Result<Vec<u8>, FileProblem> {
    let (file, n_bytes) = open(path)?;
    let too_large = FileProblem::TooLarge { most, what };
    if n_bytes > most {
        return Err(too_large);
    }
    let mut content = Vec::new();
    // Some files of the system say that they are empty, and are not.
    let read = content
        .try_reserve_exact(n_bytes as usize)
        .map_err(std::io::Error::other)
        .and_then(|()| file.take(most + 1).read_to_end(&mut content));
    read.map_err(|cause| FileProblem::Unreadable { cause: cause.to_string() })?;
    if content.len() as u64 > most { Err(too_large) } else { Ok(content) }
}

/// The same, with an error that names the file.
///
/// # Errors
/// As [`bytes`].
pub fn named_bytes(path: &Path, most: u64, what: &'static str) -> Result<Vec<u8>, LabError> {
    bytes(path, most, what).map_err(|problem| LabError::File { path: path.to_owned(), problem })
}
