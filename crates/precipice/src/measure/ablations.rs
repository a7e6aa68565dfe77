//! Accuracy without a head.

use super::accuracy::Accuracy;
use super::attention::HeadOutput;
use super::inside::Rooms;
use super::metric::{self, Metric};
use super::{Column, Probe, Row};
use crate::model::{Ablation, Reads};
use crate::spec::{AblationMode, AblationSpec, ProbeSpec};
use crate::train::Trainer;
use crate::workers::Workers;

/// Heads replaced, each by itself.
#[derive(Debug)]
pub struct Ablations {
    heads: Vec<AblationSpec>,
    /// For answers without a head; none where there is nothing to replace.
    rooms: Option<Rooms>,
    /// For what heads write at every token; none where no mean is asked for.
    whole: Option<Rooms>,
}

impl Ablations {
    /// Those of a spec.
    pub fn new(trainer: &Trainer, probes: &ProbeSpec) -> Self {
        let heads = probes.ablations.clone();
        let rooms = (!heads.is_empty()).then(|| Rooms::new(trainer, probes.sequences, Reads::QueryOnly));
        let has_means = heads.iter().any(|ablation| ablation.mode == AblationMode::Mean);
        let whole = has_means.then(|| Rooms::new(trainer, probes.sequences, Reads::All));
        Self { heads, rooms, whole }
    }

    /// Accuracy with one head replaced.
    fn ablated(&self, rooms: &Rooms, trainer: &Trainer, ablation: &AblationSpec, workers: &dyn Workers) -> Accuracy {
        let AblationSpec { layer, head, .. } = *ablation;
        let written = |whole: &Rooms| whole.tally(trainer, None, workers, || HeadOutput::new(layer, head)).mean();
        let nothing = || {
            let description = trainer.model().description();
            vec![0.0; description.n_tokens() * description.d_head]
        };
        let is_mean = ablation.mode == AblationMode::Mean;
        let replacement = self.whole.as_ref().filter(|_| is_mean).map_or_else(nothing, written);
        let ablation = Ablation { layer, head, replacement };
        rooms.tally(trainer, Some(&ablation), workers, Accuracy::default)
    }
}

/// Where the accuracy without a head stands.
pub fn column_of(ablation: &AblationSpec) -> Column {
    let AblationSpec { layer, head, mode } = ablation;
    metric::ABLATED_ACCURACY.at([&layer.to_string(), &head.to_string(), mode.name()])
}

impl Probe for Ablations {
    fn metrics(&self) -> Vec<Metric> {
        vec![metric::ABLATED_ACCURACY]
    }

    fn measure(&mut self, trainer: &Trainer, workers: &dyn Workers, row: &mut Row) {
        let Some(rooms) = &self.rooms else { return };
        for ablation in &self.heads {
            row.push(column_of(ablation), self.ablated(rooms, trainer, ablation, workers).accuracy());
        }
    }
}
