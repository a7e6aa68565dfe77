//! Accuracy without a head.

use super::Column;
use super::accuracy::argmax;
use super::metric;
use crate::model::{Ablation, Description};
use crate::sequence::Batch;
use crate::spec::{AblationMode, AblationSpec};

/// Where the accuracy without a head stands.
pub fn column_of(ablation: &AblationSpec) -> Column {
    let AblationSpec { layer, head, mode } = ablation;
    metric::ABLATED_ACCURACY.at([&layer.to_string(), &head.to_string(), mode.name()])
}

/// What heads write instead, in the order of the spec, given a head's mean output.
pub(super) fn replacements(
    ablations: &[AblationSpec],
    description: &Description,
    mean: impl Fn(usize, usize) -> Vec<f32>,
) -> Vec<Ablation<f32>> {
    let replacement = |&AblationSpec { layer, head, mode }: &AblationSpec| {
        let replacement = match mode {
            AblationMode::Zero => vec![0.0; description.n_tokens() * description.d_head],
            AblationMode::Mean => mean(layer, head),
        };
        Ablation { layer, head, replacement }
    };
    ablations.iter().map(replacement).collect()
}

/// Right answers among all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answers {
    n: u64,
    correct: u64,
}

impl Answers {
    pub(super) fn add(&mut self, logits: &[f32], batch: &Batch) {
        self.n += batch.n_sequences as u64;
        for (row, &answer) in logits.chunks_exact(logits.len() / batch.n_sequences.max(1)).zip(&batch.answers) {
            let best = argmax((0..row.len() as u32).map(|label| (label, row[label as usize])));
            self.correct += u64::from(best == Some(answer));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.correct += other.correct;
    }

    pub(super) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.n as f64
    }
}
