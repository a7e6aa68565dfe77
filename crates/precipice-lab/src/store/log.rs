//! The log: one JSON object a line, appended and flushed as rows are measured.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use precipice::record::Row;
use serde_json::Value;

use super::manifest::columns_of;
use crate::error::LabError;

/// One line of the log. NaN and infinities, which JSON does not have, become null.
///
/// ```
/// use precipice::record::Row;
/// use precipice_lab::store::log::to_line;
/// let columns = vec![("loss".to_owned(), 0.5), ("xi".to_owned(), f64::NAN)];
/// assert_eq!(to_line(&Row { step: 1, sequences: 128, columns }), r#"{"step":1,"sequences":128,"loss":0.5,"xi":null}"#);
/// ```
pub fn to_line(row: &Row) -> String {
    let mut object = serde_json::Map::new();
    object.insert("step".to_owned(), row.step.into());
    object.insert("sequences".to_owned(), row.sequences.into());
    object.extend(columns_of(row));
    Value::Object(object).to_string()
}

fn from_line(line: &str) -> Option<Row> {
    let Ok(Value::Object(object)) = serde_json::from_str(line) else { return None };
    let mut row =
        Row { step: object.get("step")?.as_u64()?, sequences: object.get("sequences")?.as_u64()?, ..Row::default() };
    for (name, value) in object.into_iter().filter(|(name, _)| name != "step" && name != "sequences") {
        row.columns.push((name, value.as_f64().unwrap_or(f64::NAN)));
    }
    Some(row)
}

/// Reads the whole lines of a log and where each of them ends. A torn last line is dropped, and
/// whatever follows a damaged line, because it cannot be trusted.
///
/// # Errors
/// If the file cannot be read. A missing file is an empty log.
pub fn read(path: &Path) -> Result<Vec<(Row, u64)>, LabError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(LabError::io("read", path)(e)),
    };
    let mut rows = Vec::new();
    let mut end = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        end += line.len() as u64;
        let whole = line.ends_with(b"\n");
        match std::str::from_utf8(line).ok().and_then(from_line) {
            Some(row) if whole => rows.push((row, end)),
            _ => break,
        }
    }
    Ok(rows)
}

/// The log of a run in progress.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    last_step: Option<u64>,
}

impl Log {
    /// Opens a log for appending after its first `keep` bytes, whose last row has `last_step`.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn open(path: &Path, keep: u64, last_step: Option<u64>) -> Result<Self, LabError> {
        let open = || {
            let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
            file.set_len(keep)?;
            file.seek(SeekFrom::Start(keep))?;
            Ok(file)
        };
        let file = open().map_err(LabError::io("write", path))?;
        Ok(Self { path: path.to_owned(), file, last_step })
    }

    /// Appends a row, unless the log already has it. Returns whether it was new.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn append(&mut self, row: &Row) -> Result<bool, LabError> {
        if self.last_step.is_some_and(|last| row.step <= last) {
            return Ok(false);
        }
        let line = to_line(row) + "\n";
        self.file.write_all(line.as_bytes()).map_err(LabError::io("write", &self.path))?;
        self.last_step = Some(row.step);
        Ok(true)
    }

    /// Waits until the rows are on the disk.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn sync(&self) -> Result<(), LabError> {
        self.file.sync_data().map_err(LabError::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use precipice::measure::metric;

    use super::*;

    fn row(step: u64) -> Row {
        Row { step, sequences: step * 128, columns: vec![("loss".to_owned(), 1.0 / 3.0), ("xi".to_owned(), f64::NAN)] }
    }

    #[test]
    fn rows_come_back_to_the_bit_and_torn_lines_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = Log::open(&path, 0, None).unwrap();
        for step in [0, 100, 100, 200] {
            log.append(&row(step)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let rows = read(&path).unwrap();
            assert_eq!(rows.len(), whole[..cut].iter().filter(|&&b| b == b'\n').count());
            for (i, (got, _)) in rows.iter().enumerate() {
                assert_eq!(
                    (got.step, got.get(&metric::LOSS.main()).to_bits()),
                    (i as u64 * 100, (1.0_f64 / 3.0).to_bits())
                );
                assert!(got.get(&metric::XI.main()).is_nan());
            }
        }
    }

    #[test]
    fn nothing_after_a_damaged_line_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, [to_line(&row(0)), "{".to_owned(), to_line(&row(200)), String::new()].join("\n"))
            .unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
    }
}
