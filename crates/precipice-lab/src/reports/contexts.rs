//! Evaluation contexts as arrays: what the network was shown, what it answered, and where it looked.

use precipice::memory::Memory;
use precipice::model::{Description, Reads, Trace};
use precipice::run::Run;
use precipice::sequence::Batch;
use precipice::spec::RunSpec;
use precipice::task::Set;
use precipice::train::Trainer;
use precipice::workers::Workers;

use crate::error::{LabError, OutputProblem};
use crate::machine;
use crate::runs::Replay;
use crate::store::RunDir;
use crate::store::arrays::{Array, Values};

/// Sequences in a forward pass.
const CHUNK: usize = 64;

/// Which contexts, and the networks of which steps are shown them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Any that the run made, in the order of the arrays' first axis.
    pub steps: Vec<u64>,
    /// S, the first sequences of the set.
    pub n_sequences: usize,
    /// Evaluation set.
    pub set: Set,
}

/// The contexts, then what each step's network makes of them:
///
/// ```text
/// steps                     [K]           int64
/// items                     [S, N+1, D]   float32  the last of each is the query
/// item_ids                  [S, N+1]      int64    class or row of the bank; 0 where there are none
/// offsets                   [S]           int64    position of the first token
/// labels                    [S, N]        int64    where labels are asked for, with
/// answers                   [S]           int64
/// matches                   [S, N]        bool     exemplars whose label is the answer
/// values                    [S, N+1]      float32  where values are asked for: y, the query's last
/// logits                    [K, S, L]     float32  or predictions [K, S]
/// blocks.0.attn.pattern     [K, S, H, T, T]        float32, [query][key]; one array a layer
/// ```
///
/// # Errors
/// If the run did not make a step, a checkpoint is damaged, or the arrays would not fit into the memory.
///
/// ```
/// use precipice::record::MemoryRecorder;
/// use precipice::{task::Set, workers::Sequential};
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::reports::contexts::{Shown, arrays};
/// use precipice_lab::runs::{Keep, Options, StoredRun, train};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// # let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// # let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None })?;
/// # let options =
/// #     Options { out: Some(root.clone()), threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
/// # train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
/// let run = StoredRun::open(&root)?;
/// let shown = Shown { steps: vec![0, 2], n_sequences: 5, set: Set::MAIN };
/// let all = arrays(&run.run_dir, &run.spec, &shown, &Sequential)?;
/// let pattern = all.iter().find(|array| array.name == "blocks.1.attn.pattern").unwrap();
/// assert_eq!(pattern.shape, [2, 5, 1, 9, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn arrays(run_dir: &RunDir, spec: &RunSpec, shown: &Shown, workers: &dyn Workers) -> Result<Vec<Array>, LabError> {
    let Shown { steps, n_sequences, set } = shown;
    check_memory(run_dir, spec, shown)?;
    workers.expect(steps.len() as u64);
    let mut contexts = Vec::new();
    let mut of_networks = OfNetworks::default();
    let mut replay = Replay::open(run_dir, spec, &Run::new)?;
    for (idx, &step) in steps.iter().enumerate() {
        let trainer = replay.to(step, workers)?;
        if idx == 0 {
            contexts = of_batch(&trainer.task().batch(*set, 0, *n_sequences));
        }
        of_networks.add(trainer, *set, *n_sequences);
        workers.done(1);
    }
    let mut all =
        vec![Array::new("steps", &[steps.len()], Values::Int(steps.iter().map(|&step| step as i64).collect()))];
    all.extend(contexts);
    all.extend(of_networks.arrays(spec, shown));
    Ok(all)
}

fn check_memory(run_dir: &RunDir, spec: &RunSpec, shown: &Shown) -> Result<(), LabError> {
    check_floats(run_dir, spec, n_floats(spec, shown))
}

