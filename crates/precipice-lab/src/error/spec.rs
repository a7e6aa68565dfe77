//! Specs that cannot be read or run.

use precipice::spec::SpecError;

use super::{FileProblem, hint};

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
    /// Not UTF-8.
    #[error("is not a text file; expected TOML")]
    NotText,
    /// Nothing but blanks.
    #[error("is empty; expected a TOML spec like the one that `precipice show copying` prints")]
    Empty,
    /// A sweep was named where a spec was expected.
    #[error("is a sweep, a grid of runs: `precipice sweep {name}` makes them, `precipice show {name}` prints it")]
    IsASweep {
        /// As it was named.
        name: String,
    },
    /// Where a branch begins was to be changed.
    #[error(
        "where a branch begins is told by its name and its description, and is not changed afterwards; \
         `precipice branch RUN --at STEP` makes another branch"
    )]
    BeginningIsFixed,
    /// Not a file of bytes, or one that is larger than any spec.
    #[error(transparent)]
    File(#[from] FileProblem),
    /// No TOML.
    #[error("{message}")]
    Syntax {
        /// What the parser says, with the place.
        message: String,
    },
    /// A field that is not known.
    #[error("unknown field `{found}`{}", instead(.nearest, .known))]
    UnknownField {
        /// Its path.
        found: String,
        /// The most similar paths that are known.
        nearest: Vec<String>,
        /// The fields of the table that it stands in.
        known: &'static [&'static str],
    },
    /// A choice that is not known.
    #[error("{field} = {found:?}: expected {}{}", one_of(.choices), hint(.nearest.as_deref(), |name| format!("`{name}`")))]
    UnknownChoice {
        /// The field.
        field: String,
        /// As written.
        found: String,
        /// The most similar choice, if any is similar.
        nearest: Option<String>,
        /// All choices.
        choices: &'static [&'static str],
    },
    /// None or several of a choice.
    #[error("{field} = {found}: choose one, {}", one_of(.choices))]
    NotOneChoice {
        /// The field.
        field: String,
        /// As written.
        found: String,
        /// All choices.
        choices: &'static [&'static str],
    },
    /// A field that has no default.
    #[error("{field} is missing and has no default")]
    MissingField {
        /// Its path.
        field: String,
    },
    /// A value of another kind.
    #[error("{field} = {found}: expected {expected}")]
    WrongKind {
        /// The field.
        field: String,
        /// As written.
        found: String,
        /// The kind that the field takes.
        expected: String,
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
        "{} would need about {} of memory, and {whose} {}; the largest part is {largest}: {}",
        if *.n_runs == 1 { "the run".to_owned() } else { format!("{n_runs} runs at a time") },
        size(*.need_bytes),
        size(*.have_bytes),
        if *.n_runs == 1 { advice.clone() } else { format!("take fewer --workers, or {advice}") }
    )]
    TooMuchMemory {
        /// What the run, or the runs at a time, would need.
        need_bytes: f64,
        /// What there is.
        have_bytes: f64,
        /// Who sets the limit.
        whose: &'static str,
        /// Runs at a time.
        n_runs: usize,
        /// What takes most of it.
        largest: &'static str,
        /// Which fields make the run need less.
        advice: String,
    },
}

/// Bytes in words.
fn size(bytes: f64) -> String {
    let gib = bytes / f64::from(1 << 30);
    if gib < 1.0 { format!("{:.0} MiB", gib * 1024.0) } else { format!("{gib:.1} GiB") }
}

/// "`a`, `b` or `c`".
fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match &quoted[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        all => all.join(""),
    }
}

/// The nearest paths, or else the fields that there are.
fn instead(nearest: &[String], known: &[&str]) -> String {
    let nearest: Vec<&str> = nearest.iter().map(String::as_str).collect();
    if nearest.is_empty() {
        format!("; there are {}", known.join(", "))
    } else {
        format!("; did you mean {}?", one_of(&nearest))
    }
}
