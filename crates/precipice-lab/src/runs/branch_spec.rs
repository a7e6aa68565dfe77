//! The spec of a branch of a stored run, as it is asked for: its name and its description say where it begins and what
//! is changed.

use precipice::spec::{BranchSpec, GraftSpec, RunSpec};

use super::stored::StoredRun;
use crate::error::LabError;
use crate::input::spec_file::{self, Changes};

/// Where a branch begins and what is changed there.
#[derive(Clone, Debug, Default)]
pub struct Divergence {
    /// Updates that the parent had done.
    pub step: u64,
    /// Fields of the spec.
    pub changes: Changes,
    /// Groups of tensors that begin afresh.
    pub reset: Vec<String>,
    /// Groups of tensors that are 0.
    pub zero: Vec<String>,
    /// Tensors of other runs.
    pub grafts: Vec<Graft>,
}

/// Tensors of another run.
#[derive(Clone, Debug)]
pub struct Graft {
    /// What was run.
    pub run: RunSpec,
    /// Updates that it had done.
    pub step: u64,
    /// Group of tensors.
    pub tensor: String,
}

/// The spec of a branch. Its fields are those of the parent with every default filled in, so that widths stay what they
/// are where a task is changed.
///
/// # Errors
/// If the run did not come so far, or the changes make no spec.
///
/// ```
/// use precipice::record::MemoryRecorder;
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::runs::{Divergence, Keep, Options, StoredRun, branch_spec, train};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// # let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// # let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(4), seed: None })?;
/// # let options =
/// #     Options { out: Some(root.clone()), threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
/// # train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
/// let parent = StoredRun::open(&root)?;
/// let changes = Changes { overrides: vec!["train.batch_size=32".to_owned()], ..Changes::default() };
/// let spec = branch_spec(&parent, Divergence { step: 3, changes, ..Divergence::default() })?;
/// assert_eq!((spec.name.as_str(), spec.first_step()), ("copying-small-at-3-batch_size-32", 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn branch_spec(parent: &StoredRun, divergence: Divergence) -> Result<RunSpec, LabError> {
    parent.check_step(divergence.step)?;
    branch_spec_of(&parent.spec, divergence)
}

/// The same of a run that is not stored. Whoever asks knows how far it came, and the runs of the grafts.
///
/// # Errors
/// If the changes make no spec.
///
/// ```
/// use precipice::spec::RunSpec;
/// use precipice_lab::runs::{Divergence, branch_spec_of};
/// let parent = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
/// let divergence = Divergence { step: 3, zero: vec!["blocks.0".to_owned()], ..Divergence::default() };
/// assert_eq!(branch_spec_of(&parent, divergence)?.name, "mine-at-3-zero-blocks.0");
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn branch_spec_of(parent: &RunSpec, divergence: Divergence) -> Result<RunSpec, LabError> {
    let (name, description) = (name_of(parent, &divergence), description_of(parent, &divergence));
    let Divergence { step, changes, reset, zero, grafts } = divergence;
    let graft = grafts.into_iter().map(|Graft { run, step, tensor }| GraftSpec { step, tensor, run });
    let branch = BranchSpec { step, reset, zero, graft: graft.collect(), parent: parent.clone() };
    let spec = RunSpec { name, description, branch: Some(Box::new(branch)), ..parent.clone() };
    spec_file::of_spec(&spec, &changes)
}

/// Letters of a name, at most: the folder has the hash behind it.
const NAME_MAX: usize = 72;

/// The parent, the step and the changes, as far as there is room.
fn name_of(parent: &RunSpec, divergence: &Divergence) -> String {
    let head = format!("-at-{}", divergence.step);
    let mut name: String = parent.name.chars().take(NAME_MAX - head.len()).collect();
    name += &head;
    // A branch that is made longer keeps its name.
    let named = Divergence { changes: Changes { steps: None, ..divergence.changes.clone() }, ..divergence.clone() };
    let named = words_of(&named, |field| field.rsplit('.').next().unwrap_or(field).to_owned());
    for change in named.filter(|change| !change.starts_with("steps=")) {
        let letters = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
        let parts: Vec<&str> = change.split(|c| !letters(c)).filter(|part| !part.is_empty()).collect();
        let change = format!("-{}", parts.join("-"));
        if name.len() + change.len() <= NAME_MAX {
            name += &change;
        }
    }
    name
}

fn description_of(parent: &RunSpec, divergence: &Divergence) -> String {
    let changes: Vec<String> = words_of(divergence, str::to_owned).collect();
    let changes = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") };
    format!("branch of {}-{} at step {}: {changes}", parent.name, &parent.hash()[..8], divergence.step)
}

/// Every change in words; `field` says what a field is called.
fn words_of<'a>(divergence: &'a Divergence, field: impl Fn(&str) -> String + 'a) -> impl Iterator<Item = String> + 'a {
    let Divergence { changes, reset, zero, grafts, .. } = divergence;
    let fields = changes.overrides.iter().map(move |text| match text.split_once('=') {
        Some((key, value)) => format!("{}={value}", field(key.trim())),
        None => text.clone(),
    });
    let fields = fields.filter(|text| !text.starts_with("name=") && !text.starts_with("description="));
    let steps = changes.steps.map(|steps| format!("steps={steps}"));
    let seed = changes.seed.map(|seed| format!("seed={seed}"));
    let of = |what: &'static str, names: &'a [String]| names.iter().map(move |name| format!("{what} {name}"));
    let grafted = grafts.iter().map(|Graft { run, step, tensor }| format!("graft {tensor} of {} {step}", run.name));
    fields.chain(steps).chain(seed).chain(of("reset", reset)).chain(of("zero", zero)).chain(grafted)
}
