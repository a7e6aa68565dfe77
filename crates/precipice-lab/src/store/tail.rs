//! A log that is followed while it is written: only what is new is read.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use precipice::record::Row;

use super::log;
use crate::error::{LabError, RunDirProblem};

/// A place in a log, up to which its rows are known.
///
/// ```
/// use precipice::record::Row;
/// use precipice_lab::store::log::Log;
/// use precipice_lab::store::tail::Tail;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("log.jsonl");
/// let mut log = Log::open(&path, None, "hash of the spec")?;
/// let mut tail = Tail::new(&path, "hash of the spec");
/// log.append(&Row { step: 100, ..Row::default() })?;
/// assert_eq!(tail.more(1 << 20)?.len(), 1);
/// assert!(tail.more(1 << 20)?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tail {
    path: PathBuf,
    end: u64,
    n_lines: usize,
    check: String,
}

impl Tail {
    /// The beginning of the log of the run of a spec.
    pub fn new(path: &Path, spec_hash: &str) -> Self {
        Self { path: path.to_owned(), end: 0, n_lines: 0, check: spec_hash.to_owned() }
    }

    /// The next whole rows, of so many bytes at most; none where no row has come. A missing file is an empty log.
    ///
    /// # Errors
    /// If a line is damaged or longer than that, if the log has become shorter, or the system refuses.
    pub fn more(&mut self, most: u64) -> Result<Vec<Row>, LabError> {
        let bytes = match self.read(most) {
            Err(e) if e.kind() == ErrorKind::NotFound && self.end == 0 => return Ok(Vec::new()),
            read => read.map_err(LabError::io("read", &self.path))?,
        };
        let damaged = |line| LabError::run_dir(&self.path, RunDirProblem::DamagedLog { line });
        // A line that is cut off here may go on.
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        if whole == 0 && bytes.len() as u64 == most {
            return Err(damaged(self.n_lines + 1));
        }
        let found = log::parse(&bytes[..whole], &self.check);
        if let Some(line) = found.damaged_line {
            return Err(damaged(self.n_lines + line));
        }
        if let Some(last) = found.entries.last() {
            self.check.clone_from(&last.check);
        }
        (self.end, self.n_lines) = (self.end + whole as u64, self.n_lines + found.entries.len());
        Ok(found.entries.into_iter().map(|entry| entry.row).collect())
    }

    fn read(&self, most: u64) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() < self.end {
            return Err(std::io::Error::other("has become shorter: the run was begun again"));
        }
        file.seek(SeekFrom::Start(self.end))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::*;

    /// The text of a log of rows at these steps.
    fn text(steps: &[u64]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = log::Log::open(&path, None, "spec").unwrap();
        for &step in steps {
            log.append(&Row { step, ..Row::default() }).unwrap();
        }
        fs::read(path).unwrap()
    }

    fn steps(rows: Result<Vec<Row>, LabError>) -> Vec<u64> {
        rows.unwrap().iter().map(|row| row.step).collect()
    }

    #[test]
    fn rows_come_once_however_they_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let whole = text(&[0, 10, 20]);
        let mut tail = Tail::new(&path, "spec");
        assert!(tail.more(1000).unwrap().is_empty(), "there is no file yet");
        let (mut file, mut found) = (OpenOptions::new().create(true).append(true).open(&path).unwrap(), Vec::new());
        for byte in &whole {
            file.write_all(&[*byte]).unwrap();
            found.extend(steps(tail.more(1000)));
        }
        assert_eq!(found, [0, 10, 20]);
        // A line and a half at a time.
        let (mut tail, most) = (Tail::new(&path, "spec"), whole.len() as u64 / 2);
        assert_eq!([steps(tail.more(most)), steps(tail.more(most)), steps(tail.more(most))].concat(), [0, 10, 20]);
        assert!(Tail::new(&path, "spec").more(9).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn what_is_not_the_log_that_was_begun_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        fs::write(&path, text(&[0, 10])).unwrap();
        let mut tail = Tail::new(&path, "spec");
        assert_eq!(steps(tail.more(1000)), [0, 10]);
        fs::write(&path, text(&[0])).unwrap();
        assert!(tail.more(1000).unwrap_err().to_string().contains("shorter"));
        fs::write(&path, [text(&[0, 10]), text(&[20])].concat()).unwrap();
        assert!(tail.more(1000).unwrap_err().to_string().contains("line 3 is damaged"));
        assert!(Tail::new(&path, "other").more(1000).unwrap_err().is_damage());
    }
}
