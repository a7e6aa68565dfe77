//! The log: one JSON object a line, appended and flushed as rows are measured. Every line ends with a check of
//! itself and of all lines before it, so that no damage is taken for a measurement.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use precipice::record::Row;
use serde_json::Value;

use super::manifest::columns_of;
use super::{atomic, files, seal};
use crate::error::{LabError, RunDirProblem};

/// One line of the log and its check, which the next line is given. `before` is the check of the line before it,
/// and of the first line the hash of the spec. NaN and infinities, which JSON does not have, become null.
///
/// ```
/// use precipice::record::Row;
/// use precipice_lab::store::log::to_line;
/// let columns = vec![("loss".to_owned(), 0.5), ("xi".to_owned(), f64::NAN)];
/// let (line, _) = to_line(&Row { step: 1, sequences: 128, columns }, "hash of the spec");
/// assert!(line.starts_with(r#"{"step":1,"sequences":128,"loss":0.5,"xi":null,"check":""#));
/// ```
pub fn to_line(row: &Row, before: &str) -> (String, String) {
    seal::seal(&Value::Object(to_object(row)).to_string(), before)
}

/// A line as an object, without its check.
///
/// ```
/// use precipice::record::Row;
/// use precipice_lab::store::log::to_object;
/// let row = Row { step: 1, sequences: 128, columns: vec![("loss".to_owned(), f64::NAN)] };
/// assert_eq!(serde_json::Value::from(to_object(&row)).to_string(), r#"{"step":1,"sequences":128,"loss":null}"#);
/// ```
pub fn to_object(row: &Row) -> serde_json::Map<String, Value> {
    let mut object = serde_json::Map::new();
    object.insert("step".to_owned(), row.step.into());
    object.insert("sequences".to_owned(), row.sequences.into());
    object.extend(columns_of(row));
    object
}

fn from_line(line: &str, before: &str) -> Option<(Row, String)> {
    let (object, check) = seal::unseal(line, before)?;
    let Ok(Value::Object(object)) = serde_json::from_str(&object) else { return None };
    let mut row =
        Row { step: object.get("step")?.as_u64()?, sequences: object.get("sequences")?.as_u64()?, ..Row::default() };
    for (name, value) in object.into_iter().filter(|(name, _)| name != "step" && name != "sequences") {
        row.columns.push((name, value.as_f64().unwrap_or(f64::NAN)));
    }
    Some((row, check))
}

/// A whole line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What was measured.
    pub row: Row,
    /// Bytes of the log up to and with this line.
    pub end: u64,
    /// Of this line and all before it.
    pub check: String,
}

/// What stands in a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Whole lines up to the first that is damaged. A last line without an end was being written.
    pub entries: Vec<Entry>,
    /// Number of the first line that is not as it was written, from 1. Nothing after it is trusted.
    pub damaged_line: Option<usize>,
}

impl Reading {
    /// The rows, if nothing is damaged.
    ///
    /// # Errors
    /// Naming the damaged line.
    pub fn rows(self, path: &Path) -> Result<Vec<Row>, LabError> {
        Ok(self.whole(path)?.into_iter().map(|entry| entry.row).collect())
    }

    /// The lines, if nothing is damaged.
    ///
    /// # Errors
    /// Naming the damaged line.
    pub fn whole(self, path: &Path) -> Result<Vec<Entry>, LabError> {
        match self.damaged_line {
            Some(line) => Err(LabError::run_dir(path, RunDirProblem::DamagedLog { line })),
            None => Ok(self.entries),
        }
    }
}

/// Reads the log of the run of a spec.
///
/// # Errors
/// If the file cannot be read. A missing file is an empty log.
pub fn read(path: &Path, spec_hash: &str) -> Result<Reading, LabError> {
    match files::read(path) {
        Ok(bytes) => Ok(parse(&bytes, spec_hash)),
        Err(LabError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Reading::default()),
        Err(e) => Err(e),
    }
}

/// The same of bytes that were read.
pub fn parse(bytes: &[u8], spec_hash: &str) -> Reading {
    let mut entries = Vec::new();
    let damaged_line = walk(bytes, spec_hash, |entry| entries.push(entry));
    Reading { entries, damaged_line }
}

/// Hands out the whole lines up to the first that is damaged, and tells its number.
fn walk(bytes: &[u8], spec_hash: &str, mut visit: impl FnMut(Entry)) -> Option<usize> {
    let (mut end, mut before) = (0, spec_hash.to_owned());
    for (i, line) in bytes.split_inclusive(|&b| b == b'\n').enumerate() {
        end += line.len() as u64;
        let read = |line: &[u8]| std::str::from_utf8(line).ok().and_then(|line| from_line(line, &before));
        match line.strip_suffix(b"\n").map(read) {
            Some(Some((row, check))) => {
                before.clone_from(&check);
                visit(Entry { row, end, check });
            }
            // A line that was being written is the beginning of one, and no whole one with another end.
            None if line.split_last().is_none_or(|(_, line)| read(line).is_none()) => {}
            _ => return Some(i + 1),
        }
    }
    None
}

