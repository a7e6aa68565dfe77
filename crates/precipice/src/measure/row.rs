//! One row of the log.

use super::metric::Column;

/// What is measured at one evaluation. Columns keep their order; NaN stands for "undefined".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Updates done.
    pub step: u64,
    /// Training sequences seen.
    pub sequences: u64,
    /// Columns by name.
    pub columns: Vec<(String, f64)>,
}

/// A name that is no column of the row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no column {name:?}; this row has {}", there_are.join(", "))]
pub struct UnknownColumn {
    /// The name asked for.
    pub name: String,
    /// The names that there are.
    pub there_are: Vec<String>,
}

impl Row {
    /// A column's value, NaN where this run does not measure it.
    pub fn get(&self, column: &Column) -> f64 {
        self.value(column.name()).unwrap_or(f64::NAN)
    }

    /// The value of a column whose name comes from outside.
    ///
    /// # Errors
    /// If the row has no such column.
    ///
    /// ```
    /// use precipice::measure::{Row, metric};
    /// let mut row = Row::default();
    /// row.push(metric::ACCURACY.main(), 0.5);
    /// assert_eq!(row.named("accuracy"), Ok(0.5));
    /// assert!(row.named("acuracy").unwrap_err().to_string().contains("accuracy"));
    /// ```
    pub fn named(&self, name: &str) -> Result<f64, UnknownColumn> {
        self.value(name).ok_or_else(|| {
            let there_are = self.columns.iter().map(|(name, _)| name.clone()).collect();
            UnknownColumn { name: name.to_owned(), there_are }
        })
    }

    /// The value of a name that stands in some row, if it stands in this one.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, value)| *value)
    }

    /// Appends a column.
    pub fn push(&mut self, column: Column, value: f64) {
        self.columns.push((column.name().to_owned(), value));
    }
}
