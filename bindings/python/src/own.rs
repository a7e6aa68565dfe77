//! Tasks and probes that are written in Python.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use numpy::PyReadonlyArrayDyn;
use precipice::measure::descent::SquareError;
use precipice::measure::metric::ALL;
use precipice::measure::{Better, Metric, Probe, Row, Unit, scores};
use precipice::run::{Run as CoreRun, RunError};
use precipice::sequence::Batch;
use precipice::spec::{RunSpec, TaskSpec};
use precipice::task::{Address, Facts, ItemBank, Purpose, Seeds, Set, Task, world_vectors};
use precipice::train::Trainer;
use precipice::workers::Workers;
use precipice_num::{Kernels, Rng};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::read;
use crate::error;
use crate::run::Run;
use crate::task::{batch_of, n_offsets, name_of};

/// What a program brings beside the spec. The objects are those of `precipice.CustomTask` and `precipice.Probe`.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub task: Option<Py<PyAny>>,
    pub probes: Vec<Py<PyAny>>,
}

impl Own {
    /// The run of a spec with them. What Python raises is a panic that carries it.
    pub fn build(
        self: &Arc<Self>,
        spec: &RunSpec,
        bank: Option<ItemBank>,
        kernels: Kernels,
    ) -> Result<CoreRun, RunError> {
        let mut run = self.build_unobserved(spec, bank, kernels)?;
        if self.task.is_some() && !spec.targets().are_labels() {
            run.observe(Box::new(Explained { sequences: spec.eval.sequences, of_zero: None }));
        }
        for idx in 0..self.probes.len() {
            let probe = PyProbe::new(self, idx, spec).unwrap_or_else(|raised| through(raised));
            run.observe(Box::new(probe));
        }
        Ok(run)
    }

    /// The same without probes: what they look at.
    pub fn build_unobserved(
        &self,
        spec: &RunSpec,
        bank: Option<ItemBank>,
        kernels: Kernels,
    ) -> Result<CoreRun, RunError> {
        match (&self.task, &spec.task) {
            (Some(object), TaskSpec::Own(own)) => {
                let task = PyTask::new(object, spec, own.facts.clone()).unwrap_or_else(|raised| through(raised));
                CoreRun::with_task(spec, Box::new(task), kernels)
            }
            _ => CoreRun::new(spec, bank, kernels),
        }
    }
}

/// The engine has no way back for errors of a task or a probe, so they unwind to whoever called the engine.
fn through(raised: PyErr) -> ! {
    resume_unwind(Box::new(raised))
}

/// Sequences that are drawn at once for an evaluation set.
const EVAL_BLOCK: usize = 256;

/// Numbers of evaluation sets that are kept, so that they are drawn once: 64 MB.
const KEPT_MAX: usize = 1 << 24;

/// A task whose batches come from Python, a block at a time.
struct PyTask {
    object: Py<PyAny>,
    facts: Facts,
    seeds: Seeds,
    n_offsets: usize,
    labels: Vec<f32>,
    train_block: usize,
    blocks: Mutex<Blocks>,
}

/// Blocks that were drawn.
#[derive(Default)]
struct Blocks {
    /// Of the last training step, with its number in it.
    train: Option<((u64, usize), Arc<Batch>)>,
    /// By set, step and number.
    eval: HashMap<(usize, u64, usize), Arc<Batch>>,
}

impl std::fmt::Debug for PyTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PyTask").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl PyTask {
    fn new(object: &Py<PyAny>, spec: &RunSpec, facts: Facts) -> PyResult<Self> {
        let (n_labels, d) = (facts.n_labels(), facts.d_item);
        let given = Python::attach(|py| -> PyResult<_> {
            let vectors = object.bind(py).call_method1("_label_vectors", (spec.seeds.world,))?;
            if vectors.is_none() {
                return Ok(None);
            }
            let vectors: PyReadonlyArrayDyn<'_, f32> = vectors.extract()?;
            read("label_vectors", &vectors, &[n_labels, d]).map(Some)
        })?;
        let labels = given.unwrap_or_else(|| match n_labels {
            0 => Vec::new(),
            _ => world_vectors(Purpose::LabelTable, spec.seeds, n_labels, d),
        });
        let object = Python::attach(|py| object.clone_ref(py));
        let n_offsets = n_offsets(spec);
        let train_block = spec.train.batch_size;
        Ok(Self { object, facts, seeds: spec.seeds, n_offsets, labels, train_block, blocks: Mutex::default() })
    }

    /// The block of a set and step with this number, of sequences `number * size` on.
    fn block(&self, set: Set, step: u64, number: usize, size: usize) -> Arc<Batch> {
        // Whoever holds the lock may wait for the interpreter's; nobody waits for this one holding that.
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let draw = || {
            let drawn = Python::attach(|py| self.draw(py, set, step, number * size, size));
            Arc::new(drawn.unwrap_or_else(|raised| through(raised)))
        };
        let Some(idx) = set.eval_idx() else {
            return match &blocks.train {
                Some((of, block)) if *of == (step, number) => block.clone(),
                _ => blocks.train.insert(((step, number), draw())).1.clone(),
            };
        };
        if let Some(block) = blocks.eval.get(&(idx, step, number)) {
            return block.clone();
        }
        let block = draw();
        if (blocks.eval.len() + 1) * block.items.len() > KEPT_MAX {
            blocks.eval.clear();
        }
        blocks.eval.insert((idx, step, number), block.clone());
        block
    }

    fn draw(&self, py: Python<'_>, set: Set, step: u64, first: usize, n: usize) -> PyResult<Batch> {
        let (seed, name) = match set {
            Set::Train => (self.seeds.data, "train"),
            Set::Eval(_) => (self.seeds.eval, name_of(self.facts.prefix(set))),
        };
        let drawn = self.object.bind(py).call_method1("_draw", (seed, name, step, first, n))?;
        let arrays = drawn.cast_into::<PyDict>()?;
        let mut batch = batch_of(self, &arrays, self.n_offsets)?;
        if batch.n_sequences != n {
            let found = format!("{} sequences", batch.n_sequences);
            return Err(error::value("items", found, format!("must be {n}, as many as were asked for")));
        }
        if !arrays.contains("offsets")? && self.n_offsets > 1 {
            for s in 0..n {
                let address = Address::new(self.seeds, set, step, first + s);
                batch.offsets[s] = Rng::new(address.stream(Purpose::Structure)).below(self.n_offsets as u32);
            }
        }
        Ok(batch)
    }
}

