//! Figures of a sweep that is stored: its axes are read off the runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use precipice::spec::RunSpec;
use precipice_figures::{Figure, thousands};
use serde_json::{Map, Value};

use super::dependence::is_at;
use super::diagrams::{SweepKind, draw_ensemble, draw_over};
use super::grid::as_json;
use super::plan::Axis;
use super::record::{NotEnded, Record};
use super::report::{SweepReport, SweepRow};
use crate::error::{FigureProblem, LabError};
use crate::store::{Manifest, RunDir};

/// A figure, and what is not on it.
pub struct StoredFigure {
    /// The page.
    pub figure: Figure,
    /// Runs that were asked for and have not ended.
    pub n_missing: usize,
    /// Points of the grid that have no place on the learning curves.
    pub n_left_out: usize,
}

/// Draws the runs of a folder that have ended, whichever sweeps made them.
///
/// # Errors
/// If the folder is not that of a sweep, no run has ended, a run is damaged, or the figure is drawn over another number
/// of fields than were swept.
pub fn draw_stored(kind: SweepKind, folder: &Path) -> Result<StoredFigure, LabError> {
    let record = Record::read(folder)?;
    let mut rows = record.ended(folder)?;
    if rows.is_empty() {
        let why = format!("no run in {} has ended; `precipice sweep` goes on with them", folder.display());
        return Err(LabError::figure(kind.name(), FigureProblem::NotForThisRun { why }));
    }
    let n_missing = record.n_runs() - rows.len();
    let axes = axes_of(rows.iter_mut().map(|row| &mut row.swept).collect());
    let report = in_order(&axes, rows);
    let title = format!("{} · {} runs", folder_name(folder), thousands(report.runs.len() as f64));
    let (figure, n_left_out) = match kind {
        SweepKind::Ensemble => draw_ensemble(&title, &report)?,
        _ => (draw_over(kind, &title, &axes, &report)?, 0),
    };
    Ok(StoredFigure { figure, n_missing, n_left_out })
}

/// The runs of a folder, whichever sweeps asked for them.
#[derive(Debug)]
pub struct StoredSweep {
    /// The folder's name, without what `precipice sweep` puts before it.
    pub name: String,
    /// What differs between the runs that have ended, the slowest first; where none has, between those that were asked
    /// for.
    pub axes: Vec<Axis>,
    /// The runs that have ended, point by point, with the fields of the axes.
    pub ended: Vec<SweepRow>,
    /// The others, with the fields that they were asked for by.
    pub others: Vec<NotEnded>,
}

impl StoredSweep {
    /// Reads a folder. Of each run spec and manifest are read by `read`, which may know them already: see
    /// [`ended`](super::ended). A damaged run is among the others.
    ///
    /// # Errors
    /// If the folder is not that of a sweep.
    pub fn open(
        folder: &Path,
        read: impl FnMut(&RunDir) -> Result<Option<(RunSpec, Manifest)>, LabError>,
    ) -> Result<Self, LabError> {
        let (mut ended, mut others) = Record::read(folder)?.all(folder, read);
        let axes = if ended.is_empty() {
            axes_of(others.iter_mut().map(|run| &mut run.swept).collect())
        } else {
            axes_of(ended.iter_mut().map(|row| &mut row.swept).collect())
        };
        let ended = in_order(&axes, ended).runs;
        Ok(Self { name: folder_name(folder), axes, ended, others })
    }
}

/// The value of a field that a spec does not have.
const LEFT_OUT: &str = "left out";

/// The folder's name, without what `precipice sweep` puts before it.
pub fn folder_name(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.strip_prefix("sweep-").map(str::to_owned).unwrap_or(name)
}

/// What differs between the points, the slowest first; fields that go together are one axis. Of the runs' fields only
/// those stay.
fn axes_of(mut rows: Vec<&mut Map<String, Value>>) -> Vec<Axis> {
    for swept in rows.iter_mut() {
        swept.values_mut().for_each(|value| *value = whole(value));
    }
    let mut keys: Vec<String> = Vec::new();
    for key in rows.iter().flat_map(|swept| swept.keys()) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    for swept in rows.iter_mut() {
        for key in &keys {
            swept.entry(key.clone()).or_insert_with(|| LEFT_OUT.into());
        }
    }
    let values = |key: &str| -> Vec<Value> { rows.iter().map(|swept| swept[key].clone()).collect() };
    // The last axis of a grid changes at every point, the one before it less often.
    let mut columns: Vec<(usize, String, Vec<Value>)> = keys
        .into_iter()
        .map(|key| {
            let values = values(&key);
            (values.windows(2).filter(|pair| pair[0] != pair[1]).count(), key, values)
        })
        .filter(|(n_changes, ..)| *n_changes > 0)
        .collect();
    columns.sort_by_key(|(n_changes, ..)| *n_changes);
    let mut groups: Vec<Vec<(String, Vec<Value>)>> = Vec::new();
    for (_, key, values) in columns {
        match groups.iter_mut().find(|group| go_together(&group[0].1, &values)) {
            Some(group) => group.push((key, values)),
            None => groups.push(vec![(key, values)]),
        }
    }
    let kept: BTreeSet<&String> = groups.iter().flatten().map(|(key, _)| key).collect();
    for swept in rows.iter_mut() {
        let all = std::mem::take(*swept);
        **swept = all.into_iter().filter(|(key, _)| kept.contains(key)).collect();
    }
    groups.iter().map(|group| axis_of(group)).collect()
}

