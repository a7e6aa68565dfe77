//! Finished runs in a few files: `packs/pack-00001.zip` ... in a folder of runs, each a zip archive of run directories as
//! they were, byte for byte. Whoever unpacks one has those directories again.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::atomic;
use crate::error::{LabError, RunDirProblem};

/// The folder of the packs, in the folder of the runs.
pub const FOLDER: &str = "packs";

/// A file of a run whose directory is packed; none where there is no such pack or file.
///
/// # Errors
/// If the pack is damaged.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, LabError> {
    let Some((packs, number, name)) = find(path) else { return Ok(None) };
    packs.read(number, &name)
}

/// Whether there is such a file.
pub fn has_file(path: &Path) -> bool {
    find(path).is_some_and(|(packs, number, name)| packs.has(number, &name))
}

/// The pack that holds a run, by the run's directory.
pub fn of_run(root: &Path) -> Option<PathBuf> {
    let packs = Packs::of(root.parent()?)?;
    let number = *packs.place.get(root.file_name()?.to_str()?)?;
    Some(packs.files[number].clone())
}

/// The directories of the runs that are packed in a folder.
pub fn runs_in(folder: &Path) -> Vec<PathBuf> {
    Packs::of(folder).map_or_else(Vec::new, |packs| packs.place.keys().map(|run| folder.join(run)).collect())
}

/// What a run takes of its pack, in bytes; 0 where it is not packed.
pub fn bytes_of(root: &Path) -> u64 {
    let bytes = || {
        let packs = Packs::of(root.parent()?)?;
        let run = root.file_name()?.to_str()?;
        let archive = packs.archive(*packs.place.get(run)?).ok()?;
        let mut archive = locked(&archive);
        let is_of_run = |name: &str| name.strip_prefix(run).is_some_and(|rest| rest.starts_with('/'));
        let names = archive.file_names().filter_map(Result::ok);
        let names: Vec<String> = names.filter(|name| is_of_run(name)).map(|name| name.into_owned()).collect();
        let sizes = names.iter().filter_map(|name| Some(archive.by_name(name).ok()?.compressed_size()));
        Some(sizes.sum())
    };
    bytes().unwrap_or(0)
}

/// The pack, and the name of the file in it. A run directory has files and folders of files.
fn find(path: &Path) -> Option<(Arc<Packs>, usize, String)> {
    path.ancestors().skip(1).take(2).find_map(|root| {
        let packs = Packs::of(root.parent()?)?;
        let number = *packs.place.get(root.file_name()?.to_str()?)?;
        let name = path.strip_prefix(root.parent()?).ok()?;
        let name: Option<Vec<&str>> = name.iter().map(|part| part.to_str()).collect();
        Some((packs, number, name?.join("/")))
    })
}

type Archive = Arc<Mutex<ZipArchive<BufReader<File>>>>;

/// The packs of a folder.
struct Packs {
    /// When the last was added.
    modified: SystemTime,
    files: Vec<PathBuf>,
    /// In which of them each run is.
    place: HashMap<String, usize>,
    /// Those that were read last.
    open: Mutex<Vec<(usize, Archive)>>,
}

/// Packs that are held open at a time.
const OPEN_MAX: usize = 8;

static KNOWN: LazyLock<Mutex<HashMap<PathBuf, Arc<Packs>>>> = LazyLock::new(Mutex::default);

impl Packs {
    /// Those of a folder of runs, as they are now.
    fn of(folder: &Path) -> Option<Arc<Self>> {
        let packs = folder.join(FOLDER);
        let modified = fs::metadata(&packs).ok()?.modified().ok()?;
        let mut known = locked(&KNOWN);
        if let Some(found) = known.get(folder).filter(|found| found.modified == modified) {
            return Some(Arc::clone(found));
        }
        let files = files(folder).ok()?;
        let mut place = HashMap::new();
        for (number, path) in files.iter().enumerate() {
            // What cannot be read holds nothing; whoever looks for a run there misses it.
            let Ok(archive) = open(path) else { continue };
            let names = archive.file_names().filter_map(Result::ok);
            let runs: BTreeSet<String> = names.filter_map(|name| Some(name.split_once('/')?.0.to_owned())).collect();
            place.extend(runs.into_iter().map(|run| (run, number)));
        }
        let found = Arc::new(Self { modified, files, place, open: Mutex::default() });
        known.insert(folder.to_owned(), Arc::clone(&found));
        Some(found)
    }

