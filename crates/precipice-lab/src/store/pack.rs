//! Finished runs in a few files: `packs/pack-00001.zip` ... in a folder of runs, each a zip archive of run directories as
//! they were, byte for byte. Whoever unpacks one has those directories again.
//!
//! A run may be in its directory and in a pack at once: while it is packed or unpacked, and where someone unpacked it by
//! hand. Then all of it is read in one place: in its directory where that has a spec, which is what packing removes first
//! and unpacking writes last, or else in the pack.

mod builder;
mod index;
mod place;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use builder::Builder;
use index::{Entry, Index, Stamp};
pub use place::FOLDER;

#[cfg(test)]
use super::atomic;
use crate::error::{LabError, RunDirProblem};

/// A file in the pack that its run is read from.
pub struct Packed {
    packs: Arc<Packs>,
    number: usize,
    run: String,
    name: String,
}

/// The place of a file in a pack, whether the pack has it or not, by the path that it has or would have in its run's
/// directory; none where that run is not read from a pack.
pub fn find(path: &Path) -> Option<Packed> {
    // A run directory has files and folders of files.
    path.ancestors().skip(1).take(2).find_map(|root| {
        let (packs, number, run) = held(root).filter(|_| !has_directory(root))?;
        let below: Option<Vec<&str>> = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str()).collect();
        Some(Packed { packs, number, run, name: below?.join("/") })
    })
}

impl Packed {
    /// Its content; none where the pack has no such file.
    ///
    /// # Errors
    /// If the pack is damaged, or the memory does not hold the file.
    pub fn read(&self) -> Result<Option<Vec<u8>>, LabError> {
        self.packs.read(self.number, &self.run, &self.name)
    }

    /// Whether the pack has it.
    pub fn is_file(&self) -> bool {
        self.packs.index(self.number).is_some_and(|index| index.entry(&self.run, &self.name).is_some())
    }
}

/// The pack that a run is read from, by the run's directory.
pub fn of_run(root: &Path) -> Option<PathBuf> {
    holder(root).filter(|_| !has_directory(root))
}

/// The pack that holds a run, which may have a directory all the same.
pub fn holder(root: &Path) -> Option<PathBuf> {
    let (packs, number, _) = held(root)?;
    packs.index(number).map(|index| index.path.clone())
}

/// The names of a run's files in the pack that holds it.
pub fn names_of(root: &Path) -> Vec<String> {
    let Some((packs, number, run)) = held(root) else { return Vec::new() };
    packs.entries(number, &run).iter().map(|entry| entry.name.to_string()).collect()
}

/// A file of a run in the pack that holds it, whatever its directory has; none where there is no such pack or file.
///
/// # Errors
/// If the pack is damaged, or the memory does not hold the file.
pub fn read(root: &Path, name: &str) -> Result<Option<Vec<u8>>, LabError> {
    held(root).map_or(Ok(None), |(packs, number, run)| packs.read(number, &run, name))
}

/// The directories of the runs that are packed in a folder.
pub fn runs_in(folder: &Path) -> Vec<PathBuf> {
    Packs::of(folder).map_or_else(Vec::new, |packs| packs.place.keys().map(|run| folder.join(&**run)).collect())
}

/// What a run takes of its pack, in bytes; 0 where it is not read from one.
pub fn bytes_of(root: &Path) -> u64 {
    let Some((packs, number, run)) = held(root).filter(|_| !has_directory(root)) else { return 0 };
    packs.entries(number, &run).iter().map(|entry| entry.stored).sum()
}

/// The packs of a folder that can be read, each with the directories of its runs.
pub fn all(folder: &Path) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let Some(packs) = Packs::of(folder) else { return Vec::new() };
    let runs = |index: &Arc<Index>| {
        let mut runs: Vec<PathBuf> = index.runs.keys().map(|run| folder.join(&**run)).collect();
        runs.sort();
        (index.path.clone(), runs)
    };
    packs.packs.iter().filter_map(|pack| pack.as_ref().ok()).map(runs).collect()
}

