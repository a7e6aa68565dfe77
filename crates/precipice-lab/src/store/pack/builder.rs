//! How a pack is written.

use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::place::{FOLDER, files, number_of};
use crate::error::LabError;
use crate::store::atomic;

/// Files of run directories on their way into a pack.
pub struct Builder(ZipWriter<Cursor<Vec<u8>>>);

impl Default for Builder {
    fn default() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }
}

impl Builder {
    /// Adds a file by its name in the folder of runs, `<run>/log.jsonl`.
    ///
    /// # Errors
    /// If the name stands there already.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Parameters do not get smaller.
        let is_text = [".toml", ".json", ".jsonl", ".svg"].iter().any(|ending| name.ends_with(ending));
        let method = if is_text { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let is_large = u32::try_from(bytes.len()).is_err();
        let options = SimpleFileOptions::default().compression_method(method).large_file(is_large);
        self.0.start_file(name, options).map_err(io::Error::other)?;
        self.0.write_all(bytes)
    }

    /// Writes the next pack of a folder. Returns where it is, and its size in bytes.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(self, folder: &Path) -> Result<(PathBuf, u64), LabError> {
        let packs = folder.join(FOLDER);
        let there_are = files(folder).map_err(LabError::io("read", &packs))?;
        let number = there_are.last().and_then(|path| number_of(path)).unwrap_or(0) + 1;
        let path = packs.join(format!("pack-{number:05}.zip"));
        let bytes = self.0.finish().map_err(io::Error::other).map_err(LabError::io("write", &path))?.into_inner();
        atomic::write(&path, &bytes)?;
        Ok((path, bytes.len() as u64))
    }
}
