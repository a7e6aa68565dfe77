//! Where the packs of a folder of runs are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of the packs, in the folder of the runs.
pub const FOLDER: &str = "packs";

/// The packs of a folder, in their order.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.join(FOLDER))? {
        let path = entry?.path();
        if number_of(&path).is_some() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The number in the name of a pack.
pub(super) fn number_of(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("pack-")?.strip_suffix(".zip")?.parse().ok()
}
