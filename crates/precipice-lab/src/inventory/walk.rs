//! Which folders are runs, and work on many of them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use precipice::workers::Workers;

use crate::error::LabError;
use crate::input::file::TEXT_MAX;
use crate::runs::threads::Pool;
use crate::store::spec_text::Header;
use crate::store::{RunDir, pack};
use crate::sweep::Record;

/// A run that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Its directory.
    pub root: PathBuf,
    /// The folder of the sweep that it lies in.
    pub sweep: Option<PathBuf>,
    /// Of a pack that cannot be read, what is wrong with it: nobody knows how many runs it stands for.
    pub problem: Option<String>,
}

/// Levels below a folder at which runs are looked for: a run of a sweep lies at the second.
const DEPTH: usize = 2;

/// The runs in a folder and in the folders in it, by their paths; itself where it is a run. Links are not
/// followed, and what lies in a run is its own.
///
/// # Errors
/// If the folder cannot be read. What cannot be read below it is left out.
pub(super) fn runs_below(folder: &Path, pool: &Pool) -> Result<Vec<Found>, LabError> {
    if is_run(folder) {
        return Ok(vec![Found { root: folder.to_owned(), sweep: sweep_around(folder), problem: None }]);
    }
    let (mut runs, mut open) = (Vec::new(), vec![folder.to_owned()]);
    fs::read_dir(folder).map_err(LabError::io("read", folder))?;
    for _ in 0..DEPTH {
        runs.extend(open.iter().flat_map(|folder| damaged_packs(folder)));
        let inside: Vec<Found> = open.iter().flat_map(|folder| folders_in(folder)).collect();
        let are_runs = in_parallel(pool, &inside, |found| is_run(&found.root));
        open.clear();
        for (found, is_run) in inside.into_iter().zip(are_runs) {
            if is_run { runs.push(found) } else { open.push(found.root) }
        }
    }
    runs.sort();
    Ok(runs)
}

/// The folder of the sweep that a run lies in.
pub(super) fn sweep_around(run: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(run).ok()?.parent()?.to_owned();
    // As the run was named, where its name has a folder.
    let named = run.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_owned);
    Record::is_in(&folder).then(|| named.unwrap_or_else(|| PathBuf::from(".")))
}

fn folders_in(folder: &Path) -> Vec<Found> {
    let sweep = Record::is_in(folder).then(|| folder.to_owned());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_open = |entry: &fs::DirEntry| {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    let mut roots: Vec<PathBuf> = entries.filter(is_open).map(|entry| entry.path()).collect();
    // Half of a packed run may be left in its directory by a packing that was interrupted.
    let packed: HashSet<PathBuf> = pack::runs_in(folder).into_iter().collect();
    roots.retain(|root| !packed.contains(root));
    roots.extend(packed);
    roots.into_iter().map(|root| Found { root, sweep: sweep.clone(), problem: None }).collect()
}

fn damaged_packs(folder: &Path) -> Vec<Found> {
    let sweep = Record::is_in(folder).then(|| folder.to_owned());
    let damaged = pack::damaged(folder).into_iter().filter_map(|error| match error {
        LabError::RunDir { path, problem } => {
            Some(Found { root: path, sweep: sweep.clone(), problem: Some(problem.to_string()) })
        }
        _ => None,
    });
    damaged.collect()
}

/// Whether a folder is that of a run, damaged or not: other programs may have a file of one of these names, too.
pub(super) fn is_run(folder: &Path) -> bool {
    if pack::holder(folder).is_some() {
        return true;
    }
    let run = RunDir::new(folder);
    let Ok(spec) = fs::symlink_metadata(run.spec_path()) else {
        // Its spec is gone.
        return run.log_path().is_file() && run.manifest_path().is_file();
    };
    let has_more = || [run.log_path(), run.manifest_path()].iter().any(|path| path.is_file());
    let is_small = spec.is_file() && spec.len() <= TEXT_MAX;
    has_more() || (is_small && Header::read(&run.spec_path()).is_some())
}

/// Does the same with many things on the threads of a pool; results in order.
pub(super) fn in_parallel<T: Sync, R: Send + Sync>(pool: &Pool, things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let results: Vec<OnceLock<R>> = things.iter().map(|_| OnceLock::new()).collect();
    pool.run(things.len(), &|i| drop(results[i].set(work(&things[i]))));
    results.into_iter().map(|result| result.into_inner().expect("every job was run")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_two_levels_down_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let spec = precipice::spec::RunSpec { name: "a".to_owned(), ..Default::default() };
        let begun = |name: &str| {
            let run = RunDir::new(place(name));
            run.make_folders().unwrap();
            run.write_spec(&spec).unwrap();
        };
        ["one", "sweep/two", "sweep/deeper/three", "one/checkpoints/four", ".hidden"]
            .iter()
            .for_each(|name| begun(name));
        fs::create_dir_all(place("lost")).unwrap();
        ["lost/log.jsonl", "lost/manifest.json", "sweep/sweep.json"]
            .iter()
            .for_each(|name| fs::write(place(name), "").unwrap());
        fs::create_dir_all(place("other")).unwrap();
        fs::write(place("other/spec.toml"), "name = 'of another program'").unwrap();
        let pool = Pool::new(1).unwrap();
        let found = runs_below(folder.path(), &pool).unwrap();
        let names: Vec<_> =
            found.iter().map(|found| found.root.strip_prefix(folder.path()).unwrap().to_owned()).collect();
        assert_eq!(names, ["lost", "one", "sweep/two"].map(PathBuf::from));
        assert_eq!(found[2].sweep, Some(place("sweep")));
        assert_eq!(runs_below(&place("one"), &pool).unwrap().len(), 1, "a run is itself");
        assert!(runs_below(&place("nowhere"), &pool).is_err());
    }
}
