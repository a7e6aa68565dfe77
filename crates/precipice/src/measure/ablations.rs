//! Accuracy without a head.

use super::accuracy::Accuracy;
use super::attention::HeadOutput;
use super::inside::Rooms;
use super::metric::{self, Metric};
use super::{Column, Probe, Row};
use crate::model::Ablation;
use crate::spec::{AblationMode, AblationSpec, ProbeSpec};
use crate::train::Trainer;
use crate::workers::Workers;

/// Heads replaced, each by itself.
#[derive(Debug)]
pub struct Ablations {
    heads: Vec<AblationSpec>,
    /// None where there is nothing to replace.
    rooms: Option<Rooms>,
}

impl Ablations {
    /// Those of a spec.
    pub fn new(trainer: &Trainer, probes: &ProbeSpec) -> Self {
        let rooms = (!probes.ablations.is_empty()).then(|| Rooms::new(trainer, probes.sequences));
        Self { heads: probes.ablations.clone(), rooms }
    }
}

/// Accuracy with one head replaced.
fn ablated(rooms: &Rooms, trainer: &Trainer, ablation: &AblationSpec, workers: &dyn Workers) -> Accuracy {
    let AblationSpec { layer, head, mode } = *ablation;
    let replacement = match mode {
        AblationMode::Zero => {
            let description = trainer.model().description();
            vec![0.0; description.n_tokens() * description.d_head]
        }
        AblationMode::Mean => rooms.tally(trainer, None, workers, || HeadOutput::new(layer, head)).mean(),
    };
    let ablation = Ablation { layer, head, replacement };
    rooms.tally(trainer, Some(&ablation), workers, Accuracy::default)
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
            row.push(column_of(ablation), ablated(rooms, trainer, ablation, workers).accuracy());
        }
    }
}
