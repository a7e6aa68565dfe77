//! What is in a pack and where, read once: whoever wants a file then opens the pack and goes there.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use zip::ZipArchive;
use zip::read::read_zipfile_from_stream;

use crate::store::atomic;

/// The directory of a pack, in some forty bytes a file.
#[derive(Debug)]
pub(super) struct Index {
    pub path: PathBuf,
    pub stamp: Stamp,
    pub runs: HashMap<Arc<str>, Vec<Entry>>,
}

/// A file of a run.
#[derive(Debug)]
pub(super) struct Entry {
    /// Below the run's directory; those of all runs share their names.
    pub name: Arc<str>,
    /// Where it begins in the pack.
    at: u64,
    /// Bytes in the pack.
    pub stored: u64,
    /// Bytes of the file.
    size: u64,
}

/// By which a pack is known to be the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    n_bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self { n_bytes: metadata.len(), modified: metadata.modified().ok() })
    }
}

impl Index {
    /// Reads the directory of a pack.
    ///
    /// # Errors
    /// If it cannot be read, or names what no run has.
    pub fn read(path: &Path) -> io::Result<Self> {
        let stamp = Stamp::of(path)?;
        let archive = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(io::Error::other)?;
        let (mut runs, mut names) = (HashMap::<Arc<str>, Vec<Entry>>::new(), BTreeSet::<Arc<str>>::new());
        let mut run: Arc<str> = Arc::from("");
        for idx in 0..archive.len() {
            let entry = archive.by_index_data(idx).map_err(io::Error::other)?;
            let whole = entry.name().map_err(io::Error::other)?;
            // What other programs add for directories holds nothing.
            if whole.ends_with('/') {
                continue;
            }
            let (of_run, name) = parts(&whole).ok_or_else(|| io::Error::other(format!("it has {whole:?}")))?;
            if *run != *of_run {
                run = runs.get_key_value(of_run).map_or_else(|| Arc::from(of_run), |(known, _)| Arc::clone(known));
            }
            let name = names.get(name).map_or_else(|| Arc::from(name), Arc::clone);
            names.insert(Arc::clone(&name));
            let entry = Entry { name, at: entry.header_start(), stored: entry.compressed_size(), size: entry.size() };
            runs.entry(Arc::clone(&run)).or_default().push(entry);
        }
        Ok(Self { path: path.to_owned(), stamp, runs })
    }

    /// A file of a run.
    pub fn entry(&self, run: &str, name: &str) -> Option<&Entry> {
        self.runs.get(run)?.iter().find(|entry| *entry.name == *name)
    }
}

impl Entry {
    /// The bytes of the file, from the pack that it is in.
    ///
    /// # Errors
    /// If they are not those that were written, or the memory does not hold them.
    pub fn read(&self, run: &str, pack: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
        atomic::check_memory(self.size)?;
        pack.seek(SeekFrom::Start(self.at))?;
        let file = read_zipfile_from_stream(pack).map_err(io::Error::other)?;
        let file = file.ok_or_else(|| io::Error::other("a file is not where its directory says"))?;
        if file.name().map_err(io::Error::other)? != format!("{run}/{}", self.name) {
            return Err(io::Error::other("another file is where its directory says"));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.size as usize).map_err(io::Error::other)?;
        // No more than was announced, whatever it unpacks to; the end of the file is where its check is compared.
        file.take(self.size.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != self.size {
            return Err(io::Error::other("a file is not as long as its directory says"));
        }
        Ok(bytes)
    }
}

/// The run and the file in it of a name in a pack; none where it leads elsewhere.
fn parts(name: &str) -> Option<(&str, &str)> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let is_inside = !name.contains('\\') && Path::new(name).components().all(is_plain);
    name.split_once('/').filter(|(run, file)| is_inside && !run.is_empty() && !file.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_into_runs() {
        assert_eq!(parts("a-0/checkpoints/x"), Some(("a-0", "checkpoints/x")));
        for outside in ["a", "/a/b", "../a/b", "a/../../b", "a\\b/c", ""] {
            assert_eq!(parts(outside), None, "{outside}");
        }
    }
}
