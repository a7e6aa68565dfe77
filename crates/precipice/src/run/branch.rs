//! How a branch begins: the parent's state, carried over by the names of tensors, and what is changed of it.

use super::Run;
use crate::field::{SpecError, error};
use crate::measure::Row;
use crate::model::{Layout, Params, TensorInfo, has_heads, is_in};
use crate::spec::{BranchSpec, GraftSpec, split_head};
use crate::train::{OptimizerState, TrainState};

/// A tensor, or one head of it: places in the flat vector.
struct Named<'a> {
    tensor: &'a TensorInfo,
    range: std::ops::Range<usize>,
}

impl Named<'_> {
    fn is_whole(&self) -> bool {
        self.range == self.tensor.range
    }
}

impl Run {
    /// The state that a branch begins with. The run is at its own step 0, `parent` is the state of the parent at the
    /// branch's step before anything is measured there, and `grafts` are the parameters of the other runs, in their order.
    ///
    /// Moments are carried over where the rule of updates is of the same kind, and are 0 for what is changed.
    ///
    /// # Errors
    /// Naming a tensor of this network that the parent does not have in this shape and that is not reset, or a name that
    /// means no tensor.
    pub fn start_of(
        &self,
        branch: &BranchSpec,
        parent: &TrainState,
        grafts: &[&Params<f32>],
    ) -> Result<TrainState, SpecError> {
        let (own, rule) = (self.state(), &self.spec.train.optimizer);
        let layout = &own.params.layout;
        let changes = changes(branch, layout)?;
        let is_changed =
            |tensor: &TensorInfo| changes.iter().any(|(_, named)| named.is_whole() && named.tensor.name == tensor.name);
        let (mut params, mut optimizer) = (own.params.clone(), OptimizerState::new(rule, &own.params));
        let is_same_rule = std::mem::discriminant(rule) == std::mem::discriminant(&branch.parent.train.optimizer);
        let moments =
            [(&mut optimizer.first, &parent.optimizer.first), (&mut optimizer.second, &parent.optimizer.second)];
        let mut moments: Vec<(&mut Params<f32>, &Params<f32>)> = moments
            .into_iter()
            .filter(|_| is_same_rule)
            .filter_map(|(own, parent)| Some((own.as_mut()?, parent.as_ref()?)))
            .collect();
        for tensor in layout.tensors().iter().filter(|tensor| !is_changed(tensor)) {
            let from = same_shape(tensor, &parent.params.layout).map_err(|found| {
                let place = format!("the parent {} at step {}", branch.parent.name, branch.step);
                let expected = format!(
                    "has the shape {:?} here, and in {place} {found}; name it in branch.reset (--reset {}) to begin it \
                     afresh",
                    tensor.shape, tensor.name
                );
                error("branch", &tensor.name, expected)
            })?;
            let (from, to) = (from.range.clone(), tensor.range.clone());
            params.values[to.clone()].copy_from_slice(&parent.params.values[from.clone()]);
            for (own, parent) in &mut moments {
                own.values[to.clone()].copy_from_slice(&parent.values[from.clone()]);
            }
        }
        for (change, named) in changes {
            let to = &mut params.values[named.range.clone()];
            match change {
                Change::Reset => to.copy_from_slice(&own.params.values[named.range.clone()]),
                Change::Zero => to.fill(0.0),
                Change::Graft(idx) => to.copy_from_slice(grafted(&branch.graft[idx], &named, grafts[idx])?),
            }
            moments.iter_mut().for_each(|(own, _)| own.values[named.range.clone()].fill(0.0));
        }
        let &TrainState { loss_sum, loss_count, .. } = parent;
        Ok(TrainState { step: branch.step, params, optimizer, loss_sum, loss_count })
    }

    /// Becomes a branch, whose spec differs in nothing else, in a state of it: that of [`Run::start_of`], or one that was
    /// saved, with the rows that were measured before it.
    ///
    /// # Panics
    /// If the state belongs to another network.
    pub fn branch_off(&mut self, branch: BranchSpec, state: TrainState, rows: Vec<Row>) {
        self.spec.branch = Some(Box::new(branch));
        self.trainer.branch_off(&self.spec, state.clone());
        self.restore(state, rows);
    }
}

