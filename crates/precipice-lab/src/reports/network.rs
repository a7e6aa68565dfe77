//! A look into a trained network: its heads, its scores, the formula's parameters, and the attention of one
//! sequence.

use precipice::measure::inside::{Findings, Inside, look};
use precipice::measure::interactions::{Interaction as Measured, LayerInteractions};
use precipice::measure::order_parameters::{OrderParameters as MeasuredOrder, context_of};
use precipice::measure::{Observer, ablations, metric};
use precipice::model::Trace;
use precipice::sequence::Batch;
use precipice::spec::{AblationSpec, RunSpec};
use precipice::train::Trainer;
use precipice::workers::Workers;
use serde::Serialize;

use super::serial::in_order;

/// What `probe` says of a network that answers with labels. Scores and accuracies are shares from 0 to 1.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkReport {
    /// Updates done.
    pub step: u64,
    /// All heads, layer by layer.
    pub heads: Vec<Head>,
    /// Attention of a label to its item, layer 1.
    pub ila1: f64,
    /// Attention of the query to its label, last layer.
    pub tila2: f64,
    /// Attention of the query to all labels, last layer.
    pub tla2: f64,
    /// Of the first evaluation set.
    pub accuracy: f64,
    /// Share of answers that are labels of the context.
    pub context_label_accuracy: f64,
    /// `[layer][query part][key part]`, parts as in [`precipice::measure::interactions::PARTS`]; empty where
    /// scores do not split.
    pub interactions: Vec<[[Interaction; 3]; 3]>,
    /// Share of the variance of a layer's scores that lies between parts, by layer.
    pub cross_shares: Vec<f64>,
    /// Why there are no interactions, or null.
    pub lack_of_interactions: Option<&'static str>,
    /// The formula's parameters, or null where it does not describe the network.
    pub order_parameters: Option<OrderParameters>,
    /// Why there are none, or null.
    pub lack_of_order_parameters: Option<String>,
    /// Heads replaced, each by itself.
    pub ablations: Vec<AblatedHead>,
    /// Of the first evaluation sequence.
    pub attention: AttentionMaps,
    /// What the log has of this step, without the loss of training.
    #[serde(serialize_with = "in_order")]
    pub columns: Vec<(String, f64)>,
}

/// The probed sequences, answered with one head's output replaced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AblatedHead {
    /// From 0.
    pub layer: usize,
    /// From 0.
    pub head: usize,
    /// By what: `mean` (its mean over the sequences, position by position) or `zero`.
    pub mode: &'static str,
    /// Share of right answers.
    pub accuracy: f64,
}

/// One head, as what it is used for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Head {
    /// From 0.
    pub layer: usize,
    /// From 0.
    pub head: usize,
    /// Mean attention to the token before.
    pub previous_token_score: f64,
    /// Mean attention of the query to labels of its class.
    pub induction_score: f64,
    /// Mean attention of the query to items of its class.
    pub duplicate_token_score: f64,
}

/// What one part of the query and one of the key add to the score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interaction {
    /// Mean where the layer should look, in units of the score.
    pub mean_on_pattern: f64,
    /// That minus the mean elsewhere.
    pub contrast: f64,
    /// Share of the score's variance.
    pub variance_share: f64,
}

/// The formula's parameters with standard errors, and losses in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OrderParameters {
    /// Position-position strength, layer 1.
    pub beta: f64,
    /// Content-buffer strength, layer 2: the right label against all other tokens.
    pub alpha: f64,
    /// The same against other labels only, which is the alpha of the formula with label attention.
    pub alpha_labels: f64,
    /// Preference of layer 2 for label tokens.
    pub beta_2: f64,
    /// Label-readout overlap.
    pub xi: f64,
    /// Standard error.
    pub beta_se: f64,
    /// Standard error.
    pub alpha_se: f64,
    /// Standard error.
    pub alpha_labels_se: f64,
    /// Standard error.
    pub beta_2_se: f64,
    /// Standard error.
    pub xi_se: f64,
    /// The formula's, at (beta, alpha, xi).
    pub predicted_loss: f64,
    /// The formula's, at (beta, alpha among labels, xi) with label attention beta_2.
    pub predicted_loss_labels: f64,
    /// The network's.
    pub measured_loss: f64,
}

/// Attention of one sequence, and what its tokens are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttentionMaps {
    /// `[layer][head][query][key]`; rows sum to 1.
    pub layers: Vec<Vec<Vec<Vec<f64>>>>,
    /// Labels of the exemplars.
    pub context_labels: Vec<u32>,
    /// The first exemplar of the query's class.
    pub answer_slot: Option<usize>,
    /// All of them.
    pub answer_slots: Vec<usize>,
}

