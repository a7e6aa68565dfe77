//! Rows as tables for other tools: Parquet, CSV and npz.

use std::io::{Cursor, Write};
use std::sync::Arc;

use npyz::WriterBuilder;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use precipice::record::Row;

/// The rows of a log, column by column.
struct Columns {
    step: Vec<i64>,
    sequences: Vec<i64>,
    /// The union of the rows' columns, in order.
    values: Vec<(String, Vec<f64>)>,
}

fn columns(rows: &[Row]) -> Columns {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| &row.columns) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let column = |name: &str| (name.to_owned(), rows.iter().map(|row| row.value(name).unwrap_or(f64::NAN)).collect());
    let ints = |of: fn(&Row) -> u64| rows.iter().map(|row| of(row) as i64).collect();
    let values = names.into_iter().map(column).collect();
    Columns { step: ints(|row| row.step), sequences: ints(|row| row.sequences), values }
}

/// Parquet with int64 `step` and `sequences` and nullable doubles.
///
/// # Errors
/// If the Parquet library refuses.
///
/// ```
/// use precipice::record::Row;
/// use precipice_lab::store::tables;
/// let row = Row { step: 0, sequences: 0, columns: vec![("loss".to_owned(), 0.5)] };
/// assert_eq!(tables::csv(&[row.clone()]), "step,sequences,loss\n0,0,0.5\n");
/// assert!(tables::parquet(&[row.clone()])?.starts_with(b"PAR1"));
/// assert!(tables::npz(&[row])?.starts_with(b"PK"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parquet(rows: &[Row]) -> Result<Vec<u8>, ParquetError> {
    let Columns { step, sequences, values } = columns(rows);
    let first = [("step", step), ("sequences", sequences)];
    let first = first.into_iter().map(|(name, values)| (name.to_owned(), Column::Int(values)));
    let rest = values.into_iter().map(|(name, values)| (name, Column::Real(values)));
    write("rows", first.chain(rest).collect())
}

/// A column of a table.
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

/// A Parquet file of one table, all columns of one length.
///
/// # Errors
/// If the Parquet library refuses.
pub fn write(name: &str, columns: Vec<(String, Column)>) -> Result<Vec<u8>, ParquetError> {
    let fields = columns.iter().map(|(name, column)| column.field(name)).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder(name).with_fields(fields).build()?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut out = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut out, schema, properties)?;
    let mut group = writer.next_row_group()?;
    for (_, values) in &columns {
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

fn missing() -> ParquetError {
    ParquetError::General("fewer columns than the schema has".to_owned())
}

/// CSV with a header; undefined values are empty.
pub fn csv(rows: &[Row]) -> String {
    let Columns { step, sequences, values: columns } = columns(rows);
    let mut out = String::from("step,sequences");
    columns.iter().for_each(|(name, _)| out.extend([",", name]));
    for i in 0..rows.len() {
        out += &format!("\n{},{}", step[i], sequences[i]);
        for (_, values) in &columns {
            out += &if values[i].is_nan() { ",".to_owned() } else { format!(",{}", values[i]) };
        }
    }
    out + "\n"
}

/// An npz archive with one array a column.
///
/// # Errors
/// If writing to memory fails.
pub fn npz(rows: &[Row]) -> std::io::Result<Vec<u8>> {
    let Columns { step, sequences, values: columns } = columns(rows);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    npz_array(&mut archive, "step", &step)?;
    npz_array(&mut archive, "sequences", &sequences)?;
    for (name, values) in &columns {
        npz_array(&mut archive, name, values)?;
    }
    Ok(archive.finish().map_err(std::io::Error::other)?.into_inner())
}

fn npz_array<T: npyz::AutoSerialize + Copy>(
    archive: &mut zip::ZipWriter<Cursor<Vec<u8>>>,
    name: &str,
    values: &[T],
) -> std::io::Result<()> {
    archive
        .start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default())
        .map_err(std::io::Error::other)?;
    let mut bytes = Vec::new();
    let options = npyz::WriteOptions::new().default_dtype().shape(&[values.len() as u64]).writer(&mut bytes);
    let mut writer = options.begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    archive.write_all(&bytes)
}