/// 1.0 as 1: what was typed as one and what a spec says as the other is one value.
fn whole(value: &Value) -> Value {
    match value.as_f64() {
        Some(x) if value.is_f64() && x.fract() == 0.0 && x.abs() < 1e15 => Value::from(x as i64),
        _ => value.clone(),
    }
}

/// Whether each value of one field stands with one value of the other, and the other way round.
fn go_together(a: &[Value], b: &[Value]) -> bool {
    let is_function = |from: &[Value], to: &[Value]| {
        let mut known = BTreeMap::new();
        from.iter().zip(to).all(|(from, to)| *known.entry(from.to_string()).or_insert(to) == to)
    };
    is_function(a, b) && is_function(b, a)
}

/// Its points: numbers rising, words as they were asked for.
fn axis_of(group: &[(String, Vec<Value>)]) -> Axis {
    let n_rows = group[0].1.len();
    let mut points: Vec<Vec<toml::Value>> = Vec::new();
    for row in 0..n_rows {
        let point: Vec<toml::Value> = group.iter().map(|(_, values)| typed(&values[row])).collect();
        if !points.contains(&point) {
            points.push(point);
        }
    }
    let number = |point: &[toml::Value]| as_json(&point[0]).as_f64();
    if points.iter().all(|point| number(point).is_some()) {
        points.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
    }
    Axis::together(group.iter().map(|(key, _)| key.clone()).collect(), points)
}

/// The value that [`as_json`] makes this of.
fn typed(value: &Value) -> toml::Value {
    match value {
        Value::Bool(is) => (*is).into(),
        Value::Number(number) => match number.as_i64() {
            Some(n) => n.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.clone().into(),
        other => other.to_string().into(),
    }
}

/// The runs point by point, the last axis fastest.
fn in_order(axes: &[Axis], mut rows: Vec<SweepRow>) -> SweepReport {
    let place = |row: &SweepRow| -> Vec<usize> {
        let n_points = |axis: &Axis| axis.points.len();
        let at = |axis: &Axis| (0..n_points(axis)).position(|k| is_at(axis, k, row)).unwrap_or(n_points(axis));
        axes.iter().map(at).collect()
    };
    rows.sort_by_cached_key(place);
    SweepReport { runs: rows, ..SweepReport::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sweep::testing::row;

    fn axes(points: &[Value]) -> (Vec<Axis>, Vec<Value>) {
        let mut rows: Vec<SweepRow> =
            points.iter().enumerate().map(|(i, swept)| row(&format!("{i}"), swept, i as u64, None)).collect();
        let axes = axes_of(rows.iter_mut().map(|row| &mut row.swept).collect());
        let report = in_order(&axes, rows);
        (axes, report.runs.into_iter().map(|row| Value::Object(row.swept)).collect())
    }

    #[test]
    fn axes_are_read_off_the_runs() {
        // The grid's second axis is the faster one, whatever its name.
        let points =
            [json!({"z": 1, "a": 2}), json!({"z": 1, "a": 4}), json!({"z": 3, "a": 2}), json!({"z": 3, "a": 4})];
        let (found, _) = axes(&points);
        assert_eq!(found.iter().map(|axis| axis.keys[0].as_str()).collect::<Vec<_>>(), ["z", "a"]);
        // Of a larger sweep that began with a smaller one the numbers rise all the same.
        let (found, rows) = axes(&[json!({"a": 4}), json!({"a": 8}), json!({"a": 2}), json!({"a": 4.0})]);
        assert_eq!(found[0].points, [vec![2.into()], vec![4.into()], vec![8.into()]]);
        assert_eq!(rows, [json!({"a": 2}), json!({"a": 4}), json!({"a": 4}), json!({"a": 8})]);
    }

    #[test]
    fn fields_that_go_together_are_one_axis_and_what_stays_is_none() {
        let points = [json!({"n": 4, "l": 16, "k": 1}), json!({"n": 8, "l": 32, "k": 1})];
        let (found, rows) = axes(&points);
        assert_eq!((found.len(), found[0].keys.join(",")), (1, "n,l".to_owned()));
        assert_eq!(rows[0], json!({"n": 4, "l": 16}));
        assert!(axes(&[json!({"k": 1}), json!({"k": 1.0})]).0.is_empty());
        // A field that only some specs have.
        let (found, rows) = axes(&[json!({"clip": 2.0}), json!({})]);
        assert_eq!((found.len(), found[0].points.len(), &rows[1]), (1, 2, &json!({"clip": "left out"})));
    }
}