/// The packs of a folder that cannot be read, and why: nobody knows which runs are in them.
pub fn damaged(folder: &Path) -> Vec<LabError> {
    let Some(packs) = Packs::of(folder) else { return Vec::new() };
    packs.packs.iter().filter_map(|pack| pack.as_ref().err()).map(Damaged::error).collect()
}

/// Where the directory has a spec it is a run, and the pack's is not looked at.
fn has_directory(root: &Path) -> bool {
    root.join("spec.toml").is_file()
}

/// The packs that a run is in, which of them, and its name there.
fn held(root: &Path) -> Option<(Arc<Packs>, usize, String)> {
    let packs = Packs::of(root.parent()?)?;
    let run = root.file_name()?.to_str()?;
    let number = *packs.place.get(run)?;
    Some((packs, number, run.to_owned()))
}

/// The packs of a folder.
struct Packs {
    /// When the last was added.
    modified: SystemTime,
    /// When that was seen first.
    seen: Instant,
    /// Whether whatever is added later gives another time.
    is_settled: bool,
    packs: Vec<Pack>,
    /// In which of them each run is.
    place: HashMap<Arc<str>, usize>,
    /// Those that were read last.
    open: Mutex<Vec<(usize, Opened)>>,
}

type Opened = Arc<Mutex<BufReader<File>>>;

type Pack = Result<Arc<Index>, Damaged>;

/// A pack that cannot be read.
#[derive(Clone, Debug)]
struct Damaged {
    path: PathBuf,
    stamp: Option<Stamp>,
    cause: String,
}

impl Damaged {
    fn error(&self) -> LabError {
        LabError::run_dir(&self.path, RunDirProblem::DamagedPack { cause: self.cause.clone() })
    }
}

/// Packs that are held open at a time.
const OPEN_MAX: usize = 8;

/// Time after which something that is added to a folder gives it another time, on any disk.
const TICK: Duration = Duration::from_secs(2);

static KNOWN: LazyLock<Mutex<HashMap<PathBuf, Arc<Packs>>>> = LazyLock::new(Mutex::default);

impl Packs {
    /// Those of a folder of runs, as they are now.
    fn of(folder: &Path) -> Option<Arc<Self>> {
        let modified = fs::metadata(folder.join(FOLDER)).ok()?.modified().ok()?;
        let mut known = locked(&KNOWN);
        let before = known.get(folder).map(Arc::clone);
        if let Some(found) = before.as_ref().filter(|before| before.modified == modified && before.is_settled) {
            return Some(Arc::clone(found));
        }
        let seen = before.as_ref().filter(|before| before.modified == modified).map_or_else(Instant::now, |b| b.seen);
        let is_settled = seen.elapsed() > TICK || modified.elapsed().is_ok_and(|age| age > TICK);
        let mut found = Self::look(folder, modified, before.as_deref())?;
        (found.seen, found.is_settled) = (seen, is_settled);
        let found = Arc::new(found);
        known.insert(folder.to_owned(), Arc::clone(&found));
        Some(found)
    }

    /// Reads the directories of the packs that were not there before.
    fn look(folder: &Path, modified: SystemTime, before: Option<&Self>) -> Option<Self> {
        let known: HashMap<(&Path, Option<Stamp>), &Pack> = before
            .iter()
            .flat_map(|before| &before.packs)
            .map(|pack| match pack {
                Ok(index) => ((&*index.path, Some(index.stamp)), pack),
                Err(damaged) => ((&*damaged.path, damaged.stamp), pack),
            })
            .collect();
        let read = |path: PathBuf| {
            let stamp = Stamp::of(&path).ok();
            let known = known.get(&(&*path, stamp)).map(|pack| (*pack).clone());
            known.unwrap_or_else(|| match Index::read(&path) {
                Ok(index) => Ok(Arc::new(index)),
                Err(e) => Err(Damaged { path, stamp, cause: e.to_string() }),
            })
        };
        let packs: Vec<Pack> = place::files(folder).ok()?.into_iter().map(read).collect();
        let mut place = HashMap::new();
        for (number, index) in packs.iter().enumerate().filter_map(|(number, pack)| Some((number, pack.as_ref().ok()?)))
        {
            place.extend(index.runs.keys().map(|run| (Arc::clone(run), number)));
        }
        let seen = Instant::now();
        Some(Self { modified, seen, is_settled: false, packs, place, open: Mutex::default() })
    }

