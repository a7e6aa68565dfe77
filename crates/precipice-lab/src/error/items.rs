//! Files of items that cannot be used.

use std::io;

use precipice::task::ItemBankError;

/// What is wrong with a file of items.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemsProblem {
    /// The operating system refused.
    #[error("cannot read it: {cause}; expected an array of items")]
    Unreadable {
        /// Why.
        cause: io::Error,
    },
    /// No such file is part of the program.
    #[error("no built-in items {name:?}; there is {there_is}")]
    UnknownBuiltIn {
        /// What was asked for.
        name: String,
        /// What there is.
        there_is: &'static str,
    },
    /// The array is not there, or cannot be read.
    #[error("{problem} (expected an array {array:?}: classes x instances x d_item)")]
    Array {
        /// Its name.
        array: String,
        /// Why.
        problem: ArrayProblem,
    },
    /// An array of items with other axes.
    #[error("array {array:?} has shape {shape:?}; expected three axes, classes x instances x d_item")]
    Shape {
        /// Its name.
        array: String,
        /// What was found.
        shape: Vec<usize>,
    },
    /// Pictures with other axes.
    #[error("thumbnails have shape {shape:?}; expected classes x instances x height x width")]
    ThumbnailShape {
        /// What was found.
        shape: Vec<usize>,
    },
    /// Other items than the spec was made for.
    #[error("the items have digest {found}, but the spec was made for {expected}")]
    OtherContent {
        /// BLAKE3 of what was found.
        found: String,
        /// Of what was there before.
        expected: String,
    },
    /// Items that do not fit the task.
    #[error(transparent)]
    Unfit(#[from] ItemBankError),
}

/// Why an array cannot be had from a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayProblem {
    /// Another kind of file.
    #[error("is not an .npz, .npy or .safetensors file")]
    NotAnArrayFile,
    /// A file that its library does not read.
    #[error("damaged or truncated: {cause}")]
    Damaged {
        /// What the library says.
        cause: String,
    },
    /// No array of that name.
    #[error("has no {what} {name:?}; it has {}", .there_are.join(", "))]
    Missing {
        /// "array" or "tensor".
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        there_are: Vec<String>,
    },
    /// Columns first.
    #[error("is in Fortran order; save it in C order")]
    FortranOrder,
    /// Records instead of numbers.
    #[error("has a structured dtype")]
    Structured,
    /// Other numbers.
    #[error("has dtype {found}; expected {expected}")]
    Dtype {
        /// What was found.
        found: String,
        /// What is read.
        expected: &'static str,
    },
}
