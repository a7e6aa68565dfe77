//! A run at any of its steps, or at many as a film: state, gradients, and what the network makes of contexts.

use precipice::memory::n_params;
use precipice::model::{Description, Layout, Params};
use precipice::run::Run;
use precipice::sequence::Batch;
use precipice::spec::{OptimizerSpec, RunSpec};
use precipice::task::Set;
use precipice::train::{Trainer, loss};
use precipice::workers::Workers;

use super::contexts::{OfNetworks, Shown, check_floats, n_floats, of_batch};
use crate::error::LabError;
use crate::runs::Replay;
use crate::store::RunDir;
use crate::store::arrays::{Array, Values};

/// Which steps, and which contexts the networks are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moments {
    /// Rising.
    pub steps: Vec<u64>,
    /// Whether what changes has a first axis K of steps; without it there is one step.
    pub is_film: bool,
    /// S, the first sequences of the set.
    pub n_sequences: usize,
    /// Evaluation set.
    pub set: Set,
}

/// What a run is at these steps:
///
/// ```text
/// steps                     [K]                 int64    in a film; else `step` []
/// items, labels, answers ...                             the contexts, as `contexts::arrays` has them
/// logits                    [K, S, L]           float32  or predictions [K, S]
/// losses                    [K, S]              float64  of each sequence
/// attention                 [K, Λ, H, S, T, T]  float32  layer, head, sequence, query, key
/// <tensor>                  [K, ...]            float32  parameters, by the names of checkpoints
/// optimizer.first.<tensor>  [K, ...]            float32  moments, where the rule of updates has them; .second, too
/// grad.<tensor>             [K, ...]            float32  what the update at this step applies
/// embed.labels              [L, D]              float32  fixed
/// ```
///
/// The gradient is that of the mean training loss over the batch of this step, at the parameters before the update, 0 for
/// tensors that are frozen then, and scaled down where `train.clip_norm` says so; where the run ends, that of the batch
/// that would come next.
///
/// # Errors
/// If the run did not make a step, a checkpoint is damaged, or the arrays would not fit into the memory.
///
/// ```
/// use precipice::{record::MemoryRecorder, task::Set, workers::Sequential};
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::reports::at::{Moments, arrays};
/// use precipice_lab::runs::{Keep, Options, StoredRun, train};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// # let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// # let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(4), seed: None })?;
/// # let options =
/// #     Options { out: Some(root.clone()), threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
/// # train(spec, &options, &mut MemoryRecorder::default())?.seal()?;
/// let run = StoredRun::open(&root)?;
/// let moments = Moments { steps: vec![3], is_film: false, n_sequences: 5, set: Set::MAIN };
/// let all = arrays(&run.run_dir, &run.spec, &moments, &Sequential)?;
/// let attention = all.iter().find(|array| array.name == "attention").unwrap();
/// assert_eq!(attention.shape, [2, 1, 5, 9, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn arrays(
    run_dir: &RunDir,
    spec: &RunSpec,
    moments: &Moments,
    workers: &dyn Workers,
) -> Result<Vec<Array>, LabError> {
    let Moments { steps, n_sequences, set, .. } = moments;
    check_memory(run_dir, spec, moments)?;
    let mut replay = Replay::open(run_dir, spec, &Run::new)?;
    // Whatever cannot be reached is told before anything is computed.
    steps.iter().try_for_each(|&step| replay.check(step))?;
    let mut found = Found::default();
    workers.expect(steps.len() as u64);
    for &step in steps {
        let trainer = replay.to(step, workers)?;
        if found.batch.is_none() {
            found.of_run(trainer, *set, *n_sequences);
        }
        found.look(trainer, *set, *n_sequences);
        found.gradient(replay.gradient(step, workers)?);
        workers.done(1);
    }
    Ok(found.into_arrays(spec, moments))
}

fn check_memory(run_dir: &RunDir, spec: &RunSpec, moments: &Moments) -> Result<(), LabError> {
    let Moments { steps, n_sequences, set, .. } = moments;
    let n_moments = match &spec.train.optimizer {
        OptimizerSpec::Sgd(sgd) if sgd.momentum == 0.0 => 0.0,
        OptimizerSpec::Sgd(_) => 1.0,
        OptimizerSpec::Adam(_) => 2.0,
    };
    let of_states = (2.0 + n_moments) * n_params(&Description::of(spec)) * steps.len() as f64;
    let shown = Shown { steps: steps.clone(), n_sequences: *n_sequences, set: *set };
    check_floats(run_dir, spec, of_states + n_floats(spec, &shown))
}

