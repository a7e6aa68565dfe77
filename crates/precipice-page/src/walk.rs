//! Which folders are runs or sweeps, and work on many of them.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use precipice_lab::input::file::TEXT_MAX;
use precipice_lab::store::RunDir;
use precipice_lab::store::spec_text::Header;
use precipice_lab::sweep::Record;

use crate::limits::Limits;

/// The folders of runs and sweeps in and below `root`, and whether there are more. Links are not followed, and what lies
/// in a run or a sweep is its own.
pub fn folders(root: &Path, limits: &Limits) -> (Vec<PathBuf>, bool) {
    let (mut found, mut n_folders, mut is_cut) = (Vec::new(), 0, false);
    let mut open = VecDeque::from([(root.to_owned(), 0)]);
    while let Some((folder, depth)) = open.pop_front() {
        n_folders += 1;
        if is_run(&folder) || Record::is_in(&folder) {
            if found.len() == limits.entries {
                return (found, true);
            }
            found.push(folder);
            continue;
        }
        // What may not be read is not shown.
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let is_open = |entry: &fs::DirEntry| {
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir())
        };
        let room = if depth == limits.depth { 0 } else { limits.folders.saturating_sub(n_folders + open.len()) };
        let mut inside: Vec<PathBuf> = entries.filter(is_open).map(|entry| entry.path()).take(room + 1).collect();
        is_cut |= inside.len() > room;
        inside.truncate(room);
        inside.sort();
        open.extend(inside.into_iter().map(|folder| (folder, depth + 1)));
    }
    (found, is_cut)
}

/// Whether a folder is that of a run, damaged or not: other programs may have a file of that name, too.
fn is_run(folder: &Path) -> bool {
    let run = RunDir::new(folder);
    let has_more = || [run.log_path(), run.manifest_path()].iter().any(|path| path.is_file());
    // The file of another program may be a large one, or a link to elsewhere.
    let is_small = || fs::symlink_metadata(run.spec_path()).is_ok_and(|file| file.is_file() && file.len() <= TEXT_MAX);
    run.spec_path().is_file() && (has_more() || (is_small() && Header::read(&run.spec_path()).is_some()))
}

/// Does the same with many things, on a few threads; results in order.
pub fn in_parallel<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(8).min(things.len() / 16 + 1);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(things.len())));
    let worker = || {
        let mut own = Vec::new();
        let mut at = next.fetch_add(1, Ordering::Relaxed);
        while let Some(thing) = things.get(at) {
            own.push((at, work(thing)));
            at = next.fetch_add(1, Ordering::Relaxed);
        }
        lock(&done).extend(own);
    };
    thread::scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(worker);
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Takes bytes from what may still be read.
pub fn take(left: &AtomicU64, bytes: u64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
}

/// What a thread that panicked left is as good as any.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
