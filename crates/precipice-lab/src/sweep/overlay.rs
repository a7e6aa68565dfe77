//! Learning curves of several runs in one figure, told apart by what differs in their specs.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::PathBuf;

use precipice::measure::transition::transition_of;
use precipice::measure::{Column, metric};
use precipice::task::Facts;
use precipice_figures::{BandPanel, BandSeries, Bands, Figure, bands, thousands};
use serde_json::{Map, Value};

use super::apart::differences;
use super::dependence::measured;
use super::words;
use crate::error::{FigureProblem, LabError};
use crate::runs::StoredRun;

/// Runs that one figure tells apart: as many as there are colors.
pub const OVERLAY_MAX: usize = 6;
/// Fields that a legend names; of runs that differ in more it says name and folder.
const FIELDS_MAX: usize = 3;
/// Of the error.
const KIND: &str = "learning-curve";

/// Draws the runs over one step axis: a panel for each measure of success, and one of the loss.
///
/// # Errors
/// If there are more runs than colors, one is named twice, or their tasks measure different things.
pub fn draw_overlay(runs: &[StoredRun]) -> Result<Figure, LabError> {
    let refuse = |why: String| LabError::figure(KIND, FigureProblem::NotForThisRun { why });
    if runs.len() > OVERLAY_MAX {
        let why = format!("one figure tells at most {OVERLAY_MAX} runs apart, here are {}", runs.len());
        return Err(refuse(why + "; sweep the field in which they differ, and draw the sweep's ensemble"));
    }
    let roots: Vec<PathBuf> = runs.iter().map(absolute).collect();
    if let Some(twice) = (1..runs.len()).find(|&i| roots[..i].contains(&roots[i])) {
        return Err(refuse(format!("{} is named twice", runs[twice].run_dir.root().display())));
    }
    let runs = &in_order(runs)[..];
    let facts: Vec<Facts> = runs.iter().map(|run| run.spec.facts()).collect();
    let measures: Vec<Vec<Measure>> = facts.iter().map(measures_of).collect();
    if let Some(other) = (1..runs.len()).find(|&i| measures[i] != measures[0]) {
        let said = |i: usize| {
            let names = measures[i].iter().map(|measure| measure.name.as_str()).collect::<Vec<_>>().join(", ");
            format!("{} ({}) has {names}", runs[i].run_dir.root().display(), facts[i].family)
        };
        let why = "runs in one figure must measure the same, and";
        return Err(refuse(format!("{why} {}, but {}; draw them one by one", said(0), said(other))));
    }
    if let Some(empty) = runs.iter().find(|run| run.rows.is_empty()) {
        return Err(LabError::figure(KIND, FigureProblem::NoRows { path: empty.run_dir.root().to_owned() }));
    }
    let (names, title) = (with_jumps(names_of(runs), runs, &facts), title_of(&facts, runs));
    let panel = |measure: &Measure| BandPanel {
        heading: String::new(),
        y_name: measure.name.clone(),
        series: names.iter().zip(runs).map(|(name, run)| curve(name, run, &measure.column)).collect(),
        references: if measure.is_success { floor_of(&facts) } else { Vec::new() },
        marks: Vec::new(),
        mark_words: String::new(),
    };
    let panels = measures[0].iter().map(panel).collect();
    bands(&Bands { title, x_name: None, panels }).map_err(|e| LabError::figure(KIND, e))
}

/// What a panel shows.
#[derive(PartialEq)]
struct Measure {
    name: String,
    column: Column,
    is_success: bool,
}

fn measures_of(facts: &Facts) -> Vec<Measure> {
    let success = measured(facts).into_iter().map(|(name, column)| {
        let name = if name == facts.progress.words { name } else { format!("accuracy {name}") };
        Measure { name, column, is_success: true }
    });
    let unit = if facts.targets.are_labels() { " (nats)" } else { "" };
    let name = format!("{}{unit}", metric::LOSS.words);
    let loss = Measure { name, column: Column::of_loss(facts), is_success: false };
    success.chain([loss]).collect()
}

pub(super) fn absolute(run: &StoredRun) -> PathBuf {
    let root = run.run_dir.root();
    root.canonicalize().unwrap_or_else(|_| root.to_owned())
}

fn curve(name: &str, run: &StoredRun, column: &Column) -> BandSeries {
    BandSeries {
        name: name.to_owned(),
        x: run.rows.iter().map(|row| row.step as f64).collect(),
        values: run.rows.iter().map(|row| [row.get(column); 3]).collect(),
    }
}

/// The guess without the context, where it is the same for all.
pub(super) fn floor_of(facts: &[Facts]) -> Vec<(String, f64)> {
    let progress = &facts[0].progress;
    let is_same = facts.iter().all(|facts| facts.progress.floor == progress.floor);
    if is_same { vec![(progress.floor_words.clone(), progress.floor)] } else { Vec::new() }
}

