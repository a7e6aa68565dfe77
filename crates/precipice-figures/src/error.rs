//! What can be wrong with a figure's data.

/// Why a figure could not be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FigureError {
    /// A list that must hold something is empty.
    #[error("{field} is empty; a figure needs at least one")]
    Empty {
        /// The list.
        field: String,
    },
    /// Two lists that belong together differ in length.
    #[error("{field} has {found} values, expected {expected}")]
    Length {
        /// The shorter or longer list.
        field: String,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// A value lies outside its range.
    #[error("{field} is {value}, allowed: {allowed}")]
    Value {
        /// The field.
        field: String,
        /// What stands there.
        value: String,
        /// Its range.
        allowed: &'static str,
    },
    /// The finished SVG could not be turned into pixels or a PDF.
    #[error("cannot write the figure as {format}: {reason}")]
    Render {
        /// PNG or PDF.
        format: &'static str,
        /// What the library says.
        reason: String,
    },
}
