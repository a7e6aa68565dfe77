//! Where everything is in a run directory, and how it is read: never without a check.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use precipice::model::Layout;
use precipice::record::Row;
use precipice::run;
use precipice::spec::RunSpec;

use super::atomic;
use super::checkpoint::{self, Saved};
use super::log::{self, Entry};
use super::manifest::{self, Manifest};
use super::spec_text::{self, Header};
use super::{files, pack};
use crate::error::{LabError, RunDirProblem};

/// Places in a run directory.
///
/// ```
/// use precipice::spec::RunSpec;
/// use precipice_lab::store::{RunDir, Standing};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// let spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
/// let run_dir = RunDir::new(root);
/// assert!(matches!(run_dir.standing(&spec)?, Standing::Empty));
/// run_dir.make_folders()?;
/// run_dir.write_spec(&spec)?;
/// assert!(matches!(run_dir.standing(&spec)?, Standing::Unfinished));
/// assert_eq!(run_dir.spec()?.hash(), spec.hash());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
    /// Where the file of items is, if it is no longer where the spec says.
    items: Option<PathBuf>,
}

/// Files in the folder of figures that are the run's own.
pub const FIGURES: [&str; 10] = [
    "learning-curve.svg",
    "attention.svg",
    "interactions.svg",
    "order-parameters.svg",
    "contexts.svg",
    "landscape.svg",
    "theory-over-measurement.svg",
    "argument.svg",
    "generalization.svg",
    "roll-out.svg",
];

/// The file that makes a folder that of a sweep.
pub(super) const RECORD_OF_A_SWEEP: &str = "sweep.json";

