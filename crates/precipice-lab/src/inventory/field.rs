//! Values of a run by the names that conditions and orders have for them.

use precipice::spec::RunSpec;
use serde_json::Value;

use super::entry::RunEntry;
use crate::error::{InventoryProblem, LabError};
use crate::input::change::parse_key;
use crate::input::{fields, told};

/// Names of what every run has, besides `final.COLUMN` and fields of its spec.
pub const COLUMNS: [&str; 17] = [
    "path",
    "name",
    "hash",
    "outcome",
    "t50",
    "onset_step",
    "width_10_90",
    "plateau_accuracy",
    "steps",
    "digest",
    "parent",
    "size",
    "age",
    "seconds",
    "arithmetic",
    "version",
    "sweep",
];

/// What a column of the last row is called here begins so.
const FINAL: &str = "final.";

/// Columns of the last row that an error lists, at most: a run with probes has a hundred.
const LISTED_MAX: usize = 12;

/// What is asked of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// One of [`COLUMNS`].
    Column(&'static str),
    /// A column of the last row.
    Final(String),
    /// A field of the spec, by its path.
    Spec(Vec<String>),
}

/// A value that is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    Nothing,
    Number(f64),
    Text(String),
}

impl Field {
    /// The field of a name.
    ///
    /// # Errors
    /// If there is none, with the nearest and all that have no path.
    pub fn parse(name: &str) -> Result<Self, LabError> {
        if let Some(column) = COLUMNS.into_iter().find(|column| *column == name) {
            return Ok(Field::Column(column));
        }
        if let Some(column) = name.strip_prefix(FINAL) {
            return Ok(Field::Final(column.to_owned()));
        }
        let known = fields::known_paths::<RunSpec>();
        let path = parse_key(name).unwrap_or_default();
        // Below a field that is a table of any names everything may stand.
        let is_open = |known: &&Vec<String>| path.len() > known.len() && path.starts_with(known);
        let is_leaf =
            |leaf: &Vec<String>| !known.iter().any(|other| other.len() > leaf.len() && other.starts_with(leaf));
        if known.contains(&path) || known.iter().filter(is_open).any(is_leaf) {
            return Ok(Field::Spec(path));
        }
        let paths: Vec<String> = known.iter().map(|path| fields::dotted(path)).collect();
        // Long paths resemble everything a little.
        let is_near = |known: &&str| strsim::levenshtein(name, known) <= 1 + name.len() / 3;
        let names = COLUMNS.into_iter().chain(paths.iter().map(String::as_str)).filter(is_near);
        Err(unknown(name, told::nearest(name, names), COLUMNS.map(str::to_owned).to_vec()))
    }

    /// Refuses a column of the last row that none of the runs has.
    ///
    /// # Errors
    /// With the nearest, and those there are.
    pub fn check(&self, runs: &[RunEntry]) -> Result<(), LabError> {
        let Field::Final(column) = self else { return Ok(()) };
        let with_rows = || runs.iter().filter(|run| !run.final_row.is_empty());
        if with_rows().next().is_none() || with_rows().any(|run| run.final_row.contains_key(column)) {
            return Ok(());
        }
        let mut known: Vec<String> = Vec::new();
        for name in with_rows().flat_map(|run| run.final_row.keys()) {
            if !known.contains(name) {
                known.push(name.clone());
            }
        }
        let nearest = told::nearest(column, known.iter().map(String::as_str)).map(|name| format!("{FINAL}{name}"));
        let n_more = known.len().saturating_sub(LISTED_MAX);
        let mut known: Vec<String> = known.iter().take(LISTED_MAX).map(|name| format!("{FINAL}{name}")).collect();
        known.extend((n_more > 0).then(|| format!("{n_more} more as --json has them")));
        Err(unknown(&format!("{FINAL}{column}"), nearest.as_deref(), known))
    }

    /// Whether it is always a number.
    pub fn is_number(&self) -> bool {
        let numbers = ["t50", "onset_step", "width_10_90", "plateau_accuracy", "steps", "size", "age", "seconds"];
        matches!(self, Field::Column(name) if numbers.contains(name)) || matches!(self, Field::Final(_))
    }

    /// Whether the beginning of a text stands for it.
    pub fn is_digest(&self) -> bool {
        matches!(self, Field::Column("hash" | "digest" | "parent"))
    }

    /// Of a run.
    pub fn of(&self, run: &RunEntry) -> Known {
        let text = |text: &Option<String>| text.clone().map_or(Known::Nothing, Known::Text);
        let number = |number: Option<f64>| number.map_or(Known::Nothing, Known::Number);
        match self {
            Field::Column(name) => match *name {
                "path" => Known::Text(run.path.clone()),
                "name" => text(&run.name),
                "hash" => text(&run.hash),
                "outcome" => Known::Text(run.outcome.word()),
                "t50" => number(run.t50),
                "onset_step" => number(run.onset_step),
                "width_10_90" => number(run.width_10_90),
                "plateau_accuracy" => number(run.plateau_accuracy),
                "steps" => number(run.steps.map(|steps| steps as f64)),
                "digest" => text(&run.digest),
                "parent" => text(&run.parent.as_ref().and_then(|parent| parent.hash.clone())),
                "size" => Known::Number(run.size as f64),
                "age" => number(run.age),
                "seconds" => number(run.seconds),
                "arithmetic" => text(&run.arithmetic),
                "version" => text(&run.version),
                _ => text(&run.sweep),
            },
            Field::Final(column) => known(run.final_row.get(column)),
            Field::Spec(path) => known(run.spec.get(&fields::dotted(path))),
        }
    }
}

fn unknown(found: &str, nearest: Option<&str>, known: Vec<String>) -> LabError {
    let (found, nearest) = (crate::error::excerpt(found), nearest.map(str::to_owned));
    LabError::Inventory(InventoryProblem::UnknownField { found, nearest, known })
}

fn known(value: Option<&Value>) -> Known {
    match value {
        None | Some(Value::Null) => Known::Nothing,
        Some(Value::Number(number)) => number.as_f64().map_or(Known::Nothing, Known::Number),
        Some(Value::String(text)) => Known::Text(text.clone()),
        Some(other) => Known::Text(other.to_string()),
    }
}
