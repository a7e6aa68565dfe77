//! Arrays of numbers from `.npy`, `.npz` and `.safetensors` files, which may be damaged or made to do harm.
//!
//! A header is read first, up to a length. What it declares must be in the file and fit into the memory that is left,
//! before anything of that size is allocated; then values are read one after the other, and no more than it declares.

mod npy;
mod numbers;
mod safetensors;

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use super::file;
use crate::error::{ArrayProblem, FileProblem, excerpt};
use crate::machine;
use numbers::Kind;

/// An array of any shape, its last axis fastest.
#[derive(Debug)]
pub(crate) struct Array<T> {
    pub shape: Vec<usize>,
    pub values: Vec<T>,
}

/// What a header declares.
#[derive(Debug)]
struct Declared {
    kind: Kind,
    is_big_endian: bool,
    /// Whether the first axis is fastest.
    is_fortran: bool,
    shape: Vec<usize>,
}

/// A file, or one that is part of the program.
pub(crate) trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// Opens a file.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Source>, FileProblem> {
    Ok(Box::new(BufReader::with_capacity(1 << 16, file::open(path)?.0)))
}

/// The bytes of a file that are there already.
pub(crate) fn in_memory(bytes: impl AsRef<[u8]> + 'static) -> Box<dyn Source> {
    Box::new(Cursor::new(bytes))
}

/// Reads the array of a name, once `accept` has seen its shape. `extension` says what a file without a mark of its own
/// is; an `.npy` file has one array, whatever its name.
pub(crate) fn read<T, E: From<ArrayProblem>>(
    mut source: Box<dyn Source>,
    extension: &str,
    name: &str,
    accept: impl FnOnce(&[usize]) -> Result<(), E>,
    convert: impl Fn(f64) -> T,
) -> Result<Array<T>, E>
where
    T: Clone,
{
    let mut mark = Vec::new();
    source.by_ref().take(6).read_to_end(&mut mark).map_err(damaged)?;
    source.rewind().map_err(damaged)?;
    match &mark[..] {
        npy::MARK => {
            let n_bytes = length_of(&mut source)?;
            of_npy(&mut source, n_bytes, accept, convert)
        }
        [b'P', b'K', ..] => {
            let mut archive = zip::ZipArchive::new(source).map_err(damaged)?;
            let place = archive.index_for_name(&format!("{name}.npy")).ok_or_else(|| missing(&archive, name))?;
            let mut file = archive.by_index(place).map_err(damaged)?;
            let n_bytes = file.size();
            let array = of_npy(&mut file, n_bytes, accept, convert)?;
            // At the end of an entry its checksum is compared.
            file.read(&mut [0]).map_err(damaged)?;
            Ok(array)
        }
        _ if extension == "safetensors" => {
            let n_bytes = length_of(&mut source)?;
            let (declared, range) = safetensors::declared(&mut source, n_bytes, name)?;
            source.seek(SeekFrom::Start(range.start)).map_err(damaged)?;
            values(&mut source, declared, range.end - range.start, accept, convert)
        }
        _ => Err(ArrayProblem::NotAnArrayFile.into()),
    }
}

fn length_of(source: &mut Box<dyn Source>) -> Result<u64, ArrayProblem> {
    let end = source.seek(SeekFrom::End(0)).map_err(damaged)?;
    source.rewind().map_err(damaged)?;
    Ok(end)
}

/// At most this many names of arrays are listed.
const NAMES_MAX: usize = 20;

fn missing(archive: &zip::ZipArchive<Box<dyn Source>>, name: &str) -> ArrayProblem {
    let names = archive.file_names().filter_map(|file| Some(excerpt(file.ok()?.trim_end_matches(".npy"))));
    ArrayProblem::Missing { what: "array", name: excerpt(name), there_are: names.take(NAMES_MAX).collect() }
}

fn of_npy<T: Clone, E: From<ArrayProblem>>(
    source: &mut impl Read,
    n_bytes: u64,
    accept: impl FnOnce(&[usize]) -> Result<(), E>,
    convert: impl Fn(f64) -> T,
) -> Result<Array<T>, E> {
    let (declared, n_of_header) = npy::declared(source)?;
    values(source, declared, n_bytes.saturating_sub(n_of_header), accept, convert)
}

/// The values that a header declares, of `n_bytes` bytes that there are.
fn values<T: Clone, E: From<ArrayProblem>>(
    source: &mut impl Read,
    declared: Declared,
    n_bytes: u64,
    accept: impl FnOnce(&[usize]) -> Result<(), E>,
    convert: impl Fn(f64) -> T,
) -> Result<Array<T>, E> {
    let Declared { kind, is_big_endian, is_fortran, shape } = declared;
    let n = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
    let declared_bytes = n.and_then(|n| n.checked_mul(kind.n_bytes()));
    let n = match (n, declared_bytes) {
        (Some(n), Some(bytes)) if bytes as u64 <= n_bytes => n,
        _ => {
            let product = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
            let found = format!("it holds {n_bytes} bytes of values, fewer than {} of {product}", kind.name());
            return Err(ArrayProblem::Damaged { cause: excerpt(&found) }.into());
        }
    };
    accept(&shape)?;
    let mut out: Vec<T> = Vec::new();
    let (need, have) = (n as f64 * size_of::<T>() as f64, machine::memory());
    if need > have.bytes || out.try_reserve_exact(n).is_err() {
        let (need_bytes, have_bytes) = (need as u64, have.bytes as u64);
        return Err(ArrayProblem::TooLarge { need_bytes, have_bytes, whose: have.whose }.into());
    }
    if is_fortran && n > 0 {
        out.resize(n, convert(0.0));
        let place = |k| place_in_c_order(k, &shape);
        numbers::read(source, kind, is_big_endian, n, |k, value| out[place(k)] = convert(value)).map_err(damaged)?;
    } else {
        numbers::read(source, kind, is_big_endian, n, |_, value| out.push(convert(value))).map_err(damaged)?;
    }
    Ok(Array { shape, values: out })
}

/// Where the k-th value stands with the last axis fastest, if the first was.
fn place_in_c_order(mut k: usize, shape: &[usize]) -> usize {
    let (mut place, mut stride) = (0, shape.iter().product::<usize>());
    for &size in shape {
        stride /= size;
        place += k % size * stride;
        k /= size;
    }
    place
}

pub(super) fn damaged(cause: impl ToString) -> ArrayProblem {
    ArrayProblem::Damaged { cause: excerpt(&cause.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_first_is_rows_first_transposed() {
        // Of [2, 3]: values stand at (0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2).
        assert_eq!([0, 1, 2, 3, 4, 5].map(|k| place_in_c_order(k, &[2, 3])), [0, 3, 1, 4, 2, 5]);
        // Of [2, 2, 2]: the first axis is 4 apart.
        assert_eq!([1, 2, 4, 7].map(|k| place_in_c_order(k, &[2, 2, 2])), [4, 2, 1, 7]);
    }
}