/// Names with the jumps: "N = 4 · jump at 640".
pub(super) fn with_jumps(names: Vec<String>, runs: &[&StoredRun], facts: &[Facts]) -> Vec<String> {
    let one = |((name, run), facts): ((String, &&StoredRun), &Facts)| {
        let t50 = transition_of(facts, &run.rows).1.map(|jump| jump.t50).filter(|t50| t50.is_finite());
        let jump = t50.map_or_else(|| "no jump".to_owned(), |t50| format!("jump at {}", thousands(t50)));
        format!("{name} · {jump}")
    };
    names.into_iter().zip(runs).zip(facts).map(one).collect()
}

/// Names of the specs, and the sizes that all share.
pub(super) fn title_of(facts: &[Facts], runs: &[&StoredRun]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.spec.name.as_str()) {
            names.push(&run.spec.name);
        }
    }
    let sizes: Vec<&str> = facts[0].sizes.split(", ").collect();
    let shared = |size: &&str| facts.iter().all(|facts| facts.sizes.split(", ").any(|other| other == *size));
    let shared = sizes.into_iter().filter(shared).collect::<Vec<_>>().join(", ");
    let names = names.join(", ");
    if shared.is_empty() { names } else { format!("{names} · {shared}") }
}

/// Runs by the fields in which they differ, then by their seeds; else as they were given.
fn in_order(runs: &[StoredRun]) -> Vec<&StoredRun> {
    let specs: Vec<_> = runs.iter().map(|run| &run.spec).collect();
    let mut all: Vec<_> = runs.iter().zip(differences(&specs)).collect();
    all.sort_by(|(a, of_a), (b, of_b)| by_fields(of_a, of_b).then_with(|| seed_values(a).cmp(&seed_values(b))));
    all.into_iter().map(|(run, _)| run).collect()
}

/// Numbers by their size, words by their letters, field by field.
fn by_fields(a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let compare = |name: &String| match (a.get(name), b.get(name)) {
        (Some(a), Some(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => a.to_string().cmp(&b.to_string()),
        },
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    names.into_iter().map(compare).fold(Ordering::Equal, Ordering::then)
}

fn seed_values(run: &StoredRun) -> Vec<i64> {
    let seeds = toml::Table::try_from(run.spec.seeds).expect("seeds are plain data");
    seeds.values().filter_map(toml::Value::as_integer).collect()
}

/// What tells each run from the others: the fields in which the specs differ, the seeds, or the folders.
pub(super) fn names_of(runs: &[&StoredRun]) -> Vec<String> {
    let specs: Vec<_> = runs.iter().map(|run| &run.spec).collect();
    let different = differences(&specs);
    let n_fields = different[0].keys().filter(|key| *key != "name").count();
    let has_other_seeds = specs.iter().any(|spec| spec.seeds != specs[0].seeds);
    let folder = |run: &StoredRun| {
        let root = absolute(run);
        root.file_name().map_or_else(|| root.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let name = |(run, fields): (&&StoredRun, &Map<String, Value>)| {
        if n_fields > FIELDS_MAX {
            return folder(run);
        }
        let told = fields.iter().filter(|(key, _)| *key != "name").map(|(key, value)| words::told(key, value));
        let seeds = has_other_seeds.then(|| seeds_of(run));
        told.chain(seeds).collect::<Vec<_>>().join(", ")
    };
    let names: Vec<String> = runs.iter().zip(&different).map(name).collect();
    let is_unique = (0..names.len()).all(|i| !names[i].is_empty() && !names[..i].contains(&names[i]));
    if is_unique {
        return names;
    }
    let folders: Vec<String> = runs.iter().map(|run| folder(run)).collect();
    let is_unique = (0..folders.len()).all(|i| !folders[..i].contains(&folders[i]));
    if is_unique { folders } else { runs.iter().map(|run| run.run_dir.root().display().to_string()).collect() }
}

/// "seed 3", or all of them where they differ.
fn seeds_of(run: &StoredRun) -> String {
    let seeds = toml::Table::try_from(run.spec.seeds).expect("seeds are plain data");
    let values: Vec<String> = seeds.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let first = seeds.values().next();
    match first {
        Some(value) if seeds.values().all(|other| other == value) => format!("seed {value}"),
        _ => format!("seeds {}", values.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_in_order_as_numbers() {
        let of = |n: Value, rate: f64| {
            let fields = json!({ "task.copying.n_exemplars": n, "train.rate": rate });
            fields.as_object().unwrap().clone()
        };
        let mut all = [of(json!(16), 0.5), of(json!(4), 2.0), of(json!(8), 0.5), of(json!(4), 10.0), Map::new()];
        all.sort_by(by_fields);
        let told: Vec<String> =
            all.iter().map(|fields| fields.values().map(Value::to_string).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(told, ["", "4 2.0", "4 10.0", "8 0.5", "16 0.5"]);
        assert_eq!(
            by_fields(
                &json!({"a": "mlp"}).as_object().unwrap().clone(),
                &json!({"a": "linear"}).as_object().unwrap().clone()
            ),
            Ordering::Greater
        );
    }
}