/// What is done to a tensor.
#[derive(Clone, Copy)]
enum Change {
    Reset,
    Zero,
    /// By its place in the list.
    Graft(usize),
}

/// What is changed, in the order in which it is: reset, zero, graft.
fn changes<'a>(branch: &BranchSpec, layout: &'a Layout) -> Result<Vec<(Change, Named<'a>)>, SpecError> {
    let of = |field: &'static str, change: Change, name: &str| -> Result<Vec<(Change, Named<'a>)>, SpecError> {
        Ok(named(field, name, layout)?.into_iter().map(|named| (change, named)).collect())
    };
    let mut all = Vec::new();
    for name in &branch.reset {
        all.extend(of("branch.reset", Change::Reset, name)?);
    }
    for name in &branch.zero {
        all.extend(of("branch.zero", Change::Zero, name)?);
    }
    for (idx, graft) in branch.graft.iter().enumerate() {
        all.extend(of("branch.graft.tensor", Change::Graft(idx), &graft.tensor)?);
    }
    Ok(all)
}

/// What a name means: a tensor, those of a dotted prefix, or one head of them.
fn named<'a>(field: &str, name: &str, layout: &'a Layout) -> Result<Vec<Named<'a>>, SpecError> {
    let (group, head) = split_head(name);
    let of_group: Vec<&TensorInfo> = layout.tensors().iter().filter(|tensor| is_in(group, &tensor.name)).collect();
    if of_group.is_empty() {
        return Err(error(field, format!("{name:?}"), no_such_group(group, layout)));
    }
    let place = |tensor: &'a TensorInfo| {
        let Some(head) = head else { return Ok(Named { tensor, range: tensor.range.clone() }) };
        if !has_heads(&tensor.name) {
            let expected = format!("{} has no heads; leave out [{head}]", tensor.name);
            return Err(error(field, format!("{name:?}"), expected));
        }
        let (n_heads, size) = (tensor.shape[0], tensor.range.len() / tensor.shape[0]);
        if head >= n_heads {
            let expected = format!("{} has heads 0 to {}", tensor.name, n_heads - 1);
            return Err(error(field, format!("{name:?}"), expected));
        }
        let start = tensor.range.start + head * size;
        Ok(Named { tensor, range: start..start + size })
    };
    of_group.into_iter().map(place).collect()
}

/// The nearest of all names and prefixes, and all names.
fn no_such_group(group: &str, layout: &Layout) -> String {
    let names = layout.tensors().iter().map(|tensor| tensor.name.as_str());
    let prefixes = names.clone().flat_map(|name| name.match_indices('.').map(|(at, _)| &name[..at]));
    let nearest = names.clone().chain(prefixes).min_by_key(|name| distance(group, name)).unwrap_or_default();
    let all: Vec<&str> = names.collect();
    format!("must name a tensor or a dotted prefix; did you mean {nearest:?}? There are {}", all.join(", "))
}

/// Letters that are put in, left out or exchanged between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // Names of tensors are short, whatever is typed.
    for (i, x) in a.chars().take(100).enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let exchanged = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = exchanged.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The tensor of this name and shape, or what there is instead.
fn same_shape<'a>(tensor: &TensorInfo, layout: &'a Layout) -> Result<&'a TensorInfo, String> {
    match layout.tensors().iter().find(|other| other.name == tensor.name) {
        Some(other) if other.shape == tensor.shape => Ok(other),
        Some(other) => Err(format!("{:?}", other.shape)),
        None => Err("there is none".to_owned()),
    }
}

/// The values of the same tensor or head in another run.
fn grafted<'a>(graft: &GraftSpec, named: &Named<'_>, from: &'a Params<f32>) -> Result<&'a [f32], SpecError> {
    let Named { tensor, range } = named;
    let other = same_shape(tensor, &from.layout).map_err(|found| {
        let expected = format!("has the shape {:?} here, and in the run {} {found}", tensor.shape, graft.run.name);
        error("branch.graft.tensor", &tensor.name, expected)
    })?;
    let start = other.range.start + range.start - tensor.range.start;
    Ok(&from.values[start..start + range.len()])
}