/// The log of a run in progress.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    len: u64,
    last_step: Option<u64>,
    check: String,
}

impl Log {
    /// Opens a log for appending after its first entries, which stay, and empties it where there are none.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn open(path: &Path, last: Option<&Entry>, spec_hash: &str) -> Result<Self, LabError> {
        let len = last.map_or(0, |entry| entry.end);
        let open = || {
            let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
            file.set_len(len)?;
            file.seek(SeekFrom::Start(len))?;
            Ok(file)
        };
        let file = open().map_err(LabError::io("write", path))?;
        let check = last.map_or(spec_hash, |entry| &entry.check).to_owned();
        Ok(Self { path: path.to_owned(), file, len, last_step: last.map(|entry| entry.row.step), check })
    }

    /// Appends a row, unless the log already has it. Returns whether it was new.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn append(&mut self, row: &Row) -> Result<bool, LabError> {
        if self.last_step.is_some_and(|last| row.step <= last) {
            return Ok(false);
        }
        let (line, check) = to_line(row, &self.check);
        let line = line + "\n";
        self.file.write_all(line.as_bytes()).map_err(LabError::io("write", &self.path))?;
        (self.len, self.last_step, self.check) = (self.len + line.len() as u64, Some(row.step), check);
        Ok(true)
    }

    /// The check of the last row, or the hash of the spec where there is none.
    pub fn check(&self) -> &str {
        &self.check
    }

    /// Waits until the rows are on the disk.
    ///
    /// # Errors
    /// If the system refuses, or the file is no longer the one that is written.
    pub fn sync(&self) -> Result<(), LabError> {
        self.file.sync_data().map_err(LabError::io("write", &self.path))?;
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == self.len) {
            return Ok(());
        }
        Err(LabError::run_dir(&self.path, RunDirProblem::ChangedWhileWritten))
    }

    /// The same, and reads them back.
    ///
    /// # Errors
    /// As [`Log::sync`], or if they are not what was written.
    pub fn sync_and_read(&self, spec_hash: &str) -> Result<(), LabError> {
        self.sync()?;
        // One row at a time: the run has them all in memory already.
        let mut last = spec_hash.to_owned();
        walk(&atomic::read(&self.path)?, spec_hash, |entry| last = entry.check);
        if last == self.check {
            return Ok(());
        }
        Err(LabError::run_dir(&self.path, RunDirProblem::ChangedWhileWritten))
    }
}

#[cfg(test)]
mod tests {
    use precipice::measure::metric;

    use super::*;

    fn row(step: u64) -> Row {
        Row { step, sequences: step * 128, columns: vec![("loss".to_owned(), 1.0 / 3.0), ("xi".to_owned(), f64::NAN)] }
    }

    fn written() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = Log::open(&path, None, "spec").unwrap();
        for step in [0, 100, 100, 200] {
            log.append(&row(step)).unwrap();
        }
        log.sync_and_read("spec").unwrap();
        let whole = fs::read(&path).unwrap();
        (folder, path, whole)
    }

    #[test]
    fn rows_come_back_to_the_bit_and_torn_lines_are_dropped() {
        let (_folder, _, whole) = written();
        for cut in 0..whole.len() {
            let found = parse(&whole[..cut], "spec");
            assert_eq!(found.damaged_line, None);
            assert_eq!(found.entries.len(), whole[..cut].iter().filter(|&&b| b == b'\n').count());
            for (i, Entry { row, .. }) in found.entries.iter().enumerate() {
                assert_eq!(
                    (row.step, row.get(&metric::LOSS.main()).to_bits()),
                    (i as u64 * 100, (1.0_f64 / 3.0).to_bits())
                );
                assert!(row.get(&metric::XI.main()).is_nan());
            }
        }
    }

    #[test]
    fn every_changed_byte_is_noticed_and_nothing_after_it_is_trusted() {
        let (_folder, _, whole) = written();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            let line = whole[..at].iter().filter(|&&b| b == b'\n').count();
            let found = parse(&bytes, "spec");
            assert_eq!((found.damaged_line, found.entries.len()), (Some(line + 1), line), "byte {at}");
        }
        // A line that is left out, and the log of another spec.
        let second = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
        assert_eq!(parse(&whole[second..], "spec").damaged_line, Some(1));
        assert_eq!(parse(&whole, "other").damaged_line, Some(1));
    }

    #[test]
    fn a_log_that_is_taken_away_is_noticed() {
        let (_folder, path, whole) = written();
        let last = read(&path, "spec").unwrap().entries.pop();
        let log = Log::open(&path, last.as_ref(), "spec").unwrap();
        log.sync().unwrap();
        let mut other = whole.clone();
        other[20] ^= 1;
        fs::write(&path, other).unwrap();
        assert!(log.sync().is_ok() && log.sync_and_read("spec").is_err());
        fs::remove_file(&path).unwrap();
        assert!(log.sync().unwrap_err().to_string().contains("while the run was written"));
    }
}
