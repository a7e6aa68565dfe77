//! Specs that cannot be read or run.

use precipice::spec::{SpecError, TaskSpec};

use super::hint;

/// What is wrong with a spec, a file of one, or an override.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecProblem {
    /// Neither a built-in nor a file.
    #[error("no such built-in spec or file{}; built-in specs: {}", hint(.nearest.as_deref(), |name| format!("{name:?}")), .there_are.join(", "))]
    Unknown {
        /// The most similar built-in, if any is similar.
        nearest: Option<String>,
        /// All built-ins.
        there_are: Vec<&'static str>,
    },
    /// A directory was named.
    #[error("is a directory; expected a TOML file or a built-in spec")]
    IsADirectory,
    /// Not UTF-8.
    #[error("is not a text file; expected TOML")]
    NotText,
    /// Nothing but blanks.
    #[error("is empty; expected a TOML spec like the one that `precipice show copying` prints")]
    Empty,
    /// No TOML, or a value of another type.
    #[error("{message}")]
    Syntax {
        /// What the parser says, with the place.
        message: String,
    },
    /// A field or a choice that is not known.
    #[error("{message}{}", hint(.nearest.as_deref(), |name| format!("`{name}`")))]
    UnknownField {
        /// What was found.
        found: String,
        /// The most similar of what was expected, if any is similar.
        nearest: Option<String>,
        /// What the parser says, with the place.
        message: String,
    },
    /// A field that has no default.
    #[error("{message}")]
    MissingField {
        /// What the parser says, with the place.
        message: String,
    },
    /// None or several of a choice.
    #[error("{message}; choose one, for example `sgd` or `adam` for an optimizer, {} for a task", families())]
    NotOneChoice {
        /// What the parser says, with the place.
        message: String,
    },
    /// An override without "=".
    #[error("expected key.sub=value")]
    NotAnAssignment,
    /// An override of what is no key.
    #[error("{key:?} is not a key; expected key.sub=value")]
    NotAKey {
        /// What stands before "=".
        key: String,
    },
    /// An override of nothing.
    #[error("expected a key")]
    NoKey,
    /// An override of a field inside a value.
    #[error("{key} is a value, not a table")]
    IsAValue {
        /// The value's key.
        key: String,
    },
    /// A field whose value cannot be run.
    #[error(transparent)]
    Invalid(#[from] SpecError),
    /// A run that would not fit into this machine.
    #[error(
        "the run would need about {:.1} GiB of memory, and this machine has {:.1} GiB; \
         make d_item, d_pos, n_layers, n_exemplars or n_labels smaller",
        gib(*.need_bytes),
        gib(*.have_bytes)
    )]
    TooMuchMemory {
        /// What the run would need.
        need_bytes: f64,
        /// What the machine has.
        have_bytes: f64,
    },
}

fn gib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 30)
}

/// The built-in families, in words.
fn families() -> String {
    let quoted = TaskSpec::FAMILIES.map(|family| format!("`{family}`"));
    let [first @ .., last] = &quoted;
    format!("{} or {last}", first.join(", "))
}
