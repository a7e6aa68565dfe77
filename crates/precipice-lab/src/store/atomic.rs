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
    // What a link points to is replaced, not the link; a device is written to, not replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return fs::write(&target, bytes).map_err(LabError::io("write", path));
    }
    replace(&target, bytes)
}

/// Removes what interrupted writes left in a folder.
///
/// # Errors
/// If the system refuses.
pub fn sweep(folder: &Path) -> Result<(), LabError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path()).map_err(LabError::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
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
