//! Batches: the very ones that the engine trains on.

use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use precipice::sequence::Batch;
use precipice::spec::RunSpec;
use precipice::task::{Set, Task as CoreTask};
use precipice_lab::error::LabError;
use precipice_lab::input::items;
use precipice_num::Kernels;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{array, ints, read};
use crate::error;
use crate::spec::Spec;

/// A task with its fixed world.
#[pyclass(frozen, module = "precipice._native")]
pub(crate) struct Task(Box<dyn CoreTask>);

#[pymethods]
impl Task {
    #[new]
    fn new(spec: &Spec) -> PyResult<Self> {
        let mut spec = spec.0.clone();
        let bank = items::load(&mut spec).map_err(error::lab)?;
        let task = spec.build_task(bank).map_err(|e| error::lab(LabError::Run(e.into())))?;
        Ok(Self(task))
    }

    /// Sequences `first..first + n` of (set, step).
    fn batch<'py>(
        &self,
        py: Python<'py>,
        set: &str,
        step: u64,
        first: usize,
        n: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (task, set) = (&*self.0, set_of(&*self.0, set)?);
        check_count(first, n)?;
        let batch = py.detach(|| drawn(task, set, step, first, n));
        dict_of(py, batch)
    }

    /// The label vectors, `[L, D]`.
    fn label_vectors<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        let (table, facts) = (self.0.label_table(), self.0.facts());
        let shape = [facts.n_labels(), if facts.n_labels() == 0 { 0 } else { facts.d_item }];
        array(py, table, &shape)
    }
}

/// Sequences at most in one answer: what a laptop's memory holds.
const SEQUENCES_MAX: usize = 1 << 24;

/// Refuses more sequences than are numbered or fit.
pub(crate) fn check_count(first: usize, n: usize) -> PyResult<()> {
    match n {
        0 => Err(error::value("n", n, "must be at least 1")),
        _ if n > SEQUENCES_MAX || first > u32::MAX as usize - n => {
            Err(error::value("n", n, format!("must be at most {SEQUENCES_MAX}, of 2^32 that are numbered")))
        }
        _ => Ok(()),
    }
}

/// Sequences of (set, step), from `first` on.
pub(crate) fn drawn(task: &dyn CoreTask, set: Set, step: u64, first: usize, n: usize) -> Batch {
    let mut batch = task.workspace(n);
    batch.n_sequences = n;
    task.fill(Kernels::detect(), set, step, first, &mut batch);
    batch
}

/// `train`, or an evaluation set by its prefix without the underscore; the first is `eval`.
pub(crate) fn set_of(task: &dyn CoreTask, name: &str) -> PyResult<Set> {
    if name == "train" {
        return Ok(Set::Train);
    }
    let sets = &task.facts().eval_sets;
    let names = sets.iter().map(|set| name_of(&set.prefix));
    match names.clone().position(|set| set == name) {
        Some(idx) => Ok(Set::eval(idx)),
        None => {
            let names: Vec<String> = ["train"].into_iter().chain(names).map(|name| format!("{name:?}")).collect();
            Err(error::value("set", format!("{name:?}"), format!("must be one of {}", names.join(", "))))
        }
    }
}

/// The name of an evaluation set by the prefix of its columns.
pub(crate) fn name_of(prefix: &str) -> &str {
    if prefix.is_empty() { "eval" } else { prefix.strip_suffix('_').unwrap_or(prefix) }
}

