//! What is answered instead of what was asked for: a status and words.

use std::path::Path;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use precipice_lab::error::{FileProblem, LabError, RunDirProblem};
use serde_json::json;

/// An answer that says what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of HTTP.
    pub status: StatusCode,
    /// For a person.
    pub text: String,
}

impl Refusal {
    /// A status and its words.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// What the laboratory says of a file below `root`, whose own place is nobody's business.
    pub fn of(error: &LabError, root: &Path) -> Self {
        Self { status: status_of(error), text: told(error, root) }
    }
}

/// An error in words in which files are named from `root`.
pub fn told(error: &LabError, root: &Path) -> String {
    error.to_string().replace(&format!("{}/", root.display()), "")
}

fn status_of(error: &LabError) -> StatusCode {
    use RunDirProblem::{
        IsARun, IsASweep, NoCheckpoint, NoCheckpoints, NoRows, NoSuchRun, NotARunDirectory, NotASweep,
    };
    match error {
        LabError::RunDir {
            problem:
                NotARunDirectory
                | NoSuchRun { .. }
                | NoCheckpoint { .. }
                | NoCheckpoints
                | NoRows
                | IsASweep { .. }
                | IsARun
                | NotASweep { .. },
            ..
        } => StatusCode::NOT_FOUND,
        LabError::File { problem: FileProblem::TooLarge { .. }, .. } => StatusCode::PAYLOAD_TOO_LARGE,
        LabError::Io { cause, .. } => match cause.kind() {
            std::io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
            std::io::ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
            std::io::ErrorKind::InvalidInput => StatusCode::UNPROCESSABLE_ENTITY,
            std::io::ErrorKind::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        // There is something, and it cannot be understood.
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.text }).to_string();
        (self.status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body)
            .into_response()
    }
}
