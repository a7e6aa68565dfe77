//! TOML texts to plain data, and what is wrong with them: where, and what is near.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Table;
use toml::de::{DeTable, DeValue};

use super::fields::{self, Fault, FieldError, dotted};
use crate::error::{LabError, SpecProblem, excerpt};

/// The TOML of a text.
pub(crate) fn table_of(origin: &str, text: &str) -> Result<Table, LabError> {
    text.parse::<Table>().map_err(|e| {
        let whole = e.to_string().trim_end().to_owned();
        let place = e.span().map_or_else(String::new, |span| place_in(text, span.start));
        // The parser repeats the line, however long it is.
        let is_short = whole.len() <= MESSAGE_MAX;
        let message = if e.message().contains("mantissa") {
            format!("{place}: TOML wants a digit before and after the point, as in 0.1 and 1.0")
        } else if is_short {
            whole
        } else {
            format!("{place}: {}", excerpt(e.message()))
        };
        LabError::spec(origin, SpecProblem::Syntax { message })
    })
}

/// Bytes of a parser's message that are printed.
const MESSAGE_MAX: usize = 600;

/// A table of a file as plain data.
pub(crate) fn deserialize<T: DeserializeOwned>(origin: &str, text: &str, table: Table) -> Result<T, LabError> {
    fields::read(table.clone()).map_err(|e| {
        let place = place_of(text, &e).map(|at| place_in(text, at));
        let origin = place.map_or_else(|| origin.to_owned(), |place| format!("{}: {place}", excerpt(origin)));
        LabError::spec(&origin, problem_of::<T>(e, &table))
    })
}

/// Where a field stands, or the table that lacks it.
fn place_of(text: &str, error: &FieldError) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let (mut at, mut here) = (None, DeValue::Table(table.get_ref().clone()));
    let unknown = match &error.fault {
        Fault::UnknownField { name, .. } => Some(name),
        _ => None,
    };
    for name in error.path.iter().chain(unknown) {
        let (start, inner) = match &here {
            DeValue::Table(table) => {
                let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
                (key.span().start, value.get_ref().clone())
            }
            DeValue::Array(list) => {
                let value = list.get(name.trim_matches(['[', ']']).parse::<usize>().ok()?)?;
                (value.span().start, value.get_ref().clone())
            }
            _ => break,
        };
        (at, here) = (Some(start), inner);
    }
    at
}

fn place_in(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    format!("line {}, column {}", before.matches('\n').count() + 1, before[line..].chars().count() + 1)
}

/// What is wrong with a field of a table, with what is near.
pub(super) fn problem_of<T: DeserializeOwned>(FieldError { path, fault }: FieldError, table: &Table) -> SpecProblem {
    let field = dotted(&path);
    match fault {
        Fault::UnknownField { name, known } => {
            let full = [&path[..], &[name]].concat();
            let nearest = nearest_paths(&full, &fields::known_paths::<T>(), table);
            SpecProblem::UnknownField { found: dotted(&full), nearest, known }
        }
        Fault::UnknownChoice { name, choices } => {
            let nearest = nearest(&name, choices.iter().copied()).map(str::to_owned);
            SpecProblem::UnknownChoice { field, found: excerpt(&name), nearest, choices }
        }
        Fault::NotOneChoice { found, choices } => SpecProblem::NotOneChoice { field, found, choices },
        Fault::Missing { name } => SpecProblem::MissingField { field: dotted(&[&path[..], &[name]].concat()) },
        Fault::Kind { found, expected } => SpecProblem::WrongKind { field, found, expected },
        Fault::ChoiceHasNoFields => {
            let expected = "the name alone: this choice has no fields".to_owned();
            SpecProblem::WrongKind { found: found_at(table, &path), field, expected }
        }
        // Where a type takes several kinds it says which.
        Fault::Other(expected) => SpecProblem::WrongKind { found: found_at(table, &path), field, expected },
    }
}

/// What stands at a path, as typed.
fn found_at(table: &Table, path: &[String]) -> String {
    let value = match path {
        [] => None,
        [first, rest @ ..] => rest.iter().try_fold(table.get(first), |at, name| {
            let at = at?;
            Some(at.get(name).or_else(|| at.get(name.trim_matches(['[', ']']).parse::<usize>().ok()?)))
        }),
    };
    value.flatten().map_or_else(|| "another value".to_owned(), fields::shown)
}

/// Known paths near an unknown one: those whose last names are spelled alike, first of tables that are in use.
fn nearest_paths(unknown: &[String], known: &[Vec<String>], table: &Table) -> Vec<String> {
    let is_used = |path: &[String]| {
        let tables = path[..path.len() - 1].iter().try_fold(table, |table, name| table.get(name)?.as_table());
        tables.is_some()
    };
    let last = unknown.last().map_or("", String::as_str);
    if unknown.join(".").len() > NAME_MAX {
        return Vec::new();
    }
    // The runs that a branch begins with have all fields once more.
    let is_meant = |path: &&Vec<String>| path[0] != "branch" || unknown.first() == path.first();
    let scored = known.iter().filter(is_meant).filter_map(|path| {
        let of_last = strsim::jaro_winkler(last, path.last()?);
        let of_whole = strsim::jaro_winkler(&unknown.join("."), &path.join("."));
        (of_last > 0.8).then_some((2.0 * of_last + of_whole + if is_used(path) { 0.5 } else { 0.0 }, path))
    });
    let mut near: Vec<(f64, &Vec<String>)> = scored.collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = near.first().map_or(0.0, |(score, _)| *score);
    near.into_iter().take_while(|(score, _)| *score > best - 0.1).take(3).map(|(_, path)| dotted(path)).collect()
}

/// Longer names resemble none, and to find that out takes long.
const NAME_MAX: usize = 200;

/// The most similar name, if any is similar.
pub fn nearest<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let names = names.filter(|_| found.len() <= NAME_MAX);
    let scored = names.map(|name| (strsim::jaro_winkler(found, name), name));
    scored.filter(|(score, _)| *score > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// Names in a folder that are looked through, at most.
const FILES_MAX: usize = 10_000;

/// What stands beside a path and is spelled most like it.
pub fn nearest_beside(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).ok()?.take(FILES_MAX).flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str)).map(|name| path.with_file_name(name))
}
