//! What a network is asked for.

use serde::{Deserialize, Serialize};

/// What is to be answered; by it the readout, the loss and what can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// The label of the query: logits, cross-entropy in nats.
    QueryLabel {
        /// L, labels in all.
        n_labels: usize,
    },
    /// y of the query: minus the y column of its final row, half the square error.
    QueryValue,
}

impl Targets {
    /// Numbers that the network answers with: a logit for each label, or one value.
    pub fn n_outputs(self) -> usize {
        match self {
            Targets::QueryLabel { n_labels } => n_labels,
            Targets::QueryValue => 1,
        }
    }

    /// L; 0 where nothing has a label.
    pub fn n_labels(self) -> usize {
        match self {
            Targets::QueryLabel { n_labels } => n_labels,
            Targets::QueryValue => 0,
        }
    }

    /// Whether labels are to be answered.
    pub fn are_labels(self) -> bool {
        matches!(self, Targets::QueryLabel { .. })
    }
}
