//! Files that are whole or not there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::error::LabError;
use crate::machine;

/// Prefix of files that are being written, which no other program gives its own; left over after a crash, ignored by
/// readers.
pub const TEMPORARY: &str = ".precipice-tmp-";

/// Bytes of a file that is read without asking whether the memory holds it.
const UNASKED: u64 = 1 << 20;

/// After so long nobody writes a file any more, whichever machine began it.
const STALE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

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

/// Reads a file, and nothing that could go on for ever.
///
/// # Errors
/// If the system refuses, or it is a device or a pipe.
pub fn read(path: &Path) -> Result<Vec<u8>, LabError> {
    let whole = || {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a file"));
        }
        check_memory(metadata.len())?;
        fs::read(path)
    };
    whole().map_err(LabError::io("read", path))
}

/// Refuses to read a file that the memory does not hold.
///
/// # Errors
/// Saying so.
pub(super) fn check_memory(n_bytes: u64) -> io::Result<()> {
    // To ask takes longer than to read a small file.
    if n_bytes > UNASKED && n_bytes as f64 > machine::memory().bytes {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "is larger than the memory that is left"));
    }
    Ok(())
}

/// Removes what interrupted writes left in a folder, which is that of a run or a sweep. A file that a living process may
/// still be writing stays.
///
/// # Errors
/// If the system refuses.
pub fn sweep(folder: &Path) -> Result<(), LabError> {
    for path in left_over(folder) {
        match fs::remove_file(&path) {
            // Two may clean up at once.
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(LabError::io("remove", &path)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// What [`sweep`] would remove.
pub fn left_over(folder: &Path) -> Vec<PathBuf> {
    let is_left_over = |entry: &fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let age = age.and_then(|modified| SystemTime::now().duration_since(modified).ok());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        is_file && is_stale(&name, age.unwrap_or_default())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(is_left_over).map(|entry| entry.path()).collect()
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
    // The parent of a bare file name is the empty path, which cannot be opened.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (mut file, temporary) = create(folder).map_err(LabError::io("write", path))?;
    let written = (|| {
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

/// A new file under a name that no other writer has: that of the host, of the process, and a number.
fn create(folder: &Path) -> io::Result<(File, PathBuf)> {
    static N_WRITTEN: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = N_WRITTEN.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{TEMPORARY}{}.{}.{number}", host(), std::process::id()));
        match File::options().write(true).create_new(true).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (file, path)),
        }
    }
}

/// Whether nobody writes a temporary file any more: its process has ended, or it is old. What has another name than
/// [`create`] gives is left alone, whoever wrote it.
fn is_stale(name: &str, age: Duration) -> bool {
    let mut parts = name.strip_prefix(TEMPORARY).unwrap_or_default().rsplitn(3, '.');
    let [number, process] = [parts.next(), parts.next()].map(|part| part.and_then(|id| id.parse::<u64>().ok()));
    let (Some(_), Some(process), Some(machine)) = (number, process, parts.next()) else { return false };
    let is_known = machine == host() && Path::new("/proc/self/stat").exists();
    age > STALE_AFTER || (is_known && !is_running(process))
}

/// Whether a process of this machine runs. One that has ended stands in the list until someone asks how it ended.
fn is_running(process: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    // The state follows the name, which stands in parentheses and may hold some.
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X'])))
}

/// The name of this machine, as far as a file name may hold it.
fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let named = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
        let named = named.ok().or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
        let plain: String = named.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
        if plain.is_empty() { "host".to_owned() } else { plain }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_writers_of_one_file_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        std::thread::scope(|scope| {
            for byte in 0..8 {
                let path = &path;
                scope.spawn(move || (0..20).for_each(|_| write(path, &[byte; 10_000]).unwrap()));
            }
        });
        let bytes = read(&path).unwrap();
        assert!(bytes.len() == 10_000 && bytes.iter().all(|byte| *byte == bytes[0]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_has_ended_does_not_run() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert!(is_running(std::process::id().into()));
        let clock = std::time::Instant::now();
        // Nobody has asked how it ended.
        while is_running(child.id().into()) && clock.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!is_running(child.id().into()) && Path::new(&format!("/proc/{}", child.id())).exists());
        child.wait().unwrap();
    }

    #[test]
    fn only_what_nobody_writes_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let id = std::process::id();
        // No process has this number: the largest is 2^22.
        let gone = u32::MAX;
        let names = [
            (format!("{TEMPORARY}{}.{id}.0", host()), true),
            (format!("{TEMPORARY}{}.1.0", host()), true),
            (format!("{TEMPORARY}{}.{gone}.0", host()), !Path::new("/proc/self").exists()),
            (format!("{TEMPORARY}elsewhere.7.0"), true),
            (format!("{TEMPORARY}log.jsonl"), true),
            (format!("{TEMPORARY}a.b.c"), true),
            // Of another program, which names its files so.
            (format!(".tmp-{}.{gone}.0", host()), true),
            ("log.jsonl".to_owned(), true),
        ];
        names.iter().for_each(|(name, _)| fs::write(folder.path().join(name), "").unwrap());
        sweep(folder.path()).unwrap();
        for (name, stays) in &names {
            assert_eq!(folder.path().join(name).exists(), *stays, "{name}");
        }
        let day = STALE_AFTER + Duration::from_secs(1);
        let are_stale: Vec<bool> = names.iter().map(|(name, _)| is_stale(name, day)).collect();
        assert_eq!(are_stale, [true, true, true, true, false, false, false, false]);
    }
}
