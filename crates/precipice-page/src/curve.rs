//! A curve of a few points, for lists of many runs.

use precipice::record::Row;

/// Points of a curve, at most.
pub const POINTS: usize = 64;

/// Up to [`POINTS`] values of a column, evenly chosen with the first and the last; none where it is undefined.
pub fn of_rows(rows: &[Row], column: &str) -> Vec<Option<f64>> {
    chosen(rows.len()).map(|i| rows[i].value(column).filter(|value| value.is_finite())).collect()
}

/// The same of the bytes of a log, whose digest was checked: only the lines that are shown are looked into.
pub fn of_log(bytes: &[u8], column: &str) -> Vec<Option<f64>> {
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
    chosen(lines.len()).map(|i| value(lines[i], column)).collect()
}

fn chosen(n: usize) -> impl Iterator<Item = usize> {
    let n_points = n.min(POINTS);
    (0..n_points).map(move |i| if n <= POINTS { i } else { i * (n - 1) / (n_points - 1) })
}

/// The number after a key of an object that holds numbers alone.
fn value(line: &[u8], column: &str) -> Option<f64> {
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.split_once(&format!("\"{column}\":"))?.1;
    rest.split([',', '}']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use precipice_lab::store::log;

    use super::*;

    fn rows(n: u64) -> Vec<Row> {
        let columns = |step: u64| {
            let value = if step == 3 { f64::NAN } else { step as f64 / 7.0 };
            vec![("ic_accuracy".to_owned(), -1.0), ("accuracy".to_owned(), value)]
        };
        (0..n).map(|step| Row { step, sequences: 0, columns: columns(step) }).collect()
    }

    #[test]
    fn log_and_rows_have_the_same_curve() {
        for n in [0, 1, 2, 63, 64, 65, 1000] {
            let (rows, mut check, mut text) = (rows(n), "spec".to_owned(), String::new());
            for row in &rows {
                let (line, next) = log::to_line(row, &check);
                (text, check) = (text + &line + "\n", next);
            }
            let curve = of_rows(&rows, "accuracy");
            assert_eq!(curve.len() as u64, n.min(64));
            assert_eq!(of_log(text.as_bytes(), "accuracy"), curve);
            assert_eq!(curve.last().copied().flatten(), rows.last().map(|row| row.columns[1].1), "the last is there");
            assert!(of_log(text.as_bytes(), "loss").iter().all(Option::is_none));
        }
    }
}
