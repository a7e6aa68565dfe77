//! Files of items that cannot be used.

use precipice::task::ItemBankError;

use super::FileProblem;

/// What is wrong with a file of items.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemsProblem {
    /// No file of bytes.
    #[error("{0}; expected a file of items (of a stored run that was moved: --items PATH)")]
    File(#[from] FileProblem),
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
    /// No pictures of the items.
    #[error(
        "{problem}: to draw contexts, pictures of the items are needed, an array \"thumbnails\" beside them: \
         classes x instances x height x width, 0 to 255"
    )]
    NoThumbnails {
        /// Why.
        problem: ArrayProblem,
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
    /// Items that cannot be divided by their mean length.
    #[error("the items have a mean length of {length}, by which they cannot be divided; leave out normalize")]
    NoLength {
        /// What was found.
        length: f64,
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
    /// Other things than numbers, or complex ones.
    #[error("has dtype {found}; expected floats, integers or truth values of up to 64 bits: {}", .instead.advice())]
    Dtype {
        /// What was found.
        found: String,
        /// What its values are.
        instead: OtherValues,
    },
    /// More than fits into the memory.
    #[error("needs {need_bytes} bytes of memory, and {whose} {have_bytes}")]
    TooLarge {
        /// Of its values.
        need_bytes: u64,
        /// What there is.
        have_bytes: u64,
        /// Who sets the limit.
        whose: &'static str,
    },
}

/// What an array has where numbers were expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherValues {
    /// Numbers with an imaginary part.
    Complex,
    /// Floats of another width.
    Floats,
    /// Records with named fields.
    Records,
    /// Bytes whose meaning NumPy does not know.
    Bytes,
    /// Python objects, such as arrays of different lengths.
    Objects,
    /// Text or bytes.
    Text,
    /// Dates and durations.
    Times,
    /// Anything else.
    Unknown,
}

impl OtherValues {
    /// What the second half of a dtype of NumPy, as in `c8`, stands for.
    pub(crate) fn of_numpy(name: &str) -> Self {
        match name.as_bytes().first() {
            Some(b'c') => Self::Complex,
            Some(b'f') => Self::Floats,
            Some(b'V') => Self::Bytes,
            Some(b'O') => Self::Objects,
            Some(b'U' | b'S' | b'a' | b'T') => Self::Text,
            Some(b'm' | b'M') => Self::Times,
            _ => Self::Unknown,
        }
    }

    /// What is to be saved instead, in NumPy.
    fn advice(self) -> &'static str {
        match self {
            Self::Complex => "save items.real, or np.abs(items), for an item has real numbers",
            Self::Floats => "save items.astype(np.float32), or in PyTorch items.float()",
            Self::Records => {
                "save the numbers of one field, items[\"FIELD\"], or of several along a new last axis, \
                 np.stack([items[\"A\"], items[\"B\"]], axis=-1)"
            }
            Self::Bytes => {
                "NumPy wrote them without their type, as it does with bfloat16; convert the array before it is saved, \
                 items.astype(np.float32)"
            }
            Self::Objects => {
                "save np.array(items.tolist(), dtype=np.float32), which works where all items are numbers and equally \
                 long; others must be brought to one length first"
            }
            Self::Text => {
                "an item is a vector of numbers; text that spells numbers becomes them by items.astype(np.float32), words \
                 need an embedding of your own"
            }
            Self::Times => "save what they count: items.astype(np.int64)",
            Self::Unknown => "convert the values to np.float32 before they are saved",
        }
    }
}
