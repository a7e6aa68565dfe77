//! A measure of one's own, in one file: how widely the query of each layer looks about, and how many directions its
//! QK map uses. In `copying-small` the query of the last layer narrows at the jump; the maps use fewest directions just
//! then, and more again after it.

use precipice::measure::inside::Rooms;
use precipice::measure::{Better, Metric, Probe, Row, Tally, Unit};
use precipice::model::{Model, Params, Reads, Trace};
use precipice::run::{Run, RunError};
use precipice::sequence::Batch;
use precipice::spec::RunSpec;
use precipice::task::ItemBank;
use precipice::train::Trainer;
use precipice::workers::Workers;
use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

/// Entropy of the query's attention, as a share of the ln T of looking everywhere alike.
pub const QUERY_ENTROPY: Metric =
    Metric::new("query_entropy_{layer}", "entropy of the query's attention", Unit::Fraction, Better::Neither);

/// Effective rank of W_Q W_K^T: (sum λ)² / sum λ² over its squared singular values λ. It is 1 where one direction has
/// all the weight, and the width of the residual stream where all have the same.
pub const QK_RANK: Metric =
    Metric::new("qk_rank_{layer}", "effective rank of the QK map", Unit::Number, Better::Neither);

/// Measures both in every layer of a network of single heads.
#[derive(Debug)]
pub struct Sharpness {
    rooms: Rooms,
}

impl Sharpness {
    /// On the first sequences of the probed set.
    pub fn new(trainer: &Trainer, n_sequences: usize) -> Self {
        Self { rooms: Rooms::new(trainer, n_sequences, Reads::All) }
    }
}

/// A run of a built-in task with this probe.
///
/// # Errors
/// As [`Run::new`].
pub fn build(spec: &RunSpec, bank: Option<ItemBank>, kernels: Kernels) -> Result<Run, RunError> {
    let mut run = Run::new(spec, bank, kernels)?;
    run.observe(Box::new(Sharpness::new(run.trainer(), spec.probes.sequences)));
    Ok(run)
}

impl Probe for Sharpness {
    fn metrics(&self) -> Vec<Metric> {
        vec![QUERY_ENTROPY, QK_RANK]
    }

    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row) {
        let entropies = self.rooms.tally(trainer, workers, Entropies::default);
        for (layer, sum) in entropies.sums.iter().enumerate() {
            row.push(QUERY_ENTROPY.at([layer]), sum / entropies.n as f64);
            row.push(QK_RANK.at([layer]), qk_rank(trainer, layer));
        }
    }
}

/// Entropies of the query's attention, summed over sequences: shard by shard, so that threads can share them.
#[derive(Default)]
struct Entropies {
    /// One a layer.
    sums: Vec<f64>,
    n: usize,
}

impl Tally for Entropies {
    fn add(&mut self, model: &Model<f32>, _: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        self.sums.resize(model.n_layers(), 0.0);
        self.n += batch.n_sequences;
        for (layer, sum) in self.sums.iter_mut().enumerate() {
            for s in 0..batch.n_sequences {
                let attention = trace.attention(layer, 0, s, batch.geometry().query_token());
                *sum += entropy(attention) / libm::log(batch.n_tokens() as f64);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.sums.resize(other.sums.len().max(self.sums.len()), 0.0);
        self.sums.iter_mut().zip(other.sums).for_each(|(a, b)| *a += b);
        self.n += other.n;
    }
}

/// -sum p ln p, in nats.
fn entropy(p: &[f32]) -> f64 {
    p.iter().map(|&p| f64::from(p)).filter(|&p| p > 0.0).map(|p| -p * libm::log(p)).sum()
}

/// The sum of λ is |M|², that of λ² is |Mᵀ M|², with M = W_Q W_Kᵀ.
fn qk_rank(trainer: &Trainer, layer: usize) -> f64 {
    let (kernels, attention) = (trainer.model().kernels(), trainer.model().attention(layer));
    let (c, e) = (attention.d_model(), attention.d_head());
    let (w_q, w_k) = attention.query_and_key_maps(&trainer.state().params.values, 0);
    let (mut m, mut gram) = (vec![0.0; c * c], vec![0.0; c * c]);
    f32::gemm(kernels, MatMut::new(&mut m, c, c), Fill::Set, MatRef::new(w_q, c, e), MatRef::new(w_k, c, e).t());
    f32::gemm(kernels, MatMut::new(&mut gram, c, c), Fill::Set, MatRef::new(&m, c, c).t(), MatRef::new(&m, c, c));
    let square = |values: &[f32]| values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    square(&m).powi(2) / square(&gram)
}
