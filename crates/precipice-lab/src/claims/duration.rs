//! How long the check of a claim takes, about: measured, or steps by steps a second.

use serde::Serialize;

/// Seconds of a check that finds no stored runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Duration {
    /// As it is.
    pub full: f64,
    /// With smaller experiments.
    pub fast: f64,
}

/// Where these numbers come from.
pub const HOW_LONG: &str = "On two cores of a shared Xeon or EPYC; claims that share runs take less together. \
                            Those of fast claims of seconds are measured; the others are steps by the steps a second of \
                            `precipice bench --threads 2`, and hours and days have not been spent.";

/// Full and fast, in seconds.
const ALL: [(&str, f64, f64); 25] = [
    ("essay-1", 60.0, 25.0),
    ("essay-2", 60.0, 5.0),
    ("essay-3", 0.2, 0.2),
    ("essay-4", 60.0, 5.0),
    ("essay-5", 120.0, 10.0),
    ("essay-6", 1100.0, 180.0),
    ("oswald-1", 60.0, 25.0),
    ("oswald-2", 420.0, 100.0),
    ("oswald-3", 90.0, 40.0),
    ("oswald-4", 150.0, 60.0),
    ("oswald-5", 1300.0, 480.0),
    ("oswald-6", 300.0, 120.0),
    ("oswald-7", 1900.0, 720.0),
    ("oswald-8", 300.0, 300.0),
    ("reddy-1", 600.0, 300.0),
    ("reddy-2", 26000.0, 700.0),
    ("reddy-3", 600.0, 150.0),
    ("reddy-4", 600.0, 180.0),
    ("reddy-5", 5400.0, 300.0),
    ("reddy-6", 24000.0, 480.0),
    ("reddy-7", 16000.0, 450.0),
    ("relation-1", 420.0, 210.0),
    ("relation-2", 840.0, 420.0),
    ("relation-3", 1200.0, 400.0),
    ("zhang-1", 220.0, 60.0),
];

/// Of a claim of the register.
///
/// # Panics
/// If there is no such claim.
pub fn about_seconds(id: &str) -> Duration {
    let found = ALL.into_iter().find(|(name, ..)| *name == id);
    let (_, full, fast) = found.unwrap_or_else(|| panic!("no claim {id:?}"));
    Duration { full, fast }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::register;

    #[test]
    fn every_claim_has_a_duration_and_none_is_longer_where_it_is_fast() {
        assert_eq!(register().len(), ALL.len());
        for claim in register() {
            let Duration { full, fast } = about_seconds(claim.id);
            assert!(0.0 < fast && fast <= full, "{}", claim.id);
        }
    }
}
