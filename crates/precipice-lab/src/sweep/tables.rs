//! The runs of a sweep as tables: a row for each run, or a row for each row of each log.

use std::path::Path;

use serde_json::{Map, Value};

use super::report::SweepRow;
use crate::error::LabError;
use crate::store::RunDir;
use crate::store::tables::Column::{self, Bool, Int, Real, Text};
use crate::store::tables::Table;

/// A row for each run: address, swept fields, seed, outcome, the jump, and the last row of its log.
pub fn table(rows: &[SweepRow]) -> Table {
    let real = |of: fn(&SweepRow) -> Option<f64>| Real(rows.iter().map(|row| of(row).unwrap_or(f64::NAN)).collect());
    let mut columns = vec![("spec_hash".to_owned(), Text(rows.iter().map(|row| row.spec_hash.clone()).collect()))];
    columns.extend(swept(rows, |_| 1));
    columns.push(("seed".to_owned(), Int(rows.iter().map(|row| row.seed as i64).collect())));
    columns.push(("outcome".to_owned(), Text(rows.iter().map(|row| row.outcome.name().to_owned()).collect())));
    columns.push(("steps".to_owned(), Int(rows.iter().map(|row| row.steps as i64).collect())));
    columns.push(("t50".to_owned(), real(|row| row.t50)));
    columns.push(("onset_step".to_owned(), real(|row| row.onset_step)));
    columns.push(("width_10_90".to_owned(), real(|row| row.width_10_90)));
    columns.push(("plateau_accuracy".to_owned(), real(|row| row.plateau_accuracy)));
    for name in names(rows, |row| &row.final_row) {
        let value = |row: &SweepRow| row.final_row.get(&name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        columns.push((format!("final_{name}"), Real(rows.iter().map(value).collect())));
    }
    Table { name: "runs", columns, metadata: Vec::new() }
}

/// One long table of all logs: directory, swept fields and seed of the run, then what was measured.
///
/// # Errors
/// If a log cannot be read.
pub fn curves(rows: &[SweepRow]) -> Result<Table, LabError> {
    let logs = rows.iter().map(|row| RunDir::new(&row.run_dir).rows()).collect::<Result<Vec<_>, _>>()?;
    let run = |row: &SweepRow| Path::new(&row.run_dir).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lens: Vec<usize> = logs.iter().map(Vec::len).collect();
    let repeated = || rows.iter().zip(&lens).flat_map(|(row, &n)| std::iter::repeat_n(row, n));
    let mut columns = vec![("run".to_owned(), Text(repeated().map(run).collect()))];
    columns.extend(swept(rows, |i| lens[i]));
    columns.push(("seed".to_owned(), Int(repeated().map(|row| row.seed as i64).collect())));
    columns.extend(Table::of_rows(&logs.concat()).columns);
    Ok(Table { name: "rows", columns, metadata: Vec::new() })
}

/// The swept fields, each value as often as its run has rows.
fn swept(rows: &[SweepRow], n_rows: impl Fn(usize) -> usize) -> Vec<(String, Column)> {
    let column = |name: String| {
        let repeated =
            rows.iter().enumerate().flat_map(|(i, row)| std::iter::repeat_n(row.swept.get(&name), n_rows(i)));
        let column = column_of(&repeated.collect::<Vec<_>>());
        (name, column)
    };
    names(rows, |row| &row.swept).into_iter().map(column).collect()
}

/// Whole numbers, truth values, numbers, or text; a run that has no such field has an undefined number or empty text.
fn column_of(values: &[Option<&Value>]) -> Column {
    if let Some(ints) = values.iter().map(|value| value.and_then(Value::as_i64)).collect() {
        return Int(ints);
    }
    if let Some(truths) = values.iter().map(|value| value.and_then(Value::as_bool)).collect() {
        return Bool(truths);
    }
    if values.iter().all(|value| value.is_none_or(Value::is_number)) {
        return Real(values.iter().map(|value| value.and_then(Value::as_f64).unwrap_or(f64::NAN)).collect());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Text(values.iter().map(|value| value.map(text).unwrap_or_default()).collect())
}

/// The union of the rows' names, in order.
fn names(rows: &[SweepRow], of: fn(&SweepRow) -> &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in rows.iter().flat_map(|row| of(row).keys()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sweep::SweepReport;
    use crate::sweep::summary::by_point;
    use crate::sweep::testing::row;

    #[test]
    fn a_field_keeps_its_kind_and_is_empty_where_it_was_not_swept() {
        let (a, b) = (json!({ "n": 4, "rate": 1, "kind": "sgd" }), json!({ "n": 8, "rate": 0.5, "clamps": true }));
        let table = table(&[row("a", &a, 3, Some(5.0)), row("b", &b, 4, None)]);
        let named = |name: &str| &table.columns.iter().find(|(column, _)| column == name).unwrap().1;
        assert_eq!(named("n"), &Int(vec![4, 8]));
        assert_eq!(named("rate"), &Real(vec![1.0, 0.5]));
        assert_eq!(named("kind"), &Text(vec!["sgd".to_owned(), String::new()]));
        assert_eq!(named("clamps"), &Text(vec![String::new(), "true".to_owned()]));
        assert_eq!(named("seed"), &Int(vec![3, 4]));
        assert_eq!(named("outcome"), &Text(vec!["lost".to_owned(); 2]));
        let csv = table.csv();
        assert_eq!(csv.lines().nth(1), Some("a,4,1,sgd,,3,lost,10,5,,2,,0.5,"));
        assert_eq!(csv.lines().nth(2), Some("b,8,0.5,,true,4,lost,10,,,2,,0.5,"));
        let absent = [Some(json!(4)), None];
        let Real(values) = column_of(&absent.each_ref().map(Option::as_ref)) else { panic!("numbers and none") };
        assert!(values[0] == 4.0 && values[1].is_nan());
    }

    #[test]
    fn seeds_of_other_sweeps_join_the_points_of_this_one() {
        let (a, b) = (json!({ "n": 4 }), json!({ "n": 8 }));
        let runs = vec![row("a0", &a, 0, None), row("b0", &b, 0, None)];
        // Of another point, of the first with another column, the first again, and what has its swept fields alone.
        let more = json!({ "n": 4, "rate": 0.1 });
        let of_others = [row("c0", &json!({ "n": 16 }), 0, None), row("a1", &more, 1, None), row("a0", &a, 0, None)];
        let of_others = [&of_others[..], &[row("d0", &b, 0, None)]].concat();
        let report = SweepReport { runs, ..SweepReport::default() }.with_more_seeds(of_others.to_vec());
        let hashes: Vec<&str> = report.runs.iter().map(|row| row.spec_hash.as_str()).collect();
        assert_eq!(hashes, ["a0", "a1", "b0"]);
        assert_eq!(by_point(&report.runs).iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }
}
