//! Who may write a run directory, and what a new run may take away.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use precipice::spec::RunSpec;

use super::run_dir::{FIGURES, RunDir};
use super::spec_text::Header;
use super::{atomic, checkpoint, files};
use crate::error::{LabError, RunDirProblem};

/// What stands in a directory that a run is to be written to.
#[derive(Debug)]
pub enum Standing {
    /// Nothing.
    Empty,
    /// An unfinished run of the same spec.
    Unfinished,
    /// The finished run of the same spec.
    Finished,
    /// A run of the same spec, by the first line of its `spec.toml`, that cannot be read.
    Unreadable(LabError),
}

/// Whether somebody is writing a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeingWritten {
    /// A process holds its lock.
    Yes,
    /// None does.
    No,
    /// Where the file system has no locks nobody can tell.
    Unknown,
}

impl BeingWritten {
    /// By what came of the attempt to share the lock.
    fn of(shared: &Result<(), fs::TryLockError>) -> Self {
        match shared {
            Err(fs::TryLockError::WouldBlock) => Self::Yes,
            Err(fs::TryLockError::Error(e)) if knows_no_locks(e) => Self::Unknown,
            _ => Self::No,
        }
    }
}

/// Names that a run directory may hold.
const KNOWN: [&str; 7] =
    ["manifest.json", "metrics.parquet", "figures", "checkpoints", "log.jsonl", "spec.toml", "lock"];

/// How long a lock is waited for that is held only to add a file.
const PATIENCE: Duration = Duration::from_secs(20);