    fn index(&self, number: usize) -> Option<&Index> {
        self.packs[number].as_ref().ok().map(|index| &**index)
    }

    fn entries(&self, number: usize, run: &str) -> &[Entry] {
        self.index(number).and_then(|index| index.runs.get(run)).map_or(&[], Vec::as_slice)
    }

    /// The file of a pack, opened.
    fn open(&self, number: usize, path: &Path) -> std::io::Result<Opened> {
        let mut held = locked(&self.open);
        let found = match held.iter().position(|(other, _)| *other == number) {
            Some(at) => held.remove(at).1,
            None => Arc::new(Mutex::new(BufReader::new(File::open(path)?))),
        };
        if held.len() == OPEN_MAX {
            held.remove(0);
        }
        held.push((number, Arc::clone(&found)));
        Ok(found)
    }

    fn read(&self, number: usize, run: &str, name: &str) -> Result<Option<Vec<u8>>, LabError> {
        let Some((index, entry)) = self.index(number).and_then(|index| Some((index, index.entry(run, name)?))) else {
            return Ok(None);
        };
        let bytes = self.open(number, &index.path).and_then(|file| entry.read(run, &mut *locked(&file)));
        bytes.map(Some).map_err(|e| match e.kind() {
            // Nothing is wrong with the pack.
            ErrorKind::FileTooLarge | ErrorKind::OutOfMemory => LabError::io("read", &index.path)(e),
            _ => Damaged { path: index.path.clone(), stamp: None, cause: e.to_string() }.error(),
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(folder: &Path, run: &str, text: &[u8]) -> PathBuf {
        fs::create_dir_all(folder.join(FOLDER)).unwrap();
        let mut builder = Builder::default();
        builder.add(&format!("{run}/log.jsonl"), text).unwrap();
        builder.add(&format!("{run}/checkpoints/step-1"), &[7; 100]).unwrap();
        builder.write(folder).unwrap().0
    }

    fn read_there(path: &Path) -> Option<Vec<u8>> {
        find(path).and_then(|packed| packed.read().unwrap())
    }

    #[test]
    fn what_is_packed_is_read_by_the_paths_that_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let has_file = |path: &str| find(&root.join(path)).is_some_and(|packed| packed.is_file());
        let first = pack(root, "a", b"one");
        assert_eq!(read_there(&root.join("a/log.jsonl")).as_deref(), Some(&b"one"[..]));
        assert_eq!(read_there(&root.join("a/checkpoints/step-1")).unwrap().len(), 100);
        assert!(!has_file("b/log.jsonl") && !has_file("a/manifest.json"));
        let second = pack(root, "b", b"two");
        assert_eq!(read_there(&root.join("b/log.jsonl")).as_deref(), Some(&b"two"[..]));
        assert_eq!([of_run(&root.join("a")), of_run(&root.join("b"))], [Some(first.clone()), Some(second)]);
        assert!(of_run(&root.join("c")).is_none() && find(&root.join("c/x")).is_none());
        assert_eq!((runs_in(root).len(), all(root).len()), (2, 2));
        assert!(bytes_of(&root.join("a")) > 100 && bytes_of(&root.join("c")) == 0);
        // More packs than are held open.
        (0..2 * OPEN_MAX).for_each(|i| drop(pack(root, &format!("more-{i}"), b"more")));
        for _ in 0..2 {
            assert!((0..2 * OPEN_MAX).all(|i| read_there(&root.join(format!("more-{i}/log.jsonl"))).is_some()));
        }
        let mut bytes = fs::read(&first).unwrap();
        let at = bytes.windows(5).position(|window| window == [7; 5]).unwrap();
        bytes[at] = 1;
        fs::write(&first, bytes).unwrap();
        let changed = find(&root.join("a/checkpoints/step-1")).unwrap();
        assert!(changed.read().unwrap_err().is_damage());
    }

    /// The directory of a pack is read once, however many packs there are and come.
    #[test]
    fn many_packs_cost_no_more_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let n_packs = 3 * OPEN_MAX;
        (0..n_packs).for_each(|i| drop(pack(root, &format!("run-{i}"), b"rows")));
        let indices = || -> Vec<_> { Packs::of(root).unwrap().packs.iter().flatten().map(Arc::clone).collect() };
        let before = indices();
        for i in (0..n_packs).chain(0..n_packs) {
            assert!(read_there(&root.join(format!("run-{i}/log.jsonl"))).is_some());
        }
        let packs = Packs::of(root).unwrap();
        assert!(before.len() == n_packs && locked(&packs.open).len() <= OPEN_MAX);
        pack(root, "new", b"rows");
        let after = indices();
        assert!(
            after.len() == n_packs + 1 && before.iter().zip(&after).all(|(before, after)| Arc::ptr_eq(before, after))
        );
    }

    /// Half of a run in its directory and half of it in a pack would be no run at all.
    #[test]
    fn a_run_is_read_in_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let run = root.join("a");
        let held_by = pack(root, "a", b"packed");
        fs::create_dir(&run).unwrap();
        // What an interrupted packing leaves: the spec goes first.
        fs::write(run.join("log.jsonl"), "left").unwrap();
        assert_eq!(read_there(&run.join("log.jsonl")).as_deref(), Some(&b"packed"[..]));
        assert_eq!(of_run(&run), Some(held_by.clone()));
        fs::write(run.join("spec.toml"), "").unwrap();
        assert!(find(&run.join("log.jsonl")).is_none() && find(&run.join("checkpoints/step-1")).is_none());
        assert_eq!((of_run(&run), holder(&run)), (None, Some(held_by)));
        assert_eq!(read(&run, "log.jsonl").unwrap().as_deref(), Some(&b"packed"[..]));
    }