/// Its arrays; those of the batch's own type are handed over.
pub(crate) fn dict_of(py: Python<'_>, batch: Batch) -> PyResult<Bound<'_, PyDict>> {
    let (s, n, d) = (batch.n_sequences, batch.n_exemplars, batch.d_item);
    let dict = PyDict::new(py);
    dict.set_item("item_ids", ints(py, &batch.item_ids, &[s, n + 1]))?;
    dict.set_item("offsets", ints(py, &batch.offsets, &[s]))?;
    if batch.targets().are_labels() {
        dict.set_item("labels", ints(py, &batch.label_ids, &[s, n]))?;
        dict.set_item("answers", ints(py, &batch.answers, &[s]))?;
        dict.set_item("matches", array(py, batch.matches, &[s, n]))?;
    } else {
        dict.set_item("values", array(py, batch.values, &[s, n + 1]))?;
    }
    dict.set_item("items", array(py, batch.items, &[s, n + 1, d]))?;
    Ok(dict)
}

/// Whole numbers that are not negative, of an array of this shape.
fn whole(name: &str, array: &PyReadonlyArrayDyn<'_, i64>, shape: &[usize], below: usize) -> PyResult<Vec<u32>> {
    let values = read(name, array, shape)?;
    let of = |value: i64| u32::try_from(value).ok().filter(|&value| (value as usize) < below);
    let wrong = |value: i64| error::value(name, value, format!("must be from 0 to {}", below - 1));
    values.into_iter().map(|value| of(value).ok_or_else(|| wrong(value))).collect()
}

/// Where a sequence may start: at several positions, if they leave room.
pub(crate) fn n_offsets(spec: &RunSpec) -> usize {
    (spec.n_positions() + 1).saturating_sub(spec.n_tokens()).max(1)
}

/// A batch of the arrays of a dict; `offsets`, `item_ids` and `matches` need not be there.
pub(crate) fn batch_of(task: &dyn CoreTask, arrays: &Bound<'_, PyDict>, n_offsets: usize) -> PyResult<Batch> {
    fn get<'py, T: FromPyObjectOwned<'py>>(arrays: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>> {
        let Some(found) = arrays.get_item(name)?.filter(|found| !found.is_none()) else { return Ok(None) };
        let kind = found.get_type().to_string();
        let expected = || error::value(name, kind, "must be an array, whole numbers as int64, others as float32");
        found.extract().map(Some).map_err(|_| expected())
    }
    let missing = |name: &str| error::value(name, "(missing)", "must be given");
    let items: PyReadonlyArrayDyn<'_, f32> = get(arrays, "items")?.ok_or_else(|| missing("items"))?;
    let (s, facts) = (items.shape().first().copied().unwrap_or(0), task.facts());
    check_count(0, s)?;
    let (n, d) = (facts.n_exemplars(), facts.d_item);
    let mut batch = task.workspace(s);
    batch.n_sequences = s;
    batch.items = read("items", &items, &[s, n + 1, d])?;
    if let Some(offsets) = get(arrays, "offsets")? {
        batch.offsets = whole("offsets", &offsets, &[s], n_offsets)?;
    }
    if let Some(ids) = get(arrays, "item_ids")? {
        batch.item_ids = whole("item_ids", &ids, &[s, n + 1], u32::MAX as usize)?;
    }
    if !facts.targets.are_labels() {
        let values: PyReadonlyArrayDyn<'_, f32> = get(arrays, "values")?.ok_or_else(|| missing("values"))?;
        batch.values = read("values", &values, &[s, n + 1])?;
        return Ok(batch);
    }
    let labels: PyReadonlyArrayDyn<'_, i64> = get(arrays, "labels")?.ok_or_else(|| missing("labels"))?;
    batch.label_ids = whole("labels", &labels, &[s, n], facts.n_labels())?;
    let answers: PyReadonlyArrayDyn<'_, i64> = get(arrays, "answers")?.ok_or_else(|| missing("answers"))?;
    batch.answers = whole("answers", &answers, &[s], facts.n_labels())?;
    batch.matches = match get::<PyReadonlyArrayDyn<'_, bool>>(arrays, "matches")? {
        Some(matches) => read("matches", &matches, &[s, n])?,
        None => (0..s * n).map(|i| batch.label_ids[i] == batch.answers[i / n]).collect(),
    };
    Ok(batch)
}
