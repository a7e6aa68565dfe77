//! Files that are whole or not there.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::LabError;

/// Prefix of files that are being written; left over after a crash, ignored by readers.
pub const TEMPORARY: &str = ".tmp-";

/// Writes to a temporary name beside the target, syncs, renames, syncs the directory.
///
/// # Errors
/// If the system refuses; the target is untouched then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
    // The parent of a bare file name is the empty path, which cannot be opened.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!("{TEMPORARY}{name}"));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(|cause| {
        // The half-written file is of no use to anyone; that it is gone matters less than the error.
        let _ = fs::remove_file(&temporary);
        LabError::Io { action: "write", path: path.to_owned(), cause }
    })
}
