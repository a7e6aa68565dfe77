//! What was asked of a list of runs, and cannot be told.

use super::hint;

/// What is wrong with a condition or an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryProblem {
    /// A field that runs do not have.
    #[error(
        "no field {found:?}{}; there are {}, final.COLUMN and the fields of a spec by their path, as in train.steps",
        hint(.nearest.as_deref(), str::to_owned), .known.join(", ")
    )]
    UnknownField {
        /// As typed.
        found: String,
        /// The most similar one.
        nearest: Option<String>,
        /// Those of its kind.
        known: Vec<String>,
    },
    /// No comparison.
    #[error("{text:?}: expected FIELD, one of = != < <= > >= ~ (contains), and a value, as in 't50<3000'")]
    NotACondition {
        /// As typed.
        text: String,
    },
    /// A number is compared with something else.
    #[error(
        "{field} is compared with {found:?}; expected a number, of size with or without kB, MB or GB, of age and seconds \
         with or without s, min, h or days"
    )]
    NotANumber {
        /// The field.
        field: String,
        /// As typed.
        found: String,
    },
}
