//! Which run a name on the command line means.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::pack;
use super::run_dir::RunDir;
use crate::error::{LabError, RunDirProblem};
use crate::input::told;

/// Folder of the runs that have no `--out`.
pub const RUNS: &str = "runs";

/// The name of the run that was made, or asked for again, last.
pub const LATEST: &str = "latest";

/// What the name of a companion with L = N ends in, which is made beside a run and is not what anybody asked for.
pub const COMPANION: &str = "-l-equals-n";

/// The directory that a name means: a path, the name of a directory in `runs/`, or [`LATEST`], the newest of the runs
/// in `runs/` and in the current folder, companions excepted.
///
/// # Errors
/// If there is no such directory, naming the nearest one.
///
/// ```
/// use std::path::Path;
/// use precipice_lab::store::names;
/// assert_eq!(names::find(Path::new("/"))?, Path::new("/"));
/// assert!(names::find(Path::new("no-such-run")).is_err());
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn find(name: &Path) -> Result<PathBuf, LabError> {
    find_from(Path::new(""), name)
}

/// The same as seen from a folder.
fn find_from(here: &Path, name: &Path) -> Result<PathBuf, LabError> {
    let in_runs = here.join(RUNS).join(name);
    if here.join(name).exists() || pack::of_run(&here.join(name)).is_some() {
        return Ok(here.join(name));
    }
    if in_runs.is_dir() || pack::of_run(&in_runs).is_some() {
        return Ok(in_runs);
    }
    let folders = [here.to_owned(), here.join(RUNS)];
    if name == Path::new(LATEST) {
        let is_companion = |run: &Path| run.as_os_str().to_string_lossy().ends_with(COMPANION);
        let asked_for = folders.iter().flat_map(|folder| runs_in(folder)).filter(|(_, run)| !is_companion(run));
        let newest = asked_for.max_by_key(|(time, _)| *time);
        return newest.map(|(_, run)| run).ok_or_else(|| LabError::run_dir(name, RunDirProblem::NoLatest));
    }
    // Where the last name of a path is misspelt, its neighbors are what was meant.
    let beside = name.parent().filter(|parent| !parent.as_os_str().is_empty()).map(|parent| here.join(parent));
    let known: Vec<PathBuf> =
        beside.iter().chain(&folders).flat_map(|folder| runs_in(folder)).map(|(_, run)| run).collect();
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let names: Vec<String> = known.iter().map(|run| last(run)).collect();
    let nearest = told::nearest(&last(name), names.iter().map(String::as_str));
    let nearest = nearest.and_then(|name| known.iter().find(|run| last(run) == name).cloned());
    Err(LabError::run_dir(name, RunDirProblem::NoSuchRun { nearest }))
}

/// The runs that stand in a folder, and when they were last written.
fn runs_in(folder: &Path) -> Vec<(SystemTime, PathBuf)> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(listed).into_iter().flatten().flatten();
    let run = |entry: fs::DirEntry| {
        let run = RunDir::new(folder.join(entry.file_name()));
        let times = [run.spec_path(), run.log_path(), run.manifest_path()];
        let written = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
        run.spec_path().is_file().then(|| Some((times.iter().filter_map(written).max()?, run.root().to_owned())))?
    };
    entries.filter_map(run).collect()
}

/// Makes a finished run the latest: it was asked for again. Where nothing may be written it stays what it was.
pub fn touch(run: &RunDir) {
    let manifest = File::options().append(true).open(run.manifest_path());
    let _ = manifest.and_then(|file| file.set_modified(SystemTime::now()));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use precipice::spec::RunSpec;

    use super::*;

    fn run(folder: &Path, age: u64) -> RunDir {
        let run = RunDir::new(folder);
        run.make_folders().unwrap();
        run.write_spec(&RunSpec::default()).unwrap();
        let then = SystemTime::now() - Duration::from_secs(age);
        fs::write(run.manifest_path(), "{}").unwrap();
        for path in [run.spec_path(), run.manifest_path()] {
            File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
        }
        run
    }

    #[test]
    fn the_latest_is_what_was_made_or_asked_for_last() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let latest = || find_from(here, Path::new(LATEST));
        assert!(matches!(latest(), Err(LabError::RunDir { problem: RunDirProblem::NoLatest, .. })));
        let old = run(&here.join("runs/old"), 100);
        run(&here.join("runs/new"), 50);
        assert_eq!(latest().unwrap(), here.join("runs/new"));
        run(&here.join("mine"), 10);
        assert_eq!(latest().unwrap(), here.join("mine"));
        run(&here.join("mine-l-equals-n"), 5);
        assert_eq!(latest().unwrap(), here.join("mine"));
        touch(&old);
        assert_eq!(latest().unwrap(), here.join("runs/old"));
        // A directory of that name is that directory.
        fs::create_dir(here.join(LATEST)).unwrap();
        assert_eq!(latest().unwrap(), here.join(LATEST));
    }

    #[test]
    fn a_misspelt_run_is_told_its_neighbor() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        run(&here.join("runs/copying-012353c1"), 0);
        run(&here.join("elsewhere/minimal-0"), 0);
        let nearest = |name: &str| match find_from(here, Path::new(name)) {
            Err(LabError::RunDir { problem: RunDirProblem::NoSuchRun { nearest }, .. }) => nearest,
            other => panic!("{other:?}"),
        };
        assert_eq!(find_from(here, Path::new("copying-012353c1")).unwrap(), here.join("runs/copying-012353c1"));
        assert_eq!(nearest("runs/copying-012353c2"), Some(here.join("runs/copying-012353c1")));
        assert_eq!(nearest("elsewhere/minimal-1"), Some(here.join("elsewhere/minimal-0")));
        assert_eq!(nearest("zzz"), None);
    }
}