    #[test]
    fn a_pack_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (first, _) = (pack(root, "a", b"one"), pack(root, "b", b"two"));
        assert!(damaged(root).is_empty());
        // Another file takes its place, as whatever writes a file whole puts it there.
        atomic::write(&first, b"PK of no use").unwrap();
        let found = damaged(root);
        assert!(found.len() == 1 && found[0].is_damage() && found[0].to_string().contains("pack-00001"), "{found:?}");
        assert_eq!(runs_in(root), [root.join("b")]);
    }

    /// A file of a few bytes that says it is long.
    #[test]
    fn a_length_that_is_not_true_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = pack(folder.path(), "a", b"one");
        let mut bytes = fs::read(&path).unwrap();
        // In the directory at the end, where the length stands 24 bytes behind the mark of an entry.
        let at = bytes.windows(4).position(|window| window == [b'P', b'K', 1, 2]).unwrap();
        for length in [2, 4, 1 << 30] {
            bytes[at + 24..at + 28].copy_from_slice(&u32::to_le_bytes(length));
            atomic::write(&path, &bytes).unwrap();
            let read = find(&folder.path().join("a/log.jsonl")).unwrap().read();
            assert!(read.is_err(), "{length}");
        }
        assert!(atomic::check_memory(u64::MAX).unwrap_err().to_string().contains("memory"));
    }
}
