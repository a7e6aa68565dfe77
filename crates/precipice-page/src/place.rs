//! The folder whose runs are shown: nothing outside of it is read, whatever a path says or a link points to.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use axum::http::StatusCode;
use precipice_lab::error::LabError;
use precipice_lab::store::RunDir;

use crate::refusal::Refusal;

/// A folder of runs, which may not be there yet.
#[derive(Clone, Debug)]
pub struct Place {
    /// As it was named.
    named: PathBuf,
    absolute: PathBuf,
}

/// What the files of a run say of themselves without being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Length and time of spec, log, manifest and record; none of what is not there.
    files: [Option<(u64, SystemTime)>; 4],
}

impl Place {
    /// A folder as seen from the current one.
    pub fn new(named: &Path) -> Self {
        let absolute = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
        Self { named: named.to_owned(), absolute }
    }

    /// As it was named.
    pub fn named(&self) -> String {
        self.named.display().to_string()
    }

    /// Where it is, links followed; none while it is not there.
    pub fn root(&self) -> Option<PathBuf> {
        self.absolute.canonicalize().ok()
    }

    /// The folder that a path from here means, with `.` for this one.
    ///
    /// # Errors
    /// If there is none, or it is outside.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, Refusal> {
        let shown: String = path.chars().take(200).collect();
        let outside = || Refusal::new(StatusCode::FORBIDDEN, format!("{shown:?} leads out of the folder of runs"));
        let missing = || {
            let text = format!("{shown:?}: no such run or sweep; /api/runs lists those there are");
            Refusal::new(StatusCode::NOT_FOUND, text)
        };
        if path.is_empty() || path.contains('\0') {
            let text = format!("{shown:?} is no path; expected that of a run as /api/runs lists it");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
        }
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        // Where `\` is no separator no run has it in its name.
        if path.contains('\\') || !Path::new(path).components().all(is_plain) {
            return Err(outside());
        }
        let root = self.root().ok_or_else(missing)?;
        let found = root.join(path).canonicalize().map_err(|_| missing())?;
        if !found.starts_with(&root) {
            return Err(outside());
        }
        if found.is_dir() { Ok(found) } else { Err(missing()) }
    }

    /// A path from here, for names in answers.
    pub fn relative(root: &Path, path: &Path) -> String {
        let inside = path.strip_prefix(root).unwrap_or(path).display().to_string();
        if inside.is_empty() { ".".to_owned() } else { inside.replace('\\', "/") }
    }
}

impl Look {
    /// Looks at the files of a run or a sweep below `root`.
    ///
    /// # Errors
    /// If one of them is a link that leads out, or no regular file.
    pub fn at(root: &Path, folder: &Path) -> Result<Self, LabError> {
        let run_dir = RunDir::new(folder);
        let record = folder.join("sweep.json");
        let mut files = [None; 4];
        let paths = [run_dir.spec_path(), run_dir.log_path(), run_dir.manifest_path(), record];
        for (file, path) in files.iter_mut().zip(&paths) {
            *file = file_at(root, path)?.and_then(|found| Some((found.len(), found.modified().ok()?)));
        }
        // A pipe of that name would be waited for.
        file_at(root, &folder.join("lock"))?;
        folder_at(root, &run_dir.checkpoints())?;
        Ok(Self { files })
    }

    /// Whether there is a spec.
    pub fn is_run(&self) -> bool {
        self.files[0].is_some()
    }

    /// Whether there is a manifest.
    pub fn has_ended(&self) -> bool {
        self.files[2].is_some()
    }

    /// Whether it is the folder of a sweep.
    pub fn is_sweep(&self) -> bool {
        self.files[3].is_some() && !self.is_run()
    }

    /// Bytes of spec, manifest and record, and of the log.
    pub fn bytes(&self) -> [u64; 2] {
        let [spec, log, manifest, record] = self.files.map(|file| file.map_or(0, |(bytes, _)| bytes));
        [spec + manifest + record, log]
    }

    /// When it was last written, in seconds since 1970.
    pub fn modified(&self) -> u64 {
        let last = self.files.iter().flatten().map(|(_, time)| *time).max();
        last.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).map_or(0, |time| time.as_secs())
    }

    /// Refuses what is more than may be read at once.
    ///
    /// # Errors
    /// Naming both numbers.
    pub fn check_bytes(&self, folder: &Path, most: u64) -> Result<(), LabError> {
        check_bytes(folder, self.bytes().iter().sum(), most)
    }
}

/// Refuses what is more than may be read at once.
///
/// # Errors
/// Naming both numbers.
pub fn check_bytes(path: &Path, bytes: u64, most: u64) -> Result<(), LabError> {
    if bytes <= most {
        return Ok(());
    }
    let text =
        format!("it has {bytes} bytes, of which at most {most} are read here; `precipice export` takes it whole");
    Err(LabError::io("read", path)(io::Error::new(io::ErrorKind::FileTooLarge, text)))
}

/// The regular file at a path, if there is anything.
///
/// # Errors
/// If it is a link that leads out of `root`, or something else.
pub fn file_at(root: &Path, path: &Path) -> Result<Option<Metadata>, LabError> {
    what_is_at(root, path, Metadata::is_file, "it is not a regular file, as a run has there")
}

fn folder_at(root: &Path, path: &Path) -> Result<Option<Metadata>, LabError> {
    what_is_at(root, path, Metadata::is_dir, "it is not a folder, as a run has there")
}

fn what_is_at(
    root: &Path,
    path: &Path,
    is: fn(&Metadata) -> bool,
    otherwise: &str,
) -> Result<Option<Metadata>, LabError> {
    let refused = |kind, text: &str| LabError::io("read", path)(io::Error::new(kind, text));
    let Ok(mut found) = fs::symlink_metadata(path) else { return Ok(None) };
    if found.is_symlink() {
        let target = path.canonicalize().ok().filter(|target| target.starts_with(root));
        let outside = || refused(io::ErrorKind::PermissionDenied, "it is a link that leads out of the folder of runs");
        found = target.and_then(|target| fs::metadata(target).ok()).ok_or_else(outside)?;
    }
    if is(&found) { Ok(Some(found)) } else { Err(refused(io::ErrorKind::InvalidInput, otherwise)) }
}
