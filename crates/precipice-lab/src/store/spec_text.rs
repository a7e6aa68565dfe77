//! `spec.toml`: the resolved spec below a line that says its format, its address and its check.

use std::path::Path;

use precipice::spec::RunSpec;

use super::{files, pack, seal};
use crate::error::{LabError, RunDirProblem};
use crate::input::change::Assignment;
use crate::input::spec_file::{self, Changes};

/// Version of the run directory, which every file of it that is read states or is covered by.
pub const FORMAT: u32 = 2;

/// How the first line begins, by which a run directory is known.
const MARK: &str = "# precipice run, format ";

/// The text of the file.
///
/// ```
/// use precipice::spec::RunSpec;
/// use precipice_lab::store::spec_text;
/// let spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
/// assert!(spec_text::to_text(&spec).starts_with(&format!("# precipice run, format 2, spec {}", spec.hash())));
/// ```
pub fn to_text(spec: &RunSpec) -> String {
    let (spec_hash, body) = (spec.hash(), spec_file::to_toml(spec));
    let check = seal::check(&spec_hash, &body);
    format!("{}\n{body}", Header { format: FORMAT.to_string(), spec_hash, check }.line())
}

/// Reads a spec as [`spec_file::load`] does, or that of a packed run, by the name of its directory or of its spec in it.
///
/// # Errors
/// As [`spec_file::load`], or if the pack is damaged.
///
/// ```
/// use precipice_lab::input::spec_file::Changes;
/// use precipice_lab::store::spec_text::load;
/// assert_eq!(load("copying-small", &Changes { steps: Some(2), ..Changes::default() })?.train.steps, 2);
/// # Ok::<(), precipice_lab::error::LabError>(())
/// ```
pub fn load(name_or_path: &str, changes: &Changes) -> Result<RunSpec, LabError> {
    load_with(name_or_path, &changes.assignments()?)
}

/// The same with fields that were set here and there.
pub(crate) fn load_with(name_or_path: &str, assignments: &[Assignment]) -> Result<RunSpec, LabError> {
    match packed(name_or_path)? {
        Some(text) => spec_file::load_text(name_or_path, &text, Path::new(name_or_path).parent(), assignments),
        None => spec_file::load_with(name_or_path, assignments),
    }
}

/// The text of the spec of a packed run; none of any other name.
///
/// # Errors
/// If the pack is damaged.
pub(crate) fn packed(name_or_path: &str) -> Result<Option<String>, LabError> {
    let path = Path::new(name_or_path);
    let is_spec = path.file_name().is_some_and(|name| name == "spec.toml");
    let root = if is_spec { path.parent().unwrap_or(path) } else { path };
    let of_run = root.join("spec.toml");
    let Some(file) = pack::find(&of_run).filter(pack::Packed::is_file) else { return Ok(None) };
    let text = file.read()?.map(String::from_utf8).transpose();
    text.map_err(|_| damaged(&of_run, "it is not text"))
}

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the run directory.
    pub format: String,
    /// Address of the spec.
    pub spec_hash: String,
    check: String,
}

impl Header {
    /// The first line of a file; none where it is no spec of a run.
    pub fn read(path: &Path) -> Option<Self> {
        let bytes = files::read(path).ok()?;
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn line(&self) -> String {
        format!("{MARK}{}, spec {}, check {}", self.format, self.spec_hash, self.check)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.lines().next()?.strip_prefix(MARK)?.split(", ");
        let format = parts.next()?.to_owned();
        let mut named =
            |name: &str| parts.next().and_then(|part| part.strip_prefix(name)).unwrap_or_default().to_owned();
        Some(Self { format, spec_hash: named("spec "), check: named("check ") })
    }
}

/// Reads the spec of a run directory, which must be the one that its first line states.
///
/// # Errors
/// If it is damaged or was changed, or of another format.
pub fn read(path: &Path) -> Result<RunSpec, LabError> {
    let (header, body) = read_sealed(path)?;
    let spec = spec_file::parse_stored(&path.display().to_string(), &body)?;
    if spec.hash() != header.spec_hash {
        return Err(damaged(path, "it has another address than its first line says"));
    }
    Ok(spec)
}

/// What the first line says, and the text below, which has its check: it is as it was written, but no spec yet.
///
/// # Errors
/// As [`read`].
pub fn read_sealed(path: &Path) -> Result<(Header, String), LabError> {
    let text = String::from_utf8(files::read(path)?).map_err(|_| damaged(path, "it is not text"))?;
    let header = Header::parse(&text).ok_or_else(|| damaged(path, "its first line is not that of a run"))?;
    if header.format != FORMAT.to_string() {
        let problem = RunDirProblem::OtherFormat { found: header.format, expected: FORMAT.to_string() };
        return Err(LabError::run_dir(path, problem));
    }
    let (first, body) = text.split_once('\n').unwrap_or((&text, ""));
    if first != header.line() || seal::check(&header.spec_hash, body) != header.check {
        return Err(damaged(path, "it is not what its first line says"));
    }
    let body = body.to_owned();
    Ok((header, body))
}

fn damaged(path: &Path, what: &str) -> LabError {
    LabError::run_dir(path, RunDirProblem::DamagedSpec { what: what.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::atomic;

    #[test]
    fn every_changed_byte_of_a_spec_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        let spec = RunSpec { name: "mine".to_owned(), ..RunSpec::default() };
        let text = to_text(&spec);
        atomic::write(&path, text.as_bytes()).unwrap();
        assert_eq!(read(&path).unwrap().hash(), spec.hash());
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            match read(&path).map(|_| at) {
                Err(LabError::RunDir {
                    problem: RunDirProblem::DamagedSpec { .. } | RunDirProblem::OtherFormat { .. },
                    ..
                }) => {}
                other => panic!("byte {at}: {other:?}"),
            }
        }
        std::fs::write(&path, text.replace("format 2", "format 1")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("format 1; this version reads format 2"));
        std::fs::write(&path, text.replace("seed", "sead")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("not what its first line says"));
    }
}
