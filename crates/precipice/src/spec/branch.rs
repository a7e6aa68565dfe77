//! A run that begins as a copy of another one at some step: which, where, and what is changed of its network.

use serde::{Deserialize, Serialize};

use super::RunSpec;
use crate::field::{SpecError, error, within};

/// Where a branch begins. Everything that differs afterwards stands in the spec that it is part of.
///
/// ```
/// use precipice::spec::{BranchSpec, RunSpec};
/// let parent = RunSpec { name: "parent".to_owned(), ..RunSpec::default() };
/// let branch = BranchSpec { step: 600, reset: vec!["readout".to_owned()], zero: Vec::new(), graft: Vec::new(), parent };
/// let mut spec = RunSpec { name: "child".to_owned(), branch: Some(Box::new(branch)), ..RunSpec::default() };
/// spec.validate()?;
/// assert_eq!(spec.first_step(), 600);
/// spec.train.steps = 500;
/// assert_eq!(spec.validate().unwrap_err().field, "train.steps");
/// # Ok::<(), precipice::spec::SpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchSpec {
    /// Updates that the parent had done.
    pub step: u64,
    /// Groups of tensors that begin afresh, as `seeds.init` of the branch has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reset: Vec<String>,
    /// Groups of tensors that are 0 from then on, until they learn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zero: Vec<String>,
    /// Groups of tensors that are those of other runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub graft: Vec<GraftSpec>,
    /// The whole spec of the run that it begins as, which may be a branch itself.
    pub parent: RunSpec,
}

/// Tensors of another run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraftSpec {
    /// Updates that it had done.
    pub step: u64,
    /// Group of tensors, of the same names in both.
    pub tensor: String,
    /// The whole spec of that run.
    pub run: RunSpec,
}

/// Branches of branches, at most: every one repeats all before it.
const DEPTH_MAX: usize = 16;

/// Runs that a branch begins with, at most, with those that these begin with: each may have to be made.
const ORIGINS_MAX: usize = 64;

/// The group that a name means, and the head where it ends in one: `blocks.1.attn.W_Q[0]`. A head is a place on the
/// first axis of a tensor of attention.
///
/// ```
/// use precipice::spec::split_head;
/// assert_eq!(split_head("blocks.1.attn[0]"), ("blocks.1.attn", Some(0)));
/// assert_eq!(split_head("readout"), ("readout", None));
/// ```
pub fn split_head(name: &str) -> (&str, Option<usize>) {
    let head = name.strip_suffix(']').and_then(|name| name.rsplit_once('['));
    let head = head.and_then(|(group, head)| Some((group, head.parse().ok()?)));
    head.map_or((name, None), |(group, head)| (group, Some(head)))
}

impl BranchSpec {
    /// The runs that it begins with: the parent, then those of the grafts.
    pub fn origins(&self) -> impl Iterator<Item = (&RunSpec, u64)> {
        let grafts = self.graft.iter().map(|graft| (&graft.run, graft.step));
        std::iter::once((&self.parent, self.step)).chain(grafts)
    }

    /// Their specs, to be completed.
    pub fn origins_mut(&mut self) -> impl Iterator<Item = &mut RunSpec> {
        std::iter::once(&mut self.parent).chain(self.graft.iter_mut().map(|graft| &mut graft.run))
    }

    /// What counts for the address: other runs by their own.
    pub(super) fn address(&self) -> serde_json::Value {
        let graft = |graft: &GraftSpec| format!("{}:{}:{}", graft.run.hash(), graft.step, graft.tensor);
        serde_json::json!({
            "parent": self.parent.hash(),
            "step": self.step,
            "reset": self.reset,
            "zero": self.zero,
            "graft": self.graft.iter().map(graft).collect::<Vec<_>>(),
        })
    }

    fn depth(&self) -> usize {
        let below = |spec: &RunSpec| spec.branch.as_ref().map_or(0, |branch| branch.depth());
        1 + self.origins().map(|(spec, _)| below(spec)).max().unwrap_or(0)
    }

    fn n_origins(&self) -> usize {
        let below = |spec: &RunSpec| spec.branch.as_ref().map_or(0, |branch| branch.n_origins());
        self.origins().map(|(spec, _)| 1 + below(spec)).sum()
    }
}

