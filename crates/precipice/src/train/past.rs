//! How often moments were updated: what Adam's bias correction counts.

use crate::model::{Layout, has_heads, is_in};
use crate::spec::{BranchSpec, RunSpec, TrainSpec, split_head};

/// What the moments of a network had behind them where its run began: nothing, or what a branch took over.
///
/// Moments that begin at 0 in the midst of a run are as young as those of a new one; counted from step 0 their first
/// updates would be several times too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    first_step: u64,
    /// Updates of each tensor, or of each of its heads.
    updates: Vec<Vec<u64>>,
}

impl Past {
    /// Of a run that begins at step 0.
    pub fn none(layout: &Layout) -> Self {
        Self { first_step: 0, updates: vec![vec![0]; layout.tensors().len()] }
    }

    /// Of the run of a spec.
    pub fn of(spec: &RunSpec, layout: &Layout) -> Self {
        let names = layout.tensors().iter().map(|tensor| tensor.name.as_str());
        let n_heads = layout.tensors().iter().map(|tensor| if has_heads(&tensor.name) { tensor.shape[0] } else { 1 });
        let updates = names.zip(n_heads).map(|(name, n_heads)| {
            let of_heads: Vec<u64> =
                (0..n_heads).map(|head| updates_before(spec, name, head, spec.first_step())).collect();
            let is_even = of_heads.iter().all(|n| *n == of_heads[0]);
            if is_even { of_heads[..1].to_vec() } else { of_heads }
        });
        Self { first_step: spec.first_step(), updates: updates.collect() }
    }

    /// Updates of the moments of a tensor before a step, where it is frozen up to `thaw`: of equal parts of it, one after
    /// the other.
    pub(super) fn ages(&self, tensor: usize, thaw: u64, step: u64) -> impl ExactSizeIterator<Item = u64> {
        let here = since(self.first_step, thaw, step);
        self.updates[tensor].iter().map(move |before| before + here)
    }
}

/// Steps from the first on at which a tensor moved.
fn since(first_step: u64, thaw: u64, step: u64) -> u64 {
    step - thaw.max(first_step).min(step)
}

/// Updates of the moments of a head of a tensor before a step, whichever runs made them.
fn updates_before(spec: &RunSpec, name: &str, head: usize, step: u64) -> u64 {
    let here = since(spec.first_step(), freeze_end(&spec.train, name), step);
    match &spec.branch {
        Some(branch) if !is_new(spec, branch, name, head) => {
            updates_before(&branch.parent, name, head, branch.step) + here
        }
        _ => here,
    }
}

/// Whether the moments of a head of a tensor begin with the branch.
fn is_new(spec: &RunSpec, branch: &BranchSpec, name: &str, head: usize) -> bool {
    let kind = |spec: &RunSpec| std::mem::discriminant(&spec.train.optimizer);
    let grafted = branch.graft.iter().map(|graft| &graft.tensor);
    let mut changed = branch.reset.iter().chain(&branch.zero).chain(grafted).map(|named| split_head(named));
    kind(spec) != kind(&branch.parent)
        || changed.any(|(group, of_head)| is_in(group, name) && of_head.is_none_or(|of_head| of_head == head))
}

/// The step at which a tensor begins to move.
pub(super) fn freeze_end(train: &TrainSpec, name: &str) -> u64 {
    let groups = train.freeze_until.iter().filter(|(group, _)| is_in(group, name));
    groups.map(|(_, &until)| until).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{AdamSpec, OptimizerSpec};

    #[test]
    fn only_what_was_updated_counts() {
        let adam = AdamSpec { learning_rate: 0.1, adam_beta1: 0.9, adam_beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
        let mut parent = RunSpec { name: "parent".to_owned(), ..RunSpec::default() };
        parent.train.optimizer = OptimizerSpec::Adam(adam);
        parent.train.freeze_until.insert("readout".to_owned(), 100);
        let branch = BranchSpec {
            step: 600,
            reset: vec!["blocks.0.attn.W_Q".to_owned()],
            zero: vec!["blocks.1.attn[1]".to_owned()],
            graft: Vec::new(),
            parent: parent.clone(),
        };
        let mut spec = RunSpec { branch: Some(Box::new(branch)), ..parent.clone() };
        spec.train.freeze_until = [("blocks.1.attn.W_K".to_owned(), 700)].into();
        let count = |spec: &RunSpec, name, head| updates_before(spec, name, head, 1000);
        assert_eq!(count(&spec, "readout.0.weight", 0), 500 + 400);
        assert_eq!(count(&spec, "blocks.0.attn.W_Q", 0), 400);
        assert_eq!(count(&spec, "blocks.0.attn.W_K", 0), 1000);
        assert_eq!((count(&spec, "blocks.1.attn.W_V", 0), count(&spec, "blocks.1.attn.W_V", 1)), (1000, 400));
        assert_eq!((count(&spec, "blocks.1.attn.W_K", 0), count(&spec, "blocks.1.attn.W_K", 1)), (600 + 300, 300));
        // Of a branch without a change they are the parent's.
        let branch = BranchSpec { reset: Vec::new(), zero: Vec::new(), ..*spec.branch.clone().unwrap() };
        let same = RunSpec { branch: Some(Box::new(branch)), ..parent.clone() };
        assert_eq!(count(&same, "readout.0.weight", 0), count(&parent, "readout.0.weight", 0));
        let sgd = RunSpec { train: TrainSpec { freeze_until: Default::default(), ..TrainSpec::default() }, ..same };
        assert_eq!(count(&sgd, "readout.0.weight", 0), 400, "another rule has other moments");
    }
}
