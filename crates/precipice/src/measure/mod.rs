//! What is measured at an evaluation. Probes read; nothing here changes a run's bits.
//!
//! [`metric`] says what columns mean, [`Probe`] is whatever adds some of them to a [`Row`], and [`Observer`] runs all
//! that a spec asks for and a program adds. [`transition`] finds the jump in the rows.

pub mod ablations;
pub mod accuracy;
pub mod attention;
pub mod descent;
pub mod halves;
pub mod inside;
pub mod interactions;
pub mod metric;
pub mod order_parameters;
pub mod rank_test;
mod row;
mod scores;
pub mod survival;
pub mod transition;

pub use metric::{Better, Column, Metric, Unit};
pub use row::{Row, UnknownColumn};
pub use scores::{Scores, scores};

use std::fmt::Debug;

use crate::model::{Model, Params, Trace};
use crate::sequence::Batch;
use crate::spec::RunSpec;
use crate::train::Trainer;
use crate::workers::Workers;
use accuracy::Accuracies;
use descent::{DescentProbe, Losses};
use halves::Halves;
use inside::Inside;

/// Sequences that are looked into together. Fewer than in training: evaluation is rare, memory is not.
pub const CHUNK: usize = 4;

/// Something that is measured at every evaluation.
///
/// ```
/// use precipice::measure::{Better, Metric, Probe, Row, Unit};
/// use precipice::train::Trainer;
/// use precipice::workers::Workers;
///
/// /// Root mean square of the parameters.
/// #[derive(Debug)]
/// struct WeightNorm;
///
/// const WEIGHT_NORM: Metric = Metric::new("weight_norm", "weight norm", Unit::Number, Better::Neither);
///
/// impl Probe for WeightNorm {
///     fn metrics(&self) -> Vec<Metric> {
///         vec![WEIGHT_NORM]
///     }
///
///     fn measure(&mut self, trainer: &Trainer, _: &dyn Workers, row: &mut Row) {
///         let values = &trainer.state().params.values;
///         let sum: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
///         row.push(WEIGHT_NORM.main(), (sum / values.len() as f64).sqrt());
///     }
/// }
/// ```
pub trait Probe: Debug + Send {
    /// The kinds of columns that it adds.
    fn metrics(&self) -> Vec<Metric>;

    /// Adds its columns to the row of the network as it is now: the same ones every time.
    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row);
}

/// A sum over sequences, computed in parts that are added in a fixed order.
pub trait Tally: Send {
    /// Adds the sequences of a batch whose forward pass is in the trace.
    fn add(&mut self, model: &Model<f32>, params: &Params<f32>, batch: &Batch, trace: &Trace<f32>);
    /// Adds another part.
    fn merge(&mut self, other: Self);
}

/// Two tallies of the same forward passes.
impl<A: Tally, B: Tally> Tally for (A, B) {
    fn add(&mut self, model: &Model<f32>, params: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        self.0.add(model, params, batch, trace);
        self.1.add(model, params, batch, trace);
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
        self.1.merge(other.1);
    }
}

/// The built-in probes of a spec, in the order of their columns: the register of probes.
fn built_in(spec: &RunSpec, trainer: &Trainer) -> Vec<Box<dyn Probe>> {
    let (task, is_enabled) = (trainer.task(), spec.probes.enabled);
    let mut probes: Vec<Box<dyn Probe>> = Vec::new();
    if task.facts().targets.are_labels() {
        probes.push(Box::new(Accuracies::new(spec.eval.sequences)));
        if is_enabled {
            probes.push(Box::new(Inside::new(trainer, &spec.probes)));
            if task.facts().has_halves {
                probes.push(Box::new(Halves));
            }
        }
    } else {
        probes.push(Box::new(Losses::new(spec.eval.sequences)));
        if is_enabled && let Some(regression) = spec.task.regression() {
            probes.push(Box::new(DescentProbe::new(regression, spec.probes.sequences)));
        }
    }
    probes
}

/// Measures a network: the probes of its spec, and those that a program adds.
///
/// ```
/// use precipice::measure::{Observer, metric};
/// use precipice::{spec::RunSpec, train::Trainer, workers::Sequential};
/// let mut spec = RunSpec::default();
/// (spec.eval.sequences, spec.probes.sequences) = (64, 16);
/// let trainer = Trainer::new(&spec, spec.build_task(None)?, precipice_num::Kernels::detect())?;
/// let row = Observer::new(&spec, &trainer).observe(&trainer, f64::NAN, &Sequential);
/// assert!((row.get(&metric::LOSS.main()) - libm::log(32.0)).abs() < 1e-6);
/// # Ok::<(), precipice::run::RunError>(())
/// ```
#[derive(Debug)]
pub struct Observer {
    batch_size: usize,
    probes: Vec<Box<dyn Probe>>,
    own_metrics: Vec<Metric>,
}

impl Observer {
    /// What a spec asks for.
    pub fn new(spec: &RunSpec, trainer: &Trainer) -> Self {
        let probes = built_in(spec, trainer);
        Self { batch_size: spec.train.batch_size, probes, own_metrics: Vec::new() }
    }

    /// Adds a probe; its columns come after those that there are.
    ///
    /// # Panics
    /// If one of its metrics has the name of another.
    pub fn add(&mut self, probe: Box<dyn Probe>) {
        for metric in probe.metrics() {
            let taken = metric::ALL.iter().chain(&self.own_metrics).find(|other| other.name == metric.name);
            assert!(taken.is_none(), "two metrics are called {}", metric.name);
            self.own_metrics.push(metric);
        }
        self.probes.push(probe);
    }

    /// The metrics of the probes that were added.
    pub fn own_metrics(&self) -> &[Metric] {
        &self.own_metrics
    }

    /// One row of the log.
    ///
    /// # Panics
    /// If a probe adds a column that it does not declare or that there is already, or none is the task's progress.
    pub fn observe(&mut self, trainer: &Trainer, train_loss: f64, workers: &dyn Workers) -> Row {
        let step = trainer.state().step;
        let mut row = Row { step, sequences: step * self.batch_size as u64, columns: Vec::new() };
        row.push(metric::TRAIN_LOSS.main(), train_loss);
        for probe in &mut self.probes {
            let first = row.columns.len();
            probe.measure(trainer, workers, &mut row);
            let metrics = probe.metrics();
            let (before, added) = row.columns.split_at(first);
            for (i, (name, _)) in added.iter().enumerate() {
                assert!(metrics.iter().any(|metric| metric.is_of(name)), "{probe:?} does not declare {name}");
                let is_new = before.iter().chain(&added[..i]).all(|(other, _)| other != name);
                assert!(is_new, "{name} of {probe:?} is the name of another column");
            }
        }
        let facts = trainer.task().facts();
        if let Err(e) = row.named(&facts.progress.column) {
            panic!("progress of the {} task: {e}", facts.family);
        }
        row
    }
}
