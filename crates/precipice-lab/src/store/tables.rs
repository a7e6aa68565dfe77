//! Rows as tables for other tools: Parquet, CSV and npz.

use std::collections::HashSet;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use precipice::record::Row;
use precipice::spec::RunSpec;

use super::arrays::{self, Array, Values};
use crate::input::spec_file;

/// Columns of one length, and what is said of them all.
///
/// ```
/// use precipice::record::Row;
/// use precipice_lab::store::tables::Table;
/// let row = Row { step: 0, sequences: 0, columns: vec![("loss".to_owned(), 0.5)] };
/// let table = Table::of_rows(&[row]);
/// assert_eq!(table.csv(), "step,sequences,loss\n0,0,0.5\n");
/// assert!(table.parquet()?.starts_with(b"PAR1"));
/// assert!(table.npz()?.starts_with(b"PK"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Of the schema.
    pub name: &'static str,
    /// By name, in order.
    pub columns: Vec<(String, Column)>,
    /// Keys and values for formats that have a place for them.
    pub metadata: Vec<(String, String)>,
}

impl Table {
    /// The rows of a log, with the union of their columns.
    pub fn of_rows(rows: &[Row]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let mut known = HashSet::new();
        for (name, _) in rows.iter().flat_map(|row| &row.columns) {
            if known.insert(name) {
                names.push(name);
            }
        }
        let ints = |of: fn(&Row) -> u64| Column::Int(rows.iter().map(|row| of(row) as i64).collect());
        let real = |name: &str| Column::Real(rows.iter().map(|row| row.value(name).unwrap_or(f64::NAN)).collect());
        let first = [("step", ints(|row| row.step)), ("sequences", ints(|row| row.sequences))];
        let first = first.into_iter().map(|(name, column)| (name.to_owned(), column));
        let columns = first.chain(names.into_iter().map(|name| (name.to_owned(), real(name)))).collect();
        Self { name: "rows", columns, metadata: Vec::new() }
    }

    /// The same, with the spec that the rows were measured of.
    pub fn of_run(spec: &RunSpec, rows: &[Row]) -> Self {
        let seeds = serde_json::to_string(&spec.seeds).expect("seeds are plain data");
        let entries = [("spec", spec_file::to_toml(spec)), ("spec_hash", spec.hash()), ("seeds", seeds)];
        let metadata = entries.map(|(key, value)| (format!("precipice.{key}"), value)).to_vec();
        Self { metadata, ..Self::of_rows(rows) }
    }

    fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// Parquet: int64, nullable doubles, UTF-8; the metadata stand in the file's.
    ///
    /// # Errors
    /// If the Parquet library refuses.
    pub fn parquet(&self) -> Result<Vec<u8>, ParquetError> {
        let fields = self.columns.iter().map(|(name, column)| column.field(name)).collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::new(Type::group_type_builder(self.name).with_fields(fields).build()?);
        let entries = self.metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let properties = Arc::new(properties.set_key_value_metadata(Some(entries)).build());
        let mut out = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut out, schema, properties)?;
        let mut group = writer.next_row_group()?;
        for (_, values) in &self.columns {
            let mut column = group.next_column()?.ok_or_else(missing)?;
            match values {
                Column::Int(values) => {
                    column.typed::<Int64Type>().write_batch(values, None, None)?;
                }
                Column::Bool(values) => {
                    column.typed::<BoolType>().write_batch(values, None, None)?;
                }
                Column::Real(values) => {
                    let defined: Vec<i16> = values.iter().map(|value| i16::from(!value.is_nan())).collect();
                    let values: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
                    column.typed::<DoubleType>().write_batch(&values, Some(&defined), None)?;
                }
                Column::Text(values) => {
                    let values: Vec<ByteArray> = values.iter().map(|value| ByteArray::from(value.as_str())).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
                }
            }
            column.close()?;
        }
        group.close()?;
        writer.close()?;
        Ok(out)
    }

    /// CSV with a header; undefined values are empty, text with commas or quotes is quoted.
    pub fn csv(&self) -> String {
        let line = |cells: Vec<String>| cells.join(",") + "\n";
        let mut out = line(self.columns.iter().map(|(name, _)| quoted(name)).collect());
        for i in 0..self.n_rows() {
            let cell = |(_, column): &(String, Column)| match column {
                Column::Int(values) => values[i].to_string(),
                Column::Bool(values) => values[i].to_string(),
                Column::Real(values) if values[i].is_nan() => String::new(),
                Column::Real(values) => values[i].to_string(),
                Column::Text(values) => quoted(&values[i]),
            };
            out += &line(self.columns.iter().map(cell).collect());
        }
        out
    }

    /// An npz archive with one array a column; text as fixed-width Unicode.
    ///
    /// # Errors
    /// If writing to memory fails.
    pub fn npz(&self) -> std::io::Result<Vec<u8>> {
        let array = |(name, column): &(String, Column)| {
            let values = match column {
                Column::Int(values) => Values::Int(values.clone()),
                Column::Bool(values) => Values::Bool(values.clone()),
                Column::Real(values) => Values::Real(values.clone()),
                Column::Text(values) => Values::Text(values.clone()),
            };
            Array::new(name, &[column.len()], values)
        };
        arrays::npz(&self.columns.iter().map(array).collect::<Vec<_>>())
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// int64
    Int(Vec<i64>),
    /// boolean
    Bool(Vec<bool>),
    /// double, null where it is NaN
    Real(Vec<f64>),
    /// UTF-8
    Text(Vec<String>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Column::Int(values) => values.len(),
            Column::Bool(values) => values.len(),
            Column::Real(values) => values.len(),
            Column::Text(values) => values.len(),
        }
    }

    fn field(&self, name: &str) -> Result<Arc<Type>, ParquetError> {
        let (physical, repetition, logical) = match self {
            Column::Int(_) => (Physical::INT64, Repetition::REQUIRED, None),
            Column::Bool(_) => (Physical::BOOLEAN, Repetition::REQUIRED, None),
            Column::Real(_) => (Physical::DOUBLE, Repetition::OPTIONAL, None),
            Column::Text(_) => (Physical::BYTE_ARRAY, Repetition::REQUIRED, Some(LogicalType::String)),
        };
        let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        builder.with_logical_type(logical).build().map(Arc::new)
    }
}

fn missing() -> ParquetError {
    ParquetError::General("fewer columns than the schema has".to_owned())
}

/// A cell of a CSV file (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    fn table() -> Table {
        let columns = vec![
            ("run".to_owned(), Column::Text(vec!["a".to_owned(), "b, \"c\"".to_owned()])),
            ("seed".to_owned(), Column::Int(vec![0, -1])),
            ("loss".to_owned(), Column::Real(vec![f64::NAN, 0.5])),
        ];
        Table { name: "runs", columns, metadata: Vec::new() }
    }

    #[test]
    fn text_is_quoted_and_undefined_values_are_empty() {
        assert_eq!(table().csv(), "run,seed,loss\na,0,\n\"b, \"\"c\"\"\",-1,0.5\n");
    }

    #[test]
    fn a_table_of_a_run_says_of_which() {
        let spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
        let row = Row { step: 0, sequences: 0, columns: vec![("loss".to_owned(), 0.5)] };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&Table::of_run(&spec, &[row]).parquet().unwrap()).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let entries = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let value = |key: &str| entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.clone());
        assert_eq!(value("precipice.spec_hash"), Some(spec.hash()));
        assert_eq!(value("precipice.spec"), Some(spec_file::to_toml(&spec)));
        assert!(value("precipice.seeds").unwrap().contains("\"init\":0"));
    }
}
