//! Helpers of the sweeps' tests.

use serde_json::{Value, json};

use super::report::SweepRow;
use crate::store::RunOutcome;

/// A run at a point that is the first letter of its address.
pub(super) fn row(hash: &str, swept: &Value, seed: u64, t50: Option<f64>) -> SweepRow {
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
    SweepRow {
        spec_hash: hash.to_owned(),
        run_dir: format!("runs/{hash}"),
        point: hash[..1].to_owned(),
        swept: object(swept),
        seed,
        outcome: RunOutcome::Lost,
        steps: 10,
        t50,
        onset_step: None,
        width_10_90: Some(2.0),
        plateau_accuracy: None,
        final_row: object(&json!({ "loss": 0.5, "xi": null })),
    }
}