/// What is found at the steps, one after the other.
#[derive(Default)]
struct Found {
    batch: Option<Batch>,
    labels: Vec<f32>,
    layout: Layout,
    outputs: Vec<f32>,
    losses: Vec<f64>,
    attention: Vec<f32>,
    /// By prefix of their names: each a vector of all tensors a step.
    vectors: [(&'static str, Vec<f32>); 4],
}

/// Places in [`Found::vectors`].
const PREFIXES: [&str; 4] = ["", "optimizer.first.", "optimizer.second.", "grad."];

impl Found {
    fn of_run(&mut self, trainer: &Trainer, set: Set, n_sequences: usize) {
        self.batch = Some(trainer.task().batch(set, 0, n_sequences));
        self.labels = trainer.model().label_table().to_vec();
        self.layout = (**trainer.model().layout()).clone();
        self.vectors = PREFIXES.map(|prefix| (prefix, Vec::new()));
    }

    fn look(&mut self, trainer: &Trainer, set: Set, n_sequences: usize) {
        let state = trainer.state();
        self.vectors[0].1.extend(&state.params.values);
        for (place, moments) in [(1, &state.optimizer.first), (2, &state.optimizer.second)] {
            self.vectors[place].1.extend(moments.iter().flat_map(|moments| &moments.values));
        }
        let mut seen = OfNetworks::default();
        seen.add(trainer, set, n_sequences);
        let batch = self.batch.as_ref().expect("drawn before");
        self.losses.extend(losses(&seen.outputs, batch));
        self.outputs.extend(&seen.outputs);
        let square = batch.n_tokens() * batch.n_tokens();
        for pattern in &seen.patterns {
            let n_heads = pattern.len() / (n_sequences * square);
            for head in 0..n_heads {
                let of_sequences = (0..n_sequences).map(|s| &pattern[(s * n_heads + head) * square..][..square]);
                of_sequences.for_each(|pattern| self.attention.extend(pattern));
            }
        }
    }

    fn gradient(&mut self, grads: &Params<f32>) {
        self.vectors[3].1.extend(&grads.values);
    }

    fn into_arrays(self, spec: &RunSpec, moments: &Moments) -> Vec<Array> {
        let Moments { steps, is_film, n_sequences: s, .. } = moments;
        let Some(batch) = self.batch else { return Vec::new() };
        let with_steps = |shape: &[usize]| if *is_film { [&[steps.len()], shape].concat() } else { shape.to_vec() };
        let ints = Values::Int(steps.iter().map(|&step| step as i64).collect());
        let mut all = vec![Array::new(if *is_film { "steps" } else { "step" }, &with_steps(&[]), ints)];
        all.extend(of_batch(&batch));
        let n_outputs = self.outputs.len() / (steps.len() * s);
        let (name, shape) = if batch.targets().are_labels() {
            ("logits", with_steps(&[*s, n_outputs]))
        } else {
            ("predictions", with_steps(&[*s]))
        };
        all.push(Array::new(name, &shape, Values::Single(self.outputs)));
        all.push(Array::new("losses", &with_steps(&[*s]), Values::Real(self.losses)));
        let (t, n_layers) = (batch.n_tokens(), Description::of(spec).n_layers);
        let n_heads = self.attention.len() / (steps.len() * n_layers * s * t * t);
        let shape = with_steps(&[n_layers, n_heads, *s, t, t]);
        all.push(Array::new("attention", &shape, Values::Single(self.attention)));
        for (prefix, values) in self.vectors.iter().filter(|(_, values)| !values.is_empty()) {
            for tensor in self.layout.tensors() {
                let of_steps = values.chunks_exact(self.layout.len());
                let values = of_steps.flat_map(|values| &values[tensor.range.clone()]).copied().collect();
                let name = format!("{prefix}{}", tensor.name);
                all.push(Array::new(name, &with_steps(&tensor.shape), Values::Single(values)));
            }
        }
        if batch.targets().are_labels() {
            let shape = [self.labels.len() / batch.d_item, batch.d_item];
            all.push(Array::new("embed.labels", &shape, Values::Single(self.labels)));
        }
        all
    }
}

/// The loss of each sequence.
fn losses(outputs: &[f32], batch: &Batch) -> Vec<f64> {
    if batch.targets().are_labels() {
        let rows = outputs.chunks_exact(outputs.len() / batch.n_sequences).zip(&batch.answers);
        return rows.map(|(logits, answer)| loss::cross_entropy(logits, &[*answer])).collect();
    }
    let pairs = outputs.iter().map(|&prediction| f64::from(prediction)).zip(batch.query_values());
    pairs.map(|(prediction, value)| loss::square(prediction, value)).collect()
}