impl RunDir {
    /// The directory at a path, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), items: None }
    }

    /// The same run, whose file of items has been moved; what it holds must be what it was.
    pub fn with_items(self, items: Option<PathBuf>) -> Self {
        Self { items, ..self }
    }

    /// `runs/<name>-<hash8>`.
    pub fn default_for(spec: &RunSpec) -> Self {
        Self::new(Path::new("runs").join(format!("{}-{}", spec.name, &spec.hash()[..8])))
    }

    /// The run directory that a path lies in or is.
    pub fn around(path: &Path) -> Option<Self> {
        let absolute = std::path::absolute(path).ok()?;
        // A link may lead into a run. What does not exist yet has no links.
        let whole = absolute.canonicalize().ok();
        let known = || absolute.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok());
        let whole = whole.or_else(known)?;
        let is_run = |folder: &&Path| Header::read(&folder.join("spec.toml")).is_some();
        whole.ancestors().find(is_run).map(Self::new)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Resolved spec.
    pub fn spec_path(&self) -> PathBuf {
        self.root.join("spec.toml")
    }

    /// Rows.
    pub fn log_path(&self) -> PathBuf {
        self.root.join("log.jsonl")
    }

    /// Rows as a table.
    pub fn parquet_path(&self) -> PathBuf {
        self.root.join("metrics.parquet")
    }

    /// Outcome.
    pub fn manifest_path(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// Saved states.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Where the checkpoint of a step is, if it has one.
    pub fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.root.join(named(step))
    }

    /// Figures.
    pub fn figures(&self) -> PathBuf {
        self.root.join("figures")
    }

    /// The first run directory in this one.
    fn first_inside(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(&self.root).ok()?.flatten().map(|entry| entry.path());
        entries.filter(|path| path.join("spec.toml").is_file()).min()
    }

    /// The spec of the run that stands here.
    ///
    /// # Errors
    /// If there is none, or it is not the one that was written.
    pub fn spec(&self) -> Result<RunSpec, LabError> {
        if !files::is_file(&self.spec_path()) {
            let is_sweep = self.root.join(RECORD_OF_A_SWEEP).is_file();
            let problem = || RunDirProblem::IsASweep { run: self.first_inside() };
            let problem = if is_sweep { problem() } else { RunDirProblem::NotARunDirectory };
            return Err(LabError::run_dir(&self.root, problem));
        }
        let mut spec = spec_text::read(&self.spec_path())?;
        if let Some(moved) = &self.items {
            let no_items = || LabError::run_dir(&self.root, RunDirProblem::NoItems);
            let items = spec.task.family_mut().items_mut().ok_or_else(no_items)?;
            let absolute = std::path::absolute(moved).map_err(LabError::io("find", moved))?;
            // What a branch begins with has the same items, or others that were not moved.
            let digest = items.digest.clone();
            move_items(&mut spec, &absolute.display().to_string(), digest.as_deref());
        }
        Ok(spec)
    }

    /// The manifest of the run of this spec; none if it is not finished.
    ///
    /// # Errors
    /// If it is damaged, or that of another run.
    pub fn manifest(&self, spec: &RunSpec) -> Result<Option<Manifest>, LabError> {
        let path = self.manifest_path();
        if files::is_file(&path) { Manifest::read(&path, &spec.hash()).map(Some) } else { Ok(None) }
    }

    /// The same of a run that must be finished.
    ///
    /// # Errors
    /// If it is not, too.
    pub fn finished(&self, spec: &RunSpec) -> Result<Manifest, LabError> {
        let not_finished = || RunDirProblem::NotFinished { resume: self.resume_command() };
        let problem = || LabError::run_dir(&self.root, not_finished());
        self.manifest(spec)?.ok_or_else(problem)
    }

    /// What is typed to go on with an unfinished run, wherever it came from.
    pub fn resume_command(&self) -> String {
        format!("precipice run {} --out {} --resume", quoted(&self.spec_path()), quoted(&self.root))
    }

    /// All rows: of a finished run those that the manifest vouches for, of another those that are whole.
    ///
    /// # Errors
    /// If the log is damaged, or lacks rows that were measured.
    pub fn rows(&self) -> Result<Vec<Row>, LabError> {
        Ok(self.entries(&self.spec()?)?.into_iter().map(|entry| entry.row).collect())
    }

    /// The same with the check of each.
    ///
    /// # Errors
    /// As [`RunDir::rows`].
    pub fn entries(&self, spec: &RunSpec) -> Result<Vec<Entry>, LabError> {
        let path = self.log_path();
        if let Some(manifest) = self.manifest(spec)? {
            let bytes = manifest::read_named(&self.root, "log.jsonl")?;
            manifest.check_file(&self.root, "log.jsonl", &bytes)?;
            return log::parse(&bytes, &spec.hash()).whole(&path);
        }
        // Looked at first, because the run may be going on.
        let saved = checkpoint::steps(&self.checkpoints())?.into_iter().rfind(|&step| step <= spec.train.steps);
        let entries = log::read(&path, &spec.hash())?.whole(&path)?;
        match saved {
            Some(step) if (entries.len() as u64) < run::n_rows_due(spec, step) => {
                Err(LabError::run_dir(&path, RunDirProblem::LostRows { step }))
            }
            _ => Ok(entries),
        }
    }

    /// Steps that have a checkpoint, rising: of a finished run those that its manifest names, whether they are still
    /// there or not.
    ///
    /// # Errors
    /// If one is missing that an unfinished run had written.
    pub fn checkpoint_steps(&self, spec: &RunSpec) -> Result<Vec<u64>, LabError> {
        if let Some(manifest) = self.manifest(spec)? {
            return Ok(manifest.checkpoints());
        }
        // Looked at first, because the run may be going on.
        let measured = log::read(&self.log_path(), &spec.hash())?.entries.last().map_or(0, |entry| entry.row.step);
        let mut steps = checkpoint::steps(&self.checkpoints())?;
        steps.retain(|&step| step <= spec.train.steps);
        if is_rolling(&steps, spec) {
            return Ok(steps);
        }
        // A run of a sweep has none but the last.
        let (Some(&first), Some(&last)) = (steps.first(), steps.last()) else { return Ok(steps) };
        let was_written = |step: &u64| first < spec.train.steps && (*step <= last || *step < measured);
        let mut due = run::checkpoints_due(spec).take_while(was_written);
        match due.find(|step| steps.binary_search(step).is_err()) {
            Some(step) => Err(LabError::run_dir(&self.root.join(named(step)), RunDirProblem::MissingCheckpoint)),
            None => Ok(steps),
        }
    }

    /// Whether an unfinished run is one of many, of which the newest state alone is kept.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn is_one_of_many(&self, spec: &RunSpec) -> Result<bool, LabError> {
        Ok(is_rolling(&checkpoint::steps(&self.checkpoints())?, spec))
    }

    /// Whether there is a checkpoint of a step, or should be.
    ///
    /// # Errors
    /// If the manifest is damaged, or that of another run.
    pub fn has_checkpoint(&self, spec: &RunSpec, step: u64) -> Result<bool, LabError> {
        let is_named = |manifest: Manifest| manifest.files.contains_key(&named(step));
        Ok(self.checkpoint_path(step).is_file() || self.manifest(spec)?.is_some_and(is_named))
    }

    /// The bytes of a checkpoint, and what they hold.
    ///
    /// # Errors
    /// If there is no such checkpoint, listing those there are, or it is not the one that was written.
    pub fn checkpoint(&self, spec: &RunSpec, step: u64, layout: &Arc<Layout>) -> Result<(Vec<u8>, Saved), LabError> {
        self.checked(spec, step, |path, bytes| checkpoint::parse(path, bytes, layout, &spec.hash()))
    }

    /// The bytes alone, which are checked without the network: no items are read for it.
    ///
    /// # Errors
    /// As [`RunDir::checkpoint`].
    pub fn checkpoint_bytes(&self, spec: &RunSpec, step: u64) -> Result<Vec<u8>, LabError> {
        let (bytes, ()) = self.checked(spec, step, |path, bytes| checkpoint::check(path, bytes, &spec.hash()))?;
        Ok(bytes)
    }

    fn checked<T>(
        &self,
        spec: &RunSpec,
        step: u64,
        check: impl FnOnce(&Path, &[u8]) -> Result<T, LabError>,
    ) -> Result<(Vec<u8>, T), LabError> {
        let (name, manifest) = (named(step), self.manifest(spec)?);
        let path = self.root.join(&name);
        let is_named = manifest.as_ref().is_some_and(|manifest| manifest.files.contains_key(&name));
        if !path.is_file() && !is_named {
            let there_are = checkpoint::steps(&self.checkpoints())?;
            return Err(LabError::run_dir(&self.root, RunDirProblem::NoCheckpoint { step, there_are }));
        }
        let bytes = manifest::read_named(&self.root, &name)?;
        // What is wrong inside says more than that something is.
        let found = check(&path, &bytes)?;
        manifest.map_or(Ok(()), |manifest| manifest.check_file(&self.root, &name, &bytes))?;
        Ok((bytes, found))
    }

    /// Refuses a run that is packed, so that nothing in it can be changed.
    ///
    /// # Errors
    /// Saying how it is unpacked.
    pub fn check_unpacked(&self) -> Result<(), LabError> {
        pack::of_run(&self.root).map_or(Ok(()), |_| self.check_in_no_pack())
    }

    /// Refuses a run that a pack holds, too, if it has a directory again: what goes there would be found in the pack.
    ///
    /// # Errors
    /// Saying how it is unpacked.
    pub fn check_in_no_pack(&self) -> Result<(), LabError> {
        let Some(pack) = pack::holder(&self.root) else { return Ok(()) };
        let folder = self.root.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let [folder, run] = [folder, Path::new(self.root.file_name().unwrap_or_default())].map(quoted);
        let unpack = format!("precipice sweep unpack {folder} {run}");
        Err(LabError::run_dir(&self.root, RunDirProblem::IsPacked { pack, unpack }))
    }

    /// Writes a figure of the run's own, and enters its digest where the run is finished.
    ///
    /// # Errors
    /// If the system refuses, or the manifest cannot be read.
    pub fn write_figure(&self, spec: &RunSpec, name: &str, bytes: &[u8]) -> Result<PathBuf, LabError> {
        self.check_unpacked()?;
        let path = self.figures().join(name);
        std::fs::create_dir_all(self.figures()).map_err(LabError::io("create", &self.figures()))?;
        if !self.manifest_path().is_file() {
            return atomic::write(&path, bytes).map(|()| path);
        }
        let _lock = self.lock_soon()?;
        let manifest = self.manifest(spec)?;
        atomic::write(&path, bytes)?;
        if let Some(mut manifest) = manifest {
            manifest.files.insert(format!("figures/{name}"), manifest::digest_of(bytes));
            manifest.write(&self.manifest_path())?;
        }
        Ok(path)
    }

    /// Writes the spec that the rest belongs to.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_spec(&self, spec: &RunSpec) -> Result<(), LabError> {
        atomic::write(&self.spec_path(), spec_text::to_text(spec).as_bytes())
    }
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/-_.,+=".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Names the place of items with this digest, in a spec and in those of all runs that a branch begins with.
pub(crate) fn move_items(spec: &mut RunSpec, file: &str, digest: Option<&str>) {
    if let Some(items) = spec.task.family_mut().items_mut().filter(|items| items.digest.as_deref() == digest) {
        file.clone_into(&mut items.file);
    }
    spec.branch.iter_mut().flat_map(|branch| branch.origins_mut()).for_each(|origin| move_items(origin, file, digest));
}

/// Other runs have their first state, and all that were due since.
fn is_rolling(steps: &[u64], spec: &RunSpec) -> bool {
    matches!(steps, [only] if *only != spec.first_step())
}

/// A checkpoint, as a manifest names it.
fn named(step: u64) -> String {
    format!("checkpoints/{}", checkpoint::file_name(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted() {
        let command = |root: &str| RunDir::new(root).resume_command();
        assert_eq!(command("runs/a-0"), "precipice run runs/a-0/spec.toml --out runs/a-0 --resume");
        let quoted = "precipice run 'it'\\''s mine/spec.toml' --out 'it'\\''s mine' --resume";
        assert_eq!(command("it's mine"), quoted);
    }
}