    fn archive(&self, number: usize) -> Result<Archive, LabError> {
        let mut held = locked(&self.open);
        if let Some(at) = held.iter().position(|(other, _)| *other == number) {
            let found = held.remove(at);
            held.push(found);
        } else {
            let archive = open(&self.files[number]).map_err(|e| damaged(&self.files[number], &e))?;
            if held.len() == OPEN_MAX {
                held.remove(0);
            }
            held.push((number, Arc::new(Mutex::new(archive))));
        }
        Ok(Arc::clone(&held[held.len() - 1].1))
    }

    fn has(&self, number: usize, name: &str) -> bool {
        self.archive(number).is_ok_and(|archive| locked(&archive).index_for_name(name).is_some())
    }

    fn read(&self, number: usize, name: &str) -> Result<Option<Vec<u8>>, LabError> {
        let archive = self.archive(number)?;
        let mut archive = locked(&archive);
        let Some(idx) = archive.index_for_name(name) else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = archive.by_index(idx).map_err(io::Error::other).and_then(|mut entry| entry.read_to_end(&mut bytes));
        read.map_err(|e| damaged(&self.files[number], &e))?;
        Ok(Some(bytes))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &Path) -> io::Result<ZipArchive<BufReader<File>>> {
    ZipArchive::new(BufReader::new(File::open(path)?)).map_err(io::Error::other)
}

fn damaged(path: &Path, error: &io::Error) -> LabError {
    LabError::run_dir(path, RunDirProblem::DamagedPack { cause: error.to_string() })
}

/// The packs of a folder, in their order.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
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

fn number_of(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("pack-")?.strip_suffix(".zip")?.parse().ok()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_by_the_paths_that_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join(FOLDER)).unwrap();
        let pack = |run: &str, text: &[u8]| {
            let mut builder = Builder::default();
            builder.add(&format!("{run}/log.jsonl"), text).unwrap();
            builder.add(&format!("{run}/checkpoints/step-1"), &[7; 100]).unwrap();
            builder.write(root).unwrap().0
        };
        let first = pack("a", b"one");
        assert_eq!(read(&root.join("a/log.jsonl")).unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(read(&root.join("a/checkpoints/step-1")).unwrap().unwrap().len(), 100);
        assert!(!has_file(&root.join("b/log.jsonl")) && !has_file(&root.join("a/manifest.json")));
        let second = pack("b", b"two");
        assert_eq!(read(&root.join("b/log.jsonl")).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!([of_run(&root.join("a")), of_run(&root.join("b"))], [Some(first.clone()), Some(second)]);
        assert_eq!((of_run(&root.join("c")), read(&root.join("c/x")).unwrap()), (None, None));
        assert_eq!(runs_in(root).len(), 2);
        assert!(bytes_of(&root.join("a")) > 100 && bytes_of(&root.join("c")) == 0);
        // More packs than are held open.
        (0..2 * OPEN_MAX).for_each(|i| drop(pack(&format!("more-{i}"), b"more")));
        assert!((0..2 * OPEN_MAX).all(|i| has_file(&root.join(format!("more-{i}/log.jsonl")))));
        let mut bytes = fs::read(&first).unwrap();
        let at = bytes.windows(5).position(|window| window == [7; 5]).unwrap();
        bytes[at] = 1;
        fs::write(&first, bytes).unwrap();
        pack("c", b"");
        assert!(read(&root.join("a/checkpoints/step-1")).unwrap_err().is_damage());
    }
}