impl RunSpec {
    /// Updates that are done where it begins: 0, or those of the parent of a branch.
    pub fn first_step(&self) -> u64 {
        self.branch.as_ref().map_or(0, |branch| branch.step)
    }

    /// The same fields, from a step 0 of its own.
    pub fn without_branch(&self) -> Self {
        Self { branch: None, ..self.clone() }
    }

    pub(super) fn validate_branch(&self) -> Result<(), SpecError> {
        let Some(branch) = &self.branch else { return Ok(()) };
        let depth = branch.depth();
        if depth > DEPTH_MAX {
            return Err(error("branch", format!("{depth} deep"), format!("must be at most {DEPTH_MAX} deep")));
        }
        let n_origins = branch.n_origins();
        if n_origins > ORIGINS_MAX {
            let found = format!("{n_origins} parents and grafted runs");
            return Err(error("branch", found, format!("must be at most {ORIGINS_MAX}, those of parents included")));
        }
        within("branch.step", branch.step, 0, branch.parent.train.steps)?;
        if self.train.steps < branch.step {
            let expected = format!("must be at least branch.step = {}, where the branch begins", branch.step);
            return Err(error("train.steps", self.train.steps, expected));
        }
        let inside = |place: &str, e: SpecError| SpecError { field: format!("{place}.{}", e.field), ..e };
        branch.parent.validate().map_err(|e| inside("branch.parent", e))?;
        for GraftSpec { step, run, .. } in &branch.graft {
            within("branch.graft.step", *step, 0, run.train.steps)?;
            run.validate().map_err(|e| inside("branch.graft.run", e))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(name: &str) -> RunSpec {
        RunSpec { name: name.to_owned(), ..RunSpec::default() }
    }

    fn branch_of(parent: RunSpec, step: u64) -> RunSpec {
        let branch = BranchSpec { step, reset: Vec::new(), zero: Vec::new(), graft: Vec::new(), parent };
        RunSpec { branch: Some(Box::new(branch)), ..root("branch") }
    }

    #[test]
    fn the_address_of_a_branch_covers_where_it_begins() {
        let spec = branch_of(root("a"), 600);
        let changed = |change: fn(&mut BranchSpec)| {
            let mut spec = spec.clone();
            change(spec.branch.as_mut().unwrap());
            spec.hash()
        };
        let graft = || GraftSpec { step: 1, tensor: "readout".to_owned(), run: root("b") };
        let hashes = [
            root("branch").hash(),
            spec.hash(),
            changed(|branch| branch.step = 601),
            changed(|branch| branch.reset.push("readout".to_owned())),
            changed(|branch| branch.zero.push("readout".to_owned())),
            changed(|branch| branch.parent.seeds.data = 1),
            changed(|branch| branch.parent = branch_of(root("a"), 3)),
            {
                let mut spec = spec.clone();
                spec.branch.as_mut().unwrap().graft.push(graft());
                spec.hash()
            },
        ];
        assert!((0..hashes.len()).all(|i| !hashes[..i].contains(&hashes[i])), "{hashes:?}");
        assert_eq!(spec.hash(), changed(|branch| branch.parent.description = "words".to_owned()));
        assert_eq!(spec.hash(), changed(|branch| branch.parent.resolve()));
    }

    #[test]
    fn what_cannot_begin_is_named() {
        let field = |spec: RunSpec| spec.validate().unwrap_err().field;
        assert_eq!(field(branch_of(root("a"), 4001)), "branch.step");
        let mut wrong = branch_of(root("a"), 3);
        wrong.branch.as_mut().unwrap().parent.train.batch_size = 0;
        assert_eq!(field(wrong), "branch.parent.train.batch_size");
        let deep = |n| (0..n).fold(root("a"), |spec, _| branch_of(spec, 3));
        deep(DEPTH_MAX).validate().unwrap();
        assert_eq!(field(deep(DEPTH_MAX + 1)), "branch");
        let grafted = |n| {
            let mut spec = branch_of(root("a"), 3);
            let graft = GraftSpec { step: 1, tensor: "readout".to_owned(), run: branch_of(root("b"), 1) };
            spec.branch.as_mut().unwrap().graft = vec![graft; n];
            spec
        };
        grafted(31).validate().unwrap();
        let told = grafted(32).validate().unwrap_err();
        assert!(told.field == "branch" && told.to_string().contains("at most 64"), "{told}");
    }
}