impl NetworkReport {
    /// Looks into a network; probes need not have been on while it was trained, nor need the heads that the spec's
    /// `probes.ablations` names be those of the run. None where nothing has a label.
    ///
    /// ```
    /// use precipice::{spec::RunSpec, train::Trainer, workers::Sequential};
    /// use precipice_lab::reports::network::NetworkReport;
    /// let mut spec = RunSpec::default();
    /// (spec.eval.sequences, spec.probes.sequences) = (64, 16);
    /// let trainer = Trainer::new(&spec, spec.build_task(None)?, precipice_num::Kernels::detect())?;
    /// let report = NetworkReport::new(&spec, &trainer, &Sequential).unwrap();
    /// assert_eq!((report.step, report.heads.len()), (0, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(spec: &RunSpec, trainer: &Trainer, workers: &dyn Workers) -> Option<Self> {
        let mut spec = spec.clone();
        spec.probes.enabled = true;
        let facts = trainer.task().facts();
        if !facts.targets.are_labels() {
            return None;
        }
        let row = Observer::new(&spec, trainer).observe(trainer, f64::NAN, workers);
        let report = Inside::new(trainer, &spec.probes).look(trainer, workers);
        let (batch, trace, _) = look(trainer, facts.probed_set, 1);
        let layers = &report.interactions.layers;
        let has_parts = trainer.model().description().has_bilinear_scores();
        let ablated = |ablation: &AblationSpec| {
            let &AblationSpec { layer, head, mode } = ablation;
            AblatedHead { layer, head, mode: mode.name(), accuracy: row.get(&ablations::column_of(ablation)) }
        };
        Some(Self {
            step: row.step,
            heads: heads(&report),
            ila1: row.get(&metric::ILA1.main()),
            tila2: row.get(&metric::TILA2.main()),
            tla2: row.get(&metric::TLA2.main()),
            accuracy: row.get(&metric::ACCURACY.main()),
            context_label_accuracy: row.get(&metric::CONTEXT_LABEL_ACCURACY.main()),
            interactions: layers.iter().map(parts).collect(),
            order_parameters: report.order_parameters.as_ref().map(OrderParameters::new),
            lack_of_order_parameters: context_of(facts, trainer.model().description()).err().map(|e| e.to_string()),
            cross_shares: layers.iter().map(LayerInteractions::cross_share).collect(),
            lack_of_interactions: (!has_parts).then_some("scores split exactly only without LayerNorm, into q . k"),
            ablations: spec.probes.ablations.iter().map(ablated).collect(),
            attention: AttentionMaps::new(&batch, &trace),
            columns: row.columns.into_iter().filter(|(name, _)| !metric::TRAIN_LOSS.is_of(name)).collect(),
        })
    }
}

fn heads(report: &Findings) -> Vec<Head> {
    let mut heads = Vec::new();
    for (layer, of_layer) in report.attention.heads.iter().enumerate() {
        for (head, scores) in of_layer.iter().enumerate() {
            heads.push(Head {
                layer,
                head,
                previous_token_score: scores.previous_token_score(),
                induction_score: scores.induction_score(),
                duplicate_token_score: scores.duplicate_token_score(),
            });
        }
    }
    heads
}

fn parts(layer: &LayerInteractions) -> [[Interaction; 3]; 3] {
    let part = |a: usize, b: usize| {
        let Measured { mean_on_pattern, contrast, variance_share } = layer.part(a, b);
        Interaction { mean_on_pattern, contrast, variance_share }
    };
    std::array::from_fn(|a| std::array::from_fn(|b| part(a, b)))
}

impl OrderParameters {
    fn new(order: &MeasuredOrder) -> Self {
        Self {
            beta: order.beta.value,
            alpha: order.alpha.value,
            alpha_labels: order.alpha_labels.value,
            beta_2: order.beta_2.value,
            xi: order.xi.value,
            beta_se: order.beta.standard_error,
            alpha_se: order.alpha.standard_error,
            alpha_labels_se: order.alpha_labels.standard_error,
            beta_2_se: order.beta_2.standard_error,
            xi_se: order.xi.standard_error,
            predicted_loss: order.predicted_loss,
            predicted_loss_labels: order.predicted_loss_labels,
            measured_loss: order.measured_loss,
        }
    }
}

impl AttentionMaps {
    fn new(batch: &Batch, trace: &Trace<f32>) -> Self {
        let t = batch.n_tokens();
        let map = |pattern: &[f32]| -> Vec<Vec<f64>> {
            pattern.chunks_exact(t).map(|row| row.iter().map(|&p| f64::from(p)).collect()).collect()
        };
        let layers = trace.blocks.iter().map(|block| block.attention.pattern.chunks_exact(t * t).map(map).collect());
        Self {
            layers: layers.collect(),
            context_labels: batch.labels_of(0).to_vec(),
            answer_slot: batch.slots_of(0).next(),
            answer_slots: batch.slots_of(0).collect(),
        }
    }
}
