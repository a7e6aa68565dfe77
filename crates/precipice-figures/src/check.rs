//! Checks on a figure's data, made before anything is drawn.

use super::{FigureError, Jump, Series};

/// `Ok` when a list of `count` things has at least one.
pub(super) fn non_empty(field: &str, count: usize) -> Result<(), FigureError> {
    if count > 0 {
        return Ok(());
    }
    Err(FigureError::Empty { field: field.into() })
}

/// `Ok` when `found` equals `expected`.
pub(super) fn length(field: &str, found: usize, expected: usize) -> Result<(), FigureError> {
    if found == expected {
        return Ok(());
    }
    Err(FigureError::Length { field: field.into(), found, expected })
}

/// An error about one value.
pub(super) fn invalid(field: &str, value: impl ToString, allowed: &'static str) -> FigureError {
    FigureError::Value { field: field.into(), value: value.to_string(), allowed }
}

/// A value that an axis can show; others (`NaN`, a loss that has diverged) leave a gap.
pub(super) fn is_shown(value: f64) -> bool {
    value.is_finite() && value.abs() < 1e12
}

/// A step axis: not empty, finite, strictly increasing.
pub(super) fn steps(steps: &[f64]) -> Result<(), FigureError> {
    non_empty("steps", steps.len())?;
    let allowed = "below 1e12 and strictly increasing";
    if let Some(bad) = steps.iter().find(|s| !is_shown(**s)) {
        return Err(invalid("steps", bad, allowed));
    }
    match steps.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(invalid("steps", pair[1], allowed)),
        None => Ok(()),
    }
}

/// Every series has one value per step.
pub(super) fn series(field: &str, list: &[Series], n_steps: usize) -> Result<(), FigureError> {
    for series in list {
        let name = format!("{field} \"{}\"", series.name);
        length(&name, series.values.len(), n_steps)?;
    }
    Ok(())
}

/// A count that a reference line divides by or takes the logarithm of.
pub(super) fn positive(field: &str, count: usize) -> Result<(), FigureError> {
    if count > 0 {
        return Ok(());
    }
    Err(invalid(field, count, "at least 1"))
}

/// A run that did not jump has no [`Jump`]; one that did has a finite `t50`.
pub(super) fn jump(jump: Option<&Jump>) -> Result<(), FigureError> {
    match jump {
        Some(jump) if !is_shown(jump.t50) => Err(invalid("jump.t50", jump.t50, "finite (or no jump at all)")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_must_be_there_and_rise() {
        assert!(steps(&[]).is_err());
        assert!(steps(&[0.0, f64::NAN]).is_err());
        assert!(steps(&[1.0, 1.0]).is_err());
        assert_eq!(steps(&[5.0]), Ok(()));
    }

    #[test]
    fn errors_name_field_value_and_range() {
        let error = length("loss \"a\"", 3, 4).unwrap_err();
        assert_eq!(error.to_string(), "loss \"a\" has 3 values, expected 4");
        let error = positive("n_labels", 0).unwrap_err();
        assert_eq!(error.to_string(), "n_labels is 0, allowed: at least 1");
    }
}