impl RunDir {
    /// What stands here, as seen by a run of `spec`.
    ///
    /// # Errors
    /// If the directory holds anything that a run of this spec must not touch.
    pub fn standing(&self, spec: &RunSpec) -> Result<Standing, LabError> {
        let error = |problem| LabError::run_dir(self.root(), problem);
        let parent = std::path::absolute(self.root()).ok().and_then(|path| path.parent().map(Path::to_owned));
        parent.map_or(Ok(()), |parent| RunDir::check_outside(&parent))?;
        let entries = match fs::read_dir(self.root()) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return self.packed_or_empty(spec),
            Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return Err(error(RunDirProblem::IsAFile)),
            Err(e) => return Err(LabError::io("read", self.root())(e)),
        };
        let name = |entry: std::io::Result<fs::DirEntry>| entry.map(|e| e.file_name().to_string_lossy().into_owned());
        let names: Result<Vec<String>, _> = entries.map(name).collect();
        let mut names = names.map_err(LabError::io("read", self.root()))?;
        names.retain(|name| !name.starts_with(atomic::TEMPORARY));
        if names.iter().all(|name| name == "lock") {
            return self.packed_or_empty(spec);
        }
        let foreign = names.iter().find(|name| !KNOWN.contains(&name.as_str()));
        if foreign.is_some() || !files::is_file(&self.spec_path()) {
            return Err(error(RunDirProblem::ForeignContent { name: foreign.cloned() }));
        }
        let stored = match self.spec() {
            Ok(stored) => stored,
            Err(e) if Header::read(&self.spec_path()).is_some_and(|header| header.spec_hash == spec.hash()) => {
                return Ok(Standing::Unreadable(e));
            }
            Err(e) => return Err(e),
        };
        self.check_spec(&stored, spec)?;
        Ok(if files::is_file(&self.manifest_path()) { Standing::Finished } else { Standing::Unfinished })
    }

    /// What stands where no directory is: nothing, or a run that is packed.
    fn packed_or_empty(&self, spec: &RunSpec) -> Result<Standing, LabError> {
        if !files::is_file(&self.manifest_path()) {
            return Ok(Standing::Empty);
        }
        self.check_spec(&self.spec()?, spec)?;
        Ok(Standing::Finished)
    }

    fn check_spec(&self, stored: &RunSpec, spec: &RunSpec) -> Result<(), LabError> {
        if stored.hash() != spec.hash() {
            let [stored, asked] = [stored, spec].map(|spec| format!("{}-{}", spec.name, &spec.hash()[..8]));
            return Err(LabError::run_dir(self.root(), RunDirProblem::AnotherSpec { stored, asked }));
        }
        Ok(())
    }

    /// Refuses a folder that is a run directory or lies in one.
    ///
    /// # Errors
    /// Naming the run.
    pub fn check_outside(folder: &Path) -> Result<(), LabError> {
        match RunDir::around(folder) {
            Some(run) => Err(LabError::run_dir(folder, RunDirProblem::InsideARun { run: run.root().to_owned() })),
            None => Ok(()),
        }
    }

    /// Creates the directory and takes its lock, which is held while the value lives.
    ///
    /// # Errors
    /// If another process holds it, or the system refuses.
    pub fn lock(&self) -> Result<Lock, LabError> {
        fs::create_dir_all(self.root()).map_err(LabError::io("create", self.root()))?;
        let path = self.root().join("lock");
        loop {
            let open = File::options().create(true).write(true).truncate(false).open(&path);
            let file = open.map_err(LabError::io("write", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    return Err(LabError::run_dir(self.root(), RunDirProblem::LockedByAnother));
                }
                Err(fs::TryLockError::Error(e)) if knows_no_locks(&e) => {
                    return Err(LabError::run_dir(self.root(), RunDirProblem::NoLocks { cause: e.to_string() }));
                }
                Err(fs::TryLockError::Error(e)) => return Err(LabError::io("lock", &path)(e)),
            }
            let mut lock = Lock { file, path: path.clone() };
            // Someone may have removed the file between the two calls.
            if lock.is_held() {
                // For a person who wonders; nothing reads it.
                let _ = lock.file.set_len(0).and_then(|()| writeln!(lock.file, "{}", std::process::id()));
                return Ok(lock);
            }
        }
    }

    /// The same, and waits for a holder who is soon done.
    ///
    /// # Errors
    /// As [`RunDir::lock`].
    pub fn lock_soon(&self) -> Result<Lock, LabError> {
        let clock = Instant::now();
        loop {
            match self.lock() {
                Err(LabError::RunDir { problem: RunDirProblem::LockedByAnother, .. }) if clock.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    /// What stands for a lock where the file system has none, if that is why none was to be had: for who writes what is
    /// nobody else's by agreement.
    ///
    /// # Errors
    /// That of the lock, if it is another.
    pub fn unlocked(&self, error: LabError) -> Result<Lock, LabError> {
        let LabError::RunDir { problem: RunDirProblem::NoLocks { .. }, .. } = error else { return Err(error) };
        let path = self.root().join("lock");
        let file = File::options().write(true).open(&path).map_err(LabError::io("write", &path))?;
        Ok(Lock { file, path })
    }

    /// Whether a process is writing the run now, as far as that can be known. Whoever begins at this very moment may find
    /// it taken: not to be asked often.
    pub fn being_written(&self) -> BeingWritten {
        match File::open(self.root().join("lock")) {
            Ok(file) => BeingWritten::of(&file.try_lock_shared()),
            Err(_) => BeingWritten::No,
        }
    }

    /// Whether a process is known to be writing the run now.
    pub fn is_being_written(&self) -> bool {
        self.being_written() == BeingWritten::Yes
    }

    /// Makes a run of `spec` that has nothing yet: removes what a run wrote, by name, and nothing else. Whenever it is
    /// interrupted, an unfinished run of this spec is left.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn clear(&self, spec: &RunSpec) -> Result<(), LabError> {
        remove(&self.manifest_path())?;
        self.write_spec(spec)?;
        remove(&self.parquet_path())?;
        FIGURES.iter().try_for_each(|name| remove(&self.figures().join(name)))?;
        checkpoint::steps(&self.checkpoints())?.into_iter().try_for_each(|step| self.remove_checkpoint(step))?;
        remove(&self.log_path())?;
        self.sweep()?;
        for folder in [self.figures(), self.checkpoints()] {
            // A folder that holds something of someone else stays.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// What the run wrote and is there, in the order in which it may go: the manifest first, so that nothing looks like
    /// a finished run, and the spec last, by which it is known as a run. The lock is not among them.
    ///
    /// # Errors
    /// If the folder of checkpoints cannot be read.
    pub fn own_files(&self) -> Result<Vec<PathBuf>, LabError> {
        let mut files = vec![self.manifest_path(), self.parquet_path()];
        files.extend(FIGURES.iter().map(|name| self.figures().join(name)));
        files.extend(checkpoint::steps(&self.checkpoints())?.into_iter().map(|step| self.checkpoint_path(step)));
        files.push(self.log_path());
        files.extend(self.left_over());
        files.push(self.spec_path());
        files.retain(|path| fs::symlink_metadata(path).is_ok());
        Ok(files)
    }

    /// Removes the run: what it wrote, and its folders where nothing else is in them. Whenever it is interrupted, an
    /// unfinished run or nothing is left.
    ///
    /// # Errors
    /// If it is being written, or the system refuses.
    pub fn remove(&self) -> Result<(), LabError> {
        let lock = match self.lock() {
            Err(LabError::RunDir { problem: RunDirProblem::LockedByAnother, .. }) => {
                return Err(LabError::run_dir(self.root(), RunDirProblem::BeingWritten));
            }
            lock => lock?,
        };
        self.own_files()?.iter().try_for_each(|path| remove(path))?;
        remove(&lock.path)?;
        for folder in [self.figures(), self.checkpoints(), self.root().to_owned()] {
            // A folder that holds something of someone else stays.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Temporary files that nobody writes any more.
    pub fn left_over(&self) -> Vec<PathBuf> {
        [self.root(), &self.checkpoints(), &self.figures()].into_iter().flat_map(atomic::left_over).collect()
    }

    /// Removes the checkpoint of a step.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove_checkpoint(&self, step: u64) -> Result<(), LabError> {
        remove(&self.checkpoints().join(checkpoint::file_name(step)))
    }

    /// Makes the folders that are written to during a run, and removes what a crash left half-written.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn make_folders(&self) -> Result<(), LabError> {
        fs::create_dir_all(self.checkpoints()).map_err(LabError::io("create", &self.checkpoints()))?;
        self.sweep()
    }

    fn sweep(&self) -> Result<(), LabError> {
        [self.root(), &self.checkpoints(), &self.figures()].into_iter().try_for_each(atomic::sweep)
    }
}

fn remove(path: &Path) -> Result<(), LabError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(LabError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Whether the file system has no locks at all, as network file systems that are mounted without them.
fn knows_no_locks(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    const NO_LOCKS_LEFT: i32 = 37;
    #[cfg(unix)]
    if error.raw_os_error() == Some(NO_LOCKS_LEFT) {
        return true;
    }
    error.kind() == std::io::ErrorKind::Unsupported
}

/// The right to write a run directory.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Whether the file that is locked is still the one that others find.
    pub fn is_held(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
            let (held, found) = (self.file.metadata().map(place), fs::metadata(&self.path).map(place));
            matches!((held, found), (Ok(held), Ok(found)) if held == found)
        }
        #[cfg(not(unix))]
        {
            self.path.is_file()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_whose_file_was_removed_is_not_held() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = RunDir::new(folder.path().join("run"));
        let lock = run_dir.lock().unwrap();
        assert!(lock.is_held() && run_dir.lock().is_err() && run_dir.is_being_written());
        fs::remove_file(run_dir.root().join("lock")).unwrap();
        assert!(!lock.is_held());
        let second = run_dir.lock().unwrap();
        assert!(second.is_held() && !lock.is_held());
        drop(second);
        assert!(!run_dir.is_being_written() && run_dir.lock().is_ok());
    }

    #[test]
    #[cfg(unix)]
    fn without_locks_nobody_can_tell_who_writes() {
        let (no_locks, no_system_call, other) = (37, 38, 5);
        let of = |number| Err(fs::TryLockError::Error(std::io::Error::from_raw_os_error(number)));
        let found = [Ok(()), Err(fs::TryLockError::WouldBlock), of(no_locks), of(no_system_call), of(other)];
        let wanted =
            [BeingWritten::No, BeingWritten::Yes, BeingWritten::Unknown, BeingWritten::Unknown, BeingWritten::No];
        assert_eq!(found.map(|shared| BeingWritten::of(&shared)), wanted);
    }

    #[test]
    fn only_what_a_run_wrote_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = RunDir::new(folder.path().join("run"));
        let spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
        run_dir.make_folders().unwrap();
        fs::create_dir_all(run_dir.figures()).unwrap();
        run_dir.write_spec(&spec).unwrap();
        let own = ["manifest.json", "metrics.parquet", "log.jsonl", "figures/attention.svg"];
        let own = own.map(|name| run_dir.root().join(name));
        let saved = run_dir.checkpoints().join(checkpoint::file_name(16));
        let of_others =
            ["figures/mine.svg", "figures/attention.png", "checkpoints/notes.txt", "checkpoints/step-16.safetensors"];
        let of_others = of_others.map(|name| run_dir.root().join(name));
        own.iter().chain([&saved]).chain(&of_others).for_each(|path| fs::write(path, "x").unwrap());
        run_dir.clear(&spec).unwrap();
        assert!(own.iter().chain([&saved]).all(|path| !path.exists()));
        assert!(of_others.iter().all(|path| path.exists()));
        assert!(matches!(run_dir.standing(&spec), Ok(Standing::Unfinished)));
    }
}