/// Numbers in the contexts and in what the networks make of them.
pub(super) fn n_floats(spec: &RunSpec, shown: &Shown) -> f64 {
    let facts = spec.facts();
    let description = Description::of(spec);
    let t = spec.n_tokens() as f64;
    let patterns = (description.n_layers * description.n_heads) as f64 * t * t;
    let per_step = patterns + facts.targets.n_outputs() as f64;
    let context = ((facts.n_exemplars() + 1) * (facts.d_item + 4)) as f64;
    shown.n_sequences as f64 * (shown.steps.len() as f64 * per_step + 2.0 * context)
}

/// Refuses arrays of more numbers than the memory holds.
pub(super) fn check_floats(run_dir: &RunDir, spec: &RunSpec, floats: f64) -> Result<(), LabError> {
    // The arrays, one of them once more as bytes, and the archive.
    let need_bytes = 3.0 * 4.0 * floats + Memory::of(spec, 1).peak();
    let have = machine::memory();
    if need_bytes <= have.bytes {
        return Ok(());
    }
    let problem = OutputProblem::TooLarge { need_bytes, have_bytes: have.bytes, whose: have.whose };
    Err(LabError::output(run_dir.root(), problem))
}

pub(super) fn of_batch(batch: &Batch) -> Vec<Array> {
    let (s, n, d) = (batch.n_sequences, batch.n_exemplars, batch.d_item);
    let ints = |ids: &[u32]| Values::Int(ids.iter().map(|&id| i64::from(id)).collect());
    let mut arrays = vec![
        Array::new("items", &[s, n + 1, d], Values::Single(batch.items.clone())),
        Array::new("item_ids", &[s, n + 1], ints(&batch.item_ids)),
        Array::new("offsets", &[s], ints(&batch.offsets)),
    ];
    if batch.targets().are_labels() {
        arrays.push(Array::new("labels", &[s, n], ints(&batch.label_ids)));
        arrays.push(Array::new("answers", &[s], ints(&batch.answers)));
        arrays.push(Array::new("matches", &[s, n], Values::Bool(batch.matches.clone())));
    } else {
        arrays.push(Array::new("values", &[s, n + 1], Values::Single(batch.values.clone())));
    }
    arrays
}

/// Outputs and patterns, step after step.
#[derive(Default)]
pub(super) struct OfNetworks {
    pub(super) outputs: Vec<f32>,
    /// By layer.
    pub(super) patterns: Vec<Vec<f32>>,
}

impl OfNetworks {
    pub(super) fn add(&mut self, trainer: &Trainer, set: Set, n_sequences: usize) {
        let (model, task) = (trainer.model(), trainer.task());
        let capacity = CHUNK.min(n_sequences);
        let mut batch = task.workspace(capacity);
        let mut trace: Trace<f32> = model.trace(capacity, Reads::All);
        self.patterns.resize(trace.blocks.len(), Vec::new());
        for first in (0..n_sequences).step_by(capacity) {
            let n = capacity.min(n_sequences - first);
            batch.n_sequences = n;
            task.fill(model.kernels(), set, 0, first, &mut batch);
            model.forward(&trainer.state().params, &batch, &mut trace);
            self.outputs.extend(trace.logits());
            for (all, block) in self.patterns.iter_mut().zip(&trace.blocks) {
                let pattern = &block.attention.pattern;
                all.extend(&pattern[..pattern.len() / capacity * n]);
            }
        }
    }

    fn arrays(self, spec: &RunSpec, shown: &Shown) -> Vec<Array> {
        let (k, s, t) = (shown.steps.len(), shown.n_sequences, spec.n_tokens());
        let n_outputs = self.outputs.len() / (k * s);
        let (name, shape) = if spec.facts().targets.are_labels() {
            ("logits", vec![k, s, n_outputs])
        } else {
            ("predictions", vec![k, s])
        };
        let mut arrays = vec![Array::new(name, &shape, Values::Single(self.outputs))];
        for (layer, pattern) in self.patterns.into_iter().enumerate() {
            let n_heads = pattern.len() / (k * s * t * t);
            let name = format!("blocks.{layer}.attn.pattern");
            arrays.push(Array::new(name, &[k, s, n_heads, t, t], Values::Single(pattern)));
        }
        arrays
    }
}
