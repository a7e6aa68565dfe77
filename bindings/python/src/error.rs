//! What is raised: the classes of `precipice.errors`, with the words of the command line.

use std::io::ErrorKind;

use precipice::field::SpecError;
use precipice::run::RunError;
use precipice::task::TaskError;
use precipice_lab::error::{LabError, SpecProblem};
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyPermissionError};
use pyo3::prelude::*;

/// A class of `precipice.errors` with these arguments.
fn raised<'py>(py: Python<'py>, class: &str, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    let made = py.import("precipice.errors").and_then(|errors| errors.getattr(class)?.call1(arguments));
    made.map_or_else(|e| e, PyErr::from_value)
}

/// `precipice.Error`.
pub(crate) fn other(message: impl ToString) -> PyErr {
    Python::attach(|py| raised(py, "Error", (message.to_string(),)))
}

/// `precipice.SpecError`: a value that cannot be used.
pub(crate) fn value(field: &str, found: impl ToString, expected: impl ToString) -> PyErr {
    let (found, expected) = (found.to_string(), expected.to_string());
    let message = format!("{field} = {found}: {expected}");
    Python::attach(|py| raised(py, "SpecError", (message, field, found, expected)))
}

/// The same of a message in the words `field = value: expected`.
pub(crate) fn told(message: impl ToString) -> PyErr {
    let message = message.to_string();
    let parts = message.split_once(" = ").and_then(|(field, rest)| Some((field, rest.split_once(": ")?)));
    match parts {
        Some((field, (found, expected))) => value(field, found, expected),
        None => Python::attach(|py| raised(py, "SpecError", (message,))),
    }
}

/// Whatever goes wrong in the laboratory.
pub(crate) fn lab(error: LabError) -> PyErr {
    let message = error.to_string();
    // Where a change was said: here they are not options of the command line.
    let message = ["-s ", "-g "].iter().find_map(|option| message.strip_prefix(option)).unwrap_or(&message).to_owned();
    let spec = |field: Option<String>, found: Option<String>, expected: Option<String>| {
        Python::attach(|py| raised(py, "SpecError", (message.clone(), field, found, expected)))
    };
    match &error {
        LabError::Io { cause, .. } => match cause.kind() {
            ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
            ErrorKind::PermissionDenied => PyPermissionError::new_err(message),
            _ => PyOSError::new_err(message),
        },
        LabError::Spec { problem, .. } => match problem {
            SpecProblem::Invalid(SpecError { field, value, expected }) => {
                spec(Some(field.clone()), Some(value.clone()), Some(expected.clone()))
            }
            SpecProblem::UnknownField { found, nearest, known } => {
                let expected = if nearest.is_empty() { known.join(", ") } else { nearest.join(", ") };
                spec(Some(found.clone()), None, Some(expected))
            }
            SpecProblem::UnknownChoice { field, found, choices, .. }
            | SpecProblem::NotOneChoice { field, found, choices } => {
                spec(Some(field.clone()), Some(found.clone()), Some(choices.join(", ")))
            }
            SpecProblem::WrongKind { field, found, expected } => {
                spec(Some(field.clone()), Some(found.clone()), Some(expected.clone()))
            }
            SpecProblem::MissingField { field } => spec(Some(field.clone()), None, None),
            _ => spec(None, None, None),
        },
        LabError::Sweep { .. } | LabError::Items { .. } => spec(None, None, None),
        LabError::RunDir { .. } | LabError::File { .. } | LabError::Output { .. } => {
            Python::attach(|py| raised(py, "StoreError", (message,)))
        }
        LabError::Run(RunError::Task(TaskError::Foreign { family })) => {
            other(format!("the task {family:?} is written in Python, and is not here; give it as task="))
        }
        LabError::Run(RunError::Spec(_) | RunError::Task(_)) => told(message),
        _ => other(message),
    }
}
