//! Two logs, row by row.

use std::collections::BTreeSet;

use precipice::record::Row;
use serde::Serialize;

/// What two logs have in common, and where they part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RowsDifference {
    /// Rows of steps that both have.
    pub compared: usize,
    /// Steps of which only the first has a row.
    pub only_a: Vec<u64>,
    /// Steps of which only the second has one.
    pub only_b: Vec<u64>,
    /// Columns that only the first has.
    pub columns_only_a: Vec<String>,
    /// Columns that only the second has.
    pub columns_only_b: Vec<String>,
    /// The first rows of one step that differ in a column that both have.
    pub first: Option<RowDifference>,
}

/// Two rows of one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowDifference {
    /// Of both.
    pub step: u64,
    /// The columns that differ, in the order of the log.
    pub columns: Vec<ColumnDifference>,
}

/// A column that is not the same in two rows; NaN where it is undefined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnDifference {
    /// Its name; `sequences` for what was trained on.
    pub column: String,
    /// Its value in the first.
    pub a: f64,
    /// Its value in the second.
    pub b: f64,
    /// The second less the first.
    pub difference: f64,
}

impl RowsDifference {
    /// Of two logs, whose steps rise.
    pub fn of(a: &[Row], b: &[Row]) -> Self {
        let steps = |rows: &[Row]| rows.iter().map(|row| row.step).collect::<BTreeSet<u64>>();
        let (of_a, of_b) = (steps(a), steps(b));
        let of_both = |row: &&Row| of_a.contains(&row.step) && of_b.contains(&row.step);
        let pairs: Vec<(&Row, &Row)> = a.iter().filter(of_both).zip(b.iter().filter(of_both)).collect();
        let without = |one: &Row, other: &Row| {
            let names = one.columns.iter().map(|(name, _)| name);
            names.filter(|name| other.value(name).is_none()).cloned().collect()
        };
        let (columns_only_a, columns_only_b) =
            pairs.first().map_or_else(Default::default, |(a, b)| (without(a, b), without(b, a)));
        Self {
            compared: pairs.len(),
            only_a: of_a.difference(&of_b).copied().collect(),
            only_b: of_b.difference(&of_a).copied().collect(),
            columns_only_a,
            columns_only_b,
            first: pairs.into_iter().find_map(|(a, b)| RowDifference::of(a, b)),
        }
    }

    /// Whether both have the same rows and columns, with the same bits.
    pub fn is_none(&self) -> bool {
        let steps = self.only_a.is_empty() && self.only_b.is_empty();
        steps && self.columns_only_a.is_empty() && self.columns_only_b.is_empty() && self.first.is_none()
    }
}

impl RowDifference {
    fn of(a: &Row, b: &Row) -> Option<Self> {
        let sequences = ("sequences", a.sequences as f64, b.sequences as f64);
        let of_both = a.columns.iter().filter_map(|(name, value)| Some((name.as_str(), *value, b.value(name)?)));
        let differing = std::iter::once(sequences).chain(of_both).filter(|(_, a, b)| !is_same(*a, *b));
        let columns: Vec<ColumnDifference> = differing
            .map(|(name, a, b)| ColumnDifference { column: name.to_owned(), a, b, difference: b - a })
            .collect();
        (!columns.is_empty()).then_some(Self { step: a.step, columns })
    }
}

/// A log has one kind of undefined value.
fn is_same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64, columns: &[(&str, f64)]) -> Row {
        let columns = columns.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Row { step, sequences: 32 * step, columns }
    }

    #[test]
    fn the_first_row_that_differs_is_told_with_its_columns() {
        let a: Vec<Row> = (0..4).map(|i| row(10 * i, &[("loss", 2.0), ("xi", f64::NAN), ("accuracy", 0.5)])).collect();
        let mut b = a.clone();
        assert!(RowsDifference::of(&a, &b).is_none(), "undefined is the same as undefined");
        b[2].columns[0].1 = 2.0_f64.next_up();
        b[2].columns[1].1 = 1.0;
        b[3].columns[2].1 = 0.0;
        let found = RowsDifference::of(&a, &b);
        let first = found.first.clone().unwrap();
        let names: Vec<&str> = first.columns.iter().map(|one| one.column.as_str()).collect();
        assert_eq!((found.compared, first.step, names), (4, 20, vec!["loss", "xi"]));
        assert_eq!(first.columns[0].difference, 2.0_f64.next_up() - 2.0);
        assert!(first.columns[1].difference.is_nan() && !found.is_none());
    }

    #[test]
    fn rows_and_columns_that_only_one_has_are_told() {
        let a: Vec<Row> = [0, 10, 20, 30].map(|step| row(step, &[("loss", 1.0), ("ila1", 0.1)])).to_vec();
        let mut b: Vec<Row> = [0, 20, 25].map(|step| row(step, &[("loss", 1.0), ("own", 0.1)])).to_vec();
        let found = RowsDifference::of(&a, &b);
        assert_eq!((found.compared, &found.first), (2, &None));
        assert_eq!((&found.only_a[..], &found.only_b[..]), (&[10, 30][..], &[25][..]));
        assert_eq!(
            (&found.columns_only_a[..], &found.columns_only_b[..]),
            (&["ila1".to_owned()][..], &["own".to_owned()][..])
        );
        assert!(!found.is_none());
        b[1].sequences += 1;
        assert_eq!(RowsDifference::of(&a, &b).first.unwrap().columns[0].column, "sequences");
        let nothing = RowsDifference::of(&a, &[]);
        assert_eq!((nothing.compared, nothing.only_a.len(), nothing.first), (0, 4, None));
    }
}
