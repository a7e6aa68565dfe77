//! How far from the origin the theory computes.

use super::loss::Point;

/// Largest |β|, |α| and |ξ|. Soft-maxes are 0 or 1 to the last digit from 40 on; up to here e^β and its
/// square are numbers.
pub const REACH: f64 = 350.0;

/// A parameter that is no number, or too far from the origin.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{name} = {}: the theory computes from -{REACH} to {REACH}; its soft-maxes are 0 or 1 long before", short(*.value))]
pub struct OutOfReach {
    /// `beta`, `alpha` or `xi`.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
}

/// Two decimals, or the power of ten of what would fill a line.
fn short(value: f64) -> String {
    if value.abs() < 1e9 { format!("{value:.2}") } else { format!("{value:e}") }
}

/// Whether the theory can compute with a value.
pub fn is_within_reach(value: f64) -> bool {
    value.abs() <= REACH
}

/// Refuses points that the theory cannot compute with.
///
/// # Errors
/// Naming the first of (β, α, ξ) that is out of reach.
///
/// ```
/// use precipice::theory::within_reach;
/// assert!(within_reach([0.0, -5.0, 12.0]).is_ok());
/// assert_eq!(within_reach([0.0, -5e3, f64::NAN]).unwrap_err().name, "alpha");
/// ```
pub fn within_reach(point: Point) -> Result<(), OutOfReach> {
    let names = ["beta", "alpha", "xi"];
    match names.into_iter().zip(point).find(|(_, value)| !is_within_reach(*value)) {
        Some((name, value)) => Err(OutOfReach { name, value }),
        None => Ok(()),
    }
}
