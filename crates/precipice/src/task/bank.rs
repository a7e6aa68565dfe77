//! Real items, and whether a task can draw from them.

use std::sync::Arc;

use precipice_num::Rng;

use crate::spec::TaskSpec;

/// Real items, classes x instances x D.
#[derive(Clone, Debug)]
pub struct ItemBank {
    /// `[n_classes, n_instances, D]`
    pub values: Arc<Vec<f32>>,
    /// Classes, held-out ones last.
    pub n_classes: usize,
    /// Instances of each class.
    pub n_instances: usize,
    /// D.
    pub d_item: usize,
}

/// A bank that does not fit its spec.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ItemBankError {
    /// The array is not what its shape says.
    #[error("{found} values do not fill the shape {n_classes} x {n_instances} x {d_item}")]
    Length {
        /// Values found.
        found: usize,
        /// Classes.
        n_classes: usize,
        /// Instances.
        n_instances: usize,
        /// Width.
        d_item: usize,
    },
    /// Items of another width.
    #[error("items have width {found}, but task.{family}.d_item = {expected}; set it to {found}")]
    Width {
        /// Width found.
        found: usize,
        /// Width of the spec.
        expected: usize,
        /// Task family.
        family: &'static str,
    },
    /// Not enough classes.
    #[error("{found} {which} classes, but at least {needed} are needed: {why}")]
    Classes {
        /// "training" or "held-out".
        which: &'static str,
        /// Classes found.
        found: usize,
        /// Needed.
        needed: usize,
        /// What for.
        why: &'static str,
    },
    /// The query is another instance of its class, so one instance is not enough.
    #[error("{found} instance(s) of each class, but at least 2 are needed: the query is another instance of its class")]
    Instances {
        /// Instances found.
        found: usize,
    },
    /// A value that is not a number.
    #[error("value [{class}, {instance}, {column}] is {value}; items must be finite")]
    NotFinite {
        /// Class index.
        class: usize,
        /// Instance index.
        instance: usize,
        /// Column index.
        column: usize,
        /// What stands there.
        value: f32,
    },
    /// The spec asks for a file that was not given.
    #[error("the spec takes its items from a file, but no items were given")]
    Missing,
}

impl ItemBank {
    /// Whether a task can draw its items from here.
    pub(super) fn check(&self, task: &TaskSpec, n_held_out: usize) -> Result<(), ItemBankError> {
        let ItemBank { n_classes, n_instances, d_item, .. } = *self;
        let found = self.values.len();
        if n_classes.checked_mul(n_instances).and_then(|x| x.checked_mul(d_item)) != Some(found) {
            return Err(ItemBankError::Length { found, n_classes, n_instances, d_item });
        }
        if d_item != task.d_item() {
            let (expected, family) = (task.d_item(), task.family());
            return Err(ItemBankError::Width { found: d_item, expected, family });
        }
        if n_instances < 2 {
            return Err(ItemBankError::Instances { found: n_instances });
        }
        let n_trained = n_classes.saturating_sub(n_held_out);
        let (of_training, of_held_out) = match task {
            TaskSpec::Regression(_) => unreachable!("its inputs never come from a file"),
            TaskSpec::Copying(copying) => {
                let needed = (copying.n_exemplars, "those of a context of n_exemplars are distinct");
                (needed, (if n_held_out > 0 { needed.0 } else { 0 }, needed.1))
            }
            TaskSpec::Classification(classification) => (
                (classification.n_classes, "n_classes are trained on"),
                (classification.n_labels, "every label needs one for the `ic` evaluation set (n_held_out >= n_labels)"),
            ),
        };
        let counts = [("training", n_trained, of_training), ("held-out", n_held_out, of_held_out)];
        for (which, found, (needed, why)) in counts {
            if found < needed {
                return Err(ItemBankError::Classes { which, found, needed, why });
            }
        }
        if let Some(at) = self.values.iter().position(|x| !x.is_finite()) {
            let (class, instance, column) = (at / (n_instances * d_item), at / d_item % n_instances, at % d_item);
            return Err(ItemBankError::NotFinite { class, instance, column, value: self.values[at] });
        }
        Ok(())
    }

    /// D numbers of row `id`.
    pub(super) fn row(&self, id: u32) -> &[f32] {
        &self.values[id as usize * self.d_item..(id as usize + 1) * self.d_item]
    }

    /// Another instance of the class that row `shown` belongs to.
    pub(super) fn other_instance(&self, rng: &mut Rng, shown: u32) -> u32 {
        let n_instances = self.n_instances as u32;
        let other = (shown % n_instances + 1 + rng.below(n_instances - 1)) % n_instances;
        shown - shown % n_instances + other
    }
}
