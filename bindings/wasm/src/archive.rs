//! The run directory, built in memory and packed: the files that a run on a disk has, but its table and figures.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use precipice::record::Row;
use precipice::spec::RunSpec;
use precipice::train::Trainer;
use precipice_lab::store::checkpoint::{file_name, to_bytes};
use precipice_lab::store::log::to_line;
use precipice_lab::store::manifest::{Manifest, digest_of};
use precipice_lab::store::spec_text;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Bytes of checkpoints that are kept at most.
const BYTES_MAX: usize = 600_000_000;

/// What a run directory holds, as it grows.
pub(crate) struct Archive {
    spec_hash: String,
    log: String,
    check: String,
    /// By step.
    checkpoints: BTreeMap<u64, Vec<u8>>,
    n_bytes: usize,
    /// Whether a checkpoint was left out for want of room.
    is_cut: bool,
}

impl Archive {
    pub(crate) fn new(spec: &RunSpec) -> Self {
        let spec_hash = spec.hash();
        let check = spec_hash.clone();
        Self { spec_hash, log: String::new(), check, checkpoints: BTreeMap::new(), n_bytes: 0, is_cut: false }
    }

    pub(crate) fn row(&mut self, row: &Row) {
        let (line, check) = to_line(row, &self.check);
        self.log += &(line + "\n");
        self.check = check;
    }

    pub(crate) fn checkpoint(&mut self, trainer: &Trainer) {
        let bytes = to_bytes(trainer, &self.spec_hash, &self.check);
        if self.n_bytes + bytes.len() > BYTES_MAX {
            self.is_cut = true;
            return;
        }
        self.n_bytes += bytes.len();
        self.checkpoints.insert(trainer.state().step, bytes);
    }

    /// Steps that have a checkpoint, rising.
    pub(crate) fn steps(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.checkpoints.keys().copied()
    }

    /// The last checkpoint at or before a step.
    pub(crate) fn until(&self, step: u64) -> Option<(u64, &[u8])> {
        self.checkpoints.range(..=step).next_back().map(|(step, bytes)| (*step, bytes.as_slice()))
    }

    /// All of it in a folder of this name, with the manifest where the run has ended.
    pub(crate) fn zip<'a>(
        &'a self,
        spec: &RunSpec,
        folder: &str,
        manifest: Option<Manifest>,
    ) -> Result<Vec<u8>, String> {
        if self.is_cut {
            return Err(format!(
                "the checkpoints of this run take more than {} MB, which a page does not keep; `precipice run` writes them",
                BYTES_MAX / 1_000_000
            ));
        }
        let spec_text = spec_text::to_text(spec);
        let mut files: BTreeMap<String, &[u8]> = BTreeMap::from([
            ("spec.toml".to_owned(), spec_text.as_bytes()),
            ("log.jsonl".to_owned(), self.log.as_bytes()),
        ]);
        let named =
            |(step, bytes): (&u64, &'a Vec<u8>)| (format!("checkpoints/{}", file_name(*step)), bytes.as_slice());
        files.extend(self.checkpoints.iter().map(named));
        let manifest = manifest.map(|mut manifest| {
            manifest.files = files.iter().map(|(name, bytes)| (name.clone(), digest_of(bytes))).collect();
            manifest.to_text()
        });
        if let Some(text) = &manifest {
            files.insert("manifest.json".to_owned(), text.as_bytes());
        }
        // Numbers of trained networks hardly shrink, and packing them would take longer than making them.
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(format!("{folder}/{name}"), stored).map_err(|e| e.to_string())?;
            zip.write_all(bytes).map_err(|e| e.to_string())?;
        }
        zip.finish().map(Cursor::into_inner).map_err(|e| e.to_string())
    }
}