impl Task for PyTask {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn fill(&self, _: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        let size = if set == Set::Train { self.train_block } else { EVAL_BLOCK };
        let (n, d) = (batch.n_exemplars, batch.d_item);
        let mut done = 0;
        while done < batch.n_sequences {
            let (number, at) = ((first + done) / size, (first + done) % size);
            let (block, len) = (self.block(set, step, number, size), (size - at).min(batch.n_sequences - done));
            fn copy<T: Copy>(to: &mut [T], from: &[T], done: usize, at: usize, len: usize, width: usize) {
                to[done * width..(done + len) * width].copy_from_slice(&from[at * width..(at + len) * width]);
            }
            copy(&mut batch.items, &block.items, done, at, len, (n + 1) * d);
            copy(&mut batch.item_ids, &block.item_ids, done, at, len, n + 1);
            copy(&mut batch.offsets, &block.offsets, done, at, len, 1);
            if self.facts.targets.are_labels() {
                copy(&mut batch.label_ids, &block.label_ids, done, at, len, n);
                copy(&mut batch.answers, &block.answers, done, at, len, 1);
                copy(&mut batch.matches, &block.matches, done, at, len, n);
            } else {
                copy(&mut batch.values, &block.values, done, at, len, n + 1);
            }
            done += len;
        }
    }

    fn label_table(&self) -> Vec<f32> {
        self.labels.clone()
    }
}

/// What rises as a task of values is learned: 1 - loss / (loss of answering 0).
#[derive(Debug)]
struct Explained {
    sequences: usize,
    of_zero: Option<f64>,
}

/// Its column, which `precipice.CustomTask` names.
const EXPLAINED: Metric = Metric::new("explained", "explained", Unit::Number, Better::High);

impl Probe for Explained {
    fn metrics(&self) -> Vec<Metric> {
        vec![EXPLAINED]
    }

    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row) {
        let loss = scores::<SquareError>(trainer, Set::MAIN, self.sequences, workers).loss();
        let of_zero = *self.of_zero.get_or_insert_with(|| {
            let batch = trainer.task().batch(Set::MAIN, 0, self.sequences);
            batch.query_values().map(|y| 0.5 * y * y).sum::<f64>() / self.sequences as f64
        });
        row.push(EXPLAINED.main(), 1.0 - loss / of_zero);
    }
}

/// Columns that are measured in Python.
#[derive(Debug)]
struct PyProbe {
    own: Arc<Own>,
    idx: usize,
    metrics: Vec<Metric>,
    spec: RunSpec,
    /// The run that the probe is shown: this network, without its past.
    shown: Option<Py<Run>>,
}

impl PyProbe {
    fn new(own: &Arc<Own>, idx: usize, spec: &RunSpec) -> PyResult<Self> {
        let told: String = Python::attach(|py| own.probes[idx].bind(py).call_method0("_metrics")?.extract())?;
        let metrics: Vec<Metric> =
            serde_json::from_str(&told).map_err(|e| error::other(format!("columns of a probe: {e}")))?;
        let is_taken = |name: &str| ["step", "sequences"].contains(&name) || ALL.iter().any(|known| known.is_of(name));
        if let Some(metric) = metrics.iter().find(|metric| is_taken(&metric.name)) {
            return Err(error::value("columns", &metric.name, "is the name of a column that is measured anyway"));
        }
        Ok(Self { own: own.clone(), idx, metrics, spec: spec.clone(), shown: None })
    }

    fn measured(&mut self, trainer: &Trainer, row: &mut Row) -> PyResult<()> {
        let state = trainer.state().clone();
        Python::attach(|py| {
            let shown = match &self.shown {
                Some(shown) => shown.bind(py).clone(),
                None => {
                    let kernels = trainer.model().kernels();
                    let shown = Bound::new(py, Run::shown_to_probes(&self.own, &self.spec, kernels)?)?;
                    self.shown.insert(shown.unbind()).bind(py).clone()
                }
            };
            shown.get().show(py, state)?;
            let measured = self.own.probes[self.idx].bind(py).call_method1("_measure", (shown,))?;
            let measured = measured.cast_into::<PyDict>()?;
            for metric in &self.metrics {
                let column = metric.main();
                let value = measured.get_item(column.name())?;
                let value =
                    value.ok_or_else(|| error::value(column.name(), "(missing)", "must be measured every time"))?;
                row.push(column, value.extract()?);
            }
            Ok(())
        })
    }
}

impl Probe for PyProbe {
    fn metrics(&self) -> Vec<Metric> {
        self.metrics.clone()
    }

    fn measure(&mut self, trainer: &Trainer, _: &dyn Workers, row: &mut Row) {
        self.measured(trainer, row).unwrap_or_else(|raised| through(raised));
    }
}
