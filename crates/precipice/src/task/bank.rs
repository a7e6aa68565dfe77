//! Real items, and whether a task can draw from them.

use std::sync::Arc;

use precipice_num::Rng;
use serde::{Deserialize, Serialize};

/// An array of real items, classes x instances x D.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemsSpec {
    /// Path of an `.npz`, `.npy` or `.safetensors` file, or `builtin:han-glyphs`.
    pub file: String,
    /// Name of the array in the file.
    #[serde(default = "default_array")]
    pub array: String,
    /// The last classes, never trained on, that form the `ic` evaluation set.
    #[serde(default)]
    pub n_held_out: usize,
    /// Whether all items are divided by their mean length.
    #[serde(default, skip_serializing_if = "is_false")]
    pub normalize: bool,
    /// BLAKE3 of the array's shape and values; filled in when the file is read, checked when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn default_array() -> String {
    "items".to_owned()
}

impl ItemsSpec {
    /// The array `items` of a file, of which all classes are trained on.
    pub fn of(file: &str) -> Self {
        Self { file: file.to_owned(), array: default_array(), n_held_out: 0, normalize: false, digest: None }
    }
}

/// Real items, classes x instances x D.
///
/// ```
/// use precipice::spec::{CopyingSpec, ItemsSpec, RunSpec, TaskSpec};
/// use precipice::task::{ItemBank, Set};
/// let bank = ItemBank { values: vec![0.5; 20 * 3 * 16].into(), n_classes: 20, n_instances: 3, d_item: 16 };
/// let items = ItemsSpec { n_held_out: 10, ..ItemsSpec::of("items.npz") };
/// let task = CopyingSpec { d_item: 16, items: Some(items), ..CopyingSpec::default() };
/// let spec = RunSpec { task: TaskSpec::Copying(task), ..RunSpec::default() };
/// let held_out = spec.build_task(Some(bank))?.batch(Set::Eval(1), 0, 4);
/// assert!(held_out.item_ids.iter().all(|row| row / 3 >= 10), "classes that are never trained on");
/// # Ok::<(), precipice::task::TaskError>(())
/// ```
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

/// Classes that a task needs, and what for.
pub(super) type Needed = (usize, &'static str);

impl ItemBank {
    /// The bank that a spec asks for, if a task of these sizes can draw its items from it; none for a spec without.
    pub(super) fn checked(
        bank: Option<Self>,
        items: Option<&ItemsSpec>,
        (family, d_item): (&'static str, usize),
        needed: [Needed; 2],
    ) -> Result<Option<Self>, ItemBankError> {
        let Some(items) = items else { return Ok(None) };
        let bank = bank.ok_or(ItemBankError::Missing)?;
        bank.check(family, d_item, items.n_held_out, needed)?;
        Ok(Some(bank))
    }

    /// `needed` are the classes of training and those held out.
    fn check(
        &self,
        family: &'static str,
        expected: usize,
        n_held_out: usize,
        [of_training, of_held_out]: [Needed; 2],
    ) -> Result<(), ItemBankError> {
        let ItemBank { n_classes, n_instances, d_item, .. } = *self;
        let found = self.values.len();
        if n_classes.checked_mul(n_instances).and_then(|x| x.checked_mul(d_item)) != Some(found) {
            return Err(ItemBankError::Length { found, n_classes, n_instances, d_item });
        }
        if d_item != expected {
            return Err(ItemBankError::Width { found: d_item, expected, family });
        }
        if n_instances < 2 {
            return Err(ItemBankError::Instances { found: n_instances });
        }
        let n_trained = n_classes.saturating_sub(n_held_out);
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

    /// Mean of the items' lengths; NaN where there are none.
    ///
    /// ```
    /// use precipice::task::ItemBank;
    /// let mut bank = ItemBank { values: vec![3.0, 4.0, 0.0, 1.0].into(), n_classes: 1, n_instances: 2, d_item: 2 };
    /// assert_eq!(bank.mean_length(), 3.0);
    /// assert_eq!(bank.normalize(), Ok(()));
    /// assert_eq!(*bank.values, [1.0, 4.0 / 3.0, 0.0, 1.0 / 3.0]);
    /// ```
    pub fn mean_length(&self) -> f64 {
        let square = |item: &[f32]| item.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        let items = self.values.chunks_exact(self.d_item.max(1));
        let n = items.len() as f64;
        items.map(|item| square(item).sqrt()).sum::<f64>() / n
    }

    /// Divides all items by their mean length.
    ///
    /// # Errors
    /// With the length, if it is 0 or not finite.
    pub fn normalize(&mut self) -> Result<(), f64> {
        let length = self.mean_length();
        if !(length.is_finite() && length > 0.0) {
            return Err(length);
        }
        Arc::make_mut(&mut self.values).iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
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
