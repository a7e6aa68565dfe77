//! A field of a spec whose value cannot be run, and the checks that find it.

/// A field whose value cannot be run.
///
/// ```
/// use precipice::field::within;
/// let error = within("task.own.n_exemplars", 1, 2, 4096).unwrap_err();
/// assert_eq!(error.to_string(), "task.own.n_exemplars = 1: must be from 2 to 4096");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} = {value}: {expected}")]
pub struct SpecError {
    /// Dotted path of the field.
    pub field: String,
    /// The value found.
    pub value: String,
    /// What is allowed, and why.
    pub expected: String,
}

/// Widths, and numbers of labels and positions, at most.
pub const WIDTH_MAX: usize = 1 << 16;

/// Says which field cannot be run, and what was expected.
pub fn error(field: &str, value: impl ToString, expected: impl Into<String>) -> SpecError {
    SpecError { field: excerpt(field), value: excerpt(&value.to_string()), expected: expected.into() }
}

/// Characters of what was typed that an error repeats.
const EXCERPT_MAX: usize = 160;

/// A text as errors repeat it: whole, or its beginning and its length.
///
/// ```
/// use precipice::field::excerpt;
/// assert_eq!(excerpt("short"), "short");
/// assert_eq!(excerpt(&"x".repeat(5000)), "x".repeat(80) + "… (5000 characters)");
/// ```
pub fn excerpt(text: &str) -> String {
    if text.len() <= EXCERPT_MAX || text.chars().nth(EXCERPT_MAX).is_none() {
        return text.to_owned();
    }
    let begin: String = text.chars().take(EXCERPT_MAX / 2).collect();
    format!("{begin}… ({} characters)", text.chars().count())
}

/// A name of which a folder or a file is made: 1 to 80 letters, digits, `-`, `_` and `.`.
///
/// # Errors
/// If it is another, so that it could stand for another place.
pub fn name(field: &str, name: &str) -> Result<(), SpecError> {
    if name.is_empty() {
        return Err(error(field, "(missing)", "must be given, because it names a folder"));
    }
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.len() > 80 || name.starts_with('.') || !name.chars().all(is_legal) {
        let expected = "must be 1 to 80 letters, digits, '-', '_' or '.', not first a '.', because it names a folder";
        return Err(error(field, format!("{:?}", excerpt(name)), expected));
    }
    Ok(())
}

/// A value from `low` to `high`.
///
/// # Errors
/// If it lies outside, or is not a number.
pub fn within<N: PartialOrd + ToString + Copy>(field: &str, value: N, low: N, high: N) -> Result<(), SpecError> {
    if value >= low && value <= high {
        return Ok(());
    }
    Err(error(field, value, format!("must be from {} to {}", low.to_string(), high.to_string())))
}

/// A finite number above 0.
///
/// # Errors
/// If it is another.
pub fn positive(field: &str, value: f64) -> Result<(), SpecError> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(error(field, value, "must be a finite number above 0"))
}

/// A number from 0 on, below 1.
///
/// # Errors
/// If it is another.
pub fn fraction(field: &str, value: f64) -> Result<(), SpecError> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(error(field, value, "must be at least 0 and below 1"))
}

/// A number from 0 to 1.
///
/// # Errors
/// If it is another.
pub fn share(field: &str, value: f64) -> Result<(), SpecError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(error(field, value, "must be from 0 to 1"))
}
